//! Whether the table of a job is still the one that the job began with. A table that was deleted and recreated has
//! another `TableId` (DynamoDB API Reference, `TableDescription`).

use std::time::Duration;

use job_aws::{Clients, Fault, FaultKind, Policy};

use crate::{
    aws::{dynamodb, table::TableFacts},
    failure::{Failure, FailureKind},
    stop::Stop,
};

/// How long checking the table may take: less than the time after which another coordinator takes over the job.
const TABLE_CHECK_LIMIT: Duration = Duration::from_secs(20);
/// How long finding out why a job failed may take.
const EXPLAIN_LIMIT: Duration = Duration::from_secs(3);

/// The identity of a job's table.
#[derive(Clone, Debug)]
pub(crate) struct TableIdentity {
    /// Name or ARN, as given. A table of another account is found only by its ARN.
    pub(crate) asked: String,
    /// `None` if the server reports none, as some emulators do.
    id: Option<String>,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TableCheck {
    /// The same table, as far as is known.
    Same,
    /// No table. Contains the message.
    Gone(String),
    /// Another table. Contains the message.
    Another(String),
}

impl TableIdentity {
    pub(crate) fn new(asked: &str, facts: &TableFacts) -> Self {
        Self { asked: asked.to_owned(), id: facts.id() }
    }

    /// What a new description of the table means.
    ///
    /// # Errors
    /// Fails with the fault of the description, unless it is that the table does not exist.
    pub(crate) fn judge(&self, described: Result<&TableFacts, &Fault>) -> Result<TableCheck, Fault> {
        let table = &self.asked;
        match described {
            Ok(facts) => match (&self.id, facts.id()) {
                (Some(before), Some(now)) if *before != now => Ok(TableCheck::Another(format!(
                    "table {table} was deleted and recreated during this job (TableId was {before}, is {})",
                    now.escape_debug()
                ))),
                _ => Ok(TableCheck::Same),
            },
            Err(fault) if fault.kind == FaultKind::NotFound => {
                Ok(TableCheck::Gone(format!("{}: it was deleted during this job", fault.message)))
            }
            Err(fault) => Err(fault.clone()),
        }
    }

    /// Describes the table again, and compares it.
    ///
    /// # Errors
    /// Fails if it could not be described in time.
    pub(crate) async fn compare(&self, clients: &Clients) -> Result<TableCheck, Fault> {
        let late = |_| {
            let why =
                format!("no answer about table {} within {} s", self.asked, TABLE_CHECK_LIMIT.as_secs());
            Fault::new(FaultKind::Transient, why)
        };
        let described = Policy::Patient.retry(|| dynamodb::describe(clients, &self.asked));
        let described = tokio::time::timeout(TABLE_CHECK_LIMIT, described).await.map_err(late)?;
        self.judge(described.as_ref())
    }

    /// The same for a job, unless it is to stop. `done` says what it has done, if the table can't be described: the
    /// beginning of the message, or nothing.
    ///
    /// # Errors
    /// Fails with `FailureKind::Stopped` after a request to stop, and with `FailureKind::Failed` if the table could not
    /// be described in time.
    pub(crate) async fn check(
        &self,
        clients: &Clients,
        stop: &Stop,
        done: &str,
    ) -> Result<TableCheck, Failure> {
        let compared = stop.unless_requested(self.compare(clients)).await.map_err(Failure::stopped)?;
        compared.map_err(|fault| {
            Failure::failed(format!("{done}the table's identity could not be checked: {fault}"))
        })
    }

    /// The failure of a job, replaced if the job failed because its table is gone or was recreated.
    pub(crate) async fn explain(&self, clients: &Clients, failure: Failure) -> Failure {
        if !failure.is(FailureKind::Failed) {
            return failure;
        }
        let described = tokio::time::timeout(EXPLAIN_LIMIT, dynamodb::describe(clients, &self.asked)).await;
        match described.map(|described| self.judge(described.as_ref())) {
            Ok(Ok(TableCheck::Gone(found) | TableCheck::Another(found))) => Failure::other_table(found),
            _ => failure,
        }
    }
}

/// Whether both of two names or IDs of a table are known, and they differ.
pub(crate) fn differ(before: Option<&str>, now: Option<&str>) -> bool {
    before.is_some() && now.is_some() && before != now
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::aws::table::tests::described;

    fn found(before: Option<&str>, now: Option<&str>) -> TableCheck {
        let facts = |id: Option<&str>| described(&json!({"TableId": id}));
        TableIdentity::new("Forum", &facts(before)).judge(Ok(&facts(now))).unwrap()
    }

    #[test]
    fn another_id_is_another_table_and_an_unknown_one_says_nothing() {
        assert_eq!(found(Some("a"), Some("a")), TableCheck::Same);
        assert_eq!(found(None, Some("a")), TableCheck::Same);
        assert_eq!(found(Some("a"), None), TableCheck::Same);
        let TableCheck::Another(why) = found(Some("a"), Some("b")) else { panic!("it is another table") };
        assert_eq!(why, "table Forum was deleted and recreated during this job (TableId was a, is b)");
    }

    #[test]
    fn only_the_word_of_dynamodb_says_that_a_table_is_gone() {
        let table = TableIdentity::new("Forum", &described(&json!({"TableId": "a"})));
        let fault = |kind| Fault::new(kind, "table Forum does not exist in x (y)");
        let Ok(TableCheck::Gone(why)) = table.judge(Err(&fault(FaultKind::NotFound))) else {
            panic!("it is gone")
        };
        assert_eq!(why, "table Forum does not exist in x (y): it was deleted during this job");
        for kind in [FaultKind::Denied, FaultKind::Unreachable, FaultKind::Throttled] {
            assert!(table.judge(Err(&fault(kind))).is_err());
        }
    }
}

//! A job's access to AWS: clients, the regions of its buckets, and whose credentials it has.

use std::fmt;

use job::{endpoint, spec::AwsAccess, target::Target};
use job_aws::{Clients, Identity, Policy, Retries, connect};
use tokio::task::JoinSet;

use crate::failure::Failure;

/// A request that finds out whose credentials these are, made while the job prepares.
pub(crate) struct Asking(JoinSet<Identity>);

impl Asking {
    /// Waits for the answer, which comes soon or not at all, and stores it in `clients`.
    pub(crate) async fn answer(mut self, clients: &mut Clients) {
        if let Some(Ok(identity)) = self.0.join_next().await {
            clients.identity = identity;
        }
    }
}

/// Connects for a job that works on these tables and in these buckets.
///
/// # Errors
/// Always fails with `FailureKind::Refused`.
pub(crate) async fn reach(
    access: &AwsAccess,
    tables: &[String],
    buckets: &[Option<&str>],
) -> Result<(Clients, Asking), Failure> {
    let clients = connect(access, Retries::Sdk).await.map_err(|fault| Failure::refused(&fault))?;
    for table in tables {
        same_region(table, &clients)?;
    }
    let mut asking = Asking(JoinSet::new());
    let asked = clients.clone();
    asking.0.spawn(async move { asked.identify().await });
    for bucket in buckets.iter().flatten() {
        Policy::Brief.retry(|| clients.locate(bucket)).await.map_err(|fault| Failure::refused(&fault))?;
    }
    Ok((clients, asking))
}

/// The bucket of a folder in S3.
pub(crate) fn bucket(target: &Target) -> Option<&str> {
    match target {
        Target::S3 { bucket, .. } => Some(bucket),
        Target::File { .. } => None,
    }
}

/// Fails if the ARN of a table is of another region, because a table is only found in its own. Emulators are exempt,
/// because their ARNs differ.
fn same_region(table: &str, clients: &Clients) -> Result<(), Failure> {
    match endpoint::place_of_table(table) {
        Some((region, _)) if clients.access.is_at_aws() && region != clients.region => {
            Err(Failure::refused(format!(
                "table {table} is in region {region}, but requests go to {}: give --region {region}",
                clients.region
            )))
        }
        _ => Ok(()),
    }
}

/// A line of the plan: the account and role with which the job accesses a table. `None` if STS was not asked.
pub(crate) fn plan_line(identity: &Identity, table: &str) -> Option<String> {
    let of_table = endpoint::place_of_table(table).map(|(_, account)| account);
    match identity {
        Identity::Unasked => None,
        Identity::Unknown(why) => Some(format!("account     unknown: {why}")),
        Identity::Known(caller) => {
            let other = of_table.filter(|account| *account != caller.account);
            let other =
                other.map(|account| format!("; the table belongs to account {account}")).unwrap_or_default();
            let (account, arn) = (caller.account.escape_debug(), caller.arn.escape_debug());
            Some(format!("account     {account} ({arn}){other}"))
        }
    }
}

/// The same line for a report.
pub(crate) fn report_line(
    out: &mut fmt::Formatter<'_>,
    account: Option<&str>,
    caller: Option<&str>,
) -> fmt::Result {
    match account.zip(caller) {
        Some((account, arn)) => {
            writeln!(out, "account     {} ({})", account.escape_debug(), arn.escape_debug())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use job_aws::Caller;

    #[test]
    fn the_plan_says_who_works_and_whose_table_it_is_if_another_s() {
        let caller =
            Caller { account: "111122223333".into(), arn: "arn:aws:iam::111122223333:user/x".into() };
        let known = Identity::Known(caller);
        let own = "account     111122223333 (arn:aws:iam::111122223333:user/x)";
        for table in ["Forum", "arn:aws:dynamodb:us-east-1:111122223333:table/Forum"] {
            assert_eq!(plan_line(&known, table).as_deref(), Some(own), "{table}");
        }
        let other = plan_line(&known, "arn:aws:dynamodb:us-east-1:444455556666:table/Forum");
        assert_eq!(other, Some(format!("{own}; the table belongs to account 444455556666")));
        assert_eq!(plan_line(&Identity::Unasked, "Forum"), None);
        let unknown = plan_line(&Identity::Unknown("no answer".into()), "Forum");
        assert_eq!(unknown.as_deref(), Some("account     unknown: no answer"));
    }
}

//! Whether a table can be read and written, by its status.
//!
//! The meaning of each status: Amazon DynamoDB API Reference, `TableDescription`, `TableStatus`.

use serde_json::Value;

use super::TableFacts;

/// A table whose items can't be read and written: its status, and a remedy.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    /// It will be usable soon.
    #[error("table {table} is {status}, not ACTIVE: wait until it is ACTIVE and try again")]
    Soon { table: String, status: String },
    /// To wait does not help.
    #[error("table {table} is {status}: {why}")]
    No { table: String, status: String, why: String },
}

impl TableFacts {
    /// Whether the items of the table can be read and written. Returns a remark if its status is unusual.
    ///
    /// # Errors
    /// Fails if they can't be.
    pub(crate) fn usable(&self) -> Result<Option<String>, Unusable> {
        let Self { name, status, .. } = self;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let (table, status) = (name.clone(), status.clone());
        let why = match status.as_str() {
            "ACTIVE" => return Ok(None),
            "UPDATING" => return Ok(Some(format!("table {table} is {status}: {}", self.being_updated()))),
            "CREATING" => return Err(Unusable::Soon { table, status }),
            "DELETING" => "it is being removed with all its items; name another table".to_owned(),
            "INACCESSIBLE_ENCRYPTION_CREDENTIALS" => {
                let key = text(&self.description["SSEDescription"]["KMSMasterKeyArn"]);
                let key = key.map(|key| format!(" {key}")).unwrap_or_default();
                format!(
                    "DynamoDB cannot use the KMS key{key} that the table is encrypted with; enable the key and \
                     its grants again (after seven days without it the table is archived)"
                )
            }
            "ARCHIVING" | "ARCHIVED" => {
                let archival = &self.description["ArchivalSummary"];
                let reason = text(&archival["ArchivalReason"]);
                let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
                let backup = text(&archival["ArchivalBackupArn"]);
                let backup = backup.map(|backup| format!(" {backup}")).unwrap_or_default();
                format!(
                    "it can no longer be used{reason}; restore its backup{backup} to a new table and name that"
                )
            }
            "REPLICATION_NOT_AUTHORIZED" => "DynamoDB has no permission to replicate it; correct the \
                                             policies of the table and its replicas, or name another replica"
                .to_owned(),
            _ => "tablehaul does not know this status; check the table in the AWS console".to_owned(),
        };
        Err(Unusable::No { table, status, why })
    }

    /// The items of a table stay available while its settings change or an index is built.
    fn being_updated(&self) -> String {
        let indexes = self.description["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
        let mut built = indexes.filter(|index| index["IndexStatus"] == "CREATING");
        match built.next().and_then(|index| index["IndexName"].as_str()) {
            Some(index) => format!("index {index} is being built; items can be read and written meanwhile"),
            None => "its settings are being changed; items can be read and written meanwhile".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::described;
    use super::*;

    fn usable(status: &str, more: &Value) -> Result<Option<String>, String> {
        let mut extra = json!({ "TableStatus": status });
        for (key, value) in more.as_object().unwrap() {
            extra[key] = value.clone();
        }
        described(&extra).usable().map_err(|error| error.to_string())
    }

    #[test]
    fn a_table_that_is_updating_is_as_good_as_an_active_one() {
        assert_eq!(usable("ACTIVE", &json!({})), Ok(None));
        let note = usable("UPDATING", &json!({})).unwrap().unwrap();
        assert!(note.starts_with("table Forum is UPDATING: its settings are being changed"), "{note}");
        let index = |name: &str, status: &str| json!({"IndexName": name, "IndexStatus": status});
        let indexes = json!([index("a", "ACTIVE"), index("b", "CREATING")]);
        let note = usable("UPDATING", &json!({"GlobalSecondaryIndexes": indexes})).unwrap().unwrap();
        assert!(note.contains("index b is being built"), "{note}");
    }

    #[test]
    fn only_a_table_that_is_being_created_is_worth_waiting_for() {
        let why = |status: &str| usable(status, &json!({})).unwrap_err();
        assert!(why("CREATING").contains("wait until it is"));
        for (status, remedy) in [
            ("DELETING", "name another table"),
            ("ARCHIVING", "restore its backup"),
            ("ARCHIVED", "restore its backup"),
            ("INACCESSIBLE_ENCRYPTION_CREDENTIALS", "enable the key"),
            ("REPLICATION_NOT_AUTHORIZED", "another replica"),
            ("SOMETHING_NEW", "does not know"),
        ] {
            let why = why(status);
            assert!(why.starts_with(&format!("table Forum is {status}: ")), "{why}");
            assert!(why.contains(remedy) && !why.contains("wait"), "{why}");
        }
    }

    #[test]
    fn what_the_description_tells_of_key_and_backup_is_passed_on() {
        let key = json!({"SSEDescription": {"KMSMasterKeyArn": "arn:aws:kms:k"}});
        let why = usable("INACCESSIBLE_ENCRYPTION_CREDENTIALS", &key).unwrap_err();
        assert!(why.contains("the KMS key arn:aws:kms:k that"), "{why}");
        let archival = json!({"ArchivalSummary": {
            "ArchivalReason": "INACCESSIBLE_ENCRYPTION_CREDENTIALS", "ArchivalBackupArn": "arn:b"}});
        let why = usable("ARCHIVED", &archival).unwrap_err();
        assert!(why.contains("(INACCESSIBLE_ENCRYPTION_CREDENTIALS); restore its backup arn:b to"), "{why}");
    }
}

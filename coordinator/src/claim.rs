//! What claims a folder for an export while it runs: `_tablehaul/job.json`.

use std::fmt;

use jiff::Timestamp;
use job::ids::JobId;
use serde::{Deserialize, Serialize};

/// Who has claimed a folder. What can't be read of a claim is unknown, and the folder still claimed.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Claim {
    job: Option<JobId>,
    table: Option<String>,
    /// RFC 3339 in UTC.
    started_at: Option<String>,
    host: Option<String>,
    pid: Option<u32>,
    /// Program and version.
    tool: Option<String>,
}

impl Claim {
    /// Of a job of this process.
    pub(crate) fn new(job: &JobId, table: &str, started_at: Timestamp, tool: String) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self {
            job: Some(job.clone()),
            table: Some(table.to_owned()),
            started_at: Some(started_at.to_string()),
            host: Some(host.trim().to_owned()),
            pid: Some(std::process::id()),
            tool: Some(tool),
        }
    }

    pub(crate) fn read(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and numbers are always JSON")
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |text: &Option<String>| text.as_deref().unwrap_or("unknown").escape_debug().to_string();
        let (table, started_at, host) = (word(&self.table), word(&self.started_at), word(&self.host));
        write!(out, "an unfinished export of table {table}, begun {started_at} on {host}")?;
        self.pid.map_or(Ok(()), |pid| write!(out, " by process {pid}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_read_back_and_says_who_made_it() {
        let claim = Claim::new(&JobId("j".into()), "Forum", Timestamp::UNIX_EPOCH, "tablehaul 1".into());
        assert_eq!(Claim::read(&claim.bytes()), claim);
        let text = claim.to_string();
        assert!(text.starts_with("an unfinished export of table Forum, begun 1970-01-01T00:00:00Z on "));
        assert!(text.ends_with(&format!(" by process {}", std::process::id())), "{text}");
    }

    #[test]
    fn a_claim_cut_off_is_one_nevertheless() {
        let text = Claim::read(b"{\"table\":\"Fo").to_string();
        assert_eq!(text, "an unfinished export of table unknown, begun unknown on unknown");
    }
}

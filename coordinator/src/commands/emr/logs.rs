//! The logs of a cluster in S3. EMR delivers them every five minutes, and once more when the cluster ends.

use std::time::{Duration, Instant};

use job_aws::Clients;

use super::objects;

/// How often a log is looked for.
const EVERY: Duration = Duration::from_secs(5);

/// The log of a step.
pub(super) fn of_step(logs: &str, cluster: &str, step: &str, name: &str) -> String {
    format!("{logs}/{cluster}/steps/{step}/{name}.gz")
}

/// The log of a bootstrap action.
pub(super) fn of_bootstrap(logs: &str, cluster: &str, instance: &str, action: &str) -> String {
    format!("{logs}/{cluster}/node/{instance}/bootstrap-actions/{action}/stderr.gz")
}

/// Waits until `read` finds what it looks for in a log. EMR may deliver the beginning of a log first. `None` if that does
/// not come in time, or the log cannot be read.
pub(super) async fn wait_for<T>(
    clients: &Clients,
    url: &str,
    limit: Duration,
    read: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let began = Instant::now();
    loop {
        match objects::unzipped(clients, url).await {
            Ok(Some(text)) => {
                if let Some(found) = read(&text) {
                    return Some(found);
                }
            }
            Err(fault) if !fault.is_retryable() => return None,
            // It is not there yet, or only its beginning is, or S3 does not answer now.
            _ => {}
        }
        if began.elapsed() >= limit {
            return None;
        }
        tokio::time::sleep(EVERY.min(limit)).await;
    }
}

/// A text that says something.
pub(super) fn text(text: &str) -> Option<String> {
    last_line(text).map(|_| text.to_owned())
}

/// The last line that is not empty.
pub(super) fn last_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).rfind(|line| !line.is_empty())
}

/// The report in the standard error of tablehaul, if it is there.
pub(super) fn report(stderr: &str) -> Option<String> {
    let lines: Vec<&str> = stderr.lines().collect();
    let start = lines.iter().rposition(|line| line.starts_with("imported ") || line.starts_with("exported "));
    Some(lines[start?..].join("\n"))
}

/// Why tablehaul failed, by its standard error: its last line.
pub(super) fn complaint(stderr: &str) -> Option<&str> {
    let ours = stderr.lines().rev().find_map(|line| line.trim().strip_prefix("tablehaul: "));
    ours.or_else(|| last_line(stderr))
}

/// The exit code of a step, by the log of EMR's controller: the API reports only that the step failed.
pub(super) fn exit_code(controller: &str) -> Option<u8> {
    let line = controller.lines().rev().find(|line| line.contains("ended with exit code"))?;
    line.split("exit code ").nth(1)?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_log_holds_no_report() {
        let begun = "import      s3://b/e\ncost        3 write units\n";
        assert_eq!(report(begun), None);
        let whole = format!("{begun}imported    s3://b/e into Copy\nitems       3 written\n");
        assert_eq!(report(&whole).as_deref(), Some("imported    s3://b/e into Copy\nitems       3 written"));
    }

    #[test]
    fn a_log_says_why_and_with_which_code() {
        let stderr = "export Forum\n\ntablehaul: table Forum does not exist\nWARN log4j\n\n";
        assert_eq!(complaint(stderr), Some("table Forum does not exist"));
        assert_eq!(complaint("\nKilled\n \n"), Some("Killed"));
        assert_eq!(complaint(" \n"), None);
        let controller = "INFO startExec\n2026-01-01T00:00:00Z INFO waitProcessCompletion ended with exit code 2 : hadoop\n";
        assert_eq!(exit_code(controller), Some(2));
        assert_eq!(exit_code("INFO startExec"), None);
        assert_eq!(exit_code("INFO waitProcessCompletion ended with exit code 3\nWARN Step failed"), Some(3));
    }
}

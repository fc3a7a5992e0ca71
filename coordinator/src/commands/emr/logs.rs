//! The logs of a cluster in S3. EMR delivers them every five minutes, and once more when the cluster ends.

use std::time::{Duration, Instant};

use job_aws::Clients;

use super::objects::{self, Delivered};

/// How often a log is looked for.
const LOOK_FOR_LOG_EVERY: Duration = Duration::from_secs(5);
/// How complaints of tablehaul begin.
const OUR_LINE_PREFIX: &str = "tablehaul: ";

/// The log of a step.
pub(super) fn of_step(logs: &str, cluster: &str, step: &str, name: &str) -> String {
    format!("{logs}/{cluster}/steps/{step}/{name}.gz")
}

/// The log of a bootstrap action.
pub(super) fn of_bootstrap(logs: &str, cluster: &str, instance: &str, action: &str) -> String {
    format!("{logs}/{cluster}/node/{instance}/bootstrap-actions/{action}/stderr.gz")
}

/// Waits until `read` finds what it looks for in a log. EMR may deliver the beginning of a log first. `None` if that
/// does not come in time, or the log cannot be read.
pub(super) async fn wait_for<T>(
    clients: &Clients,
    url: &str,
    limit: Duration,
    read: impl Fn(&Delivered) -> Option<T>,
) -> Option<T> {
    let began = Instant::now();
    loop {
        match objects::log(clients, url).await {
            Ok(Some(log)) => {
                if let Some(found) = read(&log) {
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
        tokio::time::sleep(LOOK_FOR_LOG_EVERY.min(limit)).await;
    }
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

/// Why tablehaul failed, if the log is whole by its own word: what it complains of is the last line that it writes.
/// Warnings come before the end.
pub(super) fn last_word(stderr: &str) -> Option<&str> {
    stderr.ends_with('\n').then(|| last_line(stderr)).flatten().and_then(complained)
}

fn complained(line: &str) -> Option<&str> {
    line.trim().strip_prefix(OUR_LINE_PREFIX).filter(|line| !line.starts_with("warning: "))
}

/// Why a step failed, by its standard error. `None` if the log may have only begun: it has no last word of tablehaul,
/// and was delivered before `ended`, the log in which EMR says that the step has ended.
pub(super) fn complaint(stderr: &Delivered, ended: &StepEnd) -> Option<String> {
    if let Some(line) = last_word(&stderr.text) {
        return Some(line.to_owned());
    }
    // S3 tells whole seconds: within one, the log may have come before.
    let is_whole = stderr.at > ended.at;
    let ours = || stderr.text.lines().rev().find_map(complained);
    let last = || {
        stderr
            .text
            .lines()
            .map(str::trim)
            .rfind(|line| !line.is_empty() && !line.starts_with(OUR_LINE_PREFIX))
    };
    is_whole.then(|| ours().or_else(last)).flatten().map(str::to_owned)
}

/// How a step ended, by the log of EMR's controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StepEnd {
    pub(super) code: u8,
    /// When EMR delivered the log that says so. Logs that are delivered later are whole.
    pub(super) at: i64,
}

/// How a step ended. `None` if the log has only begun. The API reports only that the step failed, so its text decides.
pub(super) fn ended(controller: &Delivered) -> Option<StepEnd> {
    // A line without its end may lack digits.
    let whole = &controller.text[..=controller.text.rfind('\n')?];
    let line = whole.lines().rev().find(|line| line.contains("ended with exit code"))?;
    let code = line.split("exit code ").nth(1)?.split_whitespace().next()?.parse().ok()?;
    Some(StepEnd { code, at: controller.at })
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

    fn delivered(text: &str, at: i64) -> Delivered {
        Delivered { text: text.into(), at }
    }

    #[test]
    fn a_whole_log_says_why() {
        let ended = StepEnd { code: 1, at: 10 };
        let why = |text, at| complaint(&delivered(text, at), &ended);
        // By its last word, whenever it was delivered.
        let stderr = "export Forum\n\ntablehaul: table Forum does not exist\n\n";
        assert_eq!(why(stderr, 5).as_deref(), Some("table Forum does not exist"));
        // By the time of its delivery: what was killed has no last word.
        assert_eq!(why("\nKilled\n \n", 11).as_deref(), Some("Killed"));
        let mixed = "tablehaul: table Forum does not exist\nWARN log4j\n";
        assert_eq!(why(mixed, 11).as_deref(), Some("table Forum does not exist"));
        let warned = "export Forum\ntablehaul: warning: -Dx has no effect\n";
        assert_eq!(why(warned, 11).as_deref(), Some("export Forum"));
        assert_eq!(why(" \n", 11), None);
    }

    #[test]
    fn the_beginning_of_a_log_does_not_say_why() {
        let ended = StepEnd { code: 1, at: 10 };
        for begun in [
            "",
            "import      s3://b/e\n",
            "tablehaul: warning: -Dx has no effect\n",
            "tablehaul: table For",
            "tablehaul: old\nWARN log4j\n",
        ] {
            assert_eq!(complaint(&delivered(begun, 10), &ended), None, "{begun:?}");
        }
    }

    #[test]
    fn a_step_has_a_code_once_it_has_ended() {
        let code = |text| ended(&delivered(text, 7));
        let whole = "INFO startExec\n2026-01-01T00:00:00Z INFO waitProcessCompletion ended with exit code 13 : hadoop\n";
        assert_eq!(code(whole), Some(StepEnd { code: 13, at: 7 }));
        let more = "INFO waitProcessCompletion ended with exit code 3\nWARN Step failed";
        assert_eq!(code(more).map(|ended| ended.code), Some(3));
        for begun in
            ["", "INFO startExec", "INFO startExec\nINFO waitProcessCompletion ended with exit code 1"]
        {
            assert_eq!(code(begun), None, "{begun:?}");
        }
    }
}

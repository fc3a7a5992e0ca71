//! Parses the output of the submitting command line by line. Lines are recognised by their words, not by their
//! prefixes, which depend on each cluster's log4j.properties.

use super::{log_line::message, refusal};

/// How many lines are kept to explain why a job could not be submitted.
const LINES_KEPT: usize = 20;
/// How many lines of an attempt's failure are kept. A memory limit is reported with a list of processes.
const FAILURE_LINES: usize = 10;

/// What a line shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The application was submitted, such as `application_1795573196499_0012`.
    Submitted(String),
    /// The command tries to reach a daemon of the cluster. Contains its message.
    Waiting(String),
    /// An attempt failed. Further ones follow, up to the job's limit.
    AttemptFailed {
        /// Such as `attempt_1795573196499_0005_m_000000_0`.
        attempt: String,
        /// The reason, without Java's stack trace. [`super::attempt::Cause`] parses it.
        text: String,
    },
    /// The application ended.
    Ended(ApplicationEnd),
}

/// How an application ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ApplicationEnd {
    /// Each worker succeeded.
    Succeeded,
    /// A task or the application master failed too often. Contains the reason.
    Failed(String),
    /// It was killed. Contains the reason, or who killed it.
    Killed(String),
}

/// An attempt's failure. More lines of it may follow.
#[derive(Debug)]
struct AttemptFailure {
    attempt: String,
    lines: Vec<String>,
}

/// Parses the command's standard output and standard error.
#[derive(Debug, Default)]
pub(crate) struct ClientOutput {
    submitted: bool,
    failure: Option<AttemptFailure>,
    end: Option<ApplicationEnd>,
    kept: Vec<String>,
}

impl ClientOutput {
    /// Takes a line, without its end.
    pub(crate) fn line(&mut self, line: &str) -> Vec<Event> {
        let mut events = Vec::new();
        let is_logged = message(line).is_some();
        let failure_ends = is_logged || line.trim().is_empty();
        if failure_ends {
            events.extend(self.failure_event());
        } else if let Some(failure) = &mut self.failure {
            if !is_stack(line) && failure.lines.len() < FAILURE_LINES {
                failure.lines.push(line.trim().to_owned());
            }
            return events;
        }
        self.keep(line);
        if let Some(attempt) = failed_attempt(line) {
            self.failure = Some(AttemptFailure { attempt: attempt.to_owned(), lines: Vec::new() });
        }
        events.extend(self.submitted(line));
        if line.contains("Retrying connect to server: ") {
            events.push(Event::Waiting(message(line).unwrap_or(line).to_owned()));
        }
        if let Some(end) = end(line) {
            self.end = Some(end.clone());
            events.push(Event::Ended(end));
        }
        events
    }

    /// Takes the end of the output.
    pub(crate) fn finish(&mut self) -> Option<Event> {
        self.failure_event()
    }

    /// Why the command failed, in one line.
    pub(crate) fn why(&self) -> String {
        match &self.end {
            Some(ApplicationEnd::Failed(why) | ApplicationEnd::Killed(why)) => why.clone(),
            Some(ApplicationEnd::Succeeded) | None => refusal::why(&self.kept),
        }
    }

    fn failure_event(&mut self) -> Option<Event> {
        let AttemptFailure { attempt, lines } = self.failure.take()?;
        Some(Event::AttemptFailed { attempt, text: lines.join("\n") })
    }

    /// The line about the application may be disabled in the log configuration, so the line about the job counts as
    /// well.
    fn submitted(&mut self, line: &str) -> Option<Event> {
        let id = word_after(line, "Submitted application ", "application_")
            .or_else(|| word_after(line, "Running job: ", "job_"))?;
        if std::mem::replace(&mut self.submitted, true) {
            return None;
        }
        Some(Event::Submitted(id.replacen("job_", "application_", 1)))
    }

    fn keep(&mut self, line: &str) {
        if line.trim().is_empty() || is_stack(line) || line.starts_with('\t') {
            return;
        }
        if self.kept.len() == LINES_KEPT {
            self.kept.remove(0);
        }
        self.kept.push(line.trim_end().to_owned());
    }
}

/// Whether a line says how far the tasks are: ` map 35% reduce 0%`. The command writes one when that changes.
pub(crate) fn is_progress(line: &str) -> bool {
    line.contains(" map ") && line.contains("% reduce ")
}

fn is_stack(line: &str) -> bool {
    line.trim_start().starts_with("at ") || line.trim_start().starts_with("... ")
}

/// Parses `Task Id : attempt_1795573196499_0005_m_000000_0, Status : FAILED`.
fn failed_attempt(line: &str) -> Option<&str> {
    let attempt = word_after(line, "Task Id : ", "attempt_")?;
    line.ends_with("Status : FAILED").then_some(attempt)
}

/// Parses `Job job_1795573196499_0005 failed with state FAILED due to: Task failed …`.
fn end(line: &str) -> Option<ApplicationEnd> {
    let (_, rest) = line.split_once("Job job_")?;
    let (_, how) = rest.split_once(' ')?;
    if how.starts_with("completed successfully") {
        return Some(ApplicationEnd::Succeeded);
    }
    let (state, why) = how.strip_prefix("failed with state ")?.split_once(" due to: ")?;
    let why = why.trim().to_owned();
    Some(if state == "KILLED" { ApplicationEnd::Killed(why) } else { ApplicationEnd::Failed(why) })
}

/// The ID with this prefix that follows these words.
fn word_after<'a>(line: &'a str, words: &str, prefix: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(words)?;
    let end = rest.find(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let id = &rest[..end.unwrap_or(rest.len())];
    id.starts_with(prefix).then_some(id)
}

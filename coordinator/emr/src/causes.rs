//! What a message of EMR, EC2, IAM or Data Pipeline means: one line that says what happened and what to do.
//!
//! A code decides where the service gives one that says enough. The API's `ValidationException` and the reasons
//! `VALIDATION_ERROR` and `INTERNAL_ERROR` say nothing, and Data Pipeline gives no code at all: there the text decides.
//! EMR's guide says not to parse an `ErrorMessage`, so a text is looked at only for words that users have met, and
//! what is not known is quoted.

mod pattern;
mod rows;
mod stalled;

use crate::quote::{quoted, visible};

pub use stalled::stalled;

/// What a failure is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// IAM does not allow a call.
    Permission,
    /// A role or instance profile is missing or not to be used. A new one is known everywhere only after a while.
    Role,
    /// Subnet, security group or VPC.
    Network,
    /// The release or region does not have the instance type.
    InstanceType,
    /// There is no such release.
    Release,
    /// Another value of the request is wrong.
    Request,
    /// EC2 has no such instances now.
    Capacity,
    /// A quota of the account.
    Quota,
    /// Too many calls. Worth repeating.
    Throttled,
    /// Installing tablehaul or another bootstrap action.
    Bootstrap,
    /// The step; the log of the step says why.
    Step,
    /// Somebody ended the cluster or step.
    Stopped,
    /// An instance was lost.
    Instance,
    /// The cluster does not exist here, or takes no such step.
    Cluster,
    /// S3.
    Storage,
    /// A state of Data Pipeline.
    Pipeline,
    /// A fault within AWS.
    Internal,
    /// No failure.
    Done,
    /// Nothing that is known.
    Unknown,
}

/// What a message means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// One line: what happened, and what to do. Foreign text in it is escaped.
    pub line: String,
    /// What it is about.
    pub kind: Kind,
}

/// What Data Pipeline puts before the message of EMR, up to the message.
const OF_PIPELINE: (&str, &str) = ("Unable to create resource for ", " due to: ");

/// What a message means. `code` is the most exact one there is: the `ErrorCode` of an error detail, or else the code
/// of a state change or of the API. It is also the status that Data Pipeline shows.
pub fn cause(code: Option<&str>, message: &str) -> Cause {
    if let Some((resource, message)) = of_pipeline(message) {
        let Cause { line, kind } = cause(code, message);
        return Cause { line: format!("Data Pipeline could not launch {}: {line}", visible(resource)), kind };
    }
    let by_code = |row: &rows::Row| code.is_some_and(|code| row.codes.contains(&code));
    let knows_code = rows::all().any(by_code);
    let says = |row: &rows::Row| row.says.iter().find_map(|pattern| pattern::found(pattern, message));
    let mut rows = rows::all().filter(|row| !knows_code || by_code(row));
    // A row with words is more exact than one that has the code alone.
    let with_words = rows.clone().find_map(|row| says(row).map(|words| (row, words)));
    let row = with_words
        .or_else(|| rows.find(|row| by_code(row) && row.is_for_code_alone()).map(|row| (row, Vec::new())));
    match row {
        Some((row, words)) => Cause { line: row.line(&words), kind: row.kind },
        None => unknown(code, message),
    }
}

/// The resource and EMR's message in a message of Data Pipeline.
fn of_pipeline(message: &str) -> Option<(&str, &str)> {
    message.trim_start().strip_prefix(OF_PIPELINE.0)?.split_once(OF_PIPELINE.1)
}

fn unknown(code: Option<&str>, message: &str) -> Cause {
    let code = code.map(|code| format!(" ({})", visible(code))).unwrap_or_default();
    let line = if message.trim().is_empty() {
        format!("AWS gives no reason{code}: look at the events of the cluster, and at its logs")
    } else {
        format!("AWS says {}{code}", quoted(message))
    };
    Cause { line, kind: Kind::Unknown }
}

//! What a command tells: events and the state that they add up to, progress, messages, results. Nothing here can delay
//! a job: threads of their own write, and what waits for them is bounded.

pub(crate) mod bar;
pub(crate) mod display;
pub(crate) mod events;
pub(crate) mod exit;
pub(crate) mod kept;
pub(crate) mod progress;
pub(crate) mod stderr;
pub(crate) mod stream;
mod waiting;
pub(crate) mod waits;

use std::time::Duration;

use job::visible::{self, without_passwords};

/// Program and version.
pub(crate) const TOOL: &str = concat!("tablehaul ", env!("CARGO_PKG_VERSION"));
/// How long the end of the process, or output to standard output, waits for this to be written.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// Pause between two tries if standard error is non-blocking and full.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// The text without passwords, and with control characters escaped, which could manipulate a terminal.
fn one_line(text: &str) -> String {
    visible::line(&without_passwords(text)).into_owned()
}

//! Why an attempt failed, from the messages of YARN and Streaming, which have no codes.

use std::fmt;

use job::control::exit;

/// Why a worker's container or the worker in it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The container exceeded its memory limit (`ContainersMonitorImpl`).
    Memory {
        /// Whether that is the limit of virtual memory.
        is_virtual: bool,
    },
    /// The worker exited with this code (`PipeMapRed.waitOutputThreads`). Codes above 128 stand for a signal.
    Code(i64),
    /// The worker could not be started. Contains the reason.
    NotRunnable(String),
    /// The task reported nothing for longer than `mapreduce.task.timeout`.
    Silent,
    /// Another reason, as YARN reports it.
    Other(String),
}

impl Cause {
    /// Parses the diagnostics of an attempt.
    pub(crate) fn read(diagnostics: &str) -> Self {
        // Hadoop 2: `running beyond physical memory limits`; 3: `running 9B beyond the 'PHYSICAL' memory limit`.
        let lower = diagnostics.to_ascii_lowercase();
        if lower.contains("beyond") && lower.contains("memory limit") {
            let is_virtual = lower.contains("beyond the 'virtual'") || lower.contains("beyond virtual");
            return Self::Memory { is_virtual };
        }
        if let Some((_, code)) = diagnostics.split_once("subprocess failed with code ") {
            let digits = code.find(|character: char| !character.is_ascii_digit() && character != '-');
            if let Ok(code) = code[..digits.unwrap_or(code.len())].parse() {
                return Self::Code(code);
            }
        }
        if let Some((_, why)) = diagnostics.split_once("Cannot run program ") {
            return Self::NotRunnable(first_line(why));
        }
        if diagnostics.contains("Timed out after ") {
            return Self::Silent;
        }
        let lines = diagnostics.lines().map(str::trim);
        let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with("at "));
        // The last cause is the most specific one. Messages of YARN itself have none.
        let first = lines.next().unwrap_or_default();
        let line = lines.rfind(|line| line.starts_with("Caused by: ")).unwrap_or(first);
        Self::Other(line.trim_start_matches("Caused by: ").trim_start_matches("Error: ").to_owned())
    }

    /// Whether another attempt would fail in the same way, wherever it runs.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Code(code) if [exit::USAGE, exit::REFUSED].map(i64::from).contains(code))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { is_virtual: false } => {
                write!(f, "its container exceeded its memory limit: raise --worker-memory")
            }
            Self::Memory { is_virtual: true } => {
                write!(f, "its container exceeded its virtual memory limit: raise --worker-memory, ")?;
                write!(f, "or set yarn.nodemanager.vmem-check-enabled to false")
            }
            Self::Code(code) => explain(*code, f),
            Self::NotRunnable(why) => write!(f, "the worker cannot be run on the node: {why}"),
            Self::Silent => write!(f, "YARN killed it because it reported no progress"),
            Self::Other(why) if why.is_empty() => write!(f, "YARN does not say why"),
            Self::Other(why) => write!(f, "{why}"),
        }
    }
}

/// Explains the exit codes of a worker (its `--help`), of shells, and of signals (128 and more).
fn explain(code: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match code {
        code if code == i64::from(exit::UNREACHABLE) => write!(
            f,
            "the worker could not reach the coordinator from its node: set the address with --listen"
        ),
        code if code == i64::from(exit::REFUSED) => {
            write!(f, "the coordinator refused the worker: it has another version, or belongs to another job")
        }
        126 => write!(f, "the worker cannot be run on the node: it is not executable there (code 126)"),
        127 => write!(
            f,
            "the worker cannot be run on the node: it is not a program for that system, or a library is \
             missing (code 127)"
        ),
        137 => write!(
            f,
            "the worker was killed (signal 9) by YARN, or by the system for lack of memory; in that case \
             raise --worker-memory"
        ),
        143 => write!(f, "the worker was terminated (signal 15)"),
        129..=192 => write!(f, "the worker was killed by signal {}", code - 128),
        _ => write!(f, "the worker ended with code {code}: its log says why"),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

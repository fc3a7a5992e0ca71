//! How a command begins and ends.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Table to folder.
    Export,
    /// Folder to table.
    Import,
    /// Checks an export.
    Verify,
    /// Tells what is in a folder.
    Status,
    /// Removes an unfinished export.
    Clean,
    /// Any other.
    #[serde(other)]
    Other,
}

/// What a command is about to do. Fields that do not apply to a command, or are unknown, are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The command.
    pub command: Command,
    /// Nothing is read or written beyond what planning needs.
    #[serde(default)]
    pub is_dry_run: bool,
    /// The table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The number of the table in the command, from 1, and of all its tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_number: Option<u64>,
    /// See `table_number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_count: Option<u64>,
    /// The folder that is read or written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The AWS account of the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The id of the job, the same in all its runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The machine that the command runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The process on that machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_id: Option<u32>,
    /// The command line, quoted for a shell, without passwords. The same command resumes the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_line: Option<String>,
    /// How many items there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<u64>,
    /// Whether `items` and `bytes` are DynamoDB's counts, which are up to six hours old.
    #[serde(default)]
    pub is_estimate: bool,
    /// Bytes of the table, or of the backup as stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Segments of the table or splits of the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u64>,
    /// Workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u64>,
    /// Where workers run, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The rate that the job may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_units_per_second: Option<f64>,
    /// Where that rate comes from, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_source: Option<String>,
    /// Capacity units that the job is expected to use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_units: Option<f64>,
    /// The time that it is expected to take at that rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_seconds: Option<f64>,
    /// The price of a million units, if each unit is paid for. Cost so far: `units` of a status, in millions, times
    /// this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dollars_per_million_units: Option<f64>,
    /// The plan as a person reads it, of several lines. Empty if the command prints none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

impl Plan {
    /// A plan with only its command.
    pub fn of(command: Command) -> Self {
        Self {
            command,
            is_dry_run: false,
            table: None,
            table_number: None,
            table_count: None,
            folder: None,
            account: None,
            job: None,
            host: None,
            process_id: None,
            command_line: None,
            items: None,
            is_estimate: false,
            bytes: None,
            tasks: None,
            workers: None,
            cluster: None,
            budget_units_per_second: None,
            budget_source: None,
            expected_units: None,
            expected_seconds: None,
            dollars_per_million_units: None,
            text: String::new(),
        }
    }
}

/// What earlier runs have done that need not be done again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resumed {
    /// When the job began.
    pub started_at: String,
    /// Items that need not be read or written again.
    pub items: u64,
    /// Segments or splits that are done.
    pub tasks_done: u64,
    /// All segments or splits.
    pub tasks: u64,
    /// Capacity units that earlier runs used.
    pub units: f64,
    /// The time that earlier runs worked.
    pub seconds: f64,
    /// Why the last run ended, if it recorded a reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The process that owned the job before, and did not end in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Takeover {
    /// Its machine.
    pub host: String,
    /// Its process there.
    pub process_id: u32,
    /// When it last wrote to the journal, by its own clock.
    pub last_word_at: String,
}

/// The end of the job of one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completed {
    /// The table.
    pub table: String,
    /// The folder.
    pub folder: String,
    /// The report that `--json` prints, with the same fields.
    pub report: Map<String, Value>,
    /// The part files of an export, the first 200 by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// The number of all part files.
    #[serde(default)]
    pub file_count: u64,
}

impl Completed {
    /// The most files that it lists.
    pub const MOST_FILES: usize = 200;
}

/// A part file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its name in the folder.
    pub name: String,
    /// Its items.
    pub items: u64,
    /// Its length as stored.
    pub bytes: u64,
    /// The CRC-32C of the bytes as stored, in hexadecimal.
    pub crc32c: String,
}

/// The command has done what it was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The command.
    pub command: Command,
    /// The exit code of the process: 0, or 1 if `verify` found defects.
    pub exit_code: u8,
    /// What `--json` prints: the list of reports of an export, the report of an import or of `verify`, the status.
    /// Left out if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// The result as a person reads it. Empty if the command prints none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// The command has failed, was refused or stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The exit code of the process. A code that you do not know is a failure.
    pub exit_code: u8,
    /// `usage`, `refused`, `failed`, `stopped`, `other_table`, `superseded`, `lost` or `internal`; others may follow.
    pub kind: String,
    /// What is wrong, where, and what to do: the last line on standard error.
    pub message: String,
}

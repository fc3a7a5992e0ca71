//! The journal: what a coordinator must know to resume a job after the earlier coordinator, or its machine, is gone.
//!
//! A journal is a folder of objects `00000001.jsonl`, `00000002.jsonl`, … An object is created only if no object of
//! that number exists, and never changed. So a coordinator that creates the next object has appended to the journal,
//! and knows that no other coordinator has. A coordinator that finds the next number taken by another has been
//! superseded, and changes nothing any more. The first object claims the folder.
//!
//! An object consists of lines of JSON:
//!
//! ```text
//! {"tablehaul_journal":1,"number":3,"run":"6f0c…","host":"ip-10-0-0-7","pid":4711,"at":"2026-…Z",…}   header
//! {"file":{"file":2,"name":"9b1d…_000002","upload_id":"…"}}                                          facts
//! {"sealed":{"part":{"file":2,"number":1,…},"steps":[{"segment":7,"attempt":1,…}]}}
//! {"crc32c":"1b2c3d4e"}                                        CRC-32C of all bytes before this line
//! ```
//!
//! A `run` is the life of one coordinator, identified by a random UUID. Times are RFC 3339 in UTC. They are for people
//! only: no decision depends on them. The first fact of a job is `begin` (or `begin_import`, or `begin_verify`). An
//! object that begins with it is a snapshot: the objects before it no longer count and may be missing. Snapshots keep
//! a journal short. Anywhere else, a missing number, a wrong checksum and an unknown version or fact make the journal
//! unreadable: it is better to stop than to guess.
//!
//! Marks contain key values of the table, as does the backup beside them.

mod facts;

use serde::{Deserialize, Serialize};

use crate::json_error::JsonError;

pub use facts::{
    Begin, BeginImport, BeginVerify, Checked, Fact, OpenedFile, RejectedLine, Run, Settled, Stopped, Totals,
    VerifiedFile,
};

/// The version of the format written here, and the only one read.
pub const VERSION: u32 = 1;

/// The most bytes of the first line of an object.
pub const MAX_HEADER_BYTES: usize = 4096;

/// The first line of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub tablehaul_journal: u32,
    /// The object's number, as in its name.
    pub number: u64,
    /// The id of the run that wrote it.
    pub run: String,
    /// The host of that run.
    pub host: String,
    /// The process id of that run.
    pub pid: u32,
    /// When it was written, by that host's clock.
    pub at: String,
    /// The machine that the process id belongs to. It is equal only where the same processes are visible. Unknown if
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
}

/// The last line of an object.
#[derive(Serialize, Deserialize)]
struct Trailer {
    crc32c: String,
}

/// Why an object of a journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another version of this program wrote it.
    #[error(
        "has journal version {0}, but this program supports only {VERSION}: use the version that wrote it"
    )]
    Version(u64),
    /// It is cut off or changed.
    #[error("is damaged: {0}")]
    Damaged(#[from] Damage),
}

/// How an object of a journal is damaged.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// Its end is missing.
    #[error("it is cut off")]
    CutOff,
    /// Its first line is something else.
    #[error("it does not begin with a header")]
    NoHeader(#[source] JsonError),
    /// Its header is longer than any that is written.
    #[error("its header is longer than {MAX_HEADER_BYTES} bytes")]
    LongHeader,
    /// Its lines are not those that were written.
    #[error("its checksum does not match its contents")]
    Checksum,
    /// A line is no fact.
    #[error("line {number}{}", flaw(.source))]
    Line {
        /// The number of the line, from 1.
        number: usize,
        /// What is wrong with it. The parser's own words may quote keys of items.
        source: JsonError,
    },
}

/// What is wrong with a line, after its number. The checksum is right, so it was written so.
fn flaw(error: &JsonError) -> String {
    match error.name() {
        Some(_) => format!(": {error}"),
        None => " is not an entry that this version of tablehaul knows".to_owned(),
    }
}

/// Writes an object, line by line.
#[derive(Debug)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// A new object that begins with `header`.
    pub fn new(header: &Header) -> Self {
        let mut writer = Self(Vec::new());
        writer.line(header);
        writer
    }

    /// Appends a fact.
    pub fn fact(&mut self, fact: &Fact) {
        self.line(fact);
    }

    /// Returns the whole object.
    pub fn finish(mut self) -> Vec<u8> {
        let crc32c = format!("{:08x}", crc32c::crc32c(&self.0));
        self.line(&Trailer { crc32c });
        self.0
    }

    fn line(&mut self, line: &impl Serialize) {
        serde_json::to_writer(&mut self.0, line).expect("what has string keys and goes to memory is JSON");
        self.0.push(b'\n');
    }
}

/// Reads only the header of an object, of any version.
///
/// # Errors
/// Fails if the object does not begin with a header.
pub fn header(bytes: &[u8]) -> Result<Header, JournalError> {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    Ok(serde_json::from_slice(line).map_err(|error| Damage::NoHeader(error.into()))?)
}

/// Reads an object and passes its facts to `take`, one by one.
///
/// # Errors
/// Fails if the object has another version or a wrong checksum, before any fact is passed to `take`. Fails at an
/// unknown fact, and with any error of `take`.
pub fn read<E: From<JournalError>>(
    bytes: &[u8],
    mut take: impl FnMut(&Header, Fact) -> Result<(), E>,
) -> Result<Header, E> {
    let (header, facts) = check(bytes)?;
    for (index, line) in facts.split(|&byte| byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let fact = serde_json::from_slice(line)
            .map_err(|error| JournalError::from(Damage::Line { number: index + 2, source: error.into() }))?;
        take(&header, fact)?;
    }
    Ok(header)
}

/// The header, and the lines of facts if the checksum matches.
fn check(bytes: &[u8]) -> Result<(Header, &[u8]), JournalError> {
    #[derive(Deserialize)]
    struct Versioned {
        tablehaul_journal: u64,
    }
    let first = memchr::memchr(b'\n', bytes).ok_or(Damage::CutOff)?;
    // The version comes first, since another version may have another trailer.
    let Versioned { tablehaul_journal: version } =
        serde_json::from_slice(&bytes[..first]).map_err(|error| Damage::NoHeader(error.into()))?;
    if version != u64::from(VERSION) {
        return Err(JournalError::Version(version));
    }
    if first >= MAX_HEADER_BYTES {
        return Err(Damage::LongHeader.into());
    }
    let text = bytes.strip_suffix(b"\n").ok_or(Damage::CutOff)?;
    let last = memchr::memrchr(b'\n', text).ok_or(Damage::CutOff)?;
    let (body, trailer) = (&bytes[..=last], &text[last + 1..]);
    let trailer: Trailer = serde_json::from_slice(trailer).map_err(|_| Damage::CutOff)?;
    if trailer.crc32c != format!("{:08x}", crc32c::crc32c(body)) {
        return Err(Damage::Checksum.into());
    }
    Ok((header(body)?, &body[first + 1..]))
}

#[cfg(test)]
mod tests;

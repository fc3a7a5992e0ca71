//! The journal: what the coordinator of a job must know to go on with it after it, or the machine it ran
//! on, is gone.
//!
//! A journal is a folder of objects `00000001.jsonl`, `00000002.jsonl`, … Each is created only if there is
//! none of that number, and never changed. So whoever creates the next one has appended, and knows that
//! nobody else has; a coordinator that finds the next number taken by another has been superseded, and
//! touches nothing any more. The first object claims the folder.
//!
//! An object is lines of JSON:
//!
//! ```text
//! {"tablehaul_journal":1,"number":3,"run":"6f0c…","host":"ip-10-0-0-7","pid":4711,"at":"2026-…Z",…}   header
//! {"file":{"file":2,"name":"9b1d…_000002","upload_id":"…"}}                                          facts
//! {"sealed":{"part":{"file":2,"number":1,…},"steps":[{"segment":7,"attempt":1,…}]}}
//! {"crc32c":"1b2c3d4e"}                                        CRC-32C of all bytes before this line
//! ```
//!
//! A `run` is the life of one coordinator; what it is called is a random UUID. Times are RFC 3339 in UTC, for
//! people only: nothing is decided by them. The first fact of a job is `begin` (or `begin_import`). An
//! object that begins with it says everything, and those before it no longer count and may be missing: that
//! is how a journal is kept short. In any other place a number that is missing, a checksum that is wrong and
//! a version or fact that is unknown make the journal unreadable: it is better to stop than to guess.
//!
//! Marks hold key values of the table, as the backup beside them does.

mod facts;

use serde::{Deserialize, Serialize};

pub use facts::{Begin, BeginImport, Checked, Fact, OpenedFile, RejectedLine, Run, Settled, Stopped, Totals};

/// The version of the format written here, and the only one read.
pub const VERSION: u32 = 1;

/// The first line of an object has no more bytes.
pub const MAX_HEADER_BYTES: usize = 4096;

/// The first line of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub tablehaul_journal: u32,
    /// The object's number, as in its name.
    pub number: u64,
    /// Which run of a coordinator wrote it.
    pub run: String,
    /// Where that ran.
    pub host: String,
    /// As which process.
    pub pid: u32,
    /// When, by that host's clock.
    pub at: String,
    /// Of which machine that number of a process is: equal only where the same processes are seen. Unknown if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
}

/// The last line of an object.
#[derive(Serialize, Deserialize)]
struct Trailer {
    crc32c: String,
}

/// Why an object of a journal can't be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Written by another version of this program.
    #[error(
        "has journal version {0}, but this program supports only {VERSION}: use the version that wrote it"
    )]
    Version(u64),
    /// Cut off, or changed.
    #[error("is damaged: {0}")]
    Damaged(String),
}

/// Writes an object, line by line.
#[derive(Debug)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An object that begins with `header`.
    pub fn new(header: &Header) -> Self {
        let mut writer = Self(Vec::new());
        writer.line(header);
        writer
    }

    /// One more fact.
    pub fn fact(&mut self, fact: &Fact) {
        self.line(fact);
    }

    /// The whole object.
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

/// Reads only who wrote an object, of whatever version.
///
/// # Errors
/// If it does not begin with a header.
pub fn header(bytes: &[u8]) -> Result<Header, JournalError> {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice(line).map_err(|_| JournalError::Damaged("it does not begin with a header".into()))
}

/// Reads an object, and gives its facts one by one to `take`.
///
/// # Errors
/// If it is of another version, or its checksum is wrong; nothing is given to `take` then. A fact that is unknown;
/// whatever error `take` gives.
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
            .map_err(|error| JournalError::Damaged(format!("line {}: {error}", index + 2)))?;
        take(&header, fact)?;
    }
    Ok(header)
}

/// The header, and the lines of facts if the checksum says that they are whole.
fn check(bytes: &[u8]) -> Result<(Header, &[u8]), JournalError> {
    #[derive(Deserialize)]
    struct Versioned {
        tablehaul_journal: u64,
    }
    let damaged = |why: &str| JournalError::Damaged(why.to_owned());
    let first = memchr::memchr(b'\n', bytes).ok_or_else(|| damaged("it is cut off"))?;
    // First, since another version may end in another way.
    let Versioned { tablehaul_journal: version } =
        serde_json::from_slice(&bytes[..first]).map_err(|_| damaged("it does not begin with a header"))?;
    if version != u64::from(VERSION) {
        return Err(JournalError::Version(version));
    }
    if first >= MAX_HEADER_BYTES {
        return Err(JournalError::Damaged(format!("its header is longer than {MAX_HEADER_BYTES} bytes")));
    }
    let text = bytes.strip_suffix(b"\n").ok_or_else(|| damaged("it is cut off"))?;
    let last = memchr::memrchr(b'\n', text).ok_or_else(|| damaged("it is cut off"))?;
    let (body, trailer) = (&bytes[..=last], &text[last + 1..]);
    let trailer: Trailer = serde_json::from_slice(trailer).map_err(|_| damaged("it is cut off"))?;
    if trailer.crc32c != format!("{:08x}", crc32c::crc32c(body)) {
        return Err(damaged("its checksum does not match its contents"));
    }
    Ok((header(body)?, &body[first + 1..]))
}

#[cfg(test)]
mod tests;

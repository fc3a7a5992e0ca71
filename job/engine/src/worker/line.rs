//! A line between the stage that reads it and the one that writes it.

use bytes::Bytes;
use job::{capacity::Units, format::request::Write};

/// A line that waits to be written.
#[derive(Clone, Debug)]
pub struct Line {
    /// Whose it is.
    pub ticket: Ticket,
    /// What it asks for.
    pub write: Write,
    /// The DynamoDB JSON of its item or, for a delete, of its key.
    pub json: Bytes,
    /// The identity of its key: equal if and only if the keys are.
    pub key: Bytes,
    /// What it will cost on the table, by its size.
    pub units: Units,
}

/// Tells a line of all splits of the worker from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket {
    /// Which of the splits under way; see [`Ledger`](super::ledger::Ledger).
    pub slot: u64,
    /// The how-manieth line of it, from 0.
    pub line: u64,
}

/// What became of a line that was to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Written, or removed.
    Written,
    /// Not written, because there is an item with the same key.
    Kept,
    /// The table does not take it.
    Rejected {
        /// As the service says.
        reason: String,
        /// What was sent, in DynamoDB JSON.
        json: Bytes,
    },
}

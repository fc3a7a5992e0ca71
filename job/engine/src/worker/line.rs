//! A line between the stage that reads it and the stage that writes it.

use bytes::Bytes;
use job::{capacity::Units, split::Write};

/// A line that waits to be written.
#[derive(Clone, Debug)]
pub struct Line {
    /// Identifies the line.
    pub ticket: Ticket,
    /// Whether the line puts or deletes an item.
    pub write: Write,
    /// The DynamoDB JSON of its item or, for a delete, of its key.
    pub json: Bytes,
    /// The identity of its key: equal if and only if the keys are equal.
    pub key: Bytes,
    /// Its estimated cost on the table, by its size.
    pub units: Units,
}

/// Identifies a line among those of all open splits of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket {
    /// The slot of its split; see [`Ledger`](super::ledger::Ledger).
    pub slot: u64,
    /// The number of the line within its split, from 0.
    pub line: u64,
}

/// The result of a line that was to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Written or, for a delete, removed.
    Written,
    /// Not written, because an item with the same key exists.
    Kept,
    /// DynamoDB rejects it.
    Rejected {
        /// The message of the service.
        reason: String,
        /// The DynamoDB JSON that was sent.
        json: Bytes,
    },
}

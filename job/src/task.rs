//! Units of work and how far they have got.

use crate::ids::{Attempt, Segment};

/// Into how many segments a Scan is divided: 1 to 1,000,000 (DynamoDB API, Scan, `TotalSegments`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct TotalSegments(u32);

/// A number of segments that no Scan accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} segments: DynamoDB takes 1 to 1000000")]
pub struct TotalSegmentsError(pub u32);

impl TotalSegments {
    /// The most that Scan accepts.
    pub const MAX: u32 = 1_000_000;

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for TotalSegments {
    type Error = TotalSegmentsError;
    fn try_from(number: u32) -> Result<Self, TotalSegmentsError> {
        if (1..=Self::MAX).contains(&number) { Ok(Self(number)) } else { Err(TotalSegmentsError(number)) }
    }
}

impl From<TotalSegments> for u32 {
    fn from(total: TotalSegments) -> u32 {
        total.0
    }
}

/// A place in a segment: what to read next.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Position {
    /// Nothing of the segment has been read.
    #[default]
    Start,
    /// Everything up to and including the item with this key: the JSON text of a `LastEvaluatedKey`.
    After(String),
    /// The whole segment.
    Done,
}

/// How far a segment has durably got: every item up to here is in a sealed part, none after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// Where the next page starts.
    pub position: Position,
    /// Scan pages so far; what chains one step to the next.
    pub pages: u64,
    /// Items so far.
    pub items: u64,
}

/// One step of a segment, from the mark after page `from_page` to the one after page `to_page`.
///
/// Steps of a segment must chain: a step that does not begin where the last one ended would lose
/// or double items, and is refused.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// Whose step.
    pub segment: Segment,
    /// By which try; steps of a stale attempt are refused.
    pub attempt: Attempt,
    /// Pages of the segment before this step.
    pub from_page: u64,
    /// Pages of the segment after this step; may equal `from_page` only if the step says `Done`.
    pub to_page: u64,
    /// Items of this step.
    pub items: u64,
    /// Where the segment stands after it; never [`Position::Start`].
    pub position: Position,
}

/// The right to work on a segment from a mark on, for as long as the worker's stream is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The task.
    pub segment: Segment,
    /// The try.
    pub attempt: Attempt,
    /// Where to go on.
    pub mark: Mark,
}

//! Segments of a Scan, and how far each has got.

use crate::ids::{Attempt, Segment};

/// The number of segments of a Scan: 1 to 1,000,000 (DynamoDB API, Scan, `TotalSegments`).
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

/// A position in a segment, which says what to read next.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Position {
    /// Nothing of the segment has been read.
    #[default]
    Start,
    /// Everything has been read up to and including the item with this key, the JSON text of a `LastEvaluatedKey`.
    After(String),
    /// The whole segment has been read.
    Done,
}

/// The durable progress of a segment: every item before the position is in a sealed part, and none after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// Where the next page starts.
    pub position: Position,
    /// The number of Scan pages so far, by which steps chain.
    pub pages: u64,
    /// The number of items so far.
    pub items: u64,
}

/// A step of a segment, from the mark after page `from_page` to the one after page `to_page`.
///
/// Steps of a segment must chain: a step that does not begin where the last one ended would lose or duplicate items,
/// and is refused.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Step {
    /// The segment.
    pub segment: Segment,
    /// The attempt; steps of a stale attempt are refused.
    pub attempt: Attempt,
    /// The number of pages of the segment before this step.
    pub from_page: u64,
    /// The number of pages of the segment after this step. It may equal `from_page` only if the position is `Done`.
    pub to_page: u64,
    /// The number of items of this step.
    pub items: u64,
    /// The position of the segment after it; never [`Position::Start`].
    pub position: Position,
}

/// The right to work on a segment from a mark on, as long as the worker's gRPC stream is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The segment.
    pub segment: Segment,
    /// The attempt.
    pub attempt: Attempt,
    /// Where to resume.
    pub mark: Mark,
}

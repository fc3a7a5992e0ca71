//! Names of the things of a job. Numbers that must not be mixed up are types of their own.

use std::fmt;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// The one after this.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }
    };
}

number_id!(
    /// One worker process of a job; a restarted worker gets a new number.
    WorkerId
);
number_id!(
    /// One part file of a job. The coordinator numbers files, so no two attempts share an object key.
    FileId
);
number_id!(
    /// The how-manieth try of a task; the fencing token of its lease.
    Attempt
);
number_id!(
    /// One share of a parallel Scan, counted from 0 (DynamoDB API, Scan, `Segment`).
    Segment
);

number_id!(
    /// One task of an import: a byte range of an object of the backup, counted from 0.
    SplitId
);

/// A job's name: a random UUID, which all its part files bear.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct JobId(pub String);

impl fmt::Display for JobId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

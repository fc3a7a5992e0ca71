//! Ids and names of a job. Numbers that must not be mixed up have types of their own. So have names that come from
//! files that others may have written: a value of such a type has been validated.

use std::{fmt, str::FromStr};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);

        impl $name {
            /// The next number.
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
    /// One pass of a job over all its tasks, counted from 1. 0 is before the first.
    PassNumber
);
number_id!(
    /// One part file of a job. The coordinator numbers files, so no two attempts share an object key.
    FileId
);
number_id!(
    /// The attempt number of a task; fences its lease.
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

/// A text that is not a valid name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub struct NotAName(pub(crate) &'static str);

/// Implements the common traits of a name that is validated when it is read.
macro_rules! checked_name {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = $crate::ids::NotAName;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(out)
            }
        }
    };
}
pub(crate) use checked_name;

/// The id of a job: a random UUID, which is part of the names of all its part files. Always in the form `8-4-4-4-12`,
/// in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

impl JobId {
    /// The UUID of these 128 bits.
    pub fn from_u128(bits: u128) -> Self {
        let hex = format!("{bits:032x}");
        Self([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
    }
}

impl FromStr for JobId {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let bits = u128::from_str_radix(&text.replace('-', ""), 16).ok();
        // Only the canonical form is accepted.
        bits.map(Self::from_u128).filter(|id| id.0 == text).ok_or(NotAName("the UUID of a job"))
    }
}

checked_name!(JobId);

/// S3's id of a multipart upload; on a file system, a random name that the coordinator gives instead.
///
/// S3 does not specify the form of its ids, so any text of visible ASCII characters is accepted. On a file system it
/// becomes part of a path: see [`crate::layout::hidden`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UploadId(String);

impl UploadId {
    /// In bytes. Those of AWS are about 130 bytes long.
    const MAX_LENGTH: usize = 1024;

    /// The id of a file on a file system, from these random bits. It says that the worker that fills the file holds a
    /// lock on it while it can write to it. The ids of versions without locks are the digits alone.
    pub fn of_locked_file(bits: u128) -> Self {
        Self(format!("l{bits:032x}"))
    }

    /// Whether the worker that fills the file holds a lock on it.
    pub fn is_of_locked_file(&self) -> bool {
        let bits = self.0.strip_prefix('l').and_then(|digits| u128::from_str_radix(digits, 16).ok());
        bits.is_some_and(|bits| Self::of_locked_file(bits) == *self)
    }
}

impl FromStr for UploadId {
    type Err = NotAName;
    fn from_str(text: &str) -> Result<Self, NotAName> {
        let is_one =
            (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_one { Ok(Self(text.to_owned())) } else { Err(NotAName("the id of a multipart upload")) }
    }
}

checked_name!(UploadId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_called_by_a_uuid_in_its_one_form() {
        let id = "9b1d6f3a-0000-4abc-8def-00000000002a";
        assert_eq!(id.parse::<JobId>().map(String::from).as_deref(), Ok(id));
        for wrong in [
            "",
            "job",
            "../../../../../../etc/passwd",
            "9B1D6F3A-0000-4ABC-8DEF-00000000002A",
            "9b1d6f3a00004abc8def00000000002a",
            "+b1d6f3a-0000-4abc-8def-00000000002a",
            "9b1d6f3a-0000-4abc-8def-00000000002a/",
        ] {
            assert!(wrong.parse::<JobId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_upload_id_says_whether_its_file_is_locked() {
        assert!(UploadId::of_locked_file(7).is_of_locked_file());
        for other in ["0123456789abcdef0123456789abcdef", "l7", "u", "l+0000000000000000000000000000007"] {
            assert!(!other.parse::<UploadId>().unwrap().is_of_locked_file(), "{other}");
        }
    }

    #[test]
    fn an_upload_id_is_visible_and_short() {
        for id in ["u", "2~ceph_id.-", "VXBsb2FkIElEIGZvciA2aWWpbmcncyBteS1tb3ZpZS5tMnRzIHVwbG9hZA+/="] {
            assert!(id.parse::<UploadId>().is_ok(), "{id}");
        }
        for wrong in ["", "a b", "a\nb", "a\u{1b}[2J", "\u{202e}", &"u".repeat(1025)] {
            assert!(wrong.parse::<UploadId>().is_err(), "{wrong:?}");
        }
    }
}

//! Decides when the next object of a journal is due, and when it should be a snapshot.

use std::time::Duration;

/// The least time between two objects with facts in S3, where each costs money.
const LEAST_IN_S3: Duration = Duration::from_secs(5);
const LEAST_IN_FILES: Duration = Duration::from_millis(500);
/// A running coordinator writes an object at least this often, even an empty one: see
/// [`OWNER_TIMEOUT`](super::takeover::OWNER_TIMEOUT).
pub(crate) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);

/// This many objects are worth replacing by a snapshot, if it is not too large.
const OBJECTS: u64 = 64;
/// This many objects are replaced by a snapshot in any case.
const MOST_OBJECTS: u64 = 1024;
/// Fewer bytes are not worth replacing.
const LEAST_BYTES: u64 = 1 << 20;

/// What was written since the last snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) objects: u64,
    pub(super) bytes: u64,
    /// Length of that snapshot.
    pub(super) snapshot_bytes: u64,
}

impl Size {
    /// Whether a new snapshot is due, because more was written since the last one than it holds. So all snapshots
    /// together cost at most a few times as much as all other objects.
    pub(super) fn wants_snapshot(self) -> bool {
        let Self { objects, bytes, snapshot_bytes } = self;
        bytes >= snapshot_bytes.max(LEAST_BYTES)
            || objects >= OBJECTS && bytes >= snapshot_bytes / 4
            || objects >= MOST_OBJECTS
    }
}

/// How often objects are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cadence {
    least: Duration,
}

impl Cadence {
    pub(super) fn new(on_file_system: bool) -> Self {
        let in_s3 = || hooks::interval("s3-journal", LEAST_IN_S3);
        Self { least: if on_file_system { LEAST_IN_FILES } else { in_s3() } }
    }

    /// Whether an object is due this long after writing the last one began.
    pub(super) fn is_due(self, since: Duration, has_facts: bool) -> bool {
        since >= if has_facts { self.least } else { HEARTBEAT_INTERVAL }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_wait_for_their_time_and_without_any_a_sign_of_life_is_due() {
        let (s3, files) = (Cadence::new(false), Cadence::new(true));
        let at = Duration::from_millis;
        assert!(!s3.is_due(at(4999), true) && s3.is_due(at(5000), true));
        assert!(!files.is_due(at(499), true) && files.is_due(at(500), true));
        for pace in [s3, files] {
            assert!(!pace.is_due(at(9999), false) && pace.is_due(at(10_000), false));
        }
    }

    #[test]
    fn a_snapshot_is_taken_when_the_rest_has_outgrown_the_last_one() {
        let wants = |objects, bytes, snapshot_bytes| Size { objects, bytes, snapshot_bytes }.wants_snapshot();
        assert!(!wants(63, 1000, 0));
        assert!(wants(64, 1000, 0), "many objects");
        assert!(!wants(64, 1_000_000, 40_000_000), "but not for a state that is far larger");
        assert!(wants(1024, 0, 40_000_000), "but not for ever");
        assert!(wants(1, 40_000_000, 40_000_000), "many bytes");
        assert!(!wants(1, 1000, 10), "but not for a few");
    }
}

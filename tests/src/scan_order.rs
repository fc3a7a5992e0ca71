//! The order in which a table returns its items, and how widely writes are spread over it. `DynamoDB` places
//! items by an undocumented hash of the partition key; here it is MD5. What matters is that a Scan reads
//! one partition after the other, and that a writer in that order keeps one
//! partition busy while all others are idle.

use md5::{Digest, Md5};

/// The number of writes in a window.
const WINDOW: u64 = 1_000;

/// Where the items of a partition key stand in a table: the first eight bytes of its MD5, big endian.
#[must_use]
pub fn place(pk: &str) -> u64 {
    let digest = Md5::digest(pk.as_bytes());
    digest.iter().take(8).fold(0, |place, &byte| place << 8 | u64::from(byte))
}

/// In which sixteenth of a table: the first four bits of the place.
fn sixteenth(pk: &str) -> usize {
    usize::try_from(place(pk) >> 60).unwrap_or(0)
}

/// How much of the writes goes to one sixteenth of a table at a time.
#[derive(Clone, Debug, Default)]
pub struct Spread {
    window: [u64; 16],
    num_written: u64,
    highest: Option<u64>,
}

impl Spread {
    /// Records the next item written.
    pub fn written(&mut self, pk: &str) {
        self.window[sixteenth(pk)] += 1;
        self.num_written += 1;
        if self.num_written == WINDOW {
            self.highest = self.highest.max(self.window.into_iter().max());
            (self.window, self.num_written) = ([0; 16], 0);
        }
    }

    /// The largest share, in thousandths, of the items of a window that one sixteenth got, in any window so far.
    /// None before the first is full.
    #[must_use]
    pub fn highest_per_mille(&self) -> Option<u64> {
        self.highest.map(|items| items * 1_000 / WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::item_key;

    fn spread(pks: impl IntoIterator<Item = String>) -> Option<u64> {
        let mut spread = Spread::default();
        pks.into_iter().for_each(|pk| spread.written(&pk));
        spread.highest_per_mille()
    }

    #[test]
    fn the_place_is_the_head_of_the_md5() {
        // RFC 1321, A.5: MD5 ("abc") = 900150983cd24fb0d6963f7d28e17f72
        assert_eq!(place("abc"), 0x9001_5098_3cd2_4fb0);
        assert_eq!(sixteenth("abc"), 9);
    }

    #[test]
    fn writes_in_index_order_are_spread_and_those_in_scan_order_are_not() {
        let mut pks: Vec<String> = (0..50_000).map(|index| item_key(index).0).collect();
        let mixed = spread(pks.clone()).expect("50 windows");
        assert!((63..110).contains(&mixed), "{mixed}");
        pks.sort_by_key(|pk| place(pk));
        assert_eq!(spread(pks), Some(1_000));
    }

    #[test]
    fn a_window_that_is_not_full_says_nothing() {
        assert_eq!(spread((0..999).map(|index| item_key(index).0)), None);
        assert!(spread((0..1_000).map(|index| item_key(index).0)).is_some());
    }
}

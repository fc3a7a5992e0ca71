//! Finds keys that occur twice in a file. Pure.

use job::format::LineKeys;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Bits of an entry that hold the number of the line; the others hold the hash.
const LINE_BITS: u32 = 40;
const LINE_MASK: u128 = (1 << LINE_BITS) - 1;

/// The keys of a file: for each, 88 bits of its hash and the 40 bits of its line number.
///
/// Memory: 16 bytes for each item that was recorded for the file. Lines in excess of that number
/// are a defect by themselves and are not remembered.
///
/// Two different keys are taken for the same with a probability below n² / 2^89 for n items in a
/// file: 2 · 10^-15 for a million, 2 · 10^-11 for a hundred million. The seed differs from run to
/// run, so a file can't be made to fool it, and a second run tells a false alarm from a defect.
#[derive(Debug)]
pub(super) struct SeenKeys {
    seed: u64,
    limit: usize,
    entries: Vec<u128>,
    /// Both parts of the key in hand.
    spelled: Vec<u8>,
}

impl SeenKeys {
    /// For a file of which `items` were recorded.
    pub(super) fn new(seed: u64, items: u64) -> Self {
        let limit = usize::try_from(items).unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        // Spares growing and moving; where the number is not to be believed, growing it is.
        let _ = entries.try_reserve_exact(limit);
        Self { seed, limit, entries, spelled: Vec::new() }
    }

    #[inline]
    pub(super) fn add(&mut self, line: u64, key: &LineKeys<'_>) {
        if self.entries.len() == self.limit {
            return;
        }
        let hash = match key.sort {
            None => xxh3_128_with_seed(key.partition, self.seed),
            Some(sort) => {
                self.spelled.clear();
                self.spelled.extend_from_slice(key.partition);
                // No spelling holds a bare quote, so no two keys make the same bytes.
                self.spelled.push(b'"');
                self.spelled.extend_from_slice(sort);
                xxh3_128_with_seed(&self.spelled, self.seed)
            }
        };
        self.entries.push(hash & !LINE_MASK | u128::from(line) & LINE_MASK);
    }

    /// The lines whose key an earlier line has, each with the first such line; in order.
    pub(super) fn repeated(self) -> impl Iterator<Item = (u64, u64)> {
        let mut entries = self.entries;
        entries.sort_unstable();
        let (mut len, mut first) = (0, None);
        for at in 0..entries.len() {
            let entry = entries[at];
            match first {
                Some(first) if (first ^ entry) & !LINE_MASK == 0 => {
                    // In the place of one already looked at: no memory for these.
                    entries[len] = (entry & LINE_MASK) << 64 | first & LINE_MASK;
                    len += 1;
                }
                _ => first = Some(entry),
            }
        }
        entries.truncate(len);
        entries.sort_unstable();
        let line = |number: u128| u64::try_from(number & LINE_MASK).unwrap_or_default();
        entries.into_iter().map(move |entry| (line(entry >> 64), line(entry)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repeated(keys: &[(&str, Option<&str>)], items: u64) -> Vec<(u64, u64)> {
        let mut seen = SeenKeys::new(7, items);
        for (line, (partition, sort)) in (1..).zip(keys) {
            let key = LineKeys { partition: partition.as_bytes(), sort: sort.map(str::as_bytes) };
            seen.add(line, &key);
        }
        seen.repeated().collect()
    }

    #[test]
    fn every_repetition_is_told_with_the_first_line_of_its_key() {
        let keys = ["c", "a", "b", "a", "d", "c", "a"].map(|key| (key, None));
        assert_eq!(repeated(&keys, 7), [(4, 2), (6, 1), (7, 2)]);
    }

    #[test]
    fn parts_of_a_key_are_not_run_together() {
        assert_eq!(repeated(&[("ab", Some("c")), ("a", Some("bc")), ("abc", Some(""))], 9), []);
        assert_eq!(repeated(&[("ab", Some("c")), ("ab", Some("d")), ("ab", Some("c"))], 9), [(3, 1)]);
    }

    #[test]
    fn no_more_keys_are_remembered_than_items_were_recorded() {
        assert_eq!(repeated(&[("a", None), ("b", None), ("a", None)], 2), []);
        assert_eq!(repeated(&[("a", None), ("a", None)], u64::MAX), [(2, 1)]);
    }
}

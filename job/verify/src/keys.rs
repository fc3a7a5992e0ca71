//! Finds keys that occur twice in a file.

use format::emr::LineKeys;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// Bits of an entry that hold the line number. The others hold the hash.
const LINE_BITS: u32 = 40;
const LINE_MASK: u128 = (1 << LINE_BITS) - 1;

/// The keys of a file: for each, 88 bits of its hash and the 40 bits of its line number.
///
/// Memory: 16 bytes for each item that was recorded for the file. Lines beyond that number are a defect by themselves
/// and are not remembered.
///
/// Two different keys are considered equal with a probability below n² / 2^89 for n items in a file: 2 · 10^-15 for a
/// million, 2 · 10^-11 for a hundred million. The seed differs between runs, so nobody can craft a file that causes
/// false alarms, and a second run tells a false alarm from a defect.
#[derive(Debug)]
pub(crate) struct SeenKeys {
    seed: u64,
    limit: usize,
    entries: Vec<u128>,
    /// A buffer for both parts of the current key.
    spelled: Vec<u8>,
}

impl SeenKeys {
    /// For a file with `items` recorded items.
    pub(crate) fn new(seed: u64, items: u64) -> Self {
        let limit = usize::try_from(items).unwrap_or(usize::MAX);
        let mut entries = Vec::new();
        // Avoids reallocation. If the recorded number is absurd, the reservation fails and the vector grows as needed.
        let _ = entries.try_reserve_exact(limit);
        Self { seed, limit, entries, spelled: Vec::new() }
    }

    #[inline]
    pub(crate) fn add(&mut self, line: u64, key: &LineKeys<'_>) {
        if self.entries.len() == self.limit {
            return;
        }
        let hash = match key.sort {
            None => xxh3_128_with_seed(key.partition, self.seed),
            Some(sort) => {
                self.spelled.clear();
                self.spelled.extend_from_slice(key.partition);
                // The spelling of a value contains no bare quote, so different keys never yield the same bytes.
                self.spelled.push(b'"');
                self.spelled.extend_from_slice(sort);
                xxh3_128_with_seed(&self.spelled, self.seed)
            }
        };
        self.entries.push(hash & !LINE_MASK | u128::from(line) & LINE_MASK);
    }

    /// The lines that repeat the key of an earlier line, each with the first line of that key, in order.
    pub(crate) fn repeated(self) -> impl Iterator<Item = (u64, u64)> {
        let mut entries = self.entries;
        entries.sort_unstable();
        let (mut len, mut first) = (0, None);
        for at in 0..entries.len() {
            let entry = entries[at];
            match first {
                Some(first) if (first ^ entry) & !LINE_MASK == 0 => {
                    // Stored in place of an entry that was processed already, so this needs no memory.
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

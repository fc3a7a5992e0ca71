//! Checks that the names of a map, or the elements of a set, are distinct.

/// A group of at most this many hashes is compared pairwise.
const MAX_PAIRWISE: usize = 32;

/// The most hashes that room is kept for between lines.
const MAX_IDLE: usize = 16 * 1024;

/// Hashes of names and elements, with nested groups on a stack. Equal values have equal hashes; different values may
/// have equal hashes, too.
#[derive(Clone, Debug, Default)]
pub(super) struct Hashes(Vec<u64>);

/// The start of a group.
pub(super) struct Group(usize);

impl Hashes {
    /// Begins a group.
    #[inline]
    pub(super) fn begin(&self) -> Group {
        Group(self.0.len())
    }

    /// Adds a hash to the innermost group.
    #[inline]
    pub(super) fn push(&mut self, hash: u64) {
        self.0.push(hash);
    }

    /// Ends the innermost group, and returns whether all its hashes differ.
    #[inline]
    pub(super) fn end(&mut self, Group(start): Group) -> bool {
        let group = &mut self.0[start..];
        let all_differ = if group.len() <= MAX_PAIRWISE {
            (1..group.len()).all(|at| !group[..at].contains(&group[at]))
        } else {
            group.sort_unstable();
            group.windows(2).all(|pair| pair[0] != pair[1])
        };
        self.0.truncate(start);
        all_differ
    }

    /// Removes all groups.
    pub(super) fn clear(&mut self) {
        self.0.clear();
        self.0.shrink_to(MAX_IDLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_hashes_are_found_in_groups_of_any_length() {
        for len in [0, 1, 2, 31, 32, 33, 100] {
            let mut hashes = Hashes::default();
            let outer = hashes.begin();
            hashes.push(0);
            let inner = hashes.begin();
            (0..len).for_each(|hash| hashes.push(hash));
            assert!(hashes.end(inner), "{len}");
            for twice in [0, len / 2, len.saturating_sub(1)].into_iter().filter(|_| len > 0) {
                let inner = hashes.begin();
                (0..len).rev().chain([twice]).for_each(|hash| hashes.push(hash));
                assert!(!hashes.end(inner), "{twice} of {len}");
            }
            hashes.push(1);
            assert!(hashes.end(outer));
        }
    }
}

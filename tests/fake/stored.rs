//! The items in a table to write into: bits for those of the generator, keys for all others. Their contents
//! are not kept.

use crate::batch::Write;
use crate::decimal::Decimal;
use std::collections::{BTreeMap, BTreeSet};

/// The keys in a table, and all keys that were ever in it.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    present: Indexes,
    ever: Indexes,
    foreign: BTreeSet<(String, Decimal)>,
}

impl Stored {
    pub(crate) fn contains(&self, write: &Write) -> bool {
        match write.index {
            Some(index) => self.present.contains(index),
            None => self.foreign.contains(&key(write)),
        }
    }

    pub(crate) fn put(&mut self, write: &Write) {
        match write.index {
            Some(index) => {
                self.present.insert(index);
                self.ever.insert(index);
            }
            None => {
                self.foreign.insert(key(write));
            }
        }
    }

    pub(crate) fn remove(&mut self, write: &Write) {
        match write.index {
            Some(index) => self.present.remove(index),
            None => {
                self.foreign.remove(&key(write));
            }
        }
    }

    /// The number of different items of the generator ever put.
    pub(crate) fn num_distinct(&self) -> u64 {
        self.ever.len
    }

    /// The number of items now.
    pub(crate) fn num_present(&self) -> u64 {
        self.present.len + self.foreign.len() as u64
    }
}

fn key(write: &Write) -> (String, Decimal) {
    (write.pk.clone(), write.sk.clone())
}

/// A set of indexes as bits, in words of 64 by their number, so that a stray high index costs no memory.
#[derive(Debug, Default)]
struct Indexes {
    words: BTreeMap<u64, u64>,
    len: u64,
}

impl Indexes {
    fn contains(&self, index: u64) -> bool {
        self.words.get(&(index / 64)).is_some_and(|word| word & bit(index) != 0)
    }

    fn insert(&mut self, index: u64) {
        let word = self.words.entry(index / 64).or_default();
        self.len += u64::from(*word & bit(index) == 0);
        *word |= bit(index);
    }

    fn remove(&mut self, index: u64) {
        if let Some(word) = self.words.get_mut(&(index / 64)) {
            self.len -= u64::from(*word & bit(index) != 0);
            *word &= !bit(index);
        }
    }
}

fn bit(index: u64) -> u64 {
    1 << (index % 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::WriteKind;

    fn write(pk: &str, index: Option<u64>) -> Write {
        let sk = Decimal::parse("1").expect("a number");
        Write { pk: pk.to_owned(), sk, index, kind: WriteKind::Delete }
    }

    #[test]
    fn items_are_counted_once_however_often_they_are_put() {
        let mut stored = Stored::default();
        for index in [0, 63, 64, 63, u64::MAX, 0] {
            stored.put(&write("x", Some(index)));
        }
        stored.put(&write("foreign", None));
        stored.put(&write("foreign", None));
        assert_eq!((stored.num_distinct(), stored.num_present()), (4, 5));
        assert!(stored.contains(&write("x", Some(64))) && !stored.contains(&write("x", Some(65))));
        assert!(stored.contains(&write("foreign", None)) && !stored.contains(&write("other", None)));
    }

    #[test]
    fn what_was_removed_was_there_nevertheless() {
        let mut stored = Stored::default();
        stored.put(&write("x", Some(7)));
        stored.put(&write("foreign", None));
        for gone in [write("x", Some(7)), write("x", Some(8)), write("foreign", None), write("other", None)] {
            stored.remove(&gone);
        }
        assert_eq!((stored.num_distinct(), stored.num_present()), (1, 0));
        assert!(!stored.contains(&write("x", Some(7))));
    }
}

//! Whether an export that claims to be complete is so, by the names and lengths in one listing. No data file is opened.
//!
//! ```text
//! manifest, export.json → Sought: which files, how long? ← entries of the folder
//!   → Whole: complete, or damaged and what is wrong
//! ```

mod inspect;

use std::collections::HashMap;

use job::export_json::ExportJson;

use crate::{output::display::count, store::Entry};
pub(crate) use inspect::{inspect, inspect_native, published_by};

/// The most missing or wrong files that are named.
const MOST_NAMED_FILES: usize = 100;

/// The most defects in one line.
const MOST_DEFECTS_IN_LINE: usize = 3;

/// The result for an export that claims to be complete.
#[derive(Clone, Debug)]
pub(crate) enum Whole {
    /// Every listed file exists.
    Complete(Complete),
    /// Something is missing, or contradicts the record.
    Damaged(Damaged),
}

/// An export whose files all exist, by names and lengths.
#[derive(Clone, Debug)]
pub(crate) struct Complete {
    /// Its export.json, if tablehaul made it.
    pub(crate) export: Option<Box<ExportJson>>,
    /// Its table, if it says so.
    pub(crate) table: Option<String>,
    /// The number of its items, if it says so.
    pub(crate) items: Option<u64>,
    /// A description of it.
    pub(crate) text: String,
    /// The number of listed files.
    pub(crate) files: usize,
    /// What was checked and what was not, as text.
    pub(crate) looked_at: String,
}

/// An export that is not complete.
#[derive(Clone, Debug)]
pub(crate) struct Damaged {
    /// Its table, if it says so.
    pub(crate) table: Option<String>,
    /// A description of it.
    pub(crate) text: String,
    /// What is wrong, one text each.
    pub(crate) defects: Vec<String>,
    /// Names of missing files. Only some if there are many.
    pub(crate) missing: Vec<String>,
    /// What was checked and what was not, as text.
    pub(crate) looked_at: String,
}

impl Damaged {
    /// What is wrong, in one line. Only the first defects if there are many.
    pub(crate) fn sentence(&self) -> String {
        let first = &self.defects[..self.defects.len().min(MOST_DEFECTS_IN_LINE)];
        let more = match self.defects.len() - first.len() {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        format!("{}, which is damaged: {}{more}", self.text, first.join("; "))
    }
}

/// The files that a listing of the folder should contain.
#[derive(Debug, Default)]
pub(crate) struct Sought {
    /// Files not seen yet, with their recorded lengths if known.
    wanted: HashMap<String, Option<u64>>,
    files: usize,
    wrong: Vec<String>,
    num_wrong: usize,
    defects: Vec<String>,
}

impl Sought {
    /// Looks for a file. A second entry of the same name is a defect.
    pub(crate) fn want(&mut self, name: &str, bytes: Option<u64>) {
        self.files += 1;
        if self.wanted.insert(name.to_owned(), bytes).is_some() {
            self.defect(format!("{} is listed more than once", name.escape_debug()));
        }
    }

    /// Adds a defect that the listing does not show.
    pub(crate) fn defect(&mut self, what: String) {
        if self.defects.len() < MOST_NAMED_FILES {
            self.defects.push(what);
        }
    }

    /// Takes a file of the listing. It may come twice, if the listing was restarted.
    pub(crate) fn see(&mut self, entry: &Entry) {
        let Some(bytes) = self.wanted.remove(&entry.name) else { return };
        if let Some(bytes) = bytes.filter(|&bytes| bytes != entry.bytes) {
            self.num_wrong += 1;
            if self.wrong.len() < MOST_NAMED_FILES {
                let name = entry.name.escape_debug();
                self.wrong.push(format!("{name} has {} bytes, not {bytes}", entry.bytes));
            }
        }
    }

    /// How many files were looked for.
    pub(crate) fn files(&self) -> usize {
        self.files
    }

    /// What is wrong, as text, and the names of missing files. Only some of each if there are many.
    pub(crate) fn finish(self) -> (Vec<String>, Vec<String>) {
        let Self { wanted, wrong, num_wrong, mut defects, .. } = self;
        let num_missing = wanted.len();
        let mut missing: Vec<String> = wanted.into_keys().collect();
        missing.sort_unstable();
        missing.truncate(MOST_NAMED_FILES);
        defects.extend(missing.iter().map(|name| format!("{} is missing", name.escape_debug())));
        if num_missing > missing.len() {
            defects.push(format!("{} more are missing", count(num_missing - missing.len(), "file")));
        }
        defects.extend(wrong.iter().cloned());
        if num_wrong > wrong.len() {
            defects.push(format!("{} more have another length", count(num_wrong - wrong.len(), "file")));
        }
        (defects, missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, bytes: u64) -> Entry {
        Entry { name: name.into(), bytes, etag: None }
    }

    fn sought(wanted: &[(&str, Option<u64>)]) -> Sought {
        let mut sought = Sought::default();
        for (name, bytes) in wanted {
            sought.want(name, *bytes);
        }
        sought
    }

    #[test]
    fn every_file_must_be_there_with_its_length_and_others_make_no_difference() {
        let mut all = sought(&[("a", Some(3)), ("b", None)]);
        for seen in [entry("a", 3), entry("other", 1), entry("b", 9), entry("a", 3)] {
            all.see(&seen);
        }
        assert_eq!((all.files(), all.finish()), (2, (vec![], vec![])));
        let mut some = sought(&[("a", Some(3)), ("b", None), ("c", Some(0))]);
        some.see(&entry("a", 2));
        let (defects, missing) = some.finish();
        assert_eq!(defects, ["b is missing", "c is missing", "a has 2 bytes, not 3"]);
        assert_eq!(missing, ["b", "c"]);
    }

    #[test]
    fn one_line_tells_the_first_defects_and_how_many_follow() {
        let damaged = |number: usize| Damaged {
            table: None,
            text: "an export".into(),
            defects: (0..number).map(|number| format!("f{number} is missing")).collect(),
            missing: Vec::new(),
            looked_at: String::new(),
        };
        assert_eq!(damaged(1).sentence(), "an export, which is damaged: f0 is missing");
        let many = damaged(9).sentence();
        assert!(many.ends_with("f0 is missing; f1 is missing; f2 is missing; and 6 more"), "{many}");
    }

    #[test]
    fn what_is_listed_twice_is_a_defect() {
        let mut twice = sought(&[("a", Some(3)), ("a", Some(3))]);
        twice.see(&entry("a", 3));
        assert_eq!(twice.finish().0, ["a is listed more than once"]);
    }

    #[test]
    fn of_many_that_are_missing_some_are_named_and_all_are_counted() {
        let names: Vec<String> = (0..150).map(|number| format!("f{number:03}")).collect();
        let (defects, missing) =
            sought(&names.iter().map(|name| (name.as_str(), None)).collect::<Vec<_>>()).finish();
        assert_eq!((defects.len(), missing.len()), (MOST_NAMED_FILES + 1, MOST_NAMED_FILES));
        assert_eq!(defects.last().unwrap(), "50 files more are missing");
    }
}

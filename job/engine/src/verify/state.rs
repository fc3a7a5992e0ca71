//! The state of a verification, as its journal records it.

use std::collections::BTreeMap;

use job::{
    ids::FileId,
    journal::{BeginVerify, Fact, VerifiedFile},
    verify::FileFound,
};

use crate::rejection::{FactRejection, ResultRejection};

/// More items or bytes than any backup holds. The bound keeps sums within their type.
const MOST: u64 = 1 << 60;

/// What was found in the files that are done.
#[derive(Clone, Debug)]
pub struct VerifyState {
    /// What the verification was started with.
    pub begin: BeginVerify,
    found: BTreeMap<FileId, FileFound>,
    /// The items in all these files.
    items: u64,
}

impl VerifyState {
    /// The state at the start.
    pub fn new(begin: BeginVerify) -> Self {
        Self { begin, found: BTreeMap::new(), items: 0 }
    }

    /// Applies a fact of a journal that concerns files.
    ///
    /// # Errors
    /// Fails if it can't be a fact of this verification.
    pub fn replay(&mut self, fact: Fact) -> Result<(), FactRejection> {
        let Fact::Verified(VerifiedFile { file, found }) = fact else {
            return Err(ResultRejection::OtherJob.into());
        };
        if file.0 >= self.begin.files {
            return Err(ResultRejection::Unknown(file).into());
        }
        if self.found.contains_key(&file) {
            return Err(ResultRejection::Twice(file).into());
        }
        if found.items > MOST - self.items.min(MOST) || found.bytes > MOST {
            return Err(ResultRejection::TooMuch(file).into());
        }
        self.items += found.items;
        self.found.insert(file, found);
        Ok(())
    }

    /// The state that began so, with these results.
    pub(super) fn from_parts(begin: BeginVerify, found: BTreeMap<FileId, FileFound>) -> Self {
        let items = found.values().fold(0, |sum: u64, found| sum.saturating_add(found.items));
        Self { begin, found, items }
    }

    /// What the verification began with, and its results.
    pub(super) fn into_parts(self) -> (BeginVerify, BTreeMap<FileId, FileFound>) {
        (self.begin, self.found)
    }

    /// The fact that the verification began with.
    pub fn begun(&self) -> Fact {
        begun(&self.begin)
    }

    /// The facts that restore this state, without the results of files that could not be read.
    pub fn facts(&self) -> Vec<Fact> {
        facts(&self.begin, &self.found)
    }

    /// The number of items in the files that are done.
    pub fn items(&self) -> u64 {
        self.items
    }

    /// The number of files done, and of all files.
    pub fn tasks(&self) -> (usize, usize) {
        (self.found.len(), self.begin.files as usize)
    }

    /// Whether any file would have to be read again if the state were removed.
    pub fn has_anything(&self) -> bool {
        self.found.values().any(is_lasting)
    }

    /// What was found in each file that is done, in the order of the files.
    pub fn found(&self) -> impl Iterator<Item = &FileFound> {
        self.found.values()
    }
}

fn begun(begin: &BeginVerify) -> Fact {
    Fact::BeginVerify(Box::new(begin.clone()))
}

/// The facts that restore the state of a verification.
pub(super) fn facts(begin: &BeginVerify, found: &BTreeMap<FileId, FileFound>) -> Vec<Fact> {
    let found = found.iter().filter_map(|(&file, found)| verified(file, found));
    std::iter::once(begun(begin)).chain(found).collect()
}

/// The fact that a file has been verified. `None` if its result is not [lasting](is_lasting).
pub(super) fn verified(file: FileId, found: &FileFound) -> Option<Fact> {
    is_lasting(found).then(|| Fact::Verified(VerifiedFile { file, found: found.clone() }))
}

/// Whether a result holds as long as the file does not change. That a file could not be read may be true only of that
/// moment, so a later run tries again. Of such a file no byte counts.
fn is_lasting(found: &FileFound) -> bool {
    found.bytes > 0 || found.defects.is_empty()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use job::ids::JobId;

    /// A verification of this many files.
    pub(in crate::verify) fn beginning(files: u32) -> BeginVerify {
        BeginVerify {
            job: JobId::from_u128(7),
            table: "Forum".into(),
            source: "s3://b/x".into(),
            tool: "tablehaul 0".into(),
            stored: "s".into(),
            recorded: "r".into(),
            files,
            expected_items: 10,
            started_at: "t".into(),
        }
    }

    fn begun() -> VerifyState {
        VerifyState::new(beginning(3))
    }

    fn found(items: u64, defects: &[&str]) -> FileFound {
        let defects = defects.iter().map(ToString::to_string).collect();
        FileFound { items, bytes: 10 * items, defects }
    }

    fn replay(state: &mut VerifyState, file: u32, found: &FileFound) -> Result<(), String> {
        let fact = Fact::Verified(VerifiedFile { file: FileId(file), found: found.clone() });
        state.replay(fact).map_err(|why| why.to_string())
    }

    #[test]
    fn the_facts_of_a_state_make_the_same_state() {
        let mut state = begun();
        assert!(!state.has_anything());
        for (file, found) in [(2, found(5, &["x: missing"])), (0, found(3, &[]))] {
            replay(&mut state, file, &found).unwrap();
        }
        assert_eq!((state.tasks(), state.items(), state.has_anything()), ((2, 3), 8, true));
        let mut again = begun();
        for fact in state.facts().into_iter().skip(1) {
            again.replay(fact).unwrap();
        }
        assert_eq!((again.facts(), again.items()), (state.facts(), 8));
        assert_eq!(again.facts()[0], begun().begun());
        let all: Vec<FileFound> = again.found().cloned().collect();
        assert_eq!(all, [found(3, &[]), found(5, &["x: missing"])], "in the order of the files");
    }

    #[test]
    fn that_a_file_could_not_be_read_is_not_kept() {
        let unreadable = FileFound { defects: vec!["x: missing".into()], ..FileFound::default() };
        let mut state = VerifyState::from_parts(beginning(3), [(FileId(1), unreadable.clone())].into());
        assert_eq!((state.facts(), state.has_anything()), (vec![state.begun()], false));
        assert_eq!(state.found().collect::<Vec<_>>(), [&unreadable], "but it is in the result of this run");
        replay(&mut state, 0, &FileFound::default()).unwrap();
        assert_eq!((state.facts().len(), state.has_anything()), (2, true), "an empty file is no defect");
    }

    #[test]
    fn facts_that_contradict_each_other_are_refused_and_change_nothing() {
        let mut state = begun();
        replay(&mut state, 1, &found(4, &[])).unwrap();
        let twice = replay(&mut state, 1, &found(4, &[]));
        assert_eq!(twice, Err("file 1 is verified twice".to_owned()));
        let unknown = replay(&mut state, 3, &found(4, &[]));
        assert_eq!(unknown, Err("file 3 is not one of this verification".to_owned()));
        let too_much = replay(&mut state, 2, &FileFound { items: MOST, ..FileFound::default() });
        assert_eq!(too_much, Err("file 2 counts more than a backup holds".to_owned()));
        let other = state.replay(Fact::Fenced(FileId(1))).unwrap_err().to_string();
        assert_eq!(other, "an entry that does not belong to a verification");
        assert_eq!((state.tasks(), state.items()), ((1, 3), 4));
    }
}

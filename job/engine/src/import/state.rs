//! The state of an import, as its journal records it.

use std::collections::BTreeMap;

use job::{
    ids::SplitId,
    journal::{BeginImport, Checked, Fact, RejectedLine, Settled},
    spec::WriteMode,
    split::Counts,
};

use crate::rejection::FactRejection;

/// The progress of a split.
#[derive(Clone, Debug)]
struct Progress {
    /// The text offset at which it began.
    from: u64,
    to: u64,
    done: bool,
    rejects: Vec<RejectedLine>,
}

/// The marks of the splits, and the results of the lines before them.
#[derive(Clone, Debug)]
pub struct ImportState {
    /// What the import was started with.
    pub begin: BeginImport,
    /// The result of the check of the whole backup, once it is complete.
    pub checked: Option<Checked>,
    splits: BTreeMap<SplitId, Progress>,
    counts: Counts,
    rejected: u64,
}

impl ImportState {
    /// The state at the start.
    pub fn new(begin: BeginImport) -> Self {
        Self { begin, checked: None, splits: BTreeMap::new(), counts: Counts::default(), rejected: 0 }
    }

    /// Applies a fact of a journal that concerns splits.
    ///
    /// # Errors
    /// Fails if it can't be a fact of this import.
    pub fn replay(&mut self, fact: Fact) -> Result<(), FactRejection> {
        match fact {
            Fact::Checked(checked) => {
                self.checked = Some(checked);
                Ok(())
            }
            Fact::Settled(settled) => {
                let Settled { split, from, to, .. } = settled;
                if split.0 >= self.begin.splits {
                    return Err(FactRejection::UnknownSplit(split));
                }
                let at = self.splits.get(&split).map_or(from, |progress| progress.to);
                if from != at || to < from {
                    return Err(FactRejection::Gap { split, at, from });
                }
                if is_too_much(&settled.counts, self.counts) {
                    return Err(FactRejection::TooMuch(split));
                }
                self.settled(&settled);
                Ok(())
            }
            _ => Err(FactRejection::OtherJob("import")),
        }
    }

    /// Applies an advance of a split that has been checked.
    pub(super) fn settled(&mut self, settled: &Settled) {
        let Settled { split, from, to, done, mut counts, rejects } = settled.clone();
        if self.begin.mode == WriteMode::Delete {
            // Versions that did not count removals separately counted them as items.
            counts = counts.of_removals();
        }
        let fresh = || Progress { from, to, done, rejects: Vec::new() };
        let progress = self.splits.entry(split).or_insert_with(fresh);
        (progress.to, progress.done) = (to, done);
        self.rejected += rejects.len() as u64;
        progress.rejects.extend(rejects);
        self.counts += counts;
    }

    /// The fact that the import began with.
    pub fn begun(&self) -> Fact {
        Fact::BeginImport(Box::new(self.begin.clone()))
    }

    /// The facts that restore this state. The fact of the first split has the counts of all splits.
    pub fn facts(&self) -> Vec<Fact> {
        let mut facts = vec![self.begun()];
        facts.extend(self.checked.map(Fact::Checked));
        let mut counts = self.counts;
        facts.extend(self.splits.iter().map(|(&split, progress)| {
            let Progress { from, to, done, rejects } = progress.clone();
            Fact::Settled(Settled { split, from, to, done, counts: std::mem::take(&mut counts), rejects })
        }));
        facts
    }

    /// The marks of the splits that have begun, and whether each is done.
    pub(super) fn marks(&self) -> impl Iterator<Item = (SplitId, u64, bool)> {
        self.splits.iter().map(|(&split, progress)| (split, progress.to, progress.done))
    }

    /// Rejected lines, by split.
    pub fn rejects(&self) -> impl Iterator<Item = (SplitId, &RejectedLine)> {
        self.splits
            .iter()
            .flat_map(|(&split, progress)| progress.rejects.iter().map(move |line| (split, line)))
    }

    /// The results of the lines so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The number of rejected lines so far.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// The number of splits done, and of all splits.
    pub fn tasks(&self) -> (usize, usize) {
        (self.splits.values().filter(|progress| progress.done).count(), self.begin.splits as usize)
    }

    /// Whether anything would have to be read or written again if the state were removed.
    pub fn has_anything(&self) -> bool {
        self.checked.is_some() || !self.splits.is_empty()
    }
}

/// Whether the sums would exceed what any backup holds. The bound keeps them within their types.
fn is_too_much(more: &Counts, so_far: Counts) -> bool {
    const MOST: u64 = 1 << 60;
    let pairs = [
        (more.items, so_far.items),
        (more.kept, so_far.kept),
        (more.item_bytes, so_far.item_bytes),
        (more.units.milli(), so_far.units.milli()),
    ];
    pairs.into_iter().any(|(more, so_far)| more > MOST - so_far.min(MOST))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use job::ids::JobId;

    /// An import of a backup in three splits.
    pub(in crate::import) fn beginning() -> BeginImport {
        BeginImport {
            job: JobId::from_u128(7),
            table: "Forum".into(),
            table_id: None,
            source: "s3://b/x".into(),
            mode: WriteMode::Put,
            fingerprint: "f".into(),
            cut_for: 2,
            splits: 3,
            rejects: None,
            expected_items: 0,
            started_at: "t".into(),
        }
    }

    fn begun() -> ImportState {
        ImportState::new(beginning())
    }

    fn settled(split: u32, from: u64, to: u64, done: bool) -> Fact {
        let rejects = vec![RejectedLine { offset: from, reason: "no key".into() }];
        let counts = Counts { items: 5, ..Counts::default() };
        Fact::Settled(Settled { split: SplitId(split), from, to, done, counts, rejects })
    }

    #[test]
    fn the_facts_of_a_state_make_the_same_state() {
        let mut state = begun();
        let checked = Checked { rejected: 3, ..Checked::default() };
        for fact in [
            Fact::Checked(checked),
            settled(0, 0, 10, false),
            settled(2, 7, 9, true),
            settled(0, 10, 30, true),
        ] {
            state.replay(fact).unwrap();
        }
        assert_eq!((state.tasks(), state.counts().items, state.rejected()), ((2, 3), 15, 3));
        let mut again = begun();
        state.facts().into_iter().skip(1).for_each(|fact| again.replay(fact).unwrap());
        assert_eq!(again.facts(), state.facts());
        assert_eq!(again.marks().collect::<Vec<_>>(), [(SplitId(0), 30, true), (SplitId(2), 9, true)]);
        assert_eq!((again.counts(), again.rejected(), again.checked), (state.counts(), 3, Some(checked)));
    }

    #[test]
    fn a_journal_that_counted_removals_as_items_still_says_that_they_were_removed() {
        let mut state = begun();
        state.begin.mode = WriteMode::Delete;
        let old = r#"{"split":0,"from":0,"to":10,"counts":{"items":5,"kept":0,"item_bytes":9,"units":5000}}"#;
        state.replay(Fact::Settled(serde_json::from_str(old).unwrap())).unwrap();
        assert_eq!((state.counts().items, state.counts().removed), (0, 5));
        let mut again = begun();
        again.begin.mode = WriteMode::Delete;
        state.facts().into_iter().skip(1).for_each(|fact| again.replay(fact).unwrap());
        assert_eq!(again.counts(), state.counts());
    }

    #[test]
    fn facts_that_contradict_each_other_are_refused() {
        let mut state = begun();
        state.replay(settled(0, 0, 10, false)).unwrap();
        assert!(state.replay(settled(0, 0, 10, false)).is_err(), "twice");
        assert!(state.replay(settled(0, 11, 20, false)).is_err(), "a gap");
        assert!(state.replay(settled(3, 0, 1, false)).is_err(), "no such split");
        assert!(state.replay(Fact::Fenced(job::ids::FileId(1))).is_err());
    }
}

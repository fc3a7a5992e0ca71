//! What an import has got to, for its journal.

use std::collections::BTreeMap;

use job::{
    ids::SplitId,
    journal::{BeginImport, Checked, Fact, RejectedLine, Settled},
    spec::WriteMode,
    split::Counts,
};

/// How far a split has got.
#[derive(Clone, Debug)]
struct Progress {
    /// Where it began.
    from: u64,
    to: u64,
    done: bool,
    rejects: Vec<RejectedLine>,
}

/// Marks of splits and what became of the lines before them.
#[derive(Clone, Debug)]
pub struct ImportState {
    /// What it is.
    pub begin: BeginImport,
    /// What the check of the whole backup found, once it is through.
    pub checked: Option<Checked>,
    splits: BTreeMap<SplitId, Progress>,
    counts: Counts,
    rejected: u64,
}

impl ImportState {
    /// At its beginning.
    pub fn new(begin: BeginImport) -> Self {
        Self { begin, checked: None, splits: BTreeMap::new(), counts: Counts::default(), rejected: 0 }
    }

    /// Takes a fact of a journal that concerns splits.
    ///
    /// # Errors
    /// Why that can't be a fact of this import.
    pub fn replay(&mut self, fact: Fact) -> Result<(), String> {
        match fact {
            Fact::Checked(checked) => {
                self.checked = Some(checked);
                Ok(())
            }
            Fact::Settled(settled) => {
                let Settled { split, from, to, .. } = settled;
                if split.0 >= self.begin.splits {
                    return Err(format!("split {split} does not exist"));
                }
                let stands = self.splits.get(&split).map_or(from, |progress| progress.to);
                if from != stands || to < from {
                    return Err(format!("split {split} stands at {stands}, not at {from}"));
                }
                if is_too_much(&settled.counts, self.counts) {
                    return Err(format!("split {split} counts more than a backup holds"));
                }
                self.settled(&settled);
                Ok(())
            }
            _ => Err("an entry that does not belong to an import".into()),
        }
    }

    /// A split has got further, as was checked before.
    pub(super) fn settled(&mut self, settled: &Settled) {
        let Settled { split, from, to, done, mut counts, rejects } = settled.clone();
        if self.begin.mode == WriteMode::Delete {
            // Versions that did not count removals apart counted them as items.
            counts = counts.of_removals();
        }
        let fresh = || Progress { from, to, done, rejects: Vec::new() };
        let progress = self.splits.entry(split).or_insert_with(fresh);
        (progress.to, progress.done) = (to, done);
        self.rejected += rejects.len() as u64;
        progress.rejects.extend(rejects);
        self.counts += counts;
    }

    /// The fact that it began with.
    pub fn begun(&self) -> Fact {
        Fact::BeginImport(Box::new(self.begin.clone()))
    }

    /// The facts that make the state what it is. That of the first split has the counts of all.
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

    /// How far each split has got that has been begun, and whether it is done.
    pub(super) fn marks(&self) -> impl Iterator<Item = (SplitId, u64, bool)> {
        self.splits.iter().map(|(&split, progress)| (split, progress.to, progress.done))
    }

    /// Lines that became nothing, by split.
    pub fn rejects(&self) -> impl Iterator<Item = (SplitId, &RejectedLine)> {
        self.splits
            .iter()
            .flat_map(|(&split, progress)| progress.rejects.iter().map(move |line| (split, line)))
    }

    /// What became of the lines so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Lines so far that became nothing.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Splits done and in all.
    pub fn tasks(&self) -> (usize, usize) {
        (self.splits.values().filter(|progress| progress.done).count(), self.begin.splits as usize)
    }

    /// Something would have to be read or written again if it were forgotten.
    pub fn has_anything(&self) -> bool {
        self.checked.is_some() || !self.splits.is_empty()
    }
}

/// More items, or bytes of them, than there are, so that sums fit their types.
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

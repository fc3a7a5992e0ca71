//! The work of an import: it leases splits and counts what became of their lines.

use std::{convert::Infallible, time::Duration};

use events::TaskKind;
use job::{
    control::{FromWorker, ToWorker},
    ids::WorkerId,
    journal::{Fact, RejectedLine, Settled},
    object::Object,
    spec::{ImportSettings, WriteMode},
    split::{Advance, Counts, Reject, Split, SplitLease},
};

use super::state::ImportState;
use crate::{
    lease::{Leases, NotHeld, SlowTasks},
    rejection::{AdvanceRejection, Rejection},
    schedule::{Action, Reply, Work},
};
use job::counted::count_of;

/// The most rejected lines that a journal keeps. It keeps the offset and reason of each, so that the reject file of a
/// resumed run is complete. This many take some 10 MB of memory and of each snapshot of the journal.
const MAX_JOURNALED_REJECTS: u64 = 100_000;

/// Actions that an import asks for.
#[derive(Debug, PartialEq)]
pub enum ImportAction {
    /// Record rejected lines of an object.
    Reject(Object, Vec<Reject>),
}

/// One pass over the splits of a backup.
pub struct ImportWork {
    settings: ImportSettings,
    splits: Vec<Split>,
    /// The marks are text offsets.
    leases: Leases<u64>,
    /// Whether a worker has been given a split, and so may have written something.
    has_begun: bool,
    max_rejects: u64,
    counts: Counts,
    rejected: u64,
    /// The state that the journal records, if there is a journal.
    state: Option<ImportState>,
    /// Facts that are not in the journal yet.
    facts: Vec<Fact>,
}

impl ImportWork {
    /// The work at the start. `splits` are numbered from 0. The job fails once more than `max_rejects` lines are
    /// rejected.
    pub fn new(settings: ImportSettings, splits: Vec<Split>, max_rejects: u64) -> Self {
        let leases = Leases::new(splits.iter().map(|split| split.text_start));
        Self {
            settings,
            splits,
            leases,
            has_begun: false,
            max_rejects,
            counts: Counts::default(),
            rejected: 0,
            state: None,
            facts: Vec::new(),
        }
    }

    /// Adds the state of a journal. A pass that writes resumes from it.
    #[must_use]
    pub fn with(mut self, state: ImportState) -> Self {
        if self.settings.mode != WriteMode::Check {
            for (split, mark, is_done) in state.marks() {
                self.leases.replay(split.0 as usize, mark, is_done);
            }
            self.leases.settle();
            (self.counts, self.rejected) = (state.counts(), state.rejected());
        }
        self.state = Some(state);
        self
    }

    /// The state that the journal records, if there is a journal.
    pub fn state(&self) -> Option<&ImportState> {
        self.state.as_ref()
    }

    /// Takes the state that the journal records, because the pass is over.
    pub fn take_state(&mut self) -> Option<ImportState> {
        self.state.take()
    }

    /// Keeps an advance for the journal. A check keeps none, since it is resumed from its start.
    fn keep(&mut self, advance: &Advance) {
        let Some(state) = self.state.as_mut().filter(|_| self.settings.mode != WriteMode::Check) else {
            return;
        };
        let rejects = advance.rejects.iter();
        let rejects = rejects
            .map(|Reject { offset, reason, .. }| RejectedLine { offset: *offset, reason: reason.clone() });
        let settled = Settled {
            split: advance.split,
            from: advance.from,
            to: advance.to,
            done: advance.done,
            counts: advance.counts,
            rejects: rejects.collect(),
        };
        state.settled(&settled);
        self.facts.push(Fact::Settled(settled));
    }

    /// The results of the lines so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The number of rejected lines so far.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Whether a worker was given a split in this pass. From then on the table may hold more than the counts say: a
    /// worker reports its writes later, and not at all if it fails.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Accepts an advance whole, or nothing of it.
    fn advance(
        &mut self,
        now: Duration,
        worker: WorkerId,
        advance: Advance,
    ) -> Result<Reply<ImportAction>, Rejection> {
        let Advance { split, attempt, from, to, done, counts, ref rejects } = advance;
        let number = split.0 as usize;
        let mark = *self.leases.held(worker, number, attempt).map_err(|why| match why {
            NotHeld::Unknown => AdvanceRejection::UnknownSplit(split),
            NotHeld::Stale => AdvanceRejection::Stale(split, attempt),
        })?;
        if from != mark || to < from {
            return Err(AdvanceRejection::Gap { split, at: mark, from, to }.into());
        }
        if rejects.iter().any(|reject| !(from..to).contains(&reject.offset)) {
            return Err(AdvanceRejection::LineElsewhere { split, from, to }.into());
        }
        self.leases.advance(number, to, done, now);
        self.counts += counts;
        self.keep(&advance);
        let actions = self.reject(number, advance.rejects);
        Ok(Reply { done: u64::from(done), progressed: to > from || done, actions })
    }

    fn reject(&mut self, split: usize, rejects: Vec<Reject>) -> Vec<Action<ImportAction>> {
        let most = if self.state.is_some() { MAX_JOURNALED_REJECTS } else { u64::MAX }.min(self.max_rejects);
        let allowed = usize::try_from(most.saturating_sub(self.rejected)).unwrap_or(usize::MAX);
        self.rejected = self.rejected.saturating_add(rejects.len() as u64);
        let object = &self.splits[split].object;
        let failure = rejects.get(allowed).map(|Reject { offset, reason, .. }| {
            let more = match self.max_rejects {
                0 => "--max-rejects allows none".to_owned(),
                more if more > most => {
                    format!(
                        "with --state at most {most} lines can be rejected: remove --state, or correct the \
                         backup"
                    )
                }
                most => format!("--max-rejects allows {}", count_of(most, "line")),
            };
            Action::Fail(format!(
                "{object}: invalid line at byte {offset} of the uncompressed text: {reason} ({more})"
            ))
        });
        let noted =
            (!rejects.is_empty()).then(|| Action::Work(ImportAction::Reject(object.clone(), rejects)));
        noted.into_iter().chain(failure).collect()
    }
}

impl Work for ImportWork {
    type Event = Infallible;
    type Action = ImportAction;

    fn settings(&self) -> ToWorker {
        ToWorker::Import(Box::new(self.settings.clone()))
    }

    fn lease(&mut self, now: Duration, worker: WorkerId) -> Option<ToWorker> {
        let (number, attempt, &mark) = self.leases.lease(worker, now)?;
        let split = self.splits[number].clone();
        self.has_begun = true;
        Some(ToWorker::Split(Box::new(SplitLease { split, attempt, mark })))
    }

    fn said(
        &mut self,
        now: Duration,
        worker: WorkerId,
        message: FromWorker,
    ) -> Result<Reply<ImportAction>, Rejection> {
        match message {
            FromWorker::Advance(advance) => self.advance(now, worker, advance),
            _ => Err(Rejection::OtherJob("import")),
        }
    }

    fn handle(&mut self, event: Infallible) -> Vec<Action<ImportAction>> {
        match event {}
    }

    fn release(&mut self, now: Duration, worker: WorkerId) -> Vec<ImportAction> {
        self.leases.release(worker, now);
        Vec::new()
    }

    fn tasks(&self) -> (usize, usize) {
        (self.leases.num_done(), self.leases.total())
    }

    fn task_kind(&self) -> TaskKind {
        TaskKind::Splits
    }

    fn slow_tasks(&self, now: Duration) -> SlowTasks {
        self.leases.slow(now)
    }

    fn rejected(&self) -> u64 {
        self.rejected
    }

    fn take_facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    fn snapshot(&self) -> Vec<Fact> {
        self.state.as_ref().map(ImportState::facts).unwrap_or_default()
    }

    fn check_invariants(&self) {
        self.leases.check_invariants();
        for (mark, split) in self.leases.marks().zip(&self.splits) {
            assert!(*mark >= split.text_start, "no mark is before its split");
        }
        let checks = self.settings.mode == WriteMode::Check;
        assert!(!checks || self.counts.kept == 0, "a check keeps nothing");
    }
}

#[cfg(test)]
mod tests {
    use super::{super::state::tests::beginning, *};
    use job::{
        ids::{Attempt, SplitId},
        journal::BeginImport,
        schema::{KeyAttribute, KeyKind, KeySchema},
        spec::AwsAccess,
        split::{Codec, InputFormat},
    };

    const A: WorkerId = WorkerId(1);
    const B: WorkerId = WorkerId(2);
    const NOW: Duration = Duration::ZERO;

    fn split(number: u32) -> Split {
        Split {
            split: SplitId(number),
            object: Object::File { path: format!("/backup/{number}").into() },
            etag: String::new(),
            object_bytes: 100,
            stored: 10..100,
            text_start: 10,
            cut: false,
            codec: Codec::Plain,
            format: InputFormat::Emr,
            checksum: None,
        }
    }

    fn work(splits: u32, max_rejects: u64) -> ImportWork {
        let partition = KeyAttribute { name: "id".into(), kind: KeyKind::S };
        let settings = ImportSettings {
            table: "Forum".into(),
            keys: KeySchema { partition, sort: None },
            indexes: Vec::new(),
            is_incremental: false,
            mode: WriteMode::Put,
            open_splits: 8,
            aws: AwsAccess::default(),
        };
        ImportWork::new(settings, (0..splits).map(split).collect(), max_rejects)
    }

    fn leased(work: &mut ImportWork, worker: WorkerId) -> SplitLease {
        let Some(ToWorker::Split(lease)) = work.lease(NOW, worker) else { panic!("no split is left") };
        *lease
    }

    fn advance(lease: &SplitLease, from: u64, to: u64, rejected: &[u64]) -> Advance {
        let reject = |&offset: &u64| Reject { offset, reason: "not JSON".into(), line: Vec::new() };
        Advance {
            split: lease.split.split,
            attempt: lease.attempt,
            from,
            to,
            done: to == 100,
            counts: Counts { items: 5, ..Counts::default() },
            rejects: rejected.iter().map(reject).collect(),
        }
    }

    #[test]
    fn a_lost_workers_split_goes_on_from_its_mark_and_nothing_counts_twice() {
        let mut work = work(1, 0);
        let lease = leased(&mut work, A);
        assert_eq!(lease.mark, 10);
        work.advance(NOW, A, advance(&lease, 10, 40, &[])).unwrap();
        work.release(NOW, A);
        let next = leased(&mut work, B);
        assert_eq!((next.mark, next.attempt), (40, Attempt(2)));
        assert!(work.advance(NOW, A, advance(&lease, 40, 100, &[])).is_err(), "what is stale is refused");
        assert!(work.advance(NOW, B, advance(&next, 10, 100, &[])).is_err(), "and what is done already");
        assert!(work.advance(NOW, B, advance(&next, 50, 100, &[])).is_err(), "and what leaves a gap");
        let heard = work.advance(NOW, B, advance(&next, 40, 100, &[])).unwrap();
        assert_eq!((heard.done, work.counts().items, work.tasks()), (1, 10, (1, 1)));
        work.check_invariants();
    }

    #[test]
    fn something_may_be_written_from_the_first_lease_on() {
        let mut work = work(1, 0);
        assert!(!work.has_begun());
        let lease = leased(&mut work, A);
        work.release(NOW, A);
        assert!(work.has_begun(), "also if the worker is lost and has told nothing");
        assert!(work.advance(NOW, A, advance(&lease, 10, 40, &[])).is_err());
        assert_eq!(work.counts(), Counts::default());
    }

    #[test]
    fn the_first_line_beyond_the_allowed_ones_fails_the_job_and_is_named() {
        let mut work = work(1, 1);
        let lease = leased(&mut work, A);
        let heard = work.advance(NOW, A, advance(&lease, 10, 40, &[12])).unwrap();
        assert!(matches!(heard.actions[..], [Action::Work(ImportAction::Reject(..))]));
        let heard = work.advance(NOW, A, advance(&lease, 40, 60, &[41, 55])).unwrap();
        let [Action::Work(ImportAction::Reject(object, rejects)), Action::Fail(why)] = &heard.actions[..]
        else {
            panic!("{:?}", heard.actions)
        };
        assert_eq!((object.to_string().as_str(), rejects.len()), ("file:///backup/0", 2));
        assert_eq!(
            why,
            "file:///backup/0: invalid line at byte 41 of the uncompressed text: not JSON (--max-rejects \
             allows 1 line)"
        );
        work.check_invariants();
    }

    #[test]
    fn a_journal_keeps_a_bounded_number_of_rejected_lines() {
        let begin = BeginImport { cut_for: 1, splits: 1, ..beginning() };
        let offsets: Vec<u64> = (10..10 + MAX_JOURNALED_REJECTS).collect();
        for is_kept in [false, true] {
            let mut work = work(1, u64::MAX);
            if is_kept {
                work = work.with(ImportState::new(begin.clone()));
            }
            let lease = leased(&mut work, A);
            let heard = work.advance(NOW, A, advance(&lease, 10, 1_000_000, &offsets)).unwrap();
            assert_eq!(heard.actions.len(), 1, "as many as are kept");
            let heard = work.advance(NOW, A, advance(&lease, 1_000_000, 1_000_001, &[1_000_000])).unwrap();
            match heard.actions.last() {
                Some(Action::Fail(why)) if is_kept => {
                    assert!(why.contains("with --state at most 100000"), "{why}");
                }
                Some(Action::Work(_)) => assert!(!is_kept),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_line_outside_of_its_advance_is_not_rejected() {
        let mut work = work(1, u64::MAX);
        let lease = leased(&mut work, A);
        for offset in [9, 40] {
            assert!(work.advance(NOW, A, advance(&lease, 10, 40, &[offset])).is_err());
        }
        assert!(work.advance(NOW, A, advance(&lease, 10, 40, &[10, 39])).is_ok());
        assert_eq!(work.rejected(), 2);
    }
}

//! An import: splits with lines, good ones and others; workers that settle them with the real ledger; and the table.

use std::{collections::BTreeSet, time::Duration};

use engine::{
    import::{ImportAction, ImportState, ImportWork},
    replay::State,
    worker::{
        ledger::{Entry, Ledger, LineState, Rejected},
        line::{Outcome, Ticket},
    },
};
use fastrand::Rng;
use job::{
    capacity::Units,
    control::{FromWorker, ToWorker},
    ids::{Attempt, JobId, SplitId},
    journal::{BeginImport, Fact, Settled},
    object::Object,
    schema::{KeyAttribute, KeyKind, KeySchema},
    spec::{AwsAccess, ImportSettings, WriteMode},
    split::{Codec, InputFormat, Reject, Split, SplitLease, Write},
};

use crate::common::{Job, SimResources};

/// Bytes of each line.
const LINE: u64 = 10;

/// What becomes of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Put,
    Kept,
    NoItem,
    Refused,
}

/// The job.
pub(crate) struct Import {
    lines: Vec<Vec<Fate>>,
    splits: Vec<Split>,
    /// Lines that are in the table.
    table: BTreeSet<(u32, u64)>,
    settings: ImportSettings,
    begin: BeginImport,
}

/// A split under way.
struct Open {
    lease: SplitLease,
    slot: u64,
    next: u64,
    first: u64,
}

/// A worker.
pub(crate) struct SimWorker {
    resources: SimResources,
    ledger: Ledger<()>,
    open: Vec<Open>,
    /// Which line of which split, by what the ledger calls it.
    waiting: Vec<(Ticket, u32, u64)>,
}

/// Of a coordinator: the mark of each split, and which are done.
#[derive(Default)]
pub(crate) struct Seen {
    marks: std::collections::BTreeMap<u32, (u64, bool)>,
}

impl Import {
    /// A backup.
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let fate = |rng: &mut Rng| match rng.u8(0..12) {
            0 => Fate::Kept,
            1 => Fate::NoItem,
            2 => Fate::Refused,
            _ => Fate::Put,
        };
        let lines = |rng: &mut Rng| (0..rng.usize(0..20)).map(|_| fate(rng)).collect();
        let lines: Vec<Vec<Fate>> = (0..rng.usize(1..8)).map(|_| lines(rng)).collect();
        let split = |(number, lines): (u32, &Vec<Fate>)| {
            let start = u64::from(number) * 1000;
            Split {
                split: SplitId(number),
                object: Object::File { path: "/backup/0".into() },
                etag: String::new(),
                object_bytes: 10_000,
                stored: start..start + lines.len() as u64 * LINE,
                text_start: start,
                cut: false,
                codec: Codec::Plain,
                format: InputFormat::Emr,
                checksum: None,
            }
        };
        let splits: Vec<Split> = (0..).zip(&lines).map(split).collect();
        let keys = KeySchema { partition: KeyAttribute { name: "id".into(), kind: KeyKind::S }, sort: None };
        Self {
            settings: ImportSettings {
                table: "t".into(),
                keys,
                indexes: Vec::new(),
                is_incremental: false,
                mode: WriteMode::PutIfAbsent,
                open_splits: 4,
                aws: AwsAccess::default(),
            },
            begin: BeginImport {
                job: JobId::from_u128(7),
                table: "t".into(),
                table_id: None,
                source: "s3://bucket/backup".into(),
                mode: WriteMode::PutIfAbsent,
                fingerprint: String::new(),
                cut_for: 1,
                splits: u32::try_from(splits.len()).unwrap(),
                rejects: None,
                expected_items: 0,
                started_at: String::new(),
            },
            lines,
            splits,
            table: BTreeSet::new(),
        }
    }

    fn end_of(&self, split: u32) -> u64 {
        self.splits[split as usize].stored.end
    }

    fn fate(&self, split: u32, offset: u64) -> Fate {
        let at = (offset - self.splits[split as usize].text_start) / LINE;
        self.lines[split as usize][usize::try_from(at).unwrap()]
    }

    fn read(&self, hand: &mut SimWorker, what: u32, said: &mut Vec<FromWorker>) {
        if hand.open.is_empty() {
            hand.resources.want(1 + u64::from(what) % 3, said);
            return;
        }
        let at = what as usize % hand.open.len();
        let (split, slot, first) =
            (hand.open[at].lease.split.split.0, hand.open[at].slot, hand.open[at].first);
        let end = self.end_of(split);
        for _ in 0..=what % 4 {
            let offset = hand.open[at].next;
            if offset >= end {
                hand.ledger.ended(slot, end);
                hand.open.remove(at);
                return;
            }
            hand.open[at].next += LINE;
            let state = if self.fate(split, offset) == Fate::NoItem {
                let reject = Reject { offset, reason: "not JSON".into(), line: Vec::new() };
                LineState::Rejected(Box::new(Rejected { reject, permit: Some(()) }))
            } else {
                hand.waiting.push((Ticket { slot, line: (offset - first) / LINE }, split, offset));
                LineState::Waiting
            };
            let (next, write) = (offset + LINE, Write::Put);
            hand.ledger.read(slot, [Entry { offset, next, write, item_bytes: 100, state }]);
        }
    }

    fn write(&mut self, hand: &mut SimWorker, now: Duration, what: u32, said: &mut Vec<FromWorker>) {
        let Some(at) = (what as usize).checked_rem(hand.waiting.len()) else { return };
        if !hand.resources.may_request(now, Units::from_units(1), said) {
            return;
        }
        let (ticket, split, offset) = hand.waiting[at];
        let fate = self.fate(split, offset);
        let (unprocessed, lost_reply) = (what.is_multiple_of(7), what % 7 == 1);
        if unprocessed {
            return;
        }
        if fate == Fate::Put {
            self.table.insert((split, offset));
        }
        if lost_reply {
            return;
        }
        hand.waiting.swap_remove(at);
        let outcome = match fate {
            Fate::Put => Outcome::Written,
            Fate::Kept => Outcome::Kept,
            Fate::NoItem | Fate::Refused => {
                Outcome::Rejected { reason: "too large".into(), json: bytes::Bytes::new() }
            }
        };
        hand.ledger.settle(ticket, outcome);
    }

    fn check(&self, settled: &Settled) {
        let split = settled.split.0;
        let offsets = (settled.from..settled.to).step_by(usize::try_from(LINE).unwrap());
        let (mut put, mut kept, mut rejects) = (0, 0, Vec::new());
        for offset in offsets {
            match self.fate(split, offset) {
                Fate::Put => {
                    assert!(
                        self.table.contains(&(split, offset)),
                        "import: the mark of split {split} passed line {offset}, which is not written"
                    );
                    put += 1;
                }
                Fate::Kept => kept += 1,
                Fate::NoItem | Fate::Refused => rejects.push(offset),
            }
        }
        assert_eq!(
            (settled.counts.items, settled.counts.kept),
            (put, kept),
            "import: counts of split {split}"
        );
        let rejected: Vec<u64> = settled.rejects.iter().map(|line| line.offset).collect();
        assert_eq!(rejected, rejects, "import: rejected lines of split {split}");
    }

    fn end(&self, state: &ImportState, seen: &Seen) {
        let fates = || self.lines.iter().flatten();
        let count = |fate: Fate| fates().filter(|&&one| one == fate).count() as u64;
        for split in 0..self.begin.splits {
            assert_eq!(
                seen.marks.get(&split),
                Some(&(self.end_of(split), true)),
                "end: split {split} is not done"
            );
        }
        assert_eq!(state.counts().items, count(Fate::Put), "end: items");
        assert_eq!(state.counts().kept, count(Fate::Kept), "end: kept");
        assert_eq!(state.rejected(), count(Fate::NoItem) + count(Fate::Refused), "end: rejected");
        assert_eq!(self.table.len() as u64, count(Fate::Put), "end: what is in the table");
    }
}

fn import(state: &State) -> &ImportState {
    let State::Import(state) = state else { panic!("an import's journal") };
    state
}

impl Job for Import {
    type Work = ImportWork;
    type SimWorker = SimWorker;
    type Seen = Seen;
    type Ending = ();

    fn fresh(&self) -> State {
        State::Import(Box::new(ImportState::new(self.begin.clone())))
    }

    fn take_over(&mut self, _: &mut State) -> Vec<Fact> {
        Vec::new()
    }

    fn facts(state: &State) -> Vec<Fact> {
        import(state).facts()
    }

    fn seen(&self, state: &State) -> Seen {
        let mut seen = Seen::default();
        for fact in import(state).facts() {
            if let Fact::Settled(Settled { split, to, done, .. }) = fact {
                seen.marks.insert(split.0, (to, done));
            }
        }
        seen
    }

    fn work(&self, state: State) -> ImportWork {
        ImportWork::new(self.settings.clone(), self.splits.clone(), u64::MAX).with(import(&state).clone())
    }

    fn hand(&self) -> SimWorker {
        SimWorker {
            resources: SimResources::new(),
            ledger: Ledger::new(),
            open: Vec::new(),
            waiting: Vec::new(),
        }
    }

    fn hear(&mut self, hand: &mut SimWorker, message: ToWorker, _: &mut Vec<FromWorker>) {
        match message {
            ToWorker::Grant { units, .. } => hand.resources.grant(units),
            ToWorker::Split(lease) => {
                hand.resources.got += 1;
                let slot = hand.ledger.open(&lease);
                let mark = lease.mark;
                hand.open.push(Open { lease: *lease, slot, next: mark, first: mark });
            }
            ToWorker::Drain => hand.resources.draining = true,
            _ => {}
        }
    }

    fn act(&mut self, hand: &mut SimWorker, now: Duration, what: u32, said: &mut Vec<FromWorker>) {
        match what % 8 {
            0 | 1 => self.read(hand, what / 8, said),
            2..=5 => self.write(hand, now, what / 8, said),
            6 => said.extend(hand.ledger.take().into_iter().map(|told| FromWorker::Advance(told.advance))),
            _ => said.push(hand.resources.heartbeat()),
        }
    }

    fn perform(
        &mut self,
        _: &ImportWork,
        ImportAction::Reject(..): ImportAction,
    ) -> Option<std::convert::Infallible> {
        None
    }

    fn accepted(&self, seen: &mut Seen, fact: &Fact) -> Vec<u32> {
        let Fact::Settled(settled) = fact else { return Vec::new() };
        let split = settled.split.0;
        let mark = seen.marks.entry(split).or_insert((self.splits[split as usize].text_start, false));
        assert_eq!(
            *mark,
            (settled.from, false),
            "accepted: an advance of split {split} that begins elsewhere"
        );
        *mark = (settled.to, settled.done);
        self.check(settled);
        settled.done.then_some(split).into_iter().collect()
    }

    fn leased(message: &ToWorker) -> Option<(u32, Attempt)> {
        match message {
            ToWorker::Split(lease) => Some((lease.split.split.0, lease.attempt)),
            _ => None,
        }
    }

    fn ending(&self, work: &ImportWork, seen: &Seen, _: &str) {
        self.end(work.state().expect("it has a journal"), seen);
    }

    fn ending_of(&self, state: &State, seen: &Seen, _: &str) {
        self.end(import(state), seen);
    }

    fn end_step(&mut self, (): &mut ()) -> Option<String> {
        Some(String::new())
    }

    fn may_have_two(&self) -> bool {
        true
    }

    fn on_files(&self) -> bool {
        false
    }
}

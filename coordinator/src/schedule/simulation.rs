//! The schedule against simulated workers that are slow, die, and speak after they are lost, and against deaths of
//! the coordinator itself, which goes on from what it had journaled. After every run each page of the table is in
//! exactly one accepted part.
//!
//! A failing seed is printed by proptest and replays alone.

use std::collections::{BTreeMap, VecDeque};

use super::{
    tests::{Exporting, begin, begun},
    *,
};
use crate::export::{ExportAction, ExportEvent, ExportState};
use job::{
    control::{Sealed, SealedPart},
    ids::{FileId, UploadId},
    journal::Fact,
    task::{Lease, Position, Step, TotalSegments},
};
use proptest::prelude::*;

/// Segment and page.
type Page = (u32, u64);

/// A worker as the coordinator knows it: by what it says.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of a model")]
struct Model {
    lost: bool,
    joined: bool,
    leases: Vec<(Lease, u64)>,
    wanted: u64,
    /// The open file, the id of its upload, and how many parts of it are sealed.
    file: Option<(FileId, UploadId, u32)>,
    asked_for_file: bool,
    at_hand: Vec<Step>,
    pages_at_hand: Vec<Page>,
    draining: bool,
    /// Said and not yet heard.
    outbox: VecDeque<FromWorker>,
}

struct World {
    schedule: Exporting,
    now: Duration,
    pages_of: Vec<u64>,
    workers: BTreeMap<WorkerId, Model>,
    num_workers: u32,
    /// Of runs before this one: nobody hears them any more, but they write on.
    orphans: Vec<Model>,
    /// What each part of an upload holds, accepted or not.
    written: BTreeMap<(FileId, UploadId, u32), Vec<Page>>,
    uploads: u32,
    /// What would be found after a death; what happened since is not yet there.
    journaled: Vec<Fact>,
    complete: bool,
}

impl World {
    fn new(pages_of: Vec<u64>, num_workers: u32) -> Self {
        let segments = u32::try_from(pages_of.len()).unwrap();
        let begin = begin(TotalSegments::try_from(segments).unwrap());
        let state = ExportState::new(begin.clone(), true);
        let (schedule, actions) = begun(state, Hiring::Start(num_workers));
        let mut world = Self {
            schedule,
            now: Duration::ZERO,
            pages_of,
            workers: BTreeMap::new(),
            num_workers,
            orphans: Vec::new(),
            written: BTreeMap::new(),
            uploads: 0,
            journaled: vec![Fact::Begin(Box::new(begin))],
            complete: false,
        };
        world.perform(actions);
        world
    }

    /// What has happened is journaled; now and then all of it in one.
    fn journal(&mut self, choice: usize) {
        let facts = self.schedule.work_mut().take_facts();
        if choice.is_multiple_of(4) {
            self.journaled = self.schedule.work().snapshot();
        } else {
            self.journaled.extend(facts);
        }
    }

    fn replayed(&self) -> ExportState {
        let mut facts = self.journaled.iter().cloned();
        let Some(Fact::Begin(begin)) = facts.next() else { panic!("a journal begins with the job") };
        let mut state = ExportState::new(*begin, true);
        facts.for_each(|fact| state.replay(fact).unwrap());
        state
    }

    /// The coordinator dies, and another goes on from the journal.
    fn crash(&mut self) {
        let mut state = self.replayed();
        state.settle();
        self.orphans.extend(std::mem::take(&mut self.workers).into_values());
        let (schedule, actions) = begun(state, Hiring::Start(self.num_workers));
        self.schedule = schedule;
        // Its clock is its own, and what was done counts only as far as it is journaled.
        self.now = Duration::ZERO;
        self.complete = false;
        self.perform(actions);
    }

    /// What is journaled now gives the state that there is.
    fn check_replay(&mut self) {
        self.journal(1);
        assert_eq!(self.replayed().facts(), self.schedule.work().state().facts());
    }

    fn tell(&mut self, event: Event<ExportEvent>) {
        let actions = self.schedule.handle(self.now, event);
        self.schedule.check_invariants();
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action<ExportAction>>) {
        for action in actions {
            match action {
                Action::Start(worker) => drop(self.workers.insert(worker, Model::default())),
                Action::Send(worker, message) => self.hear(worker, message),
                Action::Disconnect(worker, _) => self.workers.get_mut(&worker).unwrap().lost = true,
                Action::Work(ExportAction::OpenFile(file, _)) => {
                    self.uploads += 1;
                    self.tell(Event::Work(ExportEvent::Opened(
                        file,
                        format!("upload{}", self.uploads).parse().unwrap(),
                    )));
                }
                Action::Work(ExportAction::Fence(file)) => self.tell(Event::Work(ExportEvent::Fenced(file))),
                Action::Complete => self.complete = true,
                Action::Fail(why) => panic!("{why}"),
            }
        }
    }

    fn hear(&mut self, worker: WorkerId, message: ToWorker) {
        let model = self.workers.get_mut(&worker).unwrap();
        match message {
            ToWorker::Lease(lease) => {
                let page = lease.mark.pages;
                model.leases.push((lease, page));
            }
            ToWorker::File { file, upload_id, .. } => model.file = Some((file, upload_id, 0)),
            ToWorker::Drain => model.draining = true,
            ToWorker::Export(_)
            | ToWorker::Import(_)
            | ToWorker::Split(_)
            | ToWorker::Grant { .. }
            | ToWorker::Finish => {}
        }
    }

    /// A worker reads one page of one of its segments.
    fn read(&mut self, worker: WorkerId, choice: usize) {
        let model = self.workers.get_mut(&worker).unwrap();
        if model.leases.is_empty() {
            if model.joined && !model.draining {
                model.wanted += 1 + choice as u64 % 3;
                model.outbox.push_back(FromWorker::Want(model.wanted));
            }
            return;
        }
        let at = choice % model.leases.len();
        let (lease, page) = &mut model.leases[at];
        let (segment, from_page) = (lease.segment, *page);
        *page += 1;
        let is_done = *page == self.pages_of[segment.0 as usize];
        let position = if is_done { Position::Done } else { Position::After(page.to_string()) };
        // Every third page is empty, as pages of a filtered or deleted range are.
        let items = u64::from((u64::from(segment.0) + from_page) % 3 != 0);
        match model.at_hand.iter_mut().find(|step| step.segment == segment) {
            Some(step) => {
                step.to_page += 1;
                step.items += items;
                step.position = position;
            }
            None => model.at_hand.push(Step {
                segment,
                attempt: lease.attempt,
                from_page,
                to_page: from_page + 1,
                items,
                position,
            }),
        }
        if items > 0 {
            model.pages_at_hand.push((segment.0, from_page));
        }
        if is_done {
            model.leases.remove(at);
        }
    }

    /// A worker seals what it has.
    fn seal(&mut self, worker: WorkerId) {
        let model = self.workers.get_mut(&worker).unwrap();
        Self::seal_what_is_at_hand(model, &mut self.written);
    }

    fn seal_what_is_at_hand(model: &mut Model, written: &mut BTreeMap<(FileId, UploadId, u32), Vec<Page>>) {
        if model.at_hand.is_empty() {
            return;
        }
        let part = if model.pages_at_hand.is_empty() {
            None
        } else {
            let Some((file, upload_id, parts)) = &mut model.file else {
                if !std::mem::replace(&mut model.asked_for_file, true) {
                    model.outbox.push_back(FromWorker::WantFile);
                }
                return;
            };
            *parts += 1;
            let (file, number) = (*file, *parts);
            let pages = std::mem::take(&mut model.pages_at_hand);
            let items = pages.len() as u64;
            let place = (file, upload_id.clone(), number);
            assert!(written.insert(place, pages).is_none(), "two parts in one place");
            Some(SealedPart {
                file,
                number,
                etag: String::new(),
                crc32c: 0,
                bytes: 1,
                items,
                line_bytes: 1,
                last: false,
            })
        };
        let steps = std::mem::take(&mut model.at_hand);
        model.outbox.push_back(FromWorker::Sealed(Sealed { part, steps }));
    }

    /// Something a worker said arrives, perhaps long after it is lost.
    fn deliver(&mut self, worker: WorkerId) {
        let Some(message) = self.workers.get_mut(&worker).unwrap().outbox.pop_front() else { return };
        self.tell(Event::Said(worker, message));
    }

    fn step(&mut self, kind: u8, who: usize, choice: usize) {
        self.now += Duration::from_millis(10);
        match kind {
            16 => return self.crash(),
            17..=18 => return self.journal(choice),
            19 => {
                let Some(orphan) = choice.checked_rem(self.orphans.len()) else { return };
                return Self::seal_what_is_at_hand(&mut self.orphans[orphan], &mut self.written);
            }
            20 => return self.check_replay(),
            _ => {}
        }
        let ids: Vec<WorkerId> = self.workers.keys().copied().collect();
        let worker = ids[who % ids.len()];
        let is_lost = self.workers[&worker].lost;
        match kind {
            0 if !is_lost => {
                self.workers.get_mut(&worker).unwrap().lost = true;
                self.tell(Event::Lost(worker, "killed".into()));
                self.schedule.workers.progressed();
            }
            1..=2 => self.seal(worker),
            3..=6 => self.deliver(worker),
            7 => self.tell(Event::Tick),
            8 if !is_lost && !self.workers[&worker].joined => {
                self.workers.get_mut(&worker).unwrap().joined = true;
                self.tell(Event::Joined(worker));
            }
            _ if self.workers[&worker].joined => self.read(worker, choice),
            _ => {}
        }
        let alive: Vec<WorkerId> =
            self.workers.iter().filter(|(_, model)| !model.lost).map(|(&id, _)| id).collect();
        for id in alive {
            // Everybody is heard of in time.
            self.schedule.workers.get_mut(id).unwrap().heard_at = self.now;
        }
    }

    fn accepted_pages(&self) -> Vec<Page> {
        let files = self.schedule.work().state().files().iter().filter(|file| !file.parts.is_empty());
        let parts = files.flat_map(|file| {
            let upload_id = file.upload_id.clone().unwrap();
            file.parts.iter().map(move |part| (part.file, upload_id.clone(), part.number))
        });
        let pages = parts.flat_map(|part| self.written[&part].iter().copied());
        let mut pages: Vec<Page> = pages.collect();
        pages.sort_unstable();
        pages
    }

    fn table_pages(&self) -> Vec<Page> {
        let pages = |(segment, &count): (usize, &u64)| {
            let segment = u32::try_from(segment).unwrap();
            (0..count).map(move |page| (segment, page))
        };
        let all = self.pages_of.iter().enumerate().flat_map(pages);
        all.filter(|(segment, page)| (u64::from(*segment) + page) % 3 != 0).collect()
    }
}

proptest! {
    #[test]
    fn every_page_is_in_exactly_one_accepted_part_whatever_dies(
        pages_of in proptest::collection::vec(1u64..6, 1..12),
        num_workers in 1u32..5,
        steps in proptest::collection::vec((0u8..21, any::<usize>(), any::<usize>()), 0..400),
    ) {
        let mut world = World::new(pages_of, num_workers);
        for (kind, who, choice) in steps {
            world.step(kind, who, choice);
        }
        // From here on nobody dies any more.
        for round in 0..4000usize {
            if world.complete {
                break;
            }
            for kind in [8, 9, 1, 3, 7] {
                for who in 0..world.workers.len() {
                    world.step(kind, who, round);
                }
            }
        }
        prop_assert!(world.complete, "the job does not end");
        prop_assert_eq!(world.accepted_pages(), world.table_pages());
    }
}

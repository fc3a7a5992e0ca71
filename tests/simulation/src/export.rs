//! An export: a table of segments with pages, workers that read and seal them with the real decisions, and the place
//! where their parts go: S3, or a folder, where a file is what was written last.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use engine::{
    export::{ExportAction, ExportEvent, ExportState, ExportWork},
    part_files::PartFile,
    replay::State,
    worker::{
        part_builder::{Page, PartBuilder, PartLimits},
        upload_sequencer::{AssignedFile, Stored, UploadAction, UploadEvent, UploadSequencer},
    },
};
use fastrand::Rng;
use job::{
    capacity::Units,
    control::{FromWorker, ToWorker},
    ids::{Attempt, FileId, JobId},
    journal::{Begin, Fact, Run, Totals},
    schema::{KeyAttribute, KeyKind, KeySchema},
    spec::{AwsAccess, ExportSettings, FileOptions, FixedOptions},
    target::Target,
    task::{Lease, Position, TotalSegments},
};

use crate::common::{Job, SimResources};

const MIB: u64 = 1 << 20;

/// Segment and page.
type PageOf = (u32, u64);

/// The beginning of an export with these options.
pub(crate) fn begin(options: FixedOptions) -> Begin {
    Begin {
        job: JobId::from_u128(7),
        table: "t".into(),
        arn: None,
        table_id: None,
        keys: KeySchema { partition: KeyAttribute { name: "id".into(), kind: KeyKind::S }, sort: None },
        options,
        started_at: String::new(),
        expected_items: 0,
        description: serde_json::Value::Null,
        table_settings: None,
    }
}

/// A part as it was written, under a tag of its own.
#[derive(Clone)]
struct Written {
    number: u32,
    tag: String,
    pages: Vec<PageOf>,
}

/// An upload, or a file without a name yet.
struct Upload {
    file: FileId,
    parts: Vec<Written>,
    /// On a file system: what its worker writes does not reach it any more.
    fenced: bool,
}

/// The job.
pub(crate) struct Export {
    /// Items of each page of each segment.
    table: Vec<Vec<u64>>,
    on_files: bool,
    /// Of a part, at most.
    steps: usize,
    uploads: Vec<Upload>,
    tags: u32,
    settings: ExportSettings,
    begin: Begin,
    completed: BTreeSet<FileId>,
}

/// A worker.
pub(crate) struct SimWorker {
    resources: SimResources,
    filling: PartBuilder,
    order: UploadSequencer<Vec<PageOf>>,
    leases: Vec<(Lease, u64)>,
    pages: Vec<PageOf>,
    bytes: u64,
    writing: Vec<(u64, AssignedFile, u32, Stored<Vec<PageOf>>)>,
}

/// Files that are still to be completed, and what is published then.
pub(crate) struct Ending {
    files: Vec<PartFile>,
    export_json: String,
}

impl Export {
    /// A table.
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let segments = rng.u32(1..12);
        let items = |rng: &mut Rng| if rng.u8(0..3) == 0 { 0 } else { rng.u64(1..4) };
        let pages = |rng: &mut Rng| (0..rng.usize(1..8)).map(|_| items(rng)).collect();
        let table: Vec<Vec<u64>> = (0..segments).map(|_| pages(rng)).collect();
        let on_files = rng.bool();
        let segments = TotalSegments::try_from(segments).unwrap();
        let target = if on_files {
            Target::File { dir: "/backup".into() }
        } else {
            Target::S3 { bucket: "bucket".into(), prefix: "backup".into() }
        };
        let options = FixedOptions { files: FileOptions::default(), consistent: false, segments };
        Self {
            table,
            on_files,
            steps: if rng.bool() { rng.usize(2..9) } else { usize::MAX },
            uploads: Vec::new(),
            tags: 0,
            settings: ExportSettings {
                table: "t".into(),
                options,
                target,
                upload_part_bytes: rng.u64(5..9) * MIB,
                part_file_bytes: rng.u64(6..30) * MIB,
                mean_item_bytes: 0,
                aws: AwsAccess::default(),
            },
            begin: begin(options),
            completed: BTreeSet::new(),
        }
    }

    fn upload(id: &str) -> usize {
        id.parse().expect("an upload is called by its number")
    }

    fn order(hand: &mut SimWorker, event: UploadEvent<Vec<PageOf>>, said: &mut Vec<FromWorker>) {
        for action in hand.order.handle(event) {
            match action {
                UploadAction::AskForFile => said.push(FromWorker::WantFile),
                UploadAction::Write { sequence, file, number, stored } => {
                    hand.writing.push((sequence, file, number, stored));
                }
                UploadAction::Report(sealed) => said.push(FromWorker::Sealed(sealed)),
            }
        }
    }

    fn seal(hand: &mut SimWorker, line_follows: bool, said: &mut Vec<FromWorker>) {
        let length = std::mem::take(&mut hand.bytes);
        let Some(sealing) = hand.filling.seal(length, line_follows) else { return };
        let pages = std::mem::take(&mut hand.pages);
        let stored = (length > 0).then_some(Stored { bytes: pages, length, line_bytes: length, crc32c: 0 });
        Self::order(hand, UploadEvent::Filled(sealing, stored), said);
    }

    fn read(&self, hand: &mut SimWorker, now: Duration, what: u32, said: &mut Vec<FromWorker>) {
        if hand.leases.is_empty() {
            hand.resources.want(1 + u64::from(what) % 3, said);
            return;
        }
        let at = what as usize % hand.leases.len();
        if !hand.resources.may_request(now, Units::from_milli(500 + 500 * u64::from(what % 4)), said) {
            return;
        }
        let (lease, page) = &mut hand.leases[at];
        let (segment, attempt, from) = (lease.segment, lease.attempt, *page);
        *page += 1;
        let pages = &self.table[segment.0 as usize];
        let items = pages[usize::try_from(from).unwrap()];
        let is_done = *page == pages.len() as u64;
        let position = if is_done { Position::Done } else { Position::After(page.to_string()) };
        let read = Page { segment, attempt, pages: *page, items, position };
        if is_done {
            hand.leases.remove(at);
        }
        if hand.filling.must_seal_before(&read, hand.bytes) {
            Self::seal(hand, items > 0, said);
        }
        if hand.filling.append(read) {
            Self::order(hand, UploadEvent::Opened, said);
        }
        if items > 0 {
            hand.pages.push((segment.0, from));
            hand.bytes += items * MIB;
        }
    }

    /// A part is written, now or never.
    fn write(&mut self, hand: &mut SimWorker, what: u32, said: &mut Vec<FromWorker>) {
        let Some(at) = (what as usize).checked_rem(hand.writing.len()) else { return };
        let (sequence, file, number, stored) = hand.writing.swap_remove(at);
        self.tags += 1;
        let tag = self.tags.to_string();
        let upload = Self::upload(&file.upload_id);
        let upload = &mut self.uploads[upload];
        assert_eq!(upload.file, file.file, "worker: a part goes to the upload of its file");
        if !upload.fenced {
            upload.parts.retain(|part| part.number != number);
            upload.parts.push(Written { number, tag: tag.clone(), pages: stored.bytes });
        }
        Self::order(hand, UploadEvent::Durable { sequence, etag: tag }, said);
    }

    fn pages_of(&self, file: FileId, upload_id: &str, number: u32, tag: &str) -> Vec<PageOf> {
        let upload = &self.uploads[Self::upload(upload_id)];
        assert_eq!(upload.file, file);
        let part = upload.parts.iter().find(|part| part.number == number && part.tag == tag);
        part.expect("accepted: a part that is not there, or has been written over").pages.clone()
    }

    fn fence(&mut self, file: &PartFile) {
        let Some(id) = &file.upload_id else { return };
        let at = Self::upload(id);
        let upload = &mut self.uploads[at];
        if self.on_files && !upload.fenced {
            upload.fenced = true;
            upload.parts.retain(|part| file.parts.iter().any(|accepted| accepted.number == part.number));
        }
    }

    fn end(&self, state: &ExportState, seen: &Seen, at: &str) -> Ending {
        let table = self.table.iter().zip(0..).flat_map(|(pages, segment)| {
            pages.iter().zip(0..).filter(|(items, _)| **items > 0).map(move |(_, page)| (segment, page))
        });
        let all: BTreeSet<PageOf> = table.collect();
        assert!(
            all == seen.pages,
            "commit: pages {:?} are in no part",
            all.difference(&seen.pages).collect::<Vec<_>>()
        );
        let (done, total) = state.tasks();
        assert_eq!(done, total, "commit: not all segments are done");
        let run = Run { workers: 1, ..Run::default() };
        let export = state.export_json(&run, &Totals::default(), at).expect("commit: counts agree");
        let files = state.files().iter().filter(|file| file.upload_id.is_some()).cloned().collect();
        Ending { files, export_json: serde_json::to_string(&export).unwrap() }
    }

    /// What S3 or a folder makes of a file when it is completed.
    fn complete(&mut self, file: &PartFile) {
        let id = file.upload_id.as_deref().unwrap_or_default();
        let upload = &self.uploads[Self::upload(id)];
        for accepted in &file.parts {
            let part = upload.parts.iter().find(|part| part.number == accepted.number);
            let tag = &part.expect("commit: an accepted part is not there").tag;
            assert_eq!(
                tag, &accepted.etag,
                "commit: part {} of file {} was written over",
                accepted.number, file.id
            );
        }
        if self.on_files && !file.parts.is_empty() {
            assert_eq!(
                upload.parts.len(),
                file.parts.len(),
                "commit: file {} holds what a stale worker wrote",
                file.id
            );
            // From here on nothing can be written under this name.
            let at = Self::upload(id);
            self.uploads[at].fenced = true;
        }
        self.completed.insert(file.id);
    }
}

/// What a coordinator has accepted.
#[derive(Default)]
pub(crate) struct Seen {
    pages: BTreeSet<PageOf>,
    /// Pages of each segment.
    marks: BTreeMap<u32, u64>,
    opened: Vec<(FileId, String)>,
}

impl Job for Export {
    type Work = ExportWork;
    type SimWorker = SimWorker;
    type Seen = Seen;
    type Ending = Ending;

    fn fresh(&self) -> State {
        State::Export(Box::new(ExportState::new(self.begin.clone(), self.on_files)))
    }

    fn take_over(&mut self, state: &mut State) -> Vec<Fact> {
        let State::Export(state) = state else { panic!("an export's journal") };
        let open: Vec<PartFile> = state.files().iter().filter(|file| file.needs_fence()).cloned().collect();
        let fence = |file: &PartFile| {
            self.fence(file);
            Fact::Fenced(file.id)
        };
        let facts: Vec<Fact> = open.iter().map(fence).collect();
        for fact in &facts {
            state.replay(fact.clone()).unwrap();
        }
        facts
    }

    fn facts(state: &State) -> Vec<Fact> {
        let State::Export(state) = state else { panic!("an export's journal") };
        state.facts()
    }

    fn seen(&self, state: &State) -> Seen {
        let State::Export(state) = state else { panic!("an export's journal") };
        let mut seen = Seen::default();
        for file in state.files() {
            let Some(id) = &file.upload_id else { continue };
            seen.opened.push((file.id, id.to_string()));
            for part in &file.parts {
                for page in self.pages_of(file.id, id, part.number, &part.etag) {
                    assert!(seen.pages.insert(page), "journal: page {page:?} is in two parts");
                }
            }
        }
        for fact in state.facts() {
            if let Fact::Mark(segment, mark) = fact {
                seen.marks.insert(segment.0, mark.pages);
            }
        }
        seen
    }

    fn work(&self, state: State) -> ExportWork {
        let State::Export(state) = state else { panic!("an export's journal") };
        ExportWork::new(*state, self.settings.clone())
    }

    fn hand(&self) -> SimWorker {
        SimWorker {
            resources: SimResources::new(),
            filling: PartBuilder::new(PartLimits::of(&self.settings).with_steps(self.steps)),
            order: UploadSequencer::new(if self.on_files { 1 } else { 3 }),
            leases: Vec::new(),
            pages: Vec::new(),
            bytes: 0,
            writing: Vec::new(),
        }
    }

    fn hear(&mut self, hand: &mut SimWorker, message: ToWorker, said: &mut Vec<FromWorker>) {
        match message {
            ToWorker::Grant { units, .. } => hand.resources.grant(units),
            ToWorker::Lease(lease) => {
                hand.resources.got += 1;
                let page = lease.mark.pages;
                hand.leases.push((lease, page));
            }
            ToWorker::File { file, name, upload_id } => {
                Self::order(hand, UploadEvent::File(AssignedFile { file, name, upload_id }), said);
            }
            ToWorker::Drain => hand.resources.draining = true,
            ToWorker::Pass(_)
            | ToWorker::Export(_)
            | ToWorker::Import(_)
            | ToWorker::Split(_)
            | ToWorker::Verify(_)
            | ToWorker::VerifyFile(_)
            | ToWorker::Finish
            | ToWorker::SendLog
            | ToWorker::Keys(_) => {}
        }
    }

    fn act(&mut self, hand: &mut SimWorker, now: Duration, what: u32, said: &mut Vec<FromWorker>) {
        match what % 8 {
            0..=3 => self.read(hand, now, what / 8, said),
            4 | 5 => self.write(hand, what / 8, said),
            // Sealed early only if nothing more is to come, or now and then.
            6 if hand.resources.draining && hand.leases.is_empty() || what % 64 == 6 => {
                Self::seal(hand, false, said);
            }
            6 => {}
            _ => said.push(hand.resources.heartbeat()),
        }
    }

    fn perform(&mut self, work: &ExportWork, action: ExportAction) -> Option<ExportEvent> {
        Some(match action {
            ExportAction::OpenFile(file, _) => {
                self.uploads.push(Upload { file, parts: Vec::new(), fenced: false });
                ExportEvent::Opened(file, (self.uploads.len() - 1).to_string().parse().unwrap())
            }
            ExportAction::Fence(file) => {
                let file = work.state().files()[file.0 as usize].clone();
                self.fence(&file);
                ExportEvent::Fenced(file.id)
            }
        })
    }

    fn accepted(&self, seen: &mut Seen, fact: &Fact) -> Vec<u32> {
        match fact {
            Fact::File(opened) => seen.opened.push((opened.file, opened.upload_id.to_string())),
            Fact::Sealed(sealed) => {
                let mut pages = Vec::new();
                if let Some(part) = &sealed.part {
                    let (_, id) = seen
                        .opened
                        .iter()
                        .find(|(file, _)| *file == part.file)
                        .expect("accepted: a file that is not open");
                    pages = self.pages_of(part.file, id, part.number, &part.etag);
                }
                for page in &pages {
                    assert!(seen.pages.insert(*page), "accepted: page {page:?} is in two parts");
                }
                for step in &sealed.steps {
                    let mark = seen.marks.entry(step.segment.0).or_default();
                    assert_eq!(
                        *mark, step.from_page,
                        "accepted: a step of segment {} that begins elsewhere",
                        step.segment
                    );
                    *mark = step.to_page;
                }
                let steps = sealed
                    .steps
                    .iter()
                    .flat_map(|step| (step.from_page..step.to_page).map(|page| (step.segment.0, page)));
                let with_items = steps.filter(|&(segment, page)| {
                    self.table[segment as usize][usize::try_from(page).unwrap()] > 0
                });
                let (stepped, mut pages) = (with_items.collect::<BTreeSet<_>>(), pages);
                pages.sort_unstable();
                assert!(
                    stepped.iter().copied().eq(pages),
                    "accepted: a part does not hold the pages of its steps"
                );
                let done = sealed.steps.iter().filter(|step| step.position == Position::Done);
                return done.map(|step| step.segment.0).collect();
            }
            _ => {}
        }
        Vec::new()
    }

    fn leased(message: &ToWorker) -> Option<(u32, Attempt)> {
        match message {
            ToWorker::Lease(lease) => Some((lease.segment.0, lease.attempt)),
            _ => None,
        }
    }

    fn ending(&self, work: &ExportWork, seen: &Seen, at: &str) -> Ending {
        self.end(work.state(), seen, at)
    }

    fn ending_of(&self, state: &State, seen: &Seen, at: &str) -> Ending {
        let State::Export(state) = state else { panic!("an export's journal") };
        self.end(state, seen, at)
    }

    fn end_step(&mut self, ending: &mut Ending) -> Option<String> {
        if let Some(file) = ending.files.pop() {
            self.complete(&file);
            return None;
        }
        Some(ending.export_json.clone())
    }

    fn may_have_two(&self) -> bool {
        !self.on_files
    }

    fn on_files(&self) -> bool {
        self.on_files
    }
}

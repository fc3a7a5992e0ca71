//! Rebuilds the state of a job from the objects of its journal.

use events::TaskKind;
use job::counted::count_of;
use job::ids::JobId;
use job::journal::{self, Fact, Header, JournalError, Run, Totals};
use job::layout;

use crate::{
    export::ExportState,
    import::ImportState,
    rejection::{FactRejection, ItemsDiffer},
    schedule::percent,
    verify::VerifyState,
};

/// The state of the job of a journal.
pub enum State {
    /// An export.
    Export(Box<ExportState>),
    /// An import.
    Import(Box<ImportState>),
    /// A verification.
    Verify(Box<VerifyState>),
}

/// The content of a journal.
pub struct Journaled {
    /// The state of the job.
    pub state: State,
    /// The header of the last object.
    pub last: Header,
    /// The number of the first object that exists.
    pub oldest: u64,
    /// The number of objects from the last snapshot on.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The settings of the last run, unless all it had to do was to complete the job.
    pub run: Option<Run>,
    /// The use of all runs together.
    pub totals: Totals,
    /// Why the last run stopped, if it stopped cleanly.
    pub stopped: Option<String>,
    /// The time of the export's commit, if only completing it is left.
    pub committed_at: Option<String>,
    /// Whether everything that the job wrote is being removed.
    pub is_abandoned: bool,
}

/// What to do if an object is damaged or missing. It never advises to remove anything: the folder may hold the only
/// copy of a table.
const RESTORE: &str = "restore that object, or use another folder";

/// Why an object of a journal can't be used, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// Another version of this program wrote it.
    #[error("{0}")]
    Version(#[source] JournalError),
    /// It can't be read.
    #[error("{0}; {RESTORE}")]
    Damaged(#[source] JournalError),
    /// It is missing.
    #[error("is missing; {RESTORE}")]
    Missing,
    /// It is missing, but a later one is there.
    #[error("is missing, but {next} is there; {RESTORE}")]
    Gap {
        /// The name of the later one.
        next: String,
    },
    /// Anybody may have put it there.
    #[error(
        "{what}, and {missing} before it is missing; move it elsewhere if this job did not write it, or restore \
         both"
    )]
    Stray {
        /// What it is.
        what: Stray,
        /// The name of the missing one.
        missing: String,
    },
    /// Its name is that of another object.
    #[error("has number {0} in its header; {RESTORE}")]
    Number(u64),
    /// It begins a job after its first line.
    #[error("lacks its first entries; {RESTORE}")]
    LateStart,
    /// No object before it begins a job.
    #[error("does not begin with the start of a job; {RESTORE}")]
    NoStart,
    /// An entry of it contradicts those before it.
    #[error("contradicts earlier entries: {0}; {RESTORE}")]
    Contradiction(#[source] FactRejection),
    /// Its entries and those before it do not add up.
    #[error("contradicts earlier entries: {0}")]
    Miscounted(#[source] ItemsDiffer),
}

/// A file beside a journal that may not belong to it.
#[derive(Debug, thiserror::Error)]
pub enum Stray {
    /// It is an object with this number, but not with this name.
    #[error("has number {0} in its header")]
    Number(u64),
    /// It is something else.
    #[error("is not an object of a journal")]
    Other,
}

impl From<JournalError> for Broken {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Version(_) => Self::Version(error),
            JournalError::Damaged(_) => Self::Damaged(error),
        }
    }
}

/// What is wrong if the object `missing` is not there and the next one is `number`: the number of the object to be
/// named, and why. Anybody can put a file beside a journal.
fn gap(missing: u64, number: u64, bytes: &[u8]) -> (u64, Broken) {
    let stray = |what| (number, Broken::Stray { what, missing: layout::journal_object(missing) });
    match journal::header(bytes) {
        Ok(header) if header.number == number => {
            (missing, Broken::Gap { next: layout::journal_object(number) })
        }
        Ok(header) => stray(Stray::Number(header.number)),
        Err(JournalError::Version(_)) => (missing, Broken::Missing),
        Err(JournalError::Damaged(_)) => stray(Stray::Other),
    }
}

/// Makes sure that an object is the one that its name says.
fn check_number(header: &Header, number: u64) -> Result<(), Broken> {
    match header.number {
        stated if stated == number => Ok(()),
        stated => Err(Broken::Number(stated)),
    }
}

/// Replays objects in the order of their numbers.
pub struct Replay {
    on_file_system: bool,
    journaled: Option<Journaled>,
    /// The number of the first object that can't be used, and why. A later snapshot clears it.
    broken: Option<(u64, Broken)>,
    oldest: Option<u64>,
    last: u64,
}

impl Replay {
    /// Before the first object. `on_file_system` permits small upload parts.
    pub fn new(on_file_system: bool) -> Self {
        Self { on_file_system, journaled: None, broken: None, oldest: None, last: 0 }
    }

    /// Replays the object with this number.
    pub fn object(&mut self, number: u64, bytes: &[u8]) {
        let oldest = *self.oldest.get_or_insert(number);
        if number != self.last + 1 {
            self.broken.get_or_insert_with(|| gap(self.last + 1, number, bytes));
        }
        self.last = number;
        let mut is_first = true;
        let taken = journal::read(bytes, |header, fact| {
            let begins = std::mem::take(&mut is_first);
            check_number(header, number)?;
            self.fact(begins, number, header, fact)
        });
        let taken = taken.and_then(|header| check_number(&header, number).map(|()| header));
        match (taken, &mut self.journaled) {
            (Ok(header), Some(journaled)) => {
                journaled.last = header;
                journaled.oldest = oldest;
                journaled.objects += 1;
                journaled.bytes += bytes.len() as u64;
            }
            (Ok(_), None) => {}
            (Err(why), _) => {
                self.broken.get_or_insert((number, why));
            }
        }
    }

    fn fact(&mut self, begins: bool, number: u64, header: &Header, fact: Fact) -> Result<(), Broken> {
        let fact = match State::begin(fact, self.on_file_system) {
            Ok(_) if !begins => return Err(Broken::LateStart),
            Ok(state) => {
                self.broken = None;
                self.journaled = Some(Journaled::new(state, header.clone()));
                return Ok(());
            }
            Err(fact) => fact,
        };
        if self.broken.is_some() {
            return Ok(());
        }
        let Some(journaled) = &mut self.journaled else {
            return Err(Broken::NoStart);
        };
        journaled.fact(fact).map_err(Broken::Contradiction)?;
        debug_assert!(number >= journaled.last.number, "objects come in order");
        Ok(())
    }

    /// The state after the last object; `None` if there was none.
    ///
    /// # Errors
    /// Fails if an object can't be used; the error is its number and the reason.
    pub fn finish(self) -> Result<Option<Journaled>, (u64, Broken)> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        let Some(mut journaled) = self.journaled else { return Ok(None) };
        if let State::Export(state) = &mut journaled.state {
            state.check().map_err(|why| (self.last, Broken::Miscounted(why)))?;
            state.settle();
        }
        Ok(Some(journaled))
    }
}

impl Journaled {
    fn new(state: State, last: Header) -> Self {
        Self {
            state,
            last,
            oldest: 0,
            objects: 0,
            bytes: 0,
            run: None,
            totals: Totals::default(),
            stopped: None,
            committed_at: None,
            is_abandoned: false,
        }
    }

    fn fact(&mut self, fact: Fact) -> Result<(), FactRejection> {
        match fact {
            Fact::Run(run) => {
                self.stopped = None;
                if self.committed_at.is_none() {
                    self.run = Some(run);
                }
            }
            Fact::Totals(totals) => self.totals = totals,
            Fact::Stopped(stopped) => self.stopped = Some(stopped.why),
            Fact::Commit { at } => self.committed_at = Some(self.committed_at.take().unwrap_or(at)),
            Fact::Abandoned => self.is_abandoned = true,
            fact => self.state.replay(fact)?,
        }
        Ok(())
    }
}

impl State {
    /// The state that begins with this fact; the fact itself if it begins none.
    fn begin(fact: Fact, on_file_system: bool) -> Result<Self, Fact> {
        match fact {
            Fact::Begin(begin) => Ok(Self::Export(Box::new(ExportState::new(*begin, on_file_system)))),
            Fact::BeginImport(begin) => Ok(Self::Import(Box::new(ImportState::new(*begin)))),
            Fact::BeginVerify(begin) => Ok(Self::Verify(Box::new(VerifyState::new(*begin)))),
            fact => Err(fact),
        }
    }

    /// The fact that the job began with.
    pub fn begun(&self) -> Fact {
        match self {
            Self::Export(state) => state.begun(),
            Self::Import(state) => state.begun(),
            Self::Verify(state) => state.begun(),
        }
    }

    /// The facts that restore this state.
    pub fn facts(&self) -> Vec<Fact> {
        match self {
            Self::Export(state) => state.facts(),
            Self::Import(state) => state.facts(),
            Self::Verify(state) => state.facts(),
        }
    }

    /// Whether anything would have to be read or written again if the state were removed.
    pub fn has_anything(&self) -> bool {
        match self {
            Self::Export(state) => state.has_anything(),
            Self::Import(state) => state.has_anything(),
            Self::Verify(state) => state.has_anything(),
        }
    }

    fn replay(&mut self, fact: Fact) -> Result<(), FactRejection> {
        match self {
            Self::Export(state) => state.replay(fact),
            Self::Import(state) => state.replay(fact),
            Self::Verify(state) => state.replay(fact),
        }
    }
}

impl State {
    /// "export", "import" or "verification".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Export(_) => "export",
            Self::Import(_) => "import",
            Self::Verify(_) => "verification",
        }
    }

    /// What the tasks are.
    pub fn task_kind(&self) -> TaskKind {
        match self {
            Self::Export(_) => TaskKind::Segments,
            Self::Import(_) => TaskKind::Splits,
            Self::Verify(_) => TaskKind::Files,
        }
    }

    /// The job.
    pub fn job(&self) -> &JobId {
        match self {
            Self::Export(state) => &state.begin.job,
            Self::Import(state) => &state.begin.job,
            Self::Verify(state) => &state.begin.job,
        }
    }

    /// The name of the table.
    pub fn table(&self) -> &str {
        match self {
            Self::Export(state) => &state.begin.table,
            Self::Import(state) => &state.begin.table,
            Self::Verify(state) => &state.begin.table,
        }
    }

    /// When the job was started.
    pub fn started_at(&self) -> &str {
        match self {
            Self::Export(state) => &state.begin.started_at,
            Self::Import(state) => &state.begin.started_at,
            Self::Verify(state) => &state.begin.started_at,
        }
    }

    /// The items that need not be read or written again.
    pub fn items(&self) -> u64 {
        match self {
            Self::Export(state) => state.sealed_items(),
            Self::Import(state) => state.counts().lines(),
            Self::Verify(state) => state.items(),
        }
    }

    /// The number of segments, splits or files done, and of all.
    pub fn tasks(&self) -> (usize, usize) {
        match self {
            Self::Export(state) => state.tasks(),
            Self::Import(state) => state.tasks(),
            Self::Verify(state) => state.tasks(),
        }
    }

    /// The progress in percent.
    pub fn percent(&self) -> u64 {
        let expected = match self {
            Self::Export(state) => state.begin.expected_items,
            Self::Import(state) => state.begin.expected_items,
            Self::Verify(state) => state.begin.expected_items,
        };
        percent(self.items(), expected, self.tasks())
    }
}

impl Journaled {
    /// The progress, how the last run ended, and which process ran it, as text. Only for callers that know that its
    /// process has ended.
    pub fn progress_text(&self) -> String {
        self.progress("interrupted")
    }

    fn progress(&self, not_stopped: &str) -> String {
        let (begun, items) = (self.state.started_at().escape_debug(), count_of(self.state.items(), "item"));
        let ended = match &self.stopped {
            Some(why) => why.escape_debug().to_string(),
            None => not_stopped.to_owned(),
        };
        let (host, at) = (self.last.host.escape_debug(), self.last.at.escape_debug());
        format!(
            "{} % ({items}), started {begun}; last run by process {} on {host} until {at}, {ended}",
            self.state.percent(),
            self.last.pid
        )
    }

    /// A description of the job, as text. Only for callers that know that its process has ended.
    pub fn text(&self) -> String {
        self.described("interrupted")
    }

    /// The same for callers that have not found out whether its process has ended.
    pub fn text_as_found(&self) -> String {
        self.described("then interrupted, or still running")
    }

    fn described(&self, not_stopped: &str) -> String {
        let (kind, table) = (self.state.kind(), self.state.table().escape_debug());
        format!("an unfinished {kind} of table {table}, {}", self.progress(not_stopped))
    }
}

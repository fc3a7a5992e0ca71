//! The state of an export: its segments and part files. It is the same for a running export and for one replayed from
//! a journal.

use job::{
    control::Sealed,
    export_json::{self, ExportJson, Settings},
    journal::{Begin, Fact, OpenedFile, Run, Totals},
    task::Position,
};

use super::segments::Segments;
use crate::{
    part_files::{PartFile, PartFiles},
    rejection::{FactRejection, ItemsDiffer},
    schedule::percent,
};

/// Segments and part files of one export.
pub struct ExportState {
    /// What the export was started with.
    pub begin: Begin,
    pub(super) segments: Segments,
    pub(super) files: PartFiles,
}

impl ExportState {
    /// The state at the start. `on_file_system` permits small upload parts.
    pub fn new(begin: Begin, on_file_system: bool) -> Self {
        Self {
            segments: Segments::new(begin.options.segments),
            files: PartFiles::new(begin.job.clone(), begin.options.files.compression, on_file_system),
            begin,
        }
    }

    /// Applies a fact of a journal that concerns segments or files.
    ///
    /// # Errors
    /// Fails if it can't be a fact of this export.
    pub fn replay(&mut self, fact: Fact) -> Result<(), FactRejection> {
        match fact {
            Fact::File(opened) => self.files.replay(opened)?,
            Fact::Sealed(Sealed { part, steps }) => {
                if let Some(part) = part {
                    self.files.check_number(&part)?;
                    self.files.apply(part);
                }
                self.segments.replay(steps)?;
            }
            Fact::Fenced(file) => self.files.fenced(file)?,
            Fact::Mark(segment, mark) => self.segments.replay_mark(segment, mark)?,
            _ => return Err(FactRejection::OtherJob("export")),
        }
        Ok(())
    }

    /// Checks that every part comes with the steps whose items it holds.
    ///
    /// # Errors
    /// Fails if the files do not hold as many items as the segments have read.
    pub fn check(&self) -> Result<(), ItemsDiffer> {
        let (files, segments) = (self.files().iter().map(PartFile::items).sum::<u64>(), self.sealed_items());
        if files == segments { Ok(()) } else { Err(ItemsDiffer { files, segments }) }
    }

    /// Ends the replay of a journal, so that the export can be resumed.
    pub fn settle(&mut self) {
        self.segments.settle();
        self.files.settle();
    }

    /// The fact that the export began with.
    pub fn begun(&self) -> Fact {
        Fact::Begin(Box::new(self.begin.clone()))
    }

    /// The facts that restore this state.
    pub fn facts(&self) -> Vec<Fact> {
        let mut facts = vec![self.begun()];
        for file in self.files() {
            facts.extend(opened(file).map(Fact::File));
            let parts = file.parts.iter().map(|part| Sealed { part: Some(part.clone()), steps: Vec::new() });
            facts.extend(parts.map(Fact::Sealed));
            facts.extend(file.is_fenced().then_some(Fact::Fenced(file.id)));
        }
        facts.extend(self.segments.begun().map(|(segment, mark)| Fact::Mark(segment, mark.clone())));
        facts
    }

    /// The part files so far.
    pub fn files(&self) -> &[PartFile] {
        self.files.all()
    }

    /// The number of items in sealed parts, counted by segment.
    pub fn sealed_items(&self) -> u64 {
        self.segments.items()
    }

    /// The number of segments done, and of all segments.
    pub fn tasks(&self) -> (usize, usize) {
        self.segments.counts()
    }

    /// Whether anything would have to be read again if the state were removed.
    pub fn has_anything(&self) -> bool {
        self.segments.begun().next().is_some()
    }

    /// The progress in percent, 0 to 100. It is 100 only if all segments are done.
    pub fn percent(&self) -> u64 {
        percent(self.sealed_items(), self.begin.expected_items, self.tasks())
    }

    /// The export.json of the completed export; all segments must be done. It depends on the journal alone, so any
    /// coordinator that completes the export writes the same.
    ///
    /// # Errors
    /// Fails if the files do not hold as many items as the segments have read.
    pub fn export_json(&self, run: &Run, totals: &Totals, at: &str) -> Result<ExportJson, ItemsDiffer> {
        let begin = &self.begin;
        let with_items = self.files().iter().filter(|file| !file.parts.is_empty());
        let files: Vec<export_json::PartFile> = with_items.map(PartFile::recorded).collect();
        self.check()?;
        Ok(ExportJson {
            version: export_json::VERSION,
            tool: run.tool.clone(),
            job: begin.job.clone(),
            started_at: begin.started_at.clone(),
            finished_at: at.to_owned(),
            keys: begin.keys.clone(),
            options: begin.options.files,
            settings: Settings {
                consistent: begin.options.consistent,
                segments: begin.options.segments.get(),
                workers: run.workers,
                read_units_per_second: run.rate.as_f64(),
                rate_source: run.rate_source.clone(),
            },
            account: run.account.clone(),
            caller: run.caller.clone(),
            items: self.sealed_items(),
            bytes: files.iter().map(|file| file.bytes).sum(),
            line_bytes: self.files().iter().map(PartFile::line_bytes).sum(),
            read_units: totals.consumed.as_f64(),
            files,
            table: begin.description.clone(),
            table_settings: begin.table_settings.clone(),
        })
    }
}

/// The journal's record of a file, if its upload was opened.
pub(super) fn opened(file: &PartFile) -> Option<OpenedFile> {
    let upload_id = file.upload_id.clone()?;
    Some(OpenedFile { file: file.id, name: file.name.clone(), upload_id })
}

/// The number of segments that end with these steps.
pub(super) fn num_done(sealed: &Sealed) -> u64 {
    sealed.steps.iter().filter(|step| step.position == Position::Done).count() as u64
}

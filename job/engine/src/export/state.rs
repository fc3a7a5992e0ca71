//! What an export has got to: segments and part files. The same whether it is worked on or replayed from a
//! journal.

use job::{
    control::Sealed,
    export_json::{self, ExportJson, Settings},
    journal::{Begin, Fact, OpenedFile, Run, Totals},
    task::Position,
};

use super::segments::Segments;
use crate::{
    part_files::{PartFile, PartFiles},
    schedule::percent,
};

/// Segments and part files of one export.
pub struct ExportState {
    /// What it is.
    pub begin: Begin,
    pub(super) segments: Segments,
    pub(super) files: PartFiles,
}

impl ExportState {
    /// At its beginning. A file system lets upload parts be small.
    pub fn new(begin: Begin, on_file_system: bool) -> Self {
        Self {
            segments: Segments::new(begin.segments),
            files: PartFiles::new(begin.job.clone(), begin.compression, on_file_system),
            begin,
        }
    }

    /// Takes a fact of a journal that concerns segments or files.
    ///
    /// # Errors
    /// Why that can't be a fact of this export.
    pub fn replay(&mut self, fact: Fact) -> Result<(), String> {
        match fact {
            Fact::File(opened) => self.files.replay(opened).map_err(|why| why.to_string()),
            Fact::Sealed(Sealed { part, steps }) => {
                if let Some(part) = part {
                    self.files.check_number(&part).map_err(|why| why.to_string())?;
                    self.files.apply(part);
                }
                self.segments.replay(steps).map_err(|why| why.to_string())
            }
            Fact::Fenced(file) => self.files.fenced(file).map_err(|why| why.to_string()),
            Fact::Mark(segment, mark) => {
                self.segments.replay_mark(segment, mark).map_err(|why| why.to_string())
            }
            _ => Err("an entry that does not belong to an export".into()),
        }
    }

    /// Makes sure that what was replayed is a whole: every part comes with the steps whose items it holds.
    ///
    /// # Errors
    /// Why no export can have got there.
    pub fn check(&self) -> Result<(), String> {
        let (files, segments) = (self.files().iter().map(PartFile::items).sum::<u64>(), self.sealed_items());
        if files == segments {
            return Ok(());
        }
        Err(format!("contradicts earlier entries: files hold {files} items, and segments gave {segments}"))
    }

    /// Everything of a journal has been replayed; others go on from here.
    pub fn settle(&mut self) {
        self.segments.settle();
        self.files.settle();
    }

    /// The fact that it began with.
    pub fn begun(&self) -> Fact {
        Fact::Begin(Box::new(self.begin.clone()))
    }

    /// The facts that make the state what it is.
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

    /// Items in sealed parts, by what segments gave.
    pub fn sealed_items(&self) -> u64 {
        self.segments.items()
    }

    /// Segments done and in all.
    pub fn tasks(&self) -> (usize, usize) {
        self.segments.counts()
    }

    /// Something would have to be read again if it were removed.
    pub fn has_anything(&self) -> bool {
        self.segments.begun().next().is_some()
    }

    /// How much is done, 0 to 100; 100 only if it is all.
    pub fn percent(&self) -> u64 {
        percent(self.sealed_items(), self.begin.expected_items, self.tasks())
    }

    /// What the export will be called when all files are complete, if all segments are done: a function of
    /// the journal alone, so that whoever completes it writes the same.
    ///
    /// # Errors
    /// If files do not hold what segments gave.
    pub fn export_json(&self, run: &Run, totals: &Totals, at: &str) -> Result<ExportJson, String> {
        let begin = &self.begin;
        let with_items = self.files().iter().filter(|file| !file.parts.is_empty());
        let files: Vec<export_json::PartFile> = with_items.map(PartFile::recorded).collect();
        let items = files.iter().map(|file| file.items).sum();
        if items != self.sealed_items() {
            let sealed = self.sealed_items();
            return Err(format!("internal error: files hold {items} items, segments gave {sealed}"));
        }
        Ok(ExportJson {
            version: export_json::VERSION,
            tool: run.tool.clone(),
            job: begin.job.clone(),
            started_at: begin.started_at.clone(),
            finished_at: at.to_owned(),
            keys: begin.keys.clone(),
            compression: begin.compression,
            null: begin.null,
            settings: Settings {
                consistent: begin.consistent,
                segments: begin.segments.get(),
                workers: run.workers,
                read_units_per_second: run.rate.as_f64(),
                rate_source: run.rate_source.clone(),
            },
            account: run.account.clone(),
            caller: run.caller.clone(),
            items,
            bytes: files.iter().map(|file| file.bytes).sum(),
            line_bytes: self.files().iter().map(PartFile::line_bytes).sum(),
            read_units: totals.consumed.as_f64(),
            files,
            table: begin.description.clone(),
            table_settings: begin.table_settings.clone(),
        })
    }
}

/// A file as a journal has it, if its upload was opened.
pub(super) fn opened(file: &PartFile) -> Option<OpenedFile> {
    let upload_id = file.upload_id.clone()?;
    Some(OpenedFile { file: file.id, name: file.name.clone(), upload_id })
}

/// How many segments end with these steps.
pub(super) fn num_done(sealed: &Sealed) -> u64 {
    sealed.steps.iter().filter(|step| step.position == Position::Done).count() as u64
}

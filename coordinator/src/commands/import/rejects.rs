//! Reports the rejected lines of a backup.
//!
//! Each one goes to the reject file, if there is one, as one JSON object a line: its position, the reason, and the line
//! itself. The file appears in its place when the job ends, whether it succeeds or fails; a job that fails without
//! rejecting anything leaves none. Something other than a regular file, such as a FIFO, is written to directly instead.
//!
//! Memory: the bytes that wait to be written. They are at most [`MAX_WAITING`] (256 MiB), if the place accepts nothing;
//! at most [`MAX_WAITING_TEXT`] (64 MiB) while they include the texts of lines. For S3, add the part in flight, which
//! can be as large. If the place keeps up, it is one part of 8 MiB.

mod destination;
mod file;
mod mount;
mod upload;

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use job::{object::Object, split::Reject, visible};
use job_aws::{Clients, Fault, FaultKind};
use serde::Serialize;

use crate::{
    failure::Failure,
    output::{display, progress::Progress, stream::Stream},
    stop::Stop,
    store::blocking,
};
use destination::{Destination, DestinationError, RejectPath, check_through};
pub(crate) use destination::{NAMES_FOLDER, names_folder};
use file::RejectFile;
use upload::Upload;

/// The texts of lines are omitted once the file has this many bytes. Object and offset suffice to find the line in the
/// backup. Without this limit, a folder of garbage would be written again as one reject file.
const MAX_TEXT_BYTES: u64 = 256 * 1024 * 1024;
/// The text of a line is also omitted while this many bytes wait to be written.
const MAX_WAITING_TEXT: usize = 64 * 1024 * 1024;
/// The job fails if this many bytes wait, because the place accepts them too slowly.
const MAX_WAITING: usize = 256 * 1024 * 1024;
/// Bytes of each write to a file.
const PIECE_BYTES: usize = 64 * 1024;

/// The most rejected lines that are shown to the user if there is no reject file.
const MOST_SHOWN_REJECTS: u64 = 20;

/// How long completing the file may still take after a request to stop.
const REJECTS_STOP_LIMIT: Duration = Duration::from_secs(2);

/// Where rejected lines go.
#[derive(Clone)]
pub(super) struct Rejects {
    shared: Arc<Shared>,
    print: Arc<dyn Fn(String) + Send + Sync>,
    /// Takes the events of rejected lines.
    pub(super) stream: Stream,
}

struct Shared {
    state: Mutex<RejectState>,
    /// Locked while it is being written to.
    sink: tokio::sync::Mutex<Option<RejectSink>>,
}

#[derive(Default)]
struct RejectState {
    /// How many more lines are shown to the user.
    to_tell: u64,
    /// `None` if there is no reject file.
    waiting: Option<WaitingRejects>,
}

/// An open reject file.
#[derive(Debug)]
pub(crate) struct RejectSink {
    destination: Object,
    kind: RejectOutput,
    /// A write failed, so the file is incomplete.
    is_torn: bool,
}

#[derive(Debug)]
enum RejectOutput {
    /// On this machine. `is_through` if it is written to directly, so that nothing can be taken back.
    File {
        file: RejectFile,
        is_through: bool,
    },
    S3(Box<Upload>),
}

impl Rejects {
    /// Sends lines to `sink`. Without one, shows the first lines to the user.
    pub(super) fn new(sink: Option<RejectSink>, progress: &Progress) -> Self {
        let waiting = sink.as_ref().map(WaitingRejects::of);
        let state = Mutex::new(RejectState { to_tell: 0, waiting });
        let shared = Arc::new(Shared { state, sink: tokio::sync::Mutex::new(sink) });
        Self { shared, print: progress.sink(), stream: progress.stream().clone() }
    }

    /// Begins a pass. Without a reject file, up to `max_rejects` rejected lines are shown to the user; one more ends
    /// the job. If the place can't be rewritten, the lines that a check rejects are held back and written only if the
    /// job ends there.
    pub(super) fn begin(&self, max_rejects: u64, is_check: bool) {
        let mut state = self.shared.state();
        state.to_tell = if state.waiting.is_some() { 0 } else { max_rejects.min(MOST_SHOWN_REJECTS) };
        if let Some(waiting) = &mut state.waiting {
            waiting.is_held = is_check && waiting.is_through;
        }
    }

    /// Notes rejected lines of an object.
    pub(super) fn note(&self, object: &Object, rejects: &[Reject]) -> Result<(), Fault> {
        let mut state = self.shared.state();
        for Reject { offset, reason, .. } in rejects {
            if state.to_tell > 0 {
                state.to_tell -= 1;
                let more = if state.to_tell == 0 { " (further ones only with --rejects)" } else { "" };
                (self.print)(format!(
                    "rejected    {object}, byte {offset} of the uncompressed text: {reason}{more}"
                ));
            }
        }
        match &mut state.waiting {
            Some(waiting) => waiting.note(object, rejects),
            None => Ok(()),
        }
    }

    /// Writes what was noted, if it is enough for one write.
    pub(super) fn write(&self) -> impl Future<Output = Result<(), Fault>> + Send + use<> {
        let shared = self.shared.clone();
        async move { shared.write().await }
    }

    /// Discards what was noted, because the lines are read again.
    pub(super) async fn restart(&self) -> Result<(), Fault> {
        let mut sink = self.shared.sink.lock().await;
        if let Some(waiting) = &mut self.shared.state().waiting {
            waiting.restart();
        }
        match &mut *sink {
            Some(sink) => sink.restart().await,
            None => Ok(()),
        }
    }

    /// Puts the file in its place if the import `is_done` or has rejected something; removes it otherwise. After a
    /// request to stop, this may take [`REJECTS_STOP_LIMIT`] at most.
    ///
    /// # Errors
    /// Fails if the file can't be written, or it takes too long after a request to stop.
    pub(super) async fn finish(&self, is_done: bool, stop: &Stop) -> Result<(), Failure> {
        let too_late = async {
            let why = stop.requested().await;
            tokio::time::sleep(REJECTS_STOP_LIMIT).await;
            why
        };
        tokio::select! {
            finished = self.end(is_done) => finished.map_err(|fault| Failure::failed(&fault)),
            why = too_late => Err(Failure::stopped(format!("{why} before the reject file was written"))),
        }
    }

    async fn end(&self, is_done: bool) -> Result<(), Fault> {
        let Some(mut sink) = self.shared.sink.lock().await.take() else { return Ok(()) };
        let Some(waiting) = self.shared.state().waiting.take() else { return Ok(()) };
        if waiting.left_out > 0 {
            let number = display::count_of(waiting.left_out, "rejected line");
            (self.print)(format!(
                "note        {number} are not in {}: there were too many",
                sink.destination
            ));
        }
        sink.end(waiting.bytes, is_done || waiting.noted > 0).await
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, RejectState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self) -> Result<(), Fault> {
        if !self.state().waiting.as_ref().is_some_and(WaitingRejects::is_due) {
            return Ok(());
        }
        let mut sink = self.sink.lock().await;
        let Some(sink) = &mut *sink else { return Ok(()) };
        loop {
            let due_at = sink.due_at();
            let bytes = self.state().waiting.as_mut().and_then(|waiting| waiting.take(due_at));
            match bytes {
                Some(bytes) => sink.write(bytes).await?,
                // The task that held the sink before may have written everything.
                None => return Ok(()),
            }
        }
    }
}

impl RejectSink {
    /// Makes sure, as far as that is known without writing anything, that the file can be written in its place. See
    /// [`create`](Self::create).
    ///
    /// # Errors
    /// Fails if it can't be written there.
    pub(crate) async fn check(
        destination: &Object,
        clients: Option<&Clients>,
        is_ours: bool,
    ) -> Result<(), Failure> {
        match (destination, clients) {
            (Object::File { path }, _) => {
                let found = path.clone();
                let inspect = move || match RejectPath::inspect(&found, is_ours)? {
                    RejectPath::File(target) => file::check(&target),
                    RejectPath::Through(path) => check_through(&path),
                };
                let inspect = move || inspect().map_err(|error: DestinationError| Fault::refused(error));
                let refused = |fault: Fault| Failure::refused(format!("--rejects {destination}: {fault}"));
                blocking(path, inspect).await.map_err(refused)
            }
            (Object::S3 { bucket, key }, Some(clients)) => {
                Upload::find(bucket, key, clients, is_ours).await.map(drop)
            }
            (Object::S3 { .. }, None) => Ok(()),
        }
    }

    /// Makes sure that the file can be written in its place. Replaces a file that is not empty only if `is_ours` says
    /// that an earlier run of the import has written it.
    ///
    /// # Errors
    /// Fails if it can't be written there.
    pub(crate) async fn create(
        destination: &Object,
        clients: &Clients,
        is_ours: bool,
    ) -> Result<Self, Failure> {
        let refused = |why: String| Failure::refused(format!("--rejects {destination}: {why}"));
        let kind = match destination {
            Object::File { path } => {
                let found = path.clone();
                let open = move || -> Result<RejectOutput, DestinationError> {
                    let found = Destination::find(&found, is_ours)?;
                    let is_through = matches!(found, Destination::Through(_));
                    let file = RejectFile::start(found)?;
                    Ok(RejectOutput::File { file, is_through })
                };
                let open = move || open().map_err(Fault::refused);
                blocking(path, open).await.map_err(|fault| refused(fault.message))?
            }
            Object::S3 { bucket, key } => {
                RejectOutput::S3(Box::new(Upload::begin(bucket, key, clients, is_ours).await?))
            }
        };
        Ok(Self { destination: destination.clone(), kind, is_torn: false })
    }

    /// How many bytes must wait before they are written.
    fn due_at(&self) -> usize {
        match &self.kind {
            RejectOutput::File { is_through: true, .. } => 1,
            RejectOutput::File { .. } => PIECE_BYTES,
            RejectOutput::S3(upload) => upload.part_bytes(),
        }
    }

    async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        let written = match &mut self.kind {
            RejectOutput::File { file, .. } => {
                let written = file.write(bytes).await;
                self.is_torn |= written.is_err();
                written.map_err(Fault::refused)
            }
            RejectOutput::S3(upload) => upload.write(bytes).await,
        };
        written.map_err(|fault| self.fault(fault))
    }

    async fn restart(&mut self) -> Result<(), Fault> {
        let restarted = match &mut self.kind {
            RejectOutput::File { is_through: true, .. } => Ok(()),
            RejectOutput::File { file, .. } => {
                let restarted = file.restart().await;
                self.is_torn = restarted.is_err();
                restarted.map_err(Fault::refused)
            }
            RejectOutput::S3(upload) => upload.restart().await,
        };
        restarted.map_err(|fault| self.fault(fault))
    }

    /// Writes the rest and puts the file in its place. Removes it if `keep` is false or an earlier write failed, which
    /// was reported then.
    async fn end(&mut self, rest: Vec<u8>, keep: bool) -> Result<(), Fault> {
        let keep = keep && !self.is_torn;
        let ended = match &mut self.kind {
            RejectOutput::File { file, .. } => {
                let rest = if keep { rest } else { Vec::new() };
                let ended = match file.write(rest).await {
                    Ok(()) => file.end(keep).await,
                    Err(error) => Err(error),
                };
                ended.map_err(Fault::refused)
            }
            RejectOutput::S3(upload) => upload.end(rest, keep).await,
        };
        ended.map_err(|fault| self.fault(fault))
    }

    fn fault(&self, mut fault: Fault) -> Fault {
        fault.message = format!("writing the reject file {}: {}", self.destination, fault.message);
        fault
    }
}

/// Lines of the reject file that wait to be written.
#[derive(Debug)]
struct WaitingRejects {
    destination: String,
    bytes: Vec<u8>,
    /// Bytes that must wait before they are written.
    due_at: usize,
    /// Bytes of the file so far, including those that wait.
    total: u64,
    /// Lines so far.
    noted: u64,
    /// Lines that were dropped because too much was held back.
    left_out: u64,
    /// Nothing is written before the pass ends, because it could not be taken back.
    is_held: bool,
    is_through: bool,
}

/// A line of the reject file.
#[derive(Serialize)]
struct RejectLine<'a> {
    object: String,
    offset: u64,
    reason: &'a str,
    /// Absent if it is not UTF-8 or too long, if the file is too large already, or if too much waits to be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a str>,
}

impl WaitingRejects {
    fn of(sink: &RejectSink) -> Self {
        Self {
            destination: sink.destination.to_string(),
            bytes: Vec::new(),
            due_at: sink.due_at(),
            total: 0,
            noted: 0,
            left_out: 0,
            is_held: false,
            is_through: matches!(sink.kind, RejectOutput::File { is_through: true, .. }),
        }
    }

    fn note(&mut self, object: &Object, rejects: &[Reject]) -> Result<(), Fault> {
        let object = object.to_string();
        for Reject { offset, reason, line } in rejects {
            let has_room = self.total <= MAX_TEXT_BYTES && self.bytes.len() + line.len() <= MAX_WAITING_TEXT;
            let line = Some(line.as_slice()).filter(|line| !line.is_empty() && has_room);
            let line = line.and_then(|line| std::str::from_utf8(line).ok());
            let entry = RejectLine { object: object.clone(), offset: *offset, reason, line };
            // It may be written to a terminal.
            let text = serde_json::to_string(&entry).unwrap_or_default();
            let mut text = visible::json(&text).into_owned().into_bytes();
            text.push(b'\n');
            self.noted += 1;
            if self.bytes.len() + text.len() > MAX_WAITING {
                if self.is_held {
                    self.left_out += 1;
                    continue;
                }
                let why = format!("{} cannot keep up with the rejected lines", self.destination);
                return Err(Fault::new(FaultKind::Refused, why));
            }
            self.total += text.len() as u64;
            self.bytes.append(&mut text);
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        !self.is_held && self.bytes.len() >= self.due_at
    }

    fn take(&mut self, due_at: usize) -> Option<Vec<u8>> {
        self.due_at = due_at;
        self.is_due().then(|| mem::take(&mut self.bytes))
    }

    fn restart(&mut self) {
        self.bytes = Vec::new();
        (self.total, self.noted, self.left_out) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(is_held: bool) -> WaitingRejects {
        WaitingRejects {
            destination: "s3://b/k".into(),
            bytes: Vec::new(),
            due_at: 1000,
            total: 0,
            noted: 0,
            left_out: 0,
            is_held,
            is_through: is_held,
        }
    }

    fn rejects(number: usize, bytes: usize) -> Vec<Reject> {
        (0..number).map(|_| Reject { offset: 7, reason: "no".into(), line: vec![b'x'; bytes] }).collect()
    }

    /// Rejects that are large without texts of lines.
    fn large(number: usize) -> Vec<Reject> {
        let reason = "x".repeat(1024 * 1024);
        (0..number).map(|_| Reject { offset: 7, reason: reason.clone(), line: Vec::new() }).collect()
    }

    fn object() -> Object {
        Object::File { path: "/a".into() }
    }

    #[test]
    fn lines_wait_until_they_are_worth_a_write_and_nothing_is_written_while_they_are_held() {
        let mut waiting = waiting(false);
        waiting.note(&object(), &rejects(1, 10)).unwrap();
        let line = "{\"object\":\"file:///a\",\"offset\":7,\"reason\":\"no\",\"line\":\"xxxxxxxxxx\"}\n";
        assert_eq!(waiting.bytes, line.as_bytes());
        assert_eq!(waiting.take(1000), None);
        waiting.note(&object(), &rejects(20, 10)).unwrap();
        assert_eq!(waiting.take(1000).map(|bytes| bytes.len()), Some(21 * line.len()));
        waiting.is_held = true;
        waiting.note(&object(), &rejects(20, 10)).unwrap();
        assert_eq!(waiting.take(1000), None);
        waiting.restart();
        assert_eq!((waiting.noted, waiting.bytes.len()), (0, 0));
    }

    #[test]
    fn what_is_not_written_is_bounded_first_by_its_texts_and_then_by_an_end() {
        let mut waiting = waiting(false);
        waiting.note(&object(), &rejects(40, 2 * 1024 * 1024)).unwrap();
        assert!(waiting.bytes.len() <= MAX_WAITING_TEXT + 40 * 100, "later lines are without their texts");
        let fault = loop {
            if let Err(fault) = waiting.note(&object(), &large(1)) {
                break fault;
            }
        };
        assert!(waiting.bytes.len() <= MAX_WAITING);
        assert!(fault.message.contains("s3://b/k cannot keep up with the rejected lines"), "{fault}");
        waiting.is_held = true;
        waiting.note(&object(), &large(3)).unwrap();
        assert_eq!(waiting.left_out, 3);
    }
}

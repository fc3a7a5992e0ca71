//! The events of this command for other programs, see `docs/events.md`. A thread of its own writes them to a file or to
//! standard output, so that a full disk or a reader that stands still never delays the job.
//!
//! Waiting events are bounded, see [`EventQueue`]. What can't be written is lost; standard error says so once.

mod queue;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Condvar, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use events::{Event, Failed, Line};
use jiff::Timestamp;
use job::visible::without_passwords;

use super::{DRAIN_LIMIT, TOOL, TRY_AGAIN, kept, stderr};
use queue::EventQueue;

/// The name of the thread.
const EVENTS_THREAD: &str = "events";

/// When this process began to count the time.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

static SINK: OnceLock<Arc<EventSink>> = OnceLock::new();

/// Who else gets the events.
static OBSERVER: OnceLock<Observer> = OnceLock::new();
/// The last event of the command was told.
static IS_ENDED: AtomicBool = AtomicBool::new(false);

type Observer = Box<dyn Fn(&Line) + Send + Sync>;

/// Where events go.
struct EventSink {
    queue: Mutex<EventQueue>,
    changed: Condvar,
    is_stdout: bool,
    /// The file as it was given, and whether this process created it.
    path: PathBuf,
    is_new: bool,
}

/// From now on events are written to this file, or to standard output if it is `-`. An existing file is continued.
///
/// # Errors
/// Fails if the file can't be opened, or the thread can't be started.
pub(crate) fn write_to(place: &Path) -> io::Result<()> {
    let is_stdout = place.as_os_str() == "-";
    let writer = if is_stdout { EventWriter::stdout() } else { EventWriter::file(place)? };
    let queue = Mutex::new(EventQueue::new(TOOL.to_owned()));
    let (path, is_new) = (place.to_owned(), writer.is_new);
    let sink = Arc::new(EventSink { queue, changed: Condvar::new(), is_stdout, path, is_new });
    let theirs = sink.clone();
    // Not joined: a write that nobody reads never returns.
    thread::Builder::new().name(EVENTS_THREAD.into()).spawn(move || theirs.write_all(writer))?;
    LazyLock::force(&BEGAN);
    let _ = SINK.set(sink);
    Ok(())
}

/// The file that events are written to, as it was given.
pub(crate) fn file() -> Option<&'static Path> {
    SINK.get().filter(|sink| !sink.is_stdout).map(|sink| sink.path.as_path())
}

/// Writes no event that is not written yet, and removes the file if this process created it and it is empty.
pub(crate) fn discard() {
    let Some(sink) = SINK.get() else { return };
    sink.queue().end();
    if sink.is_new && sink.path.metadata().is_ok_and(|found| found.len() == 0) {
        let _ = fs::remove_file(&sink.path);
    }
}

/// Whether events are written to standard output, so that nothing else may be.
pub(crate) fn own_stdout() -> bool {
    SINK.get().is_some_and(|sink| sink.is_stdout)
}

/// The event with the present time.
pub(crate) fn stamped(event: Event) -> Line {
    Line {
        schema: None,
        tool: None,
        at: Timestamp::now().round(jiff::Unit::Millisecond).unwrap_or_default().to_string(),
        elapsed_seconds: events::rounded(BEGAN.elapsed().as_secs_f64()),
        lost_events: 0,
        event,
    }
}

/// From now on each event is also passed to `observe`, which must not wait. Only the first call has an effect.
pub(crate) fn observe(observe: impl Fn(&Line) + Send + Sync + 'static) {
    LazyLock::force(&BEGAN);
    let _ = OBSERVER.set(Box::new(observe));
}

/// Passes an event on, unless the last one was. Returns whether it was passed on.
fn pass_on(line: &Line) -> bool {
    let is_over = if line.event.is_last() {
        IS_ENDED.swap(true, Ordering::SeqCst)
    } else {
        IS_ENDED.load(Ordering::SeqCst)
    };
    if !is_over {
        kept::event(line);
        if let Some(observe) = OBSERVER.get() {
            observe(line);
        }
    }
    !is_over
}

/// Queues an event to be written. After the last event of the command nothing is.
pub(crate) fn write(line: Line) {
    if !pass_on(&line) {
        return;
    }
    if let Some(sink) = SINK.get() {
        sink.queue().push(line);
        sink.changed.notify_all();
    }
}

/// Queues the event that the command failed.
pub(crate) fn fail(kind: &str, why: &str, exit_code: u8) {
    let message = without_passwords(why).into_owned();
    let line = stamped(Event::Error(Failed { exit_code, kind: kind.to_owned(), message }));
    if !pass_on(&line) {
        return;
    }
    let Some(sink) = SINK.get() else { return };
    // The queue may stay locked, perhaps by this very thread, which is about to end the process.
    for _ in 0..10 {
        if let Ok(mut queue) = sink.queue.try_lock() {
            queue.push(line);
            drop(queue);
            sink.changed.notify_all();
            return;
        }
        thread::sleep(TRY_AGAIN);
    }
}

/// Waits until everything is written, for a second at most.
pub(crate) fn settle() {
    let Some(sink) = SINK.get() else { return };
    if thread::current().name() == Some(EVENTS_THREAD) {
        return;
    }
    let give_up_at = Instant::now() + DRAIN_LIMIT;
    loop {
        let left = give_up_at.saturating_duration_since(Instant::now());
        match sink.queue.try_lock() {
            Ok(queue) if queue.is_written() => return,
            Ok(queue) if !left.is_zero() => drop(sink.changed.wait_timeout(queue, left.min(TRY_AGAIN))),
            // The writer has it for a moment, or the thread that is about to end the process has it for good.
            Err(_) if !left.is_zero() => thread::sleep(left.min(TRY_AGAIN)),
            _ => break,
        }
    }
    stderr::line(
        "note        the last events are lost: their reader is slower than the job; the job is not affected",
    );
}

impl EventSink {
    fn queue(&self) -> MutexGuard<'_, EventQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is queued for as long as the process lives.
    fn write_all(&self, mut writer: EventWriter) {
        let mut has_told = false;
        loop {
            let mut queue = self.queue();
            let line = loop {
                if let Some(line) = queue.take() {
                    break line;
                }
                queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
            };
            drop(queue);
            let written = writer.write(&line);
            let mut queue = self.queue();
            queue.written(written.is_ok());
            let has_lost = queue.has_lost();
            drop(queue);
            self.changed.notify_all();
            if !has_told && has_lost {
                has_told = true;
                let why = written
                    .err()
                    .map_or_else(|| "their reader is slower than the job".to_owned(), |why| why.to_string());
                stderr::line(&format!("note        events are lost: {why}; the job is not affected"));
            }
        }
    }
}

/// Writes one event after the other.
struct EventWriter {
    out: Box<dyn Write + Send>,
    /// The path, until the first write opens it: opening a FIFO blocks until it has a reader.
    unopened: Option<PathBuf>,
    /// The last line was cut, so the next one begins with a line feed.
    is_torn: bool,
    /// The file did not exist before.
    is_new: bool,
}

impl EventWriter {
    fn to(out: impl Write + Send + 'static) -> Self {
        Self { out: Box::new(out), unopened: None, is_torn: false, is_new: false }
    }

    fn stdout() -> Self {
        Self::to(io::stdout())
    }

    /// Continues a file, which a crash may have left with half a line at its end.
    fn file(path: &Path) -> io::Result<Self> {
        if path.metadata().is_ok_and(|found| found.file_type().is_fifo()) {
            return Ok(Self { unopened: Some(path.to_owned()), ..Self::to(io::sink()) });
        }
        match OpenOptions::new().append(true).create_new(true).open(path) {
            Ok(file) => return Ok(Self { is_new: true, ..Self::to(file) }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        // With `create`, because `create_new` does not follow a link that leads to no file yet.
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        let is_torn = file.metadata()?.is_file() && !ends_a_line(path).unwrap_or(true);
        Ok(Self { is_torn, ..Self::to(file) })
    }

    /// Writes a line with a single call, so that a crash can't cut it unless the disk does.
    fn write(&mut self, line: &Line) -> io::Result<()> {
        if let Some(path) = &self.unopened {
            self.out = Box::new(OpenOptions::new().append(true).open(path)?);
            self.unopened = None;
        }
        let mut bytes = Vec::with_capacity(1024);
        if self.is_torn {
            bytes.push(b'\n');
        }
        serde_json::to_writer(&mut bytes, line)?;
        bytes.push(b'\n');
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match self.out.write(rest).and_then(|written| self.out.flush().map(|()| written)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    self.is_torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Another process has made it non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(TRY_AGAIN),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn ends_a_line(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests;

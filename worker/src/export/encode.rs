//! Second stage of an export: encodes reply bytes to lines, on the rayon pool.
//!
//! A page takes a line buffer from a fixed pool, and holds it until its lines are in a part. The queue to the part
//! stage is longer than the pool is large, so no rayon thread ever waits.

use std::sync::{Arc, Mutex, PoisonError};

use engine::worker::part_builder::Page;
use format::{emr::TranscodeError, output::Output};
use job::{
    capacity::Units,
    ids::{Attempt, Segment},
    task::Position,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::ExportError;
use crate::cpu::Cores;

/// Buffers that have grown beyond this for an unusual page are not kept.
pub(crate) const KEEP_BYTES: usize = 3 * 1024 * 1024 / 2;
/// Room in the queue for entries other than pages.
const SIGNALS: usize = 8;

/// The input of the part stage.
#[derive(Debug)]
pub(crate) enum Input {
    /// A page and its lines.
    Page(Page, Lines),
    /// No segment is being read: seal the part in progress.
    Flush,
}

/// The lines of one page. Their buffer returns to the pool when they are dropped.
#[derive(Debug)]
pub(crate) struct Lines {
    text: Vec<u8>,
    home: Arc<Mutex<Vec<Vec<u8>>>>,
    _permit: OwnedSemaphorePermit,
}

impl Lines {
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if self.text.capacity() <= KEEP_BYTES {
            self.text.clear();
            let text = std::mem::take(&mut self.text);
            self.home.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        }
    }
}

/// What a stream needs from a page to continue.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// The buffer of the reply, for reuse.
    pub(crate) body: Vec<u8>,
    /// The bytes of the lines.
    pub(crate) bytes: u64,
    pub(crate) items: u64,
    pub(crate) consumed: Option<Units>,
    pub(crate) position: Position,
}

/// A reply, and the segment of its page.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) body: Vec<u8>,
    pub(crate) segment: Segment,
    pub(crate) attempt: Attempt,
    /// The number of pages of the segment, this one included.
    pub(crate) pages: u64,
}

/// The stage.
#[derive(Debug)]
pub(crate) struct Encoder {
    pool: rayon::ThreadPool,
    output: Output,
    permits: Arc<Semaphore>,
    buffers: Arc<Mutex<Vec<Vec<u8>>>>,
    parts: mpsc::Sender<Input>,
}

/// The right to encode one page.
#[derive(Debug)]
pub(crate) struct Turn(OwnedSemaphorePermit);

impl Encoder {
    /// Starts one thread for each core. Returns the stage, and the queue to the part stage.
    ///
    /// # Errors
    /// Fails if the threads can't be started.
    pub(crate) fn new(cores: Cores, output: Output) -> Result<(Self, mpsc::Receiver<Input>), ExportError> {
        let num_threads = cores.get();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(num_threads)
            .thread_name(|at| format!("encode-{at}"))
            .build()
            .map_err(ExportError::Threads)?;
        // One buffer for each thread, one in the part stage, and one on its way there.
        let num_buffers = num_threads + 2;
        let (parts, inputs) = mpsc::channel(num_buffers + SIGNALS);
        let permits = Arc::new(Semaphore::new(num_buffers));
        Ok((Self { pool, output, permits, buffers: Arc::default(), parts }, inputs))
    }

    /// Waits until the later stages have room for a page.
    pub(crate) async fn turn(&self) -> Turn {
        Turn(self.permits.clone().acquire_owned().await.expect("the semaphore is never closed"))
    }

    /// Encodes a page and passes its lines on. To keep the order of a segment's pages, its next page must be encoded
    /// only after this has returned.
    pub(crate) async fn encode(
        &self,
        turn: Turn,
        fetched: Fetched,
    ) -> Result<Encoded, (Vec<u8>, EncodeError)> {
        let (reply, encoded) = oneshot::channel();
        let text = self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let lines = Lines { text, home: self.buffers.clone(), _permit: turn.0 };
        let (parts, output) = (self.parts.clone(), self.output);
        self.pool.spawn(move || {
            // The stream is gone only if the export is being cancelled.
            let _ = reply.send(encode(fetched, output, lines, &parts));
        });
        encoded.await.unwrap_or(Err((Vec::new(), EncodeError::Cancelled)))
    }

    /// Makes the part stage seal the part in progress.
    pub(crate) async fn flush(&self) {
        // The part stage is gone only if the export is being cancelled.
        let _ = self.parts.send(Input::Flush).await;
    }
}

/// Why a page has no lines.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    /// It is not a Scan reply.
    #[error(transparent)]
    Malformed(#[from] TranscodeError),
    /// The export is ending.
    #[error("cancelled")]
    Cancelled,
}

fn encode(
    fetched: Fetched,
    output: Output,
    mut lines: Lines,
    parts: &mpsc::Sender<Input>,
) -> Result<Encoded, (Vec<u8>, EncodeError)> {
    let Fetched { body, segment, attempt, pages } = fetched;
    let page = match output.encode_page(&body, &mut lines.text) {
        Ok(page) => page,
        Err(error) => return Err((body, error.into())),
    };
    let position = page.last_evaluated_key.map_or(Position::Done, |key| {
        // The transcoder accepts only UTF-8.
        Position::After(String::from_utf8_lossy(key).into_owned())
    });
    let (items, consumed, bytes) = (page.items, page.consumed, lines.text.len() as u64);
    let page = Page { segment, attempt, pages, items, position: position.clone() };
    if parts.try_send(Input::Page(page, lines)).is_err() {
        return Err((body, EncodeError::Cancelled));
    }
    Ok(Encoded { body, bytes, items, consumed, position })
}

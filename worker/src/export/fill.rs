//! Third stage of an export: collects lines into upload parts, on a thread of its own.

use std::sync::Arc;

use engine::worker::{
    part_builder::PartBuilder,
    upload_sequencer::{Stored, UploadEvent},
};
use job::spec::Compression;
use tokio::sync::mpsc;

use super::{ExportError, buffers::Buffers, codec::Codec, encode::Input};
use crate::store_wait::StoreWait;

/// The state of the stage.
pub(crate) struct PartFiller {
    pub(crate) builder: PartBuilder,
    pub(crate) compression: Compression,
    pub(crate) buffers: Buffers,
    pub(crate) parts: mpsc::Sender<UploadEvent<bytes::Bytes>>,
    pub(crate) store_wait: Arc<StoreWait>,
}

/// The part in progress.
struct Part {
    codec: Codec,
    line_bytes: u64,
}

/// The next stage is gone; its error says why.
struct Gone;

impl PartFiller {
    /// Runs until the previous or the next stage is gone.
    pub(crate) fn run(mut self, mut inputs: mpsc::Receiver<Input>) -> Result<(), ExportError> {
        let _stage = self.store_wait.stage();
        let mut part = None;
        while let Some(input) = inputs.blocking_recv() {
            let taken = match input {
                Input::Flush => self.seal(&mut part, false)?,
                Input::Page(page, lines) => {
                    let stored_bytes = part.as_ref().map_or(0, |part: &Part| part.codec.stored_bytes());
                    let sealed = if self.builder.must_seal_before(&page, stored_bytes) {
                        self.seal(&mut part, page.items > 0)?
                    } else {
                        Ok(())
                    };
                    let opened =
                        if self.builder.append(page) { self.pass(UploadEvent::Opened) } else { Ok(()) };
                    self.write(&mut part, lines.text())?;
                    sealed.and(opened)
                }
            };
            if let Err(Gone) = taken {
                return Ok(());
            }
        }
        Ok(())
    }

    fn write(&self, part: &mut Option<Part>, lines: &[u8]) -> Result<(), ExportError> {
        if lines.is_empty() {
            return Ok(());
        }
        if part.is_none() {
            let buffer = self.waiting(|| self.buffers.take());
            let codec = Codec::new(self.compression, buffer).map_err(ExportError::Compress)?;
            *part = Some(Part { codec, line_bytes: 0 });
        }
        let Some(part) = part else { return Ok(()) };
        part.line_bytes += lines.len() as u64;
        part.codec.write(lines).map_err(ExportError::Compress)
    }

    fn seal(&mut self, part: &mut Option<Part>, line_follows: bool) -> Result<Result<(), Gone>, ExportError> {
        let stored = match part.take() {
            Some(Part { codec, line_bytes }) => {
                let bytes = codec.finish().map_err(ExportError::Compress)?;
                let (length, crc32c) = (bytes.len() as u64, crc32c::crc32c(&bytes));
                Some(Stored { bytes: self.buffers.lend(bytes), length, line_bytes, crc32c })
            }
            None => None,
        };
        let length = stored.as_ref().map_or(0, |stored| stored.length);
        Ok(match self.builder.seal(length, line_follows) {
            Some(sealing) => self.pass(UploadEvent::Filled(sealing, stored)),
            None => Ok(()),
        })
    }

    /// Does what may wait for the uploads.
    fn waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        let _wait = self.store_wait.wait();
        wait()
    }

    fn pass(&self, event: UploadEvent<bytes::Bytes>) -> Result<(), Gone> {
        self.waiting(|| self.parts.blocking_send(event).map_err(|_| Gone))
    }
}

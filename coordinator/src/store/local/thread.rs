//! Calls to a file system. Each has a thread of its own: a call that hangs, for example because a network file system
//! is gone, keeps no other thread from handling signals.

use std::{
    cell::RefCell,
    io::{self, Read},
    path::Path,
};

use job_aws::{
    Fault, FaultKind,
    waits::{self, Waiting},
};
use tokio::sync::oneshot;

thread_local! {
    /// The call that this thread makes.
    static CALL: RefCell<Option<Waiting>> = const { RefCell::new(None) };
}

/// Makes a call to the file system of `path`. If the future is dropped, the call may still be made.
pub(crate) async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let waiting = waits::calling(format!("the file system at {}", path.display()));
    let (answer, answered) = oneshot::channel();
    let call = move || {
        CALL.set(Some(waiting));
        let done = work();
        drop(CALL.take());
        // The caller may have been cancelled meanwhile.
        let _ = answer.send(done);
    };
    // Not `spawn_blocking`, which panics if it can't start a thread.
    let started = std::thread::Builder::new().name("files".into()).spawn(call);
    started.map_err(|error| {
        let why = format!("cannot start a thread for the file system at {}: {error}", path.display());
        Fault::new(FaultKind::Transient, why).caused_by(error)
    })?;
    let panicked = |error| Fault::new(FaultKind::Refused, "a file call ended abruptly").caused_by(error);
    answered.await.map_err(panicked)?
}

/// Notes progress. A long call must do so, or it is considered to hang.
pub(super) fn note_progress() {
    CALL.with_borrow(|call| {
        if let Some(call) = call {
            call.heard();
        }
    });
}

/// A file that notes progress with each read.
pub(crate) struct NotesProgress<R>(pub(crate) R);

impl<R: Read> Read for NotesProgress<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.read(buffer)?;
        note_progress();
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_is_noted_for_as_long_as_it_is_made() {
        let path = Path::new("/a place of this test");
        let is_noted = || CALL.with_borrow(Option::is_some);
        let noted = blocking(path, move || {
            let read = io::read_to_string(NotesProgress(&b"text"[..])).map_err(Fault::refused)?;
            Ok((is_noted(), read))
        });
        assert_eq!(noted.await.unwrap(), (true, "text".to_owned()));
        let mine = waits::longest().filter(|wait| wait.what.contains("/a place of this test"));
        assert_eq!(mine, None);
        assert!(!is_noted());
    }
}

//! Calls to a file system. Each has a thread of its own: one that hangs, on a network file system that is gone, keeps
//! no other thread from hearing signals.

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

/// Makes a call to the file system of `path`. If its future is dropped, the call may still be made.
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
        // The task that asked may have been stopped meanwhile.
        let _ = answer.send(done);
    };
    // No thread of the runtime, which would panic if it could start none.
    let started = std::thread::Builder::new().name("files".into()).spawn(call);
    started.map_err(|error| {
        let why = format!("cannot start a thread for the file system at {}: {error}", path.display());
        Fault::new(FaultKind::Transient, why)
    })?;
    let panicked = |_| Fault::new(FaultKind::Refused, "a file call ended abruptly");
    answered.await.map_err(panicked)?
}

/// Notes progress. A long call must do so, so that it is not taken for one that hangs.
pub(super) fn goes_on() {
    CALL.with_borrow(|call| {
        if let Some(call) = call {
            call.heard();
        }
    });
}

/// A file of which each read notes progress.
pub(super) struct GoesOn<R>(pub(super) R);

impl<R: Read> Read for GoesOn<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.read(buffer)?;
        goes_on();
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
            let read = io::read_to_string(GoesOn(&b"text"[..]))
                .map_err(|error| Fault::new(FaultKind::Refused, error.to_string()))?;
            Ok((is_noted(), read))
        });
        assert_eq!(noted.await.unwrap(), (true, "text".to_owned()));
        let mine = waits::longest().filter(|wait| wait.what.contains("/a place of this test"));
        assert_eq!(mine, None);
        assert!(!is_noted());
    }
}

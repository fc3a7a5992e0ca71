//! The pipe from the parent process.

use std::{io, os::fd::AsFd};

use job::control::Boot;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::unix::pipe,
};

/// The longest boot line: a certificate, a token, and little more.
const MAX_BOOT_BYTES: u64 = 64 * 1024;

/// Why standard input tells nothing of a coordinator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParentError {
    #[error("no standard input")]
    NoInput(#[source] io::Error),
    #[error("standard input is not a pipe; only tablehaul starts this program")]
    NoPipe(#[source] io::Error),
    #[error("standard input")]
    Unreadable(#[source] io::Error),
    #[error("no boot line on standard input; only tablehaul starts this program")]
    NoBoot,
    /// Without the error of serde, which may quote the line with the token.
    #[error("malformed boot line on standard input")]
    Malformed,
}

/// The read end of the pipe.
pub(crate) struct Parent(BufReader<pipe::Receiver>);

impl Parent {
    /// Takes standard input, which must be a pipe.
    pub(crate) fn stdin() -> Result<Self, ParentError> {
        let stdin = io::stdin().as_fd().try_clone_to_owned().map_err(ParentError::NoInput)?;
        let pipe = pipe::Receiver::from_owned_fd(stdin).map_err(ParentError::NoPipe)?;
        Ok(Self(BufReader::new(pipe)))
    }

    /// Waits for the first line.
    pub(crate) async fn boot(&mut self) -> Result<Boot, ParentError> {
        let mut line = Vec::new();
        let read = (&mut self.0).take(MAX_BOOT_BYTES).read_until(b'\n', &mut line).await;
        read.map_err(ParentError::Unreadable)?;
        if line.last() != Some(&b'\n') {
            return Err(ParentError::NoBoot);
        }
        serde_json::from_slice(&line).map_err(|_| ParentError::Malformed)
    }

    /// Waits until the other end is closed.
    pub(crate) async fn gone(&mut self) {
        let mut rest = [0; 64];
        while self.0.read(&mut rest).await.is_ok_and(|bytes| bytes > 0) {}
    }
}

//! The pipe from the parent process.

use anyhow::{Context, bail};
use job::control::Boot;
use std::os::fd::AsFd;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    net::unix::pipe,
};

/// The longest boot line: a certificate, a token, and little more.
const MAX_BOOT_BYTES: u64 = 64 * 1024;

/// The read end of the pipe.
pub(crate) struct Parent(BufReader<pipe::Receiver>);

impl Parent {
    /// Takes standard input, which must be a pipe.
    pub(crate) fn stdin() -> anyhow::Result<Self> {
        let stdin = std::io::stdin().as_fd().try_clone_to_owned().context("no standard input")?;
        let pipe = pipe::Receiver::from_owned_fd(stdin)
            .context("standard input is not a pipe; only tablehaul starts this program")?;
        Ok(Self(BufReader::new(pipe)))
    }

    /// Waits for the first line.
    pub(crate) async fn boot(&mut self) -> anyhow::Result<Boot> {
        let mut line = Vec::new();
        (&mut self.0).take(MAX_BOOT_BYTES).read_until(b'\n', &mut line).await.context("standard input")?;
        if line.last() != Some(&b'\n') {
            bail!("no boot line on standard input; only tablehaul starts this program");
        }
        // Without the message of serde, which may quote the line with the token.
        serde_json::from_slice(&line).map_err(|_| anyhow::anyhow!("malformed boot line on standard input"))
    }

    /// Waits until the other end is closed.
    pub(crate) async fn gone(&mut self) {
        let mut rest = [0; 64];
        while self.0.read(&mut rest).await.is_ok_and(|bytes| bytes > 0) {}
    }
}

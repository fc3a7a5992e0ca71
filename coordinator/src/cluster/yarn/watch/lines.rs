//! What a process says, line by line.

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Child,
    sync::mpsc,
    task::JoinSet,
};

use super::super::LINES;

/// What a process says on both of its outputs, line by line, and who reads that.
pub(super) fn lines_of(child: &mut Child) -> (mpsc::Receiver<String>, JoinSet<()>) {
    let (sender, lines) = mpsc::channel(LINES);
    let mut readers = JoinSet::new();
    if let Some(stdout) = child.stdout.take() {
        readers.spawn(pass_on(stdout, sender.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        readers.spawn(pass_on(stderr, sender));
    }
    (lines, readers)
}

async fn pass_on(from: impl AsyncRead + Unpin, to: mpsc::Sender<String>) {
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    // Not as UTF-8: Java writes in whatever the locale says.
    while reader.read_until(b'\n', &mut line).await.is_ok_and(|bytes| bytes > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if to.send(text).await.is_err() {
            return;
        }
        line.clear();
    }
}

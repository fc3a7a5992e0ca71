//! Reads the output of a process line by line.

use tokio::{
    io::{AsyncRead, BufReader},
    process::Child,
    sync::mpsc,
    task::JoinSet,
};

use super::super::LINES;
use crate::cluster::lines::next_line;

/// The lines of both outputs of a process, and the tasks that read them.
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
    while let Some(line) = next_line(&mut reader).await {
        if to.send(line).await.is_err() {
            return;
        }
    }
}

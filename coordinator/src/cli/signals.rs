//! SIGTERM, SIGINT and SIGHUP stop a job in order. A later signal ends the process at once.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    failure::{Failure, FailureKind},
    output::exit,
};

/// A stopped job ends within this time. Further signals within it change nothing, because people and supervisors often
/// send two. A signal after it ends the process at once.
const IN_ORDER: Duration = Duration::from_secs(5);

/// The exit code when a signal ends the process at once: that of a job that was stopped in order.
static STOPPED: AtomicU8 = AtomicU8::new(3);

/// When the first signal came. A command may run several jobs, one after the other.
static STOPPED_AT: Mutex<Option<Instant>> = Mutex::new(None);

/// Sets the exit code of a process that a signal ends at once.
pub(super) fn end_with(code: u8) {
    STOPPED.store(code, Ordering::SeqCst);
}

/// When a signal first stopped this command, if one did.
pub(super) fn stopped_at() -> Option<Instant> {
    *STOPPED_AT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts to listen for signals. The first one cancels the returned token.
///
/// A thread of its own listens for as long as the process lives, so that signals are seen even while the rest is
/// blocked because nobody reads standard output. The thread also catches SIGXFSZ, so that exceeding a file size limit
/// is a write error and does not end the process.
///
/// # Errors
/// Fails if the thread or its runtime cannot start.
pub(super) fn watch() -> Result<CancellationToken, Failure> {
    let stop = CancellationToken::new();
    let theirs = stop.clone();
    start(move || heard(&theirs))?;
    Ok(stop)
}

/// Starts to listen for signals, and counts them; the first one also cancels the returned token. None ends the process,
/// unless it waits for input or for a reader of standard output.
///
/// # Errors
/// See [`watch`].
#[cfg(feature = "emr")]
pub(super) fn count() -> Result<(CancellationToken, tokio::sync::watch::Receiver<u32>), Failure> {
    let first = CancellationToken::new();
    let token = first.clone();
    let (sender, receiver) = tokio::sync::watch::channel(0);
    start(move || {
        exit::ask_to_end(kind(), code());
        sender.send_modify(|number| *number += 1);
        token.cancel();
    })?;
    Ok((first, receiver))
}

fn start(heard: impl Fn() + Send + 'static) -> Result<(), Failure> {
    let (ready, is_ready) = mpsc::channel();
    let listen = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        match runtime {
            Ok(runtime) => runtime.block_on(listen(&heard, &ready)),
            Err(error) => drop(ready.send(Err(error))),
        }
    };
    let started = thread::Builder::new().name("signals".into()).spawn(listen);
    let listening = started.and_then(|_| is_ready.recv().map_err(std::io::Error::other)?);
    listening.map_err(|error| Failure::refused(format!("cannot listen for signals: {error}")))
}

async fn listen(heard: &impl Fn(), ready: &mpsc::Sender<std::io::Result<()>>) {
    let signals = || -> std::io::Result<_> {
        let file_size = signal(SignalKind::from_raw(Signal::SIGXFSZ as i32))?;
        let hangup = if is_ignored(Signal::SIGHUP) { None } else { Some(signal(SignalKind::hangup())?) };
        Ok((file_size, hangup, signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
    };
    let (_file_size, mut hangup, mut terminate, mut interrupt) = match signals() {
        Ok(signals) => {
            drop(ready.send(Ok(())));
            signals
        }
        Err(error) => return drop(ready.send(Err(error))),
    };
    loop {
        let hung_up = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hung_up => {}
        }
        heard();
    }
}

fn heard(stop: &CancellationToken) {
    let first_at = {
        let mut stopped_at = STOPPED_AT.lock().unwrap_or_else(PoisonError::into_inner);
        *stopped_at.get_or_insert_with(Instant::now)
    };
    stop.cancel();
    exit::ask_to_end(kind(), code());
    if first_at.elapsed() >= IN_ORDER {
        exit::now(kind(), "ended at once by a second signal, before the clean-up was complete", code());
    }
}

fn kind() -> &'static str {
    FailureKind::Stopped.name()
}

fn code() -> u8 {
    STOPPED.load(Ordering::SeqCst)
}

/// Whether the process was started with this signal ignored, as `nohup` does. Reads the mask of ignored signals
/// (`proc_pid_status(5)`); without `/proc` no signal counts as ignored.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored(&status, signal as u32)
}

fn ignored(status: &str, signal: u32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_ignores_is_read_from_the_mask_of_the_process() {
        let status = |mask: &str| format!("Name:\ttablehaul\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\n");
        assert!(ignored(&status("0000000000001001"), 1));
        assert!(!ignored(&status("0000000000001000"), 1));
        assert!(!ignored("no such line", 1));
    }
}

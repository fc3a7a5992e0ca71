//! SIGTERM and SIGINT stop a job in order.

use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Cancels `stop` at the first signal. The returned set holds the watcher.
pub(super) fn watch(stop: CancellationToken) -> JoinSet<()> {
    let mut watcher = JoinSet::new();
    watcher.spawn(async move {
        let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
        // The handlers stay, so that a second signal does not cut short the cleaning up.
        std::future::pending::<()>().await;
    });
    watcher
}

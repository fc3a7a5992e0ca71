//! How the agent passes on what the coordinator says to the export or import that is running.

use tokio::sync::mpsc;

/// More than was asked for: the coordinator does not keep to the protocol.
#[derive(Debug, thiserror::Error)]
#[error("the coordinator sent more than it was asked for")]
pub(crate) struct Unsolicited;

/// Puts a message into the queue of a stage, which has room for all that it asked for.
pub(crate) fn offer<T>(queue: &mpsc::Sender<T>, message: T) -> Result<(), Unsolicited> {
    match queue.try_send(message) {
        // A stage that has failed takes nothing any more.
        Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        Err(mpsc::error::TrySendError::Full(_)) => Err(Unsolicited),
    }
}

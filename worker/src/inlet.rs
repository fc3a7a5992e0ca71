//! Passes the coordinator's messages from the agent to the running export, import or verification.

use tokio::sync::mpsc;

/// The coordinator sent more than was asked for, which violates the protocol.
#[derive(Debug, thiserror::Error)]
#[error("the coordinator sent more than it was asked for")]
pub(crate) struct Unsolicited;

/// Puts a message into the queue of a stage. The queue has room for everything that the stage has asked for.
pub(crate) fn offer<T>(queue: &mpsc::Sender<T>, message: T) -> Result<(), Unsolicited> {
    match queue.try_send(message) {
        // A stage that has failed receives nothing any more.
        Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        Err(mpsc::error::TrySendError::Full(_)) => Err(Unsolicited),
    }
}

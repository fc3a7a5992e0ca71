//! Passes the coordinator's messages about tasks from the agent to the running job.

use tokio::sync::mpsc;

/// The coordinator sent more than was asked for, which violates the protocol.
#[derive(Debug, thiserror::Error)]
#[error("the coordinator sent more than it was asked for")]
pub(crate) struct Unsolicited;

/// A message of the coordinator about tasks. `L` is the lease of a task.
#[derive(Debug)]
pub(crate) enum TaskCommand<L> {
    /// A task to work on.
    Work(L),
    /// No task is left to lease for now.
    Drain,
}

/// The end of the agent.
#[derive(Debug)]
pub(crate) struct TaskSender<L>(mpsc::Sender<TaskCommand<L>>);

/// The end of the job.
pub(crate) type TaskReceiver<L> = mpsc::Receiver<TaskCommand<L>>;

/// A channel for a job that asks for at most `most_open` leases at a time.
pub(crate) fn task_channel<L>(most_open: u32) -> (TaskSender<L>, TaskReceiver<L>) {
    let (sender, receiver) = mpsc::channel(2 * most_open as usize);
    (TaskSender(sender), receiver)
}

impl<L> TaskSender<L> {
    /// Passes on a task to work on.
    ///
    /// # Errors
    /// Fails if the job did not ask for it.
    pub(crate) fn work(&self, lease: L) -> Result<(), Unsolicited> {
        offer(&self.0, TaskCommand::Work(lease))
    }

    /// Passes on that no task is left to lease for now.
    ///
    /// # Errors
    /// Fails if the job asked for nothing.
    pub(crate) fn drain(&self) -> Result<(), Unsolicited> {
        offer(&self.0, TaskCommand::Drain)
    }
}

/// Puts a message into the queue of a stage. The queue has room for everything that the stage has asked for.
///
/// # Errors
/// Fails if it has no room.
pub(crate) fn offer<T>(queue: &mpsc::Sender<T>, message: T) -> Result<(), Unsolicited> {
    match queue.try_send(message) {
        // A stage that has failed receives nothing any more.
        Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
        Err(mpsc::error::TrySendError::Full(_)) => Err(Unsolicited),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_not_asked_for_is_refused_and_what_nobody_hears_is_not() {
        let (sender, mut receiver) = task_channel(1);
        assert!(sender.work(1).is_ok() && sender.drain().is_ok());
        assert!(sender.work(2).is_err(), "there is room for two messages");
        assert!(matches!(receiver.recv().await, Some(TaskCommand::Work(1))));
        assert!(matches!(receiver.recv().await, Some(TaskCommand::Drain)));
        drop(receiver);
        for _ in 0..3 {
            assert!(sender.work(3).is_ok(), "a job that has failed needs nothing");
        }
    }
}

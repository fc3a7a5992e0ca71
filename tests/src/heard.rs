//! A running command whose standard error is read as it comes, so that a test waits for a line and not for a time.

use crate::command::{Finished, finish};
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The longest time of anything that does not hang, also on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// The running command. Dropped while it runs, it is killed.
#[derive(Debug)]
pub struct Heard {
    child: Option<Child>,
    lines: Arc<Mutex<Vec<String>>>,
    listener: Option<JoinHandle<()>>,
}

impl Heard {
    /// Listens to a command that has just started. Its standard error must be a pipe.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn of(mut child: Child) -> Self {
        let stderr = child.stderr.take().expect("a pipe");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = lines.clone();
        let listener = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Self { child: Some(child), lines, listener: Some(listener) }
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it has been [finished](Self::finish).
    #[track_caller]
    pub fn id(&self) -> i32 {
        let id = self.child.as_ref().map(Child::id).and_then(|id| i32::try_from(id).ok());
        id.expect("it is not finished")
    }

    /// The lines so far.
    pub fn said(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `get` finds something.
    ///
    /// # Panics
    /// When the command ends without it, or it takes minutes.
    #[track_caller]
    pub fn wait<T>(&mut self, what: &str, get: impl Fn(&Self) -> Option<T>) -> T {
        let found = self.wait_or_end(what, get);
        found.unwrap_or_else(|| panic!("it ended before {what}: {:?}", self.said()))
    }

    /// The same; `None` if the command ends without it.
    #[track_caller]
    fn wait_or_end<T>(&mut self, what: &str, get: impl Fn(&Self) -> Option<T>) -> Option<T> {
        let since = Instant::now();
        loop {
            let has_ended = self.has_ended();
            let found = get(self);
            if found.is_some() || has_ended {
                return found;
            }
            assert!(since.elapsed() < PATIENCE, "waited too long for {what}: {:?}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for a line that holds these parts, and returns it.
    ///
    /// # Panics
    /// When the command ends without saying it, or it takes minutes.
    #[track_caller]
    pub fn says(&mut self, parts: &[&str]) -> String {
        self.wait(&format!("a line with {parts:?}"), |heard| heard.line_with(parts))
    }

    /// Waits for a line that holds these parts, or for the end of the command. Returns whether the line came.
    ///
    /// # Panics
    /// When it takes minutes.
    #[track_caller]
    pub fn says_or_ends(&mut self, parts: &[&str]) -> bool {
        self.wait_or_end(&format!("a line with {parts:?}"), |heard| heard.line_with(parts)).is_some()
    }

    /// The first line so far that holds these parts.
    fn line_with(&self, parts: &[&str]) -> Option<String> {
        self.said().into_iter().find(|line| parts.iter().all(|part| line.contains(part)))
    }

    fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut().expect("it is not finished");
        child.try_wait().expect("a child can be waited for").is_some()
    }

    /// Waits for its end, whatever it is.
    ///
    /// # Panics
    /// When it was finished before.
    #[track_caller]
    pub fn finish(&mut self) -> Finished {
        let mut finished = finish(self.child.take().expect("it is finished once"));
        self.listener.take().expect("it is joined once").join().expect("a reader of lines");
        finished.stderr = self.said().join("\n");
        finished
    }

    /// Whether it was not finished yet.
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

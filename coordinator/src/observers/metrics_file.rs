//! A file of metrics for the textfile collector of Prometheus' `node_exporter`. It is replaced as a whole, so a reader
//! never sees half of it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use events::{Exposition, Measured, direction, metrics, successes};
use tokio::sync::watch;

use super::{EndOfCommand, command_state::CommandState};
use crate::{
    output::display,
    store::{
        blocking,
        whole_file::{WholeFile, folder_of},
    },
};
use job_aws::Fault;

/// The time between two writes. Prometheus usually asks `node_exporter` as often.
const WRITE_METRICS_EVERY: Duration = Duration::from_secs(15);
/// `node_exporter` runs as another user, so all may read the file: metrics hold no secrets. Its collector ignores the
/// name of a file that is not in its place yet.
const METRICS_FILE_MODE: u32 = 0o644;
/// The longest file that is read for the times of earlier successes.
const LONGEST_METRICS_FILE: u64 = 16 * 1024 * 1024;

/// Why there can be no file of metrics. One line.
#[derive(Debug, thiserror::Error)]
pub(super) enum MetricsFileError {
    #[error("--metrics-file {}: something else than a file has this name: give another one", .0.display())]
    NotAFile(PathBuf),
    #[error(
        "--metrics-file {}: {}", .path.display(), display::no_file_in(folder_of(.path), .source, "name another file")
    )]
    Unwritable { path: PathBuf, source: io::Error },
}

/// The file.
#[derive(Debug)]
pub(super) struct MetricsFile {
    path: PathBuf,
    /// When jobs of earlier runs were complete, by their table and direction.
    earlier: BTreeMap<(String, String), f64>,
    has_failed: bool,
}

impl MetricsFile {
    /// Looks at what an earlier run has written there.
    ///
    /// # Errors
    /// Fails if the file can't be written.
    pub(super) fn new(path: PathBuf) -> Result<Self, MetricsFileError> {
        let looked = match fs::symlink_metadata(&path) {
            Ok(found) if !found.is_file() => return Err(MetricsFileError::NotAFile(path)),
            Ok(found) if found.len() <= LONGEST_METRICS_FILE => fs::read_to_string(&path),
            _ => Ok(String::new()),
        };
        let tried = tempfile::Builder::new().prefix(".tablehaul-").tempfile_in(folder_of(&path));
        if let Err(source) = tried {
            return Err(MetricsFileError::Unwritable { path, source });
        }
        let earlier = successes(&looked.unwrap_or_default()).into_iter();
        let earlier = earlier.map(|success| ((success.table, success.direction), success.at)).collect();
        if path.extension().is_none_or(|extension| extension != "prom") {
            let why = "node_exporter only reads files whose names end in .prom";
            display::complain(&format!("warning: --metrics-file {}: {why}", path.display()));
        }
        Ok(Self { path, earlier, has_failed: false })
    }

    /// Writes the file until the command is over, and once more at its end. Only the first failure prints a warning.
    pub(super) async fn write(mut self, seen: &Mutex<CommandState>, mut over: watch::Receiver<bool>) {
        loop {
            let is_over = *over.borrow();
            let content = self.content(&seen.lock().unwrap_or_else(PoisonError::into_inner));
            let path = self.path.clone();
            let written = blocking(&self.path, move || replace(path, &content).map_err(Fault::refused));
            if let Err(fault) = written.await
                && !std::mem::replace(&mut self.has_failed, true)
            {
                display::complain(&format!(
                    "warning: --metrics-file {}: it could not be written, and the job goes on: {}",
                    self.path.display(),
                    fault.message
                ));
            }
            if is_over {
                return;
            }
            over.pause(hooks::interval("metrics", WRITE_METRICS_EVERY)).await;
        }
    }

    fn content(&self, seen: &CommandState) -> String {
        let planned = seen.jobs().iter().filter_map(|(table, state)| {
            let direction = direction(state.plan.as_ref()?.command);
            Some(((table.clone(), direction.to_owned()), state))
        });
        let planned: BTreeMap<_, _> = planned.collect();
        let running = planned.iter().map(|(key, state)| Measured {
            state: Some(*state),
            table: &key.0,
            direction: &key.1,
            succeeded_at: seen.succeeded_at().get(&key.0).or_else(|| self.earlier.get(key)).copied(),
        });
        let earlier = self.earlier.iter().filter(|(key, _)| !planned.contains_key(*key));
        let earlier = earlier.map(|((table, direction), at)| Measured {
            state: None,
            table,
            direction,
            succeeded_at: Some(*at),
        });
        metrics(&running.chain(earlier).collect::<Vec<_>>(), Exposition::Prometheus)
    }
}

/// Writes the file in place of the one of before.
fn replace(path: PathBuf, content: &str) -> io::Result<()> {
    WholeFile::write(path, content.as_bytes(), METRICS_FILE_MODE)?.put()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use events::{Command, Completed, Event, Plan};
    use serde_json::Map;

    use super::*;
    use crate::output::events::stamped;

    #[test]
    fn the_time_of_the_last_success_outlives_a_run_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("forum.prom");
        let plan = Plan { table: Some("Forum".into()), ..Plan::of(Command::Export) };
        let completed = Completed {
            table: "Forum".into(),
            folder: "/x".into(),
            report: Map::new(),
            files: Vec::new(),
            file_count: 0,
        };
        let mut seen = CommandState::default();
        for event in [Event::Plan(Box::new(plan.clone())), Event::Completed(Box::new(completed))] {
            seen.apply(&stamped(event));
        }
        let first = MetricsFile::new(path.clone()).unwrap().content(&seen);
        replace(path.clone(), &first).unwrap();
        let time = |text: &str| {
            let of = |success: events::Success| ((success.table, success.direction), success.at);
            successes(text).into_iter().map(of).collect::<BTreeMap<_, _>>()
        };
        let exported = ("Forum".to_owned(), "export".to_owned());
        assert!(time(&first)[&exported] > 1.7e9, "{first}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);

        let mut failing = CommandState::default();
        let before = MetricsFile::new(path.clone()).unwrap();
        assert_eq!(time(&before.content(&failing)), time(&first), "before the plan");
        failing.apply(&stamped(Event::Plan(Box::new(plan))));
        assert_eq!(time(&before.content(&failing)), time(&first));
        let thread = Plan { table: Some("Thread".into()), ..Plan::of(Command::Export) };
        failing.apply(&stamped(Event::Plan(Box::new(thread))));
        assert_eq!(time(&before.content(&failing)), time(&first), "with another table");
        let mut importing = CommandState::default();
        let plan = Plan { table: Some("Forum".into()), ..Plan::of(Command::Import) };
        importing.apply(&stamped(Event::Plan(Box::new(plan))));
        assert_eq!(time(&before.content(&importing)), time(&first), "an import has not exported");
        let names: Vec<_> = fs::read_dir(&folder).unwrap().flatten().map(|file| file.file_name()).collect();
        assert_eq!(names, ["forum.prom"]);
    }

    #[test]
    fn a_file_that_can_not_be_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for (path, why) in [
            (PathBuf::from("/no/such/folder/x.prom"), "there is no folder /no/such/folder"),
            (folder.path().to_owned(), "something else than a file"),
        ] {
            let said = MetricsFile::new(path).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        }
    }
}

//! One import by the real `tablehaul`, and what must be true of any successful one.

use serde_json::Value;
use std::path::Path;
use tests_support::Fake;
use tests_support::command::{Finished, Tablehaul};
use tests_support::stats::WriteStats;

/// The table of the fake that all tests write to.
pub(crate) const TABLE: &str = "Forum";

/// A fake with an empty table of the generator's items, on demand.
pub(crate) fn sink() -> Fake {
    sink_with("")
}

/// The same with further settings of the table.
pub(crate) fn sink_with(settings: &str) -> Fake {
    Fake::start(["--table", &format!("{TABLE}:sink=1{settings}")])
}

/// An import into the fake, still to be run.
pub(crate) fn command(fake: &Fake, folder: &Path, args: &str) -> Tablehaul {
    Tablehaul::import(folder, TABLE, &fake.endpoint())
        .args(["--region", "us-east-1", "--json"])
        .args(args.split_whitespace())
}

/// Runs an import into the fake to its end.
pub(crate) fn import(fake: &Fake, folder: &Path, args: &str) -> Finished {
    command(fake, folder, args).run()
}

/// The report of a successful import.
#[track_caller]
pub(crate) fn report(finished: &Finished) -> Value {
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {}", finished.stdout))
}

/// What has been written to the table of the fake.
pub(crate) fn writes(fake: &Fake) -> WriteStats {
    fake.table_stats(TABLE).writes
}

/// All of the generator's first `num_items` items are in the table, and nothing else was ever written.
#[track_caller]
pub(crate) fn holds_all(fake: &Fake, num_items: u64) -> WriteStats {
    let writes = writes(fake);
    assert_eq!((writes.present, writes.distinct), (num_items, num_items), "{writes:?}");
    assert_eq!((writes.altered, writes.foreign), (0, 0), "{writes:?}");
    writes
}

/// Makes sure that it was refused with one line that holds these words, and that nothing was written.
#[track_caller]
pub(crate) fn refused(fake: &Fake, finished: &Finished, words: &[&str]) {
    assert_eq!(finished.code, Some(2), "stdout:\n{}\nstderr:\n{}", finished.stdout, finished.stderr);
    let lines: Vec<&str> = finished.stderr.lines().filter(|line| line.starts_with("tablehaul: ")).collect();
    assert_eq!(lines.len(), 1, "{}", finished.stderr);
    for word in words {
        assert!(lines[0].contains(word), "{word:?} is missing: {}", lines[0]);
    }
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    let writes = writes(fake);
    assert_eq!((writes.total, writes.deletes), (0, 0), "something was written");
}

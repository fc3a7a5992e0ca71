//! Full disks and signals end a job. Nothing that looks complete may be left.

use super::{Place, ends_saying, files, s3, says, wait_until};
use std::fs;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tests_support::Fake;
use tests_support::command::{Finished, Tablehaul, finish, not_tested};

/// Sends a signal by its name.
#[track_caller]
pub(super) fn send(child: &Child, signal: &str) {
    let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "no process {}", child.id());
}

/// A table too large to be read to the end.
pub(super) fn endless() -> Fake {
    Fake::start(["--table", "Forum:pages=100000"])
}

/// A command that was asked to stop ends in 5 s; on a busy machine a little later.
const STOPPING: Duration = Duration::from_secs(15);

/// Sends `signal` twice and makes sure that the command stops in time.
#[track_caller]
fn stops(export: Child, signal: &str) -> Finished {
    let sent_at = Instant::now();
    send(&export, signal);
    // A second signal changes nothing, whether it comes before the end or after it.
    let _ = Command::new("kill").args(["-s", signal, &export.id().to_string()]).output();
    let finished = finish(export);
    assert!(sent_at.elapsed() < STOPPING, "it took {:?}", sent_at.elapsed());
    ends_saying(&finished, 3, &["stopped by a signal"]);
    finished
}

/// Workers write their first parts, but never report them.
const UNREPORTED: &str = "WAIT before seal 1";

/// Stops an export of [`UNREPORTED`] parts: there is nothing to keep for a next run.
#[track_caller]
fn stops_with_nothing_to_keep(export: Child, signal: &str) {
    let finished = stops(export, signal);
    assert!(!finished.stderr.contains("is kept in"), "{}", finished.stderr);
}

/// A file with some bytes that is not yet complete.
pub(super) fn has_hidden_bytes(place: &Place) -> bool {
    let folder = place.folder();
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let hidden = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with('.'));
    hidden.filter_map(|entry| entry.metadata().ok()).any(|metadata| metadata.len() > 0)
}

#[test]
fn a_signal_stops_an_export_to_a_folder_without_a_trace() {
    let fake = endless();
    for signal in ["TERM", "INT"] {
        let place = Place::new();
        let export = place.export("Forum", &fake.endpoint()).with(UNREPORTED).start();
        wait_until("a part is written", || has_hidden_bytes(&place));
        stops_with_nothing_to_keep(export, signal);
        place.is_untouched();
    }
}

/// A running export of a large table, whose shell has run `first`.
fn under_way(place: &Place, fake: &Fake, first: &str) -> Child {
    let folder = place.folder().to_string_lossy().into_owned();
    let args = ["export", "Forum", &folder, "--dynamodb-endpoint", &fake.endpoint()];
    let export = Tablehaul::after(first, args).start();
    wait_until("a part is written", || has_hidden_bytes(place));
    export
}

#[test]
fn the_end_of_a_terminal_stops_a_job_in_order() {
    let (place, fake) = (Place::new(), endless());
    // Independent of how this test was started.
    let export = under_way(&place, &fake, r#"exec env --default-signal=HUP "$@""#);
    stops(export, "HUP");
    assert!(!place.folder().join("manifest").exists());
}

#[test]
fn under_nohup_the_end_of_a_terminal_means_nothing() {
    let (place, fake) = (Place::new(), endless());
    let export = under_way(&place, &fake, r#"trap "" HUP; exec "$@""#);
    send(&export, "HUP");
    // What it reads after the signal shows that it goes on.
    let read = || fake.table_stats("Forum").items;
    let before = read();
    wait_until("it reads on", || read() > before + 100_000);
    stops(export, "TERM");
}

#[test]
fn a_signal_stops_an_export_to_s3_without_a_trace() {
    let fake = endless();
    for signal in ["TERM", "INT"] {
        let bucket = format!("stopped-{}", signal.to_lowercase());
        s3().create_bucket(&bucket);
        let destination = format!("s3://{bucket}/x");
        let args = ["export", "Forum", &destination, "--dynamodb-endpoint", &fake.endpoint()];
        let export = Tablehaul::new(args).args(["--s3-endpoint", &s3().endpoint()]).with(UNREPORTED).start();
        wait_until("an upload is open", || !s3().uploads(&bucket).is_empty());
        stops_with_nothing_to_keep(export, signal);
        assert_eq!(s3().uploads(&bucket), [""; 0]);
        assert_eq!(s3().objects(&bucket), [""; 0]);
    }
}

#[test]
fn a_signal_before_anything_is_written_leaves_nothing_either() {
    let fake = Fake::start(["--table", "Forum:items=10", "--faults", r#"{"latency_ms": 2000}"#]);
    let place = Place::new();
    let export = place.export("Forum", &fake.endpoint()).start();
    wait_until("it asks for the table", || fake.stats().requests.contains_key("DescribeTable"));
    stops(export, "TERM");
    place.is_untouched();
}

#[test]
fn a_file_system_that_takes_no_more_fails_the_job_and_leaves_nothing() {
    let fake = Fake::start(["--table", "Forum:items=20000"]);
    let place = Place::new();
    let folder = place.folder().to_string_lossy().into_owned();
    let args = ["export", "Forum", &folder, "--dynamodb-endpoint", &fake.endpoint()];
    let finished = Tablehaul::after(r#"ulimit -f 200; exec "$@""#, args).run();
    ends_saying(&finished, 1, &["cannot write", &folder, "File too large"]);
    place.is_untouched();
}

/// An export of one item where no file may have more than this many blocks.
fn export_in_blocks(place: &Place, blocks: u32) -> Finished {
    let fake = Fake::start(["--table", "Forum:items=1"]);
    let first = format!(r#"ulimit -f {blocks}; exec "$@""#);
    let args = ["export", "Forum", "--dynamodb-endpoint", &fake.endpoint()];
    Tablehaul::after(&first, args).arg(place.folder()).run()
}

#[test]
fn a_file_system_that_takes_nothing_at_all_refuses_the_job() {
    let place = Place::new();
    says(
        &export_in_blocks(&place, 0),
        2,
        &["cannot write", "/backup/_tablehaul/journal/00000001.jsonl", "File too large"],
    );
    place.is_untouched();
}

#[test]
fn a_file_system_that_does_not_take_the_whole_journal_fails_the_job_and_leaves_nothing_that_looks_complete() {
    let place = Place::new();
    let parts = ["cannot write", "/backup/_tablehaul/", "File too large"];
    ends_saying(&export_in_blocks(&place, 5), 1, &parts);
    assert!(!place.folder().join("manifest").exists());
}

/// A command after which, and the mount of a disk of `size`, a shell runs `script`, with the command as `"$@"`. Only
/// these processes see the disk. `None` if it can't be mounted here; then the tests above stand for the one that asks.
pub(super) fn on_small_disk<'a>(
    place: &Place,
    size: &str,
    script: &str,
    args: impl IntoIterator<Item = &'a str>,
) -> Option<Tablehaul> {
    let unshared =
        Command::new("unshare").args(["-rm", "mount", "-t", "tmpfs", "tmpfs"]).arg(place.outer()).output();
    if !unshared.is_ok_and(|output| output.status.success()) {
        not_tested("no file system of our own can be mounted here");
        return None;
    }
    let inner = format!("mount -t tmpfs -o size={size} tmpfs {} && {{ {script}; }}", place.outer().display());
    Some(Tablehaul::after(&format!("exec unshare -rm sh -c '{inner}' sh \"$@\""), args))
}

#[test]
fn a_full_disk_fails_the_job_and_leaves_nothing() {
    let place = Place::new();
    let fake = Fake::start(["--table", "Forum:items=20000"]);
    let (outer, folder) = (place.outer().display(), place.folder().to_string_lossy().into_owned());
    let args = ["export", "Forum", &folder, "--dynamodb-endpoint", &fake.endpoint()];
    let script = format!(r#""$@"; code=$?; find {outer}; exit $code"#);
    let Some(export) = on_small_disk(&place, "1m", &script, args) else { return };
    let finished = export.run();
    ends_saying(&finished, 1, &["cannot write", &folder, "No space left on device"]);
    assert_eq!(finished.stdout.trim(), outer.to_string(), "left on the disk");
    assert_eq!(files(place.outer()), [""; 0]);
}

#[test]
fn what_is_left_on_a_full_disk_is_in_the_journal() {
    let fake = Fake::start(["--table", "Forum:items=20000,item-bytes=2000,rcu=100000"]);
    for size in ["14m", "22m", "30m", "38m"] {
        let place = Place::new();
        let (outer, folder) = (place.outer().display(), place.folder().to_string_lossy().into_owned());
        let endpoint = fake.endpoint();
        let args = ["export", "Forum", &folder, "--dynamodb-endpoint", &endpoint, "--workers", "2"];
        let script = format!(
            r#""$@"; code=$?; "$1" status --json {folder}; echo; find {outer} -name "*.part"; exit $code"#
        );
        let Some(export) = on_small_disk(&place, size, &script, args) else { return };
        let Finished { code, stdout, stderr } = export.run();
        assert_eq!(code, Some(1), "{stderr}");
        let status: Vec<&str> = stdout.lines().collect();
        let is_left = stdout.contains(".part");
        let is_kept =
            status.iter().any(|line| line.trim().starts_with(r#""percent""#) && !line.contains(" 0,"));
        assert_eq!(is_left, is_kept, "{size}: {stdout}\n{stderr}");
        assert_eq!(stderr.contains("is kept in"), is_left, "{size}: {stdout}\n{stderr}");
        assert!(!stderr.contains("could not be cleaned up"), "{size}: {stderr}");
    }
}

#[test]
fn clean_removes_the_export_that_filled_the_disk() {
    let place = Place::new();
    let fake = Fake::start(["--table", "Forum:items=20000,item-bytes=2000,rcu=100000"]);
    let (outer, folder) = (place.outer().display(), place.folder().to_string_lossy().into_owned());
    let endpoint = fake.endpoint();
    let args = ["export", "Forum", &folder, "--dynamodb-endpoint", &endpoint, "--read-units", "500"];
    let script = format!(
        r#""$@" & until [ -n "$(find {outer} -name "*.part" -size +0)" ]; do sleep 0.1; done
        sleep 1; kill -9 $!; wait $!; sleep 1; cat /dev/zero >{outer}/other
        "$1" clean --yes {folder}; code=$?; find {outer} | sort; exit $code"#
    );
    let Some(clean) = on_small_disk(&place, "60m", &script, args) else { return };
    let Finished { code, stdout, stderr } = clean.run();
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("No space left on device"), "the disk is full: {stderr}");
    assert!(stderr.contains("removed an unfinished export of table Forum"), "{stderr}");
    // The folder was there before this command.
    assert_eq!(stdout.trim(), format!("{outer}\n{folder}\n{outer}/other"), "{stderr}");
}

//! Places that take no rejected lines are refused before anything is asked for, also by a dry run, which writes
//! nothing.

use super::{Place, files, says};
use std::fs;
use std::path::Path;
use std::process::Command;
use tests_support::command::{Finished, Tablehaul, not_tested};
use tests_support::{BackupWriter, Fake};

/// A backup with a line that is no item, and a table to import it into.
fn backup() -> (Place, Fake) {
    let place = Place::new();
    let file = BackupWriter::new(20).java_tool(&place.folder()).swap_remove(0);
    let whole = fs::read_to_string(&file).expect("text");
    fs::write(&file, format!("{whole}no item\n")).expect("a file");
    (place, Fake::start(["--table", "Sink:sink=1"]))
}

/// An import that a shell begins so.
fn import(first: &str, (place, fake): &(Place, Fake), rejects: &str, more: &[&str]) -> Finished {
    let (folder, endpoint) = (place.folder().to_string_lossy().into_owned(), fake.endpoint());
    let args = ["import", &folder, "Sink", "--dynamodb-endpoint", &endpoint];
    let args = [&args[..], &["--max-rejects", "1", "--rejects", rejects], more].concat();
    Tablehaul::after(first, args).run()
}

const PLAINLY: &str = r#"exec "$@""#;

#[test]
fn an_output_that_is_closed_takes_no_lines() {
    let at = backup();
    for rejects in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        for more in [&[][..], &["--dry-run"]] {
            let finished = import(r#"exec "$@" >&-"#, &at, rejects, more);
            says(&finished, 2, &["--rejects file://", "standard output is closed", "name a file"]);
        }
    }
    assert_eq!(import(r#"exec "$@" 2>&-"#, &at, "/dev/stderr", &[]).code, Some(2));
    assert!(at.1.stats().requests.is_empty(), "{:?}", at.1.stats());
    // /dev/null discards the line; an open standard output gets it.
    assert_eq!(import(r#"exec "$@" >/dev/null"#, &at, "/dev/stdout", &[]).code, Some(0));
    let said = import(PLAINLY, &at, "/dev/stdout", &[]).succeeded().stdout;
    assert!(said.contains("\"line\":\"no item\""), "{said}");
}

#[test]
fn places_that_take_no_file_are_refused_with_what_to_do_also_by_a_dry_run() {
    let at = backup();
    let at_outer = |name: &str| at.0.outer().join(name).display().to_string();
    fs::write(at_outer("file"), "another's").expect("a file");
    for (rejects, said) in [
        ("/proc/rejects", "/proc takes no files of users; name a file elsewhere"),
        (&at_outer("no/rejects"), "create it first"),
        (&at_outer("file/rejects"), "is not a folder; name a file in a folder"),
        (&at_outer("file"), "exists already; name another file or remove it"),
        (&at_outer("backup"), "is a folder; name a file"),
        (&at_outer("_SUCCESS"), "this name is reserved"),
    ] {
        for more in [&[][..], &["--dry-run"]] {
            says(&import(PLAINLY, &at, rejects, more), 2, &["--rejects file://", said]);
        }
    }
    let before = files(at.0.outer());
    import(PLAINLY, &at, &at_outer("rejects"), &["--dry-run"]).succeeded();
    assert_eq!(files(at.0.outer()), before, "a dry run writes nothing");
    import(PLAINLY, &at, &at_outer("rejects"), &[]).succeeded();
    assert!(Path::new(&at_outer("rejects")).exists());
}

#[test]
fn a_mount_point_is_refused_at_the_beginning() {
    let at = backup();
    let at_outer = |name: &str| at.0.outer().join(name).display().to_string();
    let (over, under) = (at_outer("re jects"), at_outer("under"));
    fs::write(&over, "").expect("a file");
    fs::write(&under, "").expect("a file");
    let mount = format!("mount --bind '{under}' '{over}'");
    let works = Command::new("unshare").args(["-rm", "sh", "-c", &mount]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        not_tested("nothing can be mounted here");
        return;
    }
    let first = format!(r#"exec unshare -rm sh -c "{mount}; exec \"\$@\"" sh "$@""#);
    for more in [&[][..], &["--dry-run"]] {
        let finished = import(&first, &at, &over, more);
        says(
            &finished,
            2,
            &["--rejects file://", "is a mount point, so no file can take its place; name another"],
        );
    }
    assert!(at.1.stats().requests.is_empty(), "{:?}", at.1.stats());
}

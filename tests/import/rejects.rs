//! Lines that are not items are found, named exactly, written to a file, and only as many as allowed are accepted.

mod service;

use crate::run::{TABLE, command, holds_all, import, refused, report, sink, writes};
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};
use tests_support::backup_writer::{BackupCodec, NativeFormat};
use tests_support::command::{Tablehaul, finish};
use tests_support::{BackupWriter, Fake};

const ITEMS: u64 = 3_000;

/// Inserts lines in the middle of a file. Returns the offset of the first.
fn insert(path: &Path, lines: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap();
    let at = text[..text.len() / 2].rfind('\n').unwrap() + 1;
    fs::write(path, [&text[..at], lines, &text[at..]].concat()).unwrap();
    at as u64
}

#[test]
fn one_bad_line_is_named_exactly_and_nothing_is_written() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let file = BackupWriter::new(ITEMS).java_tool(folder.path()).swap_remove(0);
    let at = insert(&file, "{\"pk\":{\"s\":\"secret\n");
    let place = format!(
        "{}: invalid line at byte {at} of the uncompressed text: not the JSON of an item",
        file.display()
    );
    let finished = import(&fake, folder.path(), "");
    refused(&fake, &finished, &[&place, "--max-rejects allows none"]);
    assert!(!finished.stderr.contains("secret"), "{}", finished.stderr);
}

#[test]
fn the_rest_is_imported_when_it_is_allowed_and_the_reject_file_holds_the_line() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let file = BackupWriter::new(ITEMS).java_tool(folder.path()).swap_remove(0);
    let at = insert(&file, "{\"pk\":{\"s\":\"cut off\n");
    let rejects = folder.path().join("out/rejects.jsonl");
    fs::create_dir(rejects.parent().unwrap()).unwrap();
    let args = format!("--max-rejects 1 --rejects {}", rejects.display());
    let report = report(&import(&fake, folder.path(), &args));
    assert_eq!((&report["items"], &report["rejected"]), (&ITEMS.into(), &1.into()));
    holds_all(&fake, ITEMS);
    let entries = entries(&rejects);
    assert_eq!(
        entries,
        [json!({
            "object": format!("file://{}", file.display()),
            "offset": at,
            "reason": "not the JSON of an item",
            "line": "{\"pk\":{\"s\":\"cut off",
        })]
    );
    let names: Vec<_> = fs::read_dir(rejects.parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 1, "nothing else is left there");
}

fn entries(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every way in which a line can fail to be an item of the table, and the reason given.
const BAD_LINES: [(&str, &str); 8] = [
    ("nonsense", "not the JSON of an item"),
    (r#"{"pk":{"s":"a"}}"#, "key attribute \"sk\" is missing"),
    (r#"{"pk":{"s":"a"},"sk":{"s":"1"}}"#, "key attribute \"sk\" is not of type N"),
    (r#"{"pk":{"s":""},"sk":{"n":"1"}}"#, "key attribute \"pk\" has 0 bytes"),
    (r#"{"pk":{"s":"a"},"sk":{"n":"1"},"x":{"q":"1"}}"#, "unknown attribute type"),
    (r#"{"pk":{"s":"a"},"sk":{"n":"1"},"x":{"n":"1x"}}"#, "one with more than 38 digits"),
    (r#"{"pk":{"s":"a"},"sk":{"n":"1"},"x":{"sS":[]}}"#, "an empty set"),
    (r#"{"pk":{"s":"a"},"sk":{"n":"1"},"x":{"b":"%"}}"#, "base64"),
];

#[test]
fn every_kind_of_bad_line_is_reported_in_words_in_whatever_codec() {
    for codec in [BackupCodec::Plain, BackupCodec::Gzip] {
        let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
        let file = BackupWriter::new(ITEMS).without_manifest(folder.path()).swap_remove(0);
        let lines = BAD_LINES.map(|(line, _)| line).join("\n") + "\n";
        insert(&file, &lines);
        let large = format!(
            "{{\"pk\":{{\"s\":\"a\"}},\"sk\":{{\"n\":\"1\"}},\"x\":{{\"s\":\"{}\"}}}}\n",
            "x".repeat(410_000)
        );
        insert(&file, &large);
        let text = fs::read(&file).unwrap();
        fs::write(&file, codec.compressed(&text)).unwrap();
        let rejects = folder.path().join("_rejects");
        let args = format!("--max-rejects all --rejects {}", rejects.display());
        let report = report(&import(&fake, folder.path(), &args));
        assert_eq!(report["rejected"], BAD_LINES.len() as u64 + 1);
        holds_all(&fake, ITEMS);
        let mut found = entries(&rejects);
        found.sort_by_key(|entry| entry["offset"].as_u64());
        let (large, found): (Vec<Value>, Vec<Value>) =
            found.into_iter().partition(|entry| entry["reason"].as_str().unwrap().starts_with("item of 4"));
        assert_eq!(large.len(), 1);
        for (entry, (line, words)) in found.iter().zip(BAD_LINES) {
            assert_eq!(entry["line"], line);
            assert!(entry["reason"].as_str().unwrap().contains(words), "{words:?}: {entry}");
            let at = usize::try_from(entry["offset"].as_u64().unwrap()).unwrap();
            assert!(text[at..].starts_with(line.as_bytes()), "{line} stands there");
        }
    }
}

#[test]
fn a_reject_file_among_the_files_of_the_backup_is_refused_however_it_is_reached() {
    let (fake, folder, beside) = (sink(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    BackupWriter::new(10).java_tool(folder.path());
    let link = beside.path().join("link");
    std::os::unix::fs::symlink(folder.path(), &link).unwrap();
    let to_new = beside.path().join("to-new");
    std::os::unix::fs::symlink(folder.path().join("new"), &to_new).unwrap();
    let name = folder.path().file_name().unwrap().to_string_lossy().into_owned();
    let through = folder.path().join("..").join(name).join("rejects.jsonl");
    let before = fs::read_dir(folder.path()).unwrap().count();
    for place in [folder.path().join("rejects.jsonl"), link.join("rejects.jsonl"), to_new, through] {
        for dry in ["", " --dry-run"] {
            let args = format!("--max-rejects all --rejects {}{dry}", place.display());
            let finished = import(&fake, folder.path(), &args);
            refused(&fake, &finished, &["--rejects", "is inside the backup folder", "elsewhere"]);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before, "{}", place.display());
    }
    let native = tempfile::tempdir().unwrap();
    let own = BackupWriter::new(10).native(native.path(), NativeFormat::Json);
    let args = format!("--rejects {}", own.join("data/rejects.jsonl").display());
    refused(&fake, &import(&fake, &own, &args), &["is inside the backup folder"]);
    for place in [folder.path().join("_rejects"), beside.path().join("rejects.jsonl")] {
        report(&import(&fake, folder.path(), &format!("--rejects {}", place.display())));
        assert!(place.exists());
    }
}

#[test]
fn more_bad_lines_than_are_allowed_are_refused_before_anything_is_written() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let file = BackupWriter::new(ITEMS).java_tool(folder.path()).swap_remove(0);
    insert(&file, "nonsense\nmore\nand more\n");
    refused(&fake, &import(&fake, folder.path(), "--max-rejects 2"), &["--max-rejects allows 2 lines"]);
    assert_eq!(report(&import(&fake, folder.path(), "--max-rejects 3"))["rejected"], 3);
}

#[test]
fn a_reject_file_that_cannot_be_written_is_refused() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    BackupWriter::new(10).java_tool(folder.path());
    let missing = folder.path().join("no/such/folder/rejects");
    let args = format!("--rejects {}", missing.display());
    refused(
        &fake,
        &import(&fake, folder.path(), &args),
        &["--rejects", "there is no folder", "create it first"],
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let there = elsewhere.path().join("there");
    fs::write(&there, "x").unwrap();
    let args = format!("--rejects {}", there.display());
    refused(&fake, &import(&fake, folder.path(), &args), &["--rejects", "exists already"]);
    assert_eq!(fs::read_to_string(there).unwrap(), "x");
}

#[test]
fn a_reject_file_may_not_have_the_name_of_what_belongs_to_a_backup() {
    let (fake, folder, other) = (sink(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    BackupWriter::new(10).java_tool(folder.path());
    fs::create_dir(other.path().join("_tablehaul")).unwrap();
    for name in ["_SUCCESS", "manifest", "manifest-files.json", "_tablehaul/lock"] {
        let place = other.path().join(name);
        fs::write(&place, "").unwrap();
        let (link, folder_link) = (other.path().join("link"), other.path().join("folder"));
        symlink(&place, &link).unwrap();
        symlink(place.parent().unwrap(), &folder_link).unwrap();
        let through = folder_link.join(place.file_name().unwrap());
        for (named, more) in [(&place, ""), (&place, " --dry-run"), (&link, ""), (&through, "")] {
            let args = format!("--rejects {}{more}", named.display());
            let words = ["--rejects", "this name is reserved for backups"];
            refused(&fake, &import(&fake, folder.path(), &args), &words);
        }
        fs::remove_file(link).unwrap();
        fs::remove_file(folder_link).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"");
    }
}

#[test]
fn a_reject_file_that_could_not_be_written_whole_does_not_appear() {
    let (fake, folder, other) = (sink(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = BackupWriter::new(ITEMS).java_tool(folder.path()).swap_remove(0);
    insert(&file, &"not an item at all\n".repeat(20_000));
    let rejects = other.path().join("rejects.jsonl");
    let args = ["import", &folder.path().to_string_lossy(), TABLE, "--dynamodb-endpoint", &fake.endpoint()];
    let more = ["--max-rejects", "all", "--rejects", &rejects.to_string_lossy()];
    // In blocks of 512 bytes (POSIX, "ulimit"): 500 kB, and the lines take 2 MB.
    let finished = Tablehaul::after("ulimit -f 1000; exec \"$@\"", [&args[..], &more].concat()).run();
    // It happens in the checking pass, before anything is written to the table.
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    let last = finished.stderr.lines().last().unwrap_or_default();
    assert!(last.contains("writing the reject file") && last.contains("File too large"), "{last}");
    assert_eq!(
        fs::read_dir(other.path()).unwrap().count(),
        0,
        "it looks complete, or something is left of it"
    );
}

#[test]
fn many_bad_lines_are_all_reported() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    let file = BackupWriter::new(ITEMS).java_tool(folder.path()).swap_remove(0);
    insert(&file, &"x\n".repeat(200_000));
    let rejects = folder.path().join("_rejects");
    let args = format!("--max-rejects all --rejects {}", rejects.display());
    assert_eq!(report(&import(&fake, folder.path(), &args))["rejected"], 200_000);
    holds_all(&fake, ITEMS);
    assert_eq!(fs::read_to_string(&rejects).unwrap().lines().count(), 200_000);
    assert_eq!(writes(&fake).total, ITEMS);
}

/// Bad lines may be rejected wherever they are.
#[test]
fn bad_lines_at_the_start_of_files_are_left_out_like_others() {
    let keyless = r#"{"other":{"s":"secret"}}"#;
    let of_other_type = r#"{"pk":{"n":"1"},"sk":{"n":"1"}}"#;
    let (a, b) = (r#"{"pk":{"s":"a"},"sk":{"n":"1"}}"#, r#"{"pk":{"s":"b"},"sk":{"n":"1"}}"#);
    let native = |item: &str| {
        format!(r#"{{"Item":{}}}"#, item.replace(r#""s":"#, r#""S":"#).replace(r#""n":"#, r#""N":"#))
    };
    let change = |keys: &str| {
        let keys = keys.replace(r#""s":"#, r#""S":"#).replace(r#""n":"#, r#""N":"#);
        format!(r#"{{"Metadata":{{"WriteTimestampMicros":{{"N":"1"}}}},"Keys":{keys},"NewImage":{keys}}}"#)
    };
    for (files, rejected, items) in [
        (vec![vec![a.into(), keyless.into(), b.into()]], 1, 2),
        (vec![vec![keyless.into(), a.into(), b.into()]], 1, 2),
        (vec![vec![of_other_type.into(), a.into()]], 1, 1),
        (vec![vec![keyless.into(), "garbage".into(), of_other_type.into(), a.into()]], 3, 1),
        (vec![vec![keyless.into()], vec![a.into()]], 1, 1),
        (vec![vec!["garbage".into()], vec![a.into()], vec![]], 1, 1),
        (vec![vec![native(keyless)], vec![native(a), "garbage".into()]], 2, 1),
        (vec![vec![native(keyless), native(a)], vec!["garbage".into(), "more".into()]], 3, 1),
        (vec![vec![change(keyless), change(a), change(of_other_type)]], 2, 1),
    ] {
        let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
        for (number, lines) in files.iter().enumerate() {
            let text: Vec<String> = lines.iter().map(|line: &String| format!("{line}\n")).collect();
            fs::write(folder.path().join(format!("f{number}")), text.concat()).unwrap();
        }
        refused(&fake, &import(&fake, folder.path(), ""), &[]);
        for args in ["--max-rejects all".to_owned(), format!("--max-rejects {rejected}")] {
            let report = report(&import(&fake, folder.path(), &args));
            assert_eq!(
                (&report["items"], &report["rejected"]),
                (&items.into(), &rejected.into()),
                "{files:?}"
            );
        }
        let (fake, args) = (sink(), format!("--max-rejects {}", rejected - 1));
        if rejected > 1 {
            refused(&fake, &import(&fake, folder.path(), &args), &["--max-rejects allows"]);
        }
    }
}

#[test]
fn a_backup_without_any_item_of_the_table_is_refused_whatever_is_allowed() {
    let keyless = r#"{"other":{"s":"x"}}"#;
    for files in [&[keyless][..], &["garbage"], &[keyless, "garbage"], &["{\"Items\":[]}", keyless]] {
        let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
        for (number, line) in files.iter().enumerate() {
            fs::write(folder.path().join(format!("f{number}")), format!("{line}\n{line}\n")).unwrap();
        }
        refused(&fake, &import(&fake, folder.path(), "--max-rejects all"), &["/f0: its first "]);
    }
    // A whole file of another format is not rejected as one bad line.
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    fs::write(folder.path().join("a"), "{\"Items\":[{\"pk\":{\"S\":\"x\"}}],\"Count\":1}\n").unwrap();
    fs::write(folder.path().join("b"), "{\"pk\":{\"s\":\"a\"},\"sk\":{\"n\":\"1\"}}\n").unwrap();
    refused(&fake, &import(&fake, folder.path(), "--max-rejects all"), &["/a: ", "the reply of a Scan"]);
}

/// A backup with three bad lines, and a folder beside it.
fn three_bad_lines() -> (tempfile::TempDir, tempfile::TempDir) {
    let (folder, outer) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = BackupWriter::new(100).java_tool(folder.path()).swap_remove(0);
    insert(&file, "one\ntwo\nthree\n");
    (folder, outer)
}

fn with_rejects(place: &Path) -> String {
    format!("--max-rejects all --rejects {}", place.display())
}

#[test]
fn a_fifo_gets_each_line_once_and_stays_a_fifo() {
    let (fake, (folder, outer)) = (sink(), three_bad_lines());
    let fifo = outer.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let started_at = Instant::now();
    refused(&fake, &import(&fake, folder.path(), &with_rejects(&fifo)), &["--rejects", "without a reader"]);
    assert!(started_at.elapsed() < Duration::from_secs(20), "it has waited for a reader");
    let read = fifo.clone();
    let reading = std::thread::spawn(move || fs::read_to_string(read).unwrap());
    // There is no reader until it has opened it.
    let finished = loop {
        let finished = import(&fake, folder.path(), &with_rejects(&fifo));
        if finished.code != Some(2) {
            break finished;
        }
    };
    assert_eq!(report(&finished)["rejected"], 3);
    let text = reading.join().unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| &line["line"]).collect::<Vec<_>>(), ["one", "two", "three"]);
    assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
}

#[test]
fn what_a_check_refuses_is_written_to_a_fifo_too() {
    let (fake, (folder, outer)) = (sink(), three_bad_lines());
    let fifo = outer.path().join("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let reader = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&fifo).unwrap();
    let args = format!("--max-rejects 2 --rejects {}", fifo.display());
    refused(&fake, &import(&fake, folder.path(), &args), &["--max-rejects allows 2 lines"]);
    let text = std::io::read_to_string(reader).unwrap();
    assert!(text.lines().count() >= 3, "{text}");
}

#[test]
fn standard_output_may_take_the_rejected_lines() {
    let (fake, (folder, outer)) = (sink(), three_bad_lines());
    let link = outer.path().join("stdout");
    symlink("/proc/self/fd/1", &link).unwrap();
    for place in [link.as_path(), Path::new("/dev/stdout"), Path::new("/proc/self/fd/1")] {
        let finished = import(&fake, folder.path(), &with_rejects(place)).succeeded();
        let lines = finished.stdout.lines().filter(|line| line.starts_with("{\"object\"")).count();
        assert_eq!(lines, 3, "{}", finished.stdout);
        // Also where it is a file, whose beginning is not written over.
        let path = outer.path().join("out");
        fs::write(&path, "first\n").unwrap();
        let out = OpenOptions::new().append(true).open(&path).unwrap();
        let child = command(&fake, folder.path(), &with_rejects(place)).stdout(out).start();
        finish(child).succeeded();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("first\n{\"object\"") && text.ends_with("}\n"), "{text}");
    }
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
}

#[test]
fn a_link_to_a_file_or_to_nothing_is_followed_and_stays_a_link() {
    let (fake, (folder, outer)) = (sink(), three_bad_lines());
    let (link, real) = (outer.path().join("link"), outer.path().join("real"));
    symlink("real", &link).unwrap();
    assert_eq!(report(&import(&fake, folder.path(), &with_rejects(&link)))["rejected"], 3);
    assert_eq!(entries(&real).len(), 3);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600, "items are in it");
    let again = import(&fake, folder.path(), &with_rejects(&link));
    assert!(again.code == Some(2) && again.stderr.contains("exists already"), "{}", again.stderr);
    fs::write(&real, "").unwrap();
    assert_eq!(report(&import(&fake, folder.path(), &with_rejects(&link)))["rejected"], 3);
    assert_eq!((entries(&real).len(), fs::read_dir(outer.path()).unwrap().count()), (3, 2));
}

#[track_caller]
fn until_it_writes(fake: &Fake) {
    let since = Instant::now();
    while writes(fake).total == 0 {
        assert!(since.elapsed() < Duration::from_mins(1), "it never writes");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_import_that_rejects_nothing_leaves_a_file_only_if_it_ends_well() {
    let (fake, folder) = (sink(), tempfile::tempdir().unwrap());
    BackupWriter::new(100).java_tool(folder.path());
    let outer = tempfile::tempdir().unwrap();
    let place = outer.path().join("rejects");
    let args = format!("{} --write-units 1 --workers 1", with_rejects(&place));
    let child = command(&fake, folder.path(), &args).start();
    until_it_writes(&fake);
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(finish(child).code, Some(3));
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 0, "nothing is left by what was stopped");
    report(&import(&fake, folder.path(), &with_rejects(&place)));
    assert_eq!(fs::read_to_string(&place).unwrap(), "");
}

#[test]
fn a_killed_import_leaves_nothing_of_its_reject_file() {
    let (fake, (folder, outer)) = (sink(), three_bad_lines());
    let temp = tempfile::tempdir().unwrap();
    let args =
        format!("{} --check first --write-units 1 --workers 1", with_rejects(&outer.path().join("rejects")));
    let mut child = command(&fake, folder.path(), &args).env("TMPDIR", temp.path()).start();
    until_it_writes(&fake);
    child.kill().unwrap();
    child.wait().unwrap();
    for folder in [outer.path(), temp.path()] {
        let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_reject_file_that_comes_meanwhile_is_not_replaced() {
    let (fake, (folder, outer)) = (sink(), three_bad_lines());
    let place = outer.path().join("rejects");
    let args = format!("{} --check first --write-units 20 --workers 1", with_rejects(&place));
    let child = command(&fake, folder.path(), &args).start();
    until_it_writes(&fake);
    fs::write(&place, "another's").unwrap();
    let finished = finish(child);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let last = finished.stderr.lines().last().unwrap();
    assert!(last.contains("was not replaced, and the rejected lines are in"), "{last}");
    assert_eq!(fs::read_to_string(&place).unwrap(), "another's");
    let kept = fs::read_dir(outer.path()).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| *path != place).collect();
    assert_eq!(entries(&kept[0]).len(), 3);
}

#[test]
fn a_reject_file_with_the_name_of_a_folder_is_refused_before_anything_is_asked() {
    let (fake, (folder, place)) = (sink(), three_bad_lines());
    let new = format!("{}/new/", place.path().display());
    let relative = command(&fake, folder.path(), "--rejects .").within(place.path());
    for (command, name) in [
        (command(&fake, folder.path(), &format!("--rejects {new}")), new.as_str()),
        (command(&fake, folder.path(), "--rejects s3://bucket/new/"), "s3://bucket/new/"),
        (relative, "."),
    ] {
        refused(&fake, &command.run(), &[&format!("--rejects {name}: names a folder; name a file in it")]);
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
}

#[test]
fn a_descriptor_that_tablehaul_was_given_takes_the_rejected_lines_and_no_other_does() {
    let (fake, (folder, place)) = (sink(), three_bad_lines());
    let file = place.path().join("lines");
    let with = |line: &str, rejects: &str| {
        let folder = folder.path().to_string_lossy().into_owned();
        let args = ["import", &folder, TABLE, "--dynamodb-endpoint", &fake.endpoint(), "--rejects", rejects];
        let command = Tablehaul::after(line, args);
        command.args(["--max-rejects", "3", "--region", "us-east-1"]).run()
    };
    fs::write(&file, "before\n").unwrap();
    let for_reading = with(&format!("exec \"$@\" 5<{}", file.display()), "/dev/fd/5");
    refused(&fake, &for_reading, &["/dev/fd/5: descriptor 5 is open for reading"]);
    for rejects in ["/dev/fd/5", "/dev/fd/11", "/proc/self/fd/11"] {
        refused(&fake, &with("exec \"$@\"", rejects), &[rejects, "was started without an open descriptor"]);
    }
    refused(
        &fake,
        &with("exec setsid --wait \"$@\"", "/dev/tty"),
        &["/dev/tty: there is no such device or terminal; name a file"],
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "before\n");
    with(&format!("exec \"$@\" 5>>{}", file.display()), "/dev/fd/5").succeeded();
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!((text.lines().count(), text.lines().next()), (4, Some("before")));
}

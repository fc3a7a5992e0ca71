//! Somebody who may write to the folder of a backup plants links, and journals that name other files: nothing outside
//! of the folder is read, written or removed.

use super::{Place, files, forum, says, unfinished::stopped};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tests_support::command::Tablehaul;

/// Contents that must not change.
struct Victim(PathBuf);

impl Victim {
    fn beside(place: &Place) -> Self {
        let path = place.outer().join("victim");
        fs::write(&path, "precious").expect("a file");
        Self(path)
    }

    #[track_caller]
    fn is_unharmed(&self) {
        assert_eq!(fs::read_to_string(&self.0).expect("the victim"), "precious");
    }
}

/// Changes every fact of a journal and its checksums, as anyone who may write to the folder can.
fn forge(folder: &Path, change: impl Fn(&mut Value)) {
    for entry in fs::read_dir(folder.join("_tablehaul/journal")).expect("a journal").flatten() {
        let text = fs::read_to_string(entry.path()).expect("an object of the journal");
        let mut body = String::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if lines.peek().is_some() {
                let mut fact: Value = serde_json::from_str(line).expect("a fact");
                change(&mut fact);
                body.push_str(&fact.to_string());
                body.push('\n');
            }
        }
        let trailer = serde_json::json!({"crc32c": format!("{:08x}", crc32c::crc32c(body.as_bytes()))});
        fs::write(entry.path(), format!("{body}{trailer}\n")).expect("an object of the journal");
    }
}

#[test]
fn a_part_that_states_more_bytes_of_lines_than_it_has_is_refused_when_the_export_is_resumed() {
    let (place, fake) = stopped();
    forge(&place.folder(), |fact| {
        if let Some(bytes) = fact.pointer_mut("/sealed/part/line_bytes") {
            *bytes = (bytes.as_u64().expect("a number") + 1).into();
        }
    });
    let before = files(place.outer());
    let words =
        ["the journal of", "is not compressed, but states", "restore that object, or use another folder"];
    says(&place.export("Forum", &fake.endpoint()).run(), 2, &words);
    says(&Tablehaul::new(["status"]).arg(place.folder()).run(), 2, &words);
    assert_eq!(files(place.outer()), before, "nothing is touched");
}

#[test]
fn a_lock_that_is_no_file_is_refused_with_what_to_do() {
    let (place, fake) = stopped();
    let lock = place.folder().join("_tablehaul/lock");
    let _ = fs::remove_file(&lock);
    mkfifo(&lock, Mode::S_IRWXU).expect("a FIFO");
    let folder = place.folder().to_string_lossy().into_owned();
    let words = ["/_tablehaul/lock: it is a FIFO, not a regular file: move it elsewhere"];
    says(&Tablehaul::new(["status", &folder]).run(), 2, &words);
    says(&Tablehaul::new(["clean", "--yes", &folder]).run(), 2, &words);
    says(&place.export("Forum", &fake.endpoint()).run(), 2, &words);
    assert!(lock.exists());
}

/// A forged value, and its fact and field in a journal.
const FORGED: [(&str, &str, &str); 5] = [
    ("file", "name", "../victim"),
    ("file", "name", "victim"),
    ("file", "upload_id", "x/../../victim"),
    ("begin", "job", "../victim"),
    // A file of another job, such as that of a complete backup.
    ("file", "name", "00000000-0000-4000-8000-000000000000_000000"),
];

#[test]
fn a_journal_that_names_what_its_job_did_not_write_is_refused_and_nothing_is_touched() {
    for (fact, field, forged) in FORGED {
        let (place, fake) = stopped();
        let victim = Victim::beside(&place);
        fs::write(place.folder().join("victim"), "precious, too").expect("a file");
        forge(&place.folder(), |line| {
            if line[fact][field].is_string() {
                line[fact][field] = forged.into();
            }
        });
        let before = files(place.outer());
        let folder = place.folder().to_string_lossy().into_owned();
        let export = || place.export("Forum", &fake.endpoint());
        for command in [
            Tablehaul::new(["status", &folder]),
            Tablehaul::new(["clean", "--yes", &folder]),
            export(),
            export().arg("--restart"),
            export().args(["--if-complete", "skip"]),
            Tablehaul::new(["verify", &folder]),
        ] {
            says(&command.run(), 2, &["the journal of", "is unusable", ".jsonl"]);
            assert_eq!(files(place.outer()), before, "{fact} {field} {forged}");
            victim.is_unharmed();
        }
    }
}

#[test]
fn a_state_folder_with_a_forged_journal_is_refused() {
    let (place, _fake) = stopped();
    forge(&place.folder(), |line| {
        if line["begin"]["job"].is_string() {
            line["begin"]["job"] = "../victim".into();
        }
    });
    let backup = Place::new();
    backup.export("Forum", forum()).run().succeeded();
    let (source, state) = (backup.folder(), place.folder());
    let import =
        Tablehaul::new(["import", &source.to_string_lossy(), "Forum", "--dynamodb-endpoint", forum()])
            .args(["--region", "us-east-1", "--state", &state.to_string_lossy()]);
    says(&import.run(), 2, &["the journal of", "is unusable"]);
}

#[test]
fn an_own_folder_that_is_a_link_is_refused() {
    for name in ["_tablehaul", "_tablehaul/journal"] {
        let place = Place::new();
        let (link, elsewhere) = (place.folder().join(name), place.outer().join("elsewhere"));
        fs::create_dir_all(link.parent().expect("a folder")).expect("a folder");
        fs::create_dir(&elsewhere).expect("a folder");
        symlink(&elsewhere, &link).expect("a link");
        let before = files(place.outer());
        let folder = place.folder().to_string_lossy().into_owned();
        for command in [
            place.export("Forum", forum()),
            Tablehaul::new(["clean", "--yes", &folder]),
            Tablehaul::new(["status", &folder]),
        ] {
            says(&command.run(), 2, &[&format!("backup/{name} is a symbolic link")]);
            assert_eq!(files(place.outer()), before);
        }
    }
}

#[test]
fn links_planted_while_an_export_works_are_not_written_through() {
    let (place, fake) = stopped();
    let victim = Victim::beside(&place);
    for name in [".tablehaul-manifest", "_tablehaul/.tablehaul-export.json", ".tablehaul-_SUCCESS"] {
        symlink(&victim.0, place.folder().join(name)).expect("a link");
    }
    for name in files(&place.folder()).iter().filter(|name| name.contains(".part")) {
        let copy = place.folder().join(name).with_extension("copy");
        symlink(&victim.0, copy).expect("a link");
    }
    place.export("Forum", &fake.endpoint()).args(["--read-units", "40000"]).run().succeeded();
    victim.is_unharmed();
    let folder = place.folder().to_string_lossy().into_owned();
    Tablehaul::new(["verify", &folder]).run().succeeded();
}

#[test]
fn a_part_file_that_is_a_link_is_refused() {
    let (place, fake) = stopped();
    let victim = Victim::beside(&place);
    fs::write(&victim.0, "precious".repeat(2_000_000)).expect("a file");
    let of_an_export = files(&place.folder()).into_iter().find(|name| name.contains(".part"));
    let hidden = place.folder().join(of_an_export.expect("a hidden file"));
    fs::remove_file(&hidden).expect("a hidden file");
    symlink(&victim.0, &hidden).expect("a link");
    let again = place.export("Forum", &fake.endpoint()).args(["--read-units", "40000"]).run();
    says(&again, 2, &["is a symbolic link, and this export did not put it there", "--restart"]);
    assert_eq!(fs::metadata(&victim.0).expect("the victim").len(), 16_000_000);
}

#[test]
fn what_is_no_file_in_the_place_of_a_hidden_file_is_named_and_nothing_is_removed() {
    type Make = fn(&Path);
    let (place, fake) = stopped();
    let hidden = files(&place.folder()).into_iter().find(|name| name.contains(".part"));
    let hidden = place.folder().join(hidden.expect("a hidden file"));
    let aside = place.outer().join("aside");
    fs::rename(&hidden, &aside).expect("a hidden file");
    let kinds: [(&str, Make); 3] = [
        ("a directory", |path| fs::create_dir(path).expect("a folder")),
        ("a FIFO", |path| mkfifo(path, Mode::S_IRWXU).expect("a FIFO")),
        ("a symbolic link", |path| symlink("leads/nowhere", path).expect("a link")),
    ];
    let clean = || Tablehaul::new(["clean".as_ref(), "--yes".as_ref(), place.folder().as_os_str()]).run();
    for (what, make) in kinds {
        make(&hidden);
        let before = files(place.outer());
        let said = format!("{} is {what}, and this export did not put it there", hidden.display());
        let remedy = "move it elsewhere; then run the same command again; nothing was removed";
        says(&clean(), 2, &[&said, remedy]);
        let export = || place.export("Forum", &fake.endpoint());
        says(&export().arg("--restart").run(), 2, &[&said, remedy]);
        says(&export().run(), 2, &[&said, "--restart"]);
        assert_eq!(files(place.outer()), before, "{what}");
        fs::remove_file(&hidden).or_else(|_| fs::remove_dir(&hidden)).expect("it is there");
    }
    fs::rename(&aside, &hidden).expect("a hidden file");
    clean().succeeded();
    // The folder was there before the last command.
    assert_eq!(files(place.outer()), ["backup"]);
}

#[test]
fn a_lock_with_the_text_of_somebody_else_is_refused_and_left() {
    let (place, fake) = stopped();
    let lock = place.folder().join("_tablehaul/lock");
    fs::write(&lock, "precious").expect("a file");
    let before = files(place.outer());
    let clean = || Tablehaul::new(["clean".as_ref(), "--yes".as_ref(), place.folder().as_os_str()]).run();
    let said = format!("cannot lock {}: it has 8 bytes", lock.display());
    let export = || place.export("Forum", &fake.endpoint());
    for finished in [clean(), export().run(), export().arg("--restart").run()] {
        says(&finished, 2, &[&said, "move it elsewhere"]);
        assert_eq!(files(place.outer()), before);
        assert_eq!(fs::read(&lock).expect("the file"), b"precious");
    }
    fs::remove_file(&lock).expect("the file");
    clean().succeeded();
    fs::create_dir_all(lock.parent().expect("a folder")).expect("a folder");
    fs::write(&lock, "precious").expect("a file");
    says(&export().run(), 2, &[&said, "move it elsewhere"]);
    assert_eq!(fs::read(&lock).expect("the file"), b"precious");
}

#[test]
fn a_lock_that_is_a_link_is_refused() {
    let place = Place::new();
    let victim = place.outer().join("nothing-yet");
    fs::create_dir_all(place.folder().join("_tablehaul")).expect("a folder");
    symlink(&victim, place.folder().join("_tablehaul/lock")).expect("a link");
    says(&place.export("Forum", forum()).run(), 2, &["_tablehaul/lock", "symbolic link"]);
    assert!(!victim.exists());
}

#[test]
fn a_manifest_or_export_json_that_names_files_elsewhere_reads_nothing_there() {
    let place = Place::new();
    place.export("Forum", forum()).run().succeeded();
    fs::write(place.outer().join("outside"), "{\"pk\":{\"s\":\"a\"},\"sk\":{\"n\":\"1\"}}\n")
        .expect("a file");
    let folder = place.folder().to_string_lossy().into_owned();
    let import = || {
        Tablehaul::new(["import", &folder, "Forum", "--dynamodb-endpoint", forum()]).args([
            "--region",
            "us-east-1",
            "--dry-run",
        ])
    };
    let export_json = place.folder().join("_tablehaul/export.json");
    let mut export: Value = serde_json::from_slice(&fs::read(&export_json).expect("one")).expect("JSON");
    export["files"][0]["name"] = "../outside".into();
    fs::write(&export_json, export.to_string()).expect("an export.json");
    says(&import().run(), 2, &["export.json is damaged", "name of a part file"]);
    fs::remove_file(&export_json).expect("an export.json");
    for url in ["file:///etc/passwd", "file:///../outside", "../outside", "s3://b/x/../outside"] {
        let manifest = format!("{{\"version\":3,\"entries\":[{{\"url\":\"{url}\",\"mandatory\":true}}]}}");
        fs::write(place.folder().join("manifest"), manifest).expect("a manifest");
        says(&import().run(), 2, &["1 of the 1 file that the manifest lists is missing"]);
    }
}

#[test]
fn marks_of_another_beside_an_unfinished_export_do_not_hide_it_and_stay() {
    let manifest = r#"{"name":"DynamoDB-export","version":3,"entries":[]}"#;
    for planted in [&[("_SUCCESS", "")][..], &[("manifest", manifest), ("_SUCCESS", "")]] {
        let (place, fake) = stopped();
        for (name, text) in planted {
            fs::write(place.folder().join(name), text).expect("a file");
        }
        let before = files(place.outer());
        let folder = place.folder().to_string_lossy().into_owned();
        let told = Tablehaul::new(["status", &folder]).run().succeeded().stdout;
        assert!(told.contains("holds a stopped job"), "{told}");
        let names: Vec<&str> = planted.iter().map(|(name, _)| *name).collect();
        let what =
            format!("and {}, which this export did not write: move that elsewhere", names.join(" and "));
        says(&place.export("Forum", &fake.endpoint()).run(), 2, &[&what, "`tablehaul clean"]);
        assert_eq!(files(place.outer()), before);
        let cleaned = Tablehaul::new(["clean", "--yes", &folder]).run().succeeded();
        for (name, text) in planted {
            assert_eq!(fs::read_to_string(place.folder().join(name)).expect("it is left"), *text);
            assert!(cleaned.stderr.contains(&format!("{name} was not removed")), "{}", cleaned.stderr);
        }
        assert_eq!(files(&place.folder()), names.into_iter().rev().collect::<Vec<_>>(), "all else is gone");
    }
}

#[test]
fn a_file_planted_in_the_journal_is_named_and_nothing_is_touched() {
    let (place, fake) = stopped();
    let planted = place.folder().join("_tablehaul/journal/99999999.jsonl");
    fs::write(&planted, "planted").expect("a file");
    let before = files(place.outer());
    let folder = place.folder().to_string_lossy().into_owned();
    for command in [Tablehaul::new(["status", &folder]), place.export("Forum", &fake.endpoint())] {
        let words = [
            "99999999.jsonl is not an object of a journal",
            "move it elsewhere if this job did not write it",
        ];
        says(&command.run(), 2, &words);
        assert_eq!(files(place.outer()), before);
    }
    fs::remove_file(planted).expect("the planted file");
    place.export("Forum", &fake.endpoint()).args(["--read-units", "40000"]).run().succeeded();
}

//! Files that commands write beside jobs: manual pages, completions, templates. Whole or not at all, whatever the disk
//! does.

use super::running::on_small_disk;
use super::{Place, ends_saying, files, says};
use std::fs;
use tests_support::command::{Finished, Tablehaul, not_tested};

/// A command after which the shell lists what is in the folder.
fn listing(folder: &str) -> String {
    format!(r#"{{ "$@"; code=$?; find {folder} -mindepth 1; exit $code; }}"#)
}

/// Nothing is there, and one line says why.
#[track_caller]
fn leaves_nothing(finished: &Finished, parts: &[&str]) {
    assert_eq!(finished.stdout, "", "left behind");
    says(finished, 2, parts);
    for raw in ["os error", ".tablehaul-", "at path"] {
        assert!(!finished.stderr.contains(raw), "{}", finished.stderr);
    }
}

#[test]
fn manual_pages_are_all_written_or_none() {
    let place = Place::new();
    let outer = place.outer().display().to_string();
    // Enough for the first pages.
    let Some(full) = on_small_disk(&place, "16k", &listing(&outer), ["man", &outer]) else { return };
    leaves_nothing(&full.run(), &["cannot write manual pages to", &outer, "is full; name another folder"]);
    let read_only = format!("mount -o remount,ro {outer}; {}", listing(&outer));
    let Some(read_only) = on_small_disk(&place, "1m", &read_only, ["man", &outer]) else { return };
    leaves_nothing(&read_only.run(), &["cannot write manual pages to", &outer, "is read-only; name another"]);
    assert_eq!(files(place.outer()), [""; 0]);
}

#[test]
fn a_limit_of_the_length_of_files_ends_no_command_by_a_signal() {
    let place = Place::new();
    let outer = place.outer().display().to_string();
    let limited = Tablehaul::after(r#"ulimit -f 4; exec "$@""#, ["man", &outer]).run();
    says(&limited, 2, &["cannot write manual pages to", "ulimit -f"]);
    assert_eq!(files(place.outer()), [""; 0]);
    for command in [&["completions", "bash"][..], &["--help"], &["export", "--help"]] {
        let into = format!(r#"ulimit -f 0; exec "$@" >{outer}/out"#);
        let limited = Tablehaul::after(&into, command).run();
        ends_saying(&limited, 1, &["could not be written to standard output: File too large"]);
    }
    ends_saying(
        &Tablehaul::after(r#"exec "$@" >/dev/full"#, ["completions", "zsh"]).run(),
        1,
        &["the completions could not be written to standard output: No space left on device"],
    );
}

#[test]
fn a_template_that_finds_no_room_leaves_the_old_one() {
    let place = Place::new();
    let outer = place.outer().display().to_string();
    let template = format!("{outer}/roles.yaml");
    let args =
        ["emr", "setup", "--bucket", "mybucket", "--table-arn", "arn:aws:dynamodb:eu-west-1:1:table/Forum"];
    let args = [&args[..], &["--template", &template]].concat();
    let help = Tablehaul::new(["emr", "setup", "--help"]).run();
    if help.code != Some(0) {
        not_tested("built without emr");
        return;
    }
    fs::write(&template, "old").expect("a file");
    let limited = Tablehaul::after(r#"ulimit -f 2; exec "$@""#, &args).run();
    says(&limited, 2, &[&template, "cannot be written", "ulimit -f"]);
    assert_eq!(fs::read_to_string(&template).expect("the old one"), "old");
    assert_eq!(files(place.outer()), ["roles.yaml"]);
    Tablehaul::new(&args).run().succeeded();
    assert!(fs::read_to_string(&template).expect("a template").len() > 1000);
    // What is no file is written to.
    let through = [&args[..args.len() - 1], &["/dev/stdout"]].concat();
    assert!(Tablehaul::new(&through).run().succeeded().stdout.contains("Resources"), "to standard output");
}

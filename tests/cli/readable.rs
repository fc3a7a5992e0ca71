//! What `status` tells those who may only read the folder of an export.

use super::{Place, unfinished::stopped, wait_until};
use crate::running::{endless, has_hidden_bytes, send};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tests_support::command::{Tablehaul, finish, not_tested};

/// Whether a shell can do this here.
fn can(command: &str) -> bool {
    let tried = Command::new("sh").args(["-c", command]).output();
    tried.is_ok_and(|output| output.status.success())
}

fn status_after(place: &Place, first: &str) -> Value {
    let folder = place.folder().to_string_lossy().into_owned();
    let said = Tablehaul::after(first, ["status", &folder, "--json"]).run().succeeded().stdout;
    serde_json::from_str(&said).expect("JSON")
}

#[test]
fn status_needs_no_file_system_that_can_be_written_to() {
    let (place, _fake) = stopped();
    let folder = place.folder().to_string_lossy().into_owned();
    let read_only = format!("mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}");
    if !can(&format!("unshare -rm sh -c '{read_only} && ! touch {folder}/x'")) {
        not_tested("no read-only file system can be mounted here");
        return;
    }
    let first = format!(r#"exec unshare -rm sh -c '{read_only} && exec "$@"' sh "$@""#);
    assert_eq!(status_after(&place, &first)["state"], "stopped");
    let fake = endless();
    let place = Place::new();
    let folder = place.folder().to_string_lossy().into_owned();
    let first = first
        .replace(&read_only, &format!("mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}"));
    let export = place.export("Forum", &fake.endpoint()).start();
    wait_until("a part is written", || has_hidden_bytes(&place));
    assert_eq!(status_after(&place, &first)["state"], "running");
    send(&export, "KILL");
    finish(export);
    assert_eq!(status_after(&place, &first)["state"], "interrupted");
}

#[test]
fn status_needs_permission_to_read_the_lock_and_says_so() {
    // The owner of the files in a namespace where it has no privileges over them.
    if !can("unshare -U true") {
        not_tested("no namespace without privileges can be made here");
        return;
    }
    let (place, fake) = (Place::new(), endless());
    let export = place.export("Forum", &fake.endpoint()).start();
    wait_until("a part is written", || has_hidden_bytes(&place));
    send(&export, "KILL");
    finish(export);
    let lock = place.folder().join("_tablehaul/lock");
    let first = r#"exec unshare -U "$@""#;
    for (mode, state) in [(0o400, "interrupted"), (0, "unfinished")] {
        fs::set_permissions(&lock, Permissions::from_mode(mode)).expect("a lock");
        let status = status_after(&place, first);
        assert_eq!(status["state"], state, "{status}");
        assert_eq!(status["unseen"].is_string(), mode == 0, "{status}");
    }
    let folder = place.folder().to_string_lossy().into_owned();
    let said = Tablehaul::after(first, ["status", &folder]).run().succeeded().stdout;
    let why = format!("whether it is running can't be seen from here: cannot open {}", lock.display());
    assert!(said.contains("holds an unfinished job: export of table Forum") && said.contains(&why), "{said}");
}

//! `verify` on a cluster: the same result as on one machine, also if it is killed halfway.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::Signal::SIGKILL;
use serde_json::Value;
use tests_support::backup_writer::BackupCodec;
use tests_support::process::send;
use tests_support::proxy::{NetworkFaults, Proxy};
use tests_support::rng::Rng;
use tests_support::{BackupWriter, Fake, Hadoop, Heard};

use crate::job::{BUCKET, S3_SERVER, TABLE, cluster, new_folder, tablehaul};

const ITEMS: u64 = 40_000;
/// The files of a backup of the Java tool.
const FILES: usize = 80;

/// Exports to a new folder of the bucket, from this machine. Returns its URL and the keys of its data files.
fn exported(hadoop: &Hadoop) -> (String, Vec<String>) {
    // Pages come slowly enough that each worker gets some, and writes a file.
    let faults = r#"{"latency_ms": 300}"#;
    let fake = Fake::start(["--table", &format!("{TABLE}:items={ITEMS}"), "--faults", faults]);
    // So that the server runs, and the bucket is there.
    let _ = S3_SERVER.endpoint();
    let folder = new_folder();
    let url = format!("s3://{BUCKET}/{folder}");
    let export = tablehaul(hadoop, &["export", TABLE, &url, "--dynamodb-endpoint", &fake.endpoint()]);
    let export = export.args(["--cluster", "local", "--workers", "3", "--segments", "30"]);
    export.args(["--read-units", "1000000", "--compress", "gzip"]).run().succeeded();
    let data = |key: &String| key.starts_with(&folder) && key.rsplit('.').next() == Some("gz");
    (url, S3_SERVER.objects(BUCKET).into_iter().filter(data).collect())
}

/// The JSON of a result without the time, which differs from run to run.
#[track_caller]
fn result(stdout: &str) -> Value {
    let mut result: Value = serde_json::from_str(stdout).expect("JSON");
    result.as_object_mut().expect("an object").remove("seconds");
    result
}

#[test]
fn the_workers_of_a_cluster_find_what_one_machine_finds() {
    let (_used, hadoop) = cluster();
    let (url, keys) = exported(hadoop);
    assert!(keys.len() > 1, "{keys:?}");
    let alone = tablehaul(hadoop, &["verify", &url, "--json", "--cluster", "local"]).run().succeeded();
    assert_eq!(result(&alone.stdout)["items"], ITEMS);

    let on_yarn = ["verify", &url, "--json", "--cluster", "yarn", "--workers", "2"];
    let finished = tablehaul(hadoop, &on_yarn).run().succeeded();
    assert!(finished.stderr.contains("cluster     yarn ("), "{}", finished.stderr);
    assert_eq!(result(&finished.stdout), result(&alone.stdout));

    let damaged = &keys[0];
    let mut bytes = S3_SERVER.get(BUCKET, damaged);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    S3_SERVER.put(BUCKET, damaged, bytes);
    let alone = tablehaul(hadoop, &["verify", &url, "--json", "--cluster", "local"]).run();
    let finished = tablehaul(hadoop, &on_yarn).run();
    assert_eq!((alone.code, finished.code), (Some(1), Some(1)), "{}", finished.stderr);
    assert_eq!(result(&finished.stdout), result(&alone.stdout));
    assert!(!result(&alone.stdout)["defects"].as_array().expect("defects").is_empty());
}

/// The numbers of the files that the journal below this key says are done.
fn done(state: &str) -> BTreeSet<u64> {
    let journal = format!("{state}/_tablehaul/journal/");
    let keys = S3_SERVER.objects(BUCKET).into_iter().filter(|key| key.starts_with(&journal));
    let text = keys
        .map(|key| String::from_utf8_lossy(&S3_SERVER.get(BUCKET, &key)).into_owned())
        .collect::<String>();
    let facts = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    facts.filter_map(|fact| fact["verified"]["file"].as_u64()).collect()
}

#[test]
fn a_verification_of_a_backup_of_the_java_tool_resumes_beside_the_old_workers() {
    let (_used, hadoop) = cluster();
    let local = tempfile::tempdir().expect("a folder");
    let writer = BackupWriter::new(ITEMS).items_per_file(usize::try_from(ITEMS).expect("a number") / FILES);
    assert_eq!(writer.item_bytes(2000).codec(BackupCodec::Plain).java_tool(local.path()).len(), FILES);
    let _ = S3_SERVER.endpoint();
    let (folder, state) = (new_folder(), new_folder());
    S3_SERVER.upload(BUCKET, &format!("{folder}/"), local.path());
    let (url, state_url) = (format!("s3://{BUCKET}/{folder}"), format!("s3://{BUCKET}/{state}"));
    let alone = tablehaul(hadoop, &["verify", &url, "--json", "--cluster", "local"]).run().succeeded();
    assert_eq!(result(&alone.stdout)["items"], ITEMS);

    let args = ["verify", &url, "--state", &state_url, "--json", "--cluster", "yarn", "--workers", "2"];
    // So slow that it is killed long before it is done.
    let faults = NetworkFaults { delay: Duration::from_secs(1), ..NetworkFaults::default() };
    let slow = Proxy::start(&S3_SERVER.endpoint(), faults, Rng::new(1));
    let slowly = tablehaul(hadoop, &args).args(["--s3-endpoint", &slow.endpoint()]);
    let mut first = Heard::of(slowly.start());
    first.wait("two files in the journal", |_| (done(&state).len() >= 2).then_some(()));
    send(first.id(), SIGKILL);
    first.finish();
    let before = done(&state).len();
    assert!(before < FILES, "it was killed when all was done");

    let second = tablehaul(hadoop, &args).run().succeeded();
    let note = format!("{before} files of {FILES} were verified by earlier runs");
    assert!(second.stdout.contains(&note), "{}\n{}", second.stdout, second.stderr);
    let mut resumed = result(&second.stdout);
    resumed["notes"]
        .as_array_mut()
        .expect("notes")
        .retain(|found| !found.as_str().unwrap_or_default().starts_with(&note));
    assert_eq!(resumed, result(&alone.stdout));
    let left = S3_SERVER.objects(BUCKET).into_iter().filter(|key| key.starts_with(&format!("{state}/")));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0]);
}

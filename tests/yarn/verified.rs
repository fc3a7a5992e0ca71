//! `verify` on a cluster: the same result as on one machine.

use serde_json::Value;
use tests_support::{Fake, Hadoop};

use crate::job::{BUCKET, S3_SERVER, TABLE, cluster, new_folder, tablehaul};

const ITEMS: u64 = 40_000;

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

//! An import reads its backup twice, and is one application nevertheless.

use crate::job::{BUCKET, PATIENCE, S3_SERVER, TABLE, cluster, new_folder, tablehaul};
use nix::sys::signal::Signal::SIGKILL;
use serde_json::Value;
use tests_support::command::Finished;
use tests_support::proxy::{NetworkFaults, Traffic};
use tests_support::{BackupWriter, Fake, Hadoop, Heard, Proxy, Rng};

const ITEMS: u64 = 20_000;

/// An import of a backup in S3 into an empty table.
struct Import {
    fake: Fake,
    dynamodb: Proxy,
    command: Heard,
}

impl Import {
    #[track_caller]
    fn start(hadoop: &Hadoop, spoil: impl FnOnce(&std::path::Path), args: &str) -> Self {
        let (local, folder) = (tempfile::tempdir().unwrap(), new_folder());
        let files = BackupWriter::new(ITEMS).items_per_file(2_000).java_tool(local.path());
        spoil(&files[files.len() - 1]);
        S3_SERVER.upload(BUCKET, &format!("{folder}/"), local.path());
        let fake = Fake::start(["--table", &format!("{TABLE}:sink=1")]);
        let dynamodb = Proxy::start(&fake.endpoint(), NetworkFaults::default(), Rng::new(1));
        let url = format!("s3://{BUCKET}/{folder}");
        let command = tablehaul(hadoop, &["import", &url, TABLE, "--cluster", "yarn", "--json"])
            .args(["--workers", "2", "--dynamodb-endpoint", &dynamodb.endpoint()])
            .args(args.split_whitespace());
        Self { fake, dynamodb, command: Heard::of(command.start()) }
    }

    #[track_caller]
    fn application(&mut self) -> String {
        let line = self.command.says(&["yarn ", ", tag "]);
        let id = line.trim_start_matches("yarn").trim().split(',').next();
        id.expect("the first word").to_owned()
    }

    /// It ends as expected, having submitted one application. Returns how that has ended.
    #[track_caller]
    fn ends(&mut self, hadoop: &Hadoop, code: i32) -> (Finished, Value) {
        let application = self.application();
        let finished = self.command.finish();
        assert_eq!(finished.code, Some(code), "{}", finished.stderr);
        let submitted: Vec<_> = finished.stderr.lines().filter(|line| line.contains(", tag ")).collect();
        assert_eq!(submitted.len(), 1, "{submitted:?}");
        (finished, hadoop.ended(&application, PATIENCE))
    }

    #[track_caller]
    fn holds_all(&self) {
        let writes = self.fake.table_stats(TABLE).writes;
        assert_eq!((writes.present, writes.distinct), (ITEMS, ITEMS), "{writes:?}");
        assert_eq!((writes.altered, writes.foreign), (0, 0), "{writes:?}");
    }
}

#[test]
fn an_import_is_one_application_that_succeeds_and_counts_what_it_wrote_once() {
    let (_used, hadoop) = cluster();
    let mut import = Import::start(hadoop, |_| {}, "");
    let application = import.application();
    let (finished, ended) = import.ends(hadoop, 0);
    assert_eq!(
        (&ended["finalStatus"], &ended["name"]),
        (&"SUCCEEDED".into(), &"tablehaul import Forum".into())
    );
    import.holds_all();
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!((&report["items"], &report["workers_lost"]), (&ITEMS.into(), &0.into()), "{report}");
    let attempts = hadoop.attempts(&application);
    assert!(attempts.iter().all(|attempt| attempt["state"] == "SUCCEEDED"), "{attempts:?}");
    assert_eq!(attempts.len(), 2, "the workers of the check write, too: {attempts:?}");
    let counters = hadoop.counters(&application, "tablehaul");
    assert_eq!(
        (counters.get("checked"), counters.get("items")),
        (Some(&ITEMS), Some(&ITEMS)),
        "{counters:?}"
    );
}

#[test]
fn an_import_with_a_worker_that_dies_between_its_passes_writes_everything() {
    let (_used, hadoop) = cluster();
    let mut import = Import::start(hadoop, |_| {}, "");
    let application = import.application();
    // Between the passes it looks at the table. A check needs no table.
    import.dynamodb.set(Traffic::Held);
    import.command.says(&["checked     "]);
    let workers = hadoop.workers(&application);
    let victim = workers.first().expect("the workers stay");
    victim.signal(SIGKILL);
    import.command.says(&["was lost", "it had no work"]);
    import.command.wait("another worker", |_| {
        hadoop.workers(&application).iter().any(|worker| !workers.contains(worker)).then_some(())
    });
    import.dynamodb.set(Traffic::Open);
    let (finished, ended) = import.ends(hadoop, 0);
    assert_eq!(ended["finalStatus"], "SUCCEEDED", "{ended}: {}", finished.stderr);
    import.holds_all();
}

#[test]
fn the_application_of_an_import_whose_check_fails_does_not_succeed() {
    let (_used, hadoop) = cluster();
    let spoil = |file: &std::path::Path| {
        let text = std::fs::read_to_string(file).unwrap();
        // Not the first: of that one, the format is known before anything runs.
        std::fs::write(file, text.replacen("\n{", "\n[", 1)).unwrap();
    };
    let mut import = Import::start(hadoop, spoil, "");
    let (finished, ended) = import.ends(hadoop, 2);
    assert!(finished.stderr.contains("invalid line"), "{}", finished.stderr);
    assert_eq!(ended["finalStatus"], "KILLED", "{ended}");
    assert_eq!(import.fake.table_stats(TABLE).writes.total, 0, "nothing was written");
}

#[test]
fn a_dry_run_is_an_application_that_succeeds() {
    let (_used, hadoop) = cluster();
    let mut import = Import::start(hadoop, |_| {}, "--dry-run");
    let (_, ended) = import.ends(hadoop, 0);
    assert_eq!(
        (&ended["finalStatus"], &ended["name"]),
        (&"SUCCEEDED".into(), &"tablehaul check Forum".into())
    );
}

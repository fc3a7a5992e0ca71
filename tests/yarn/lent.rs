//! Workers on nodes without credentials use those of the coordinator, which expire while the job runs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests_support::command::{Tablehaul, finish};
use tests_support::process::binary;
use tests_support::{Fake, Hadoop, Moto};

use crate::job::{BUCKET, PATIENCE, TABLE, cluster};

/// The lifetime of keys in seconds. A job outlasts several. The coordinator renews them when a third of it is left.
const LIFETIME: u64 = 9;
/// Items of 100 bytes, 80 of them for a unit and second.
const ITEMS: u64 = 80 * UNITS * 30;
const UNITS: u64 = 10;
/// In two parts, so that a search does not find this constant.
const SECRET: [&str; 2] = ["lent-", "s3cr3t"];

fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A coordinator whose keys expire, and workers that find none on their nodes.
struct Place {
    folder: tempfile::TempDir,
    fake: Fake,
    s3: Moto,
}

impl Place {
    fn new() -> Self {
        let table = format!("{TABLE}:items={ITEMS},item-bytes=100,rcu=1000");
        let fake = Fake::start(["--table", &table, "--faults", r#"{"keys_expire": true}"#]);
        let s3 = Moto::start();
        s3.create_bucket(BUCKET);
        let folder = tempfile::tempdir().unwrap();
        // `UNTIL…` is good for the fake until then.
        let issue = format!(
            r#"#!/bin/sh
echo >> {issued}
end=$(($(date +%s) + {LIFETIME}))
until=$(date -u -d "@$end" +%Y-%m-%dT%H:%M:%SZ)
secret=$(printf %s%s {} {})
echo "{{\"Version\":1,\"AccessKeyId\":\"UNTIL$end\",\"SecretAccessKey\":\"$secret\",\"SessionToken\":\"t\",\"Expiration\":\"$until\"}}"
"#,
            SECRET[0],
            SECRET[1],
            issued = folder.path().join("issued").display(),
        );
        let issue = script(folder.path(), "issue", &issue);
        let profile = format!("[default]\ncredential_process = {}\n", issue.display());
        fs::write(folder.path().join("config"), profile).unwrap();
        let worker = format!(
            "#!/bin/sh\nunset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_CONFIG_FILE\n\
             export AWS_SHARED_CREDENTIALS_FILE=/nowhere HOME=/nowhere AWS_EC2_METADATA_DISABLED=true\n\
             exec {} \"$@\"\n",
            binary("tablehaul-worker").display()
        );
        script(folder.path(), "worker", &worker);
        Self { folder, fake, s3 }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn tablehaul(&self, hadoop: &Hadoop, args: &[&str]) -> Tablehaul {
        let command = hadoop
            .env()
            .into_iter()
            .fold(Tablehaul::new(args), |command, (name, value)| command.env(&name, value));
        command
            .without("AWS_ACCESS_KEY_ID")
            .without("AWS_SECRET_ACCESS_KEY")
            .env("AWS_CONFIG_FILE", self.file("config"))
            .env("TABLEHAUL_WORKER", self.file("worker"))
            .args(["--region", "us-east-1", "--s3-endpoint", &self.s3.endpoint()])
    }

    fn export(&self, hadoop: &Hadoop, args: &[&str]) -> Tablehaul {
        let url = format!("s3://{BUCKET}/lent");
        let rate = UNITS.to_string();
        self.tablehaul(
            hadoop,
            &["export", TABLE, &url, "--dynamodb-endpoint", &self.fake.endpoint(), "--json"],
        )
        .args(["--cluster", "yarn", "--workers", "2", "--read-units", &rate])
        .args(args)
    }
}

#[test]
fn workers_without_credentials_use_those_of_the_coordinator_and_outlast_them() {
    let (_used, hadoop) = cluster();
    let place = Place::new();
    let refused = place.export(hadoop, &[]).run();
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("no AWS credentials"), "{}", refused.stderr);

    // Whatever is logged must not hold them.
    let mut job = place.export(hadoop, &["--worker-credentials", "coordinator", "--restart", "-vv"]).start();
    let stderr = job.stderr.take().expect("a pipe");
    let said: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = said.clone();
    let listener = std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            heard.lock().unwrap().push(line);
        }
    });
    let application = until("its application", || {
        let said = said.lock().unwrap();
        let line = said.iter().find_map(|line| line.strip_prefix("yarn "))?;
        Some(line.trim().split(',').next()?.to_owned())
    });
    let worker = until("a worker that reads", || {
        let mut workers = hadoop.workers(&application).into_iter();
        workers.find(|worker| worker.is_connected_to(place.fake.address()))
    });
    let secret = SECRET.concat();
    let environment = fs::read(format!("/proc/{}/environ", worker.pid)).unwrap();
    assert!(memchr::memmem::find(&environment, secret.as_bytes()).is_none());
    assert!(!worker.args.join(" ").contains(&secret));
    assert_eq!(hadoop.files_with(&secret), Vec::<PathBuf>::new());

    let finished = finish(job).succeeded();
    let reports: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(reports[0]["items"], ITEMS, "{reports}");
    listener.join().unwrap();
    let said = said.lock().unwrap().join("\n");
    assert!(said.contains("workers get new credentials") && !said.contains(&secret), "{said}");
    assert!(!hadoop.logs(&application).contains(&secret), "a worker logged them");
    assert_eq!(hadoop.files_with(&secret), Vec::<PathBuf>::new());
    // They were renewed in time, again and again.
    assert_eq!(place.fake.stats().injected.get("keys_expire"), None);
    let issued = fs::read_to_string(place.file("issued")).unwrap().lines().count();
    assert!(issued > 3, "keys were issued {issued} times");
    place.tablehaul(hadoop, &["verify", &format!("s3://{BUCKET}/lent")]).run().succeeded();
}

#[track_caller]
fn until<T>(what: &str, get: impl Fn() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = get() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "waited too long for {what}");
        sleep(Duration::from_millis(100));
    }
}

//! The log of `-v` and `TABLEHAUL_LOG`: what it says, that nothing is logged unless it is asked for, and above all what
//! it never says.

use super::{Place, forum, s3, says};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tests_support::Fake;
use tests_support::backup::holds_each_item_once;
use tests_support::command::Tablehaul;
use tests_support::process::binary;
use tests_support::s3::SECRET_KEY;

const LEVELS: [&str; 5] = ["ERROR", "WARN", "INFO", "DEBUG", "TRACE"];
const CRATES: [&str; 6] = ["coordinator", "engine", "job", "job_aws", "source", "worker"];

/// Level, module and rest of a line of the log: `2026-01-02T03:04:05.678Z INFO coordinator::cli: …`.
fn parsed(line: &str) -> Option<(&str, &str, &str)> {
    let (time, rest) = line.split_once(' ')?;
    let is_time = time.len() == "2026-01-02T03:04:05.678Z".len() && time.ends_with('Z') && time.contains('T');
    let (level, rest) = rest.split_once(' ')?;
    let (module, rest) = rest.split_once(": ")?;
    (is_time && LEVELS.contains(&level)).then_some((level, module, rest))
}

/// The lines of the log in a text, each with its level, module and rest.
fn logged(text: &str) -> Vec<(&str, &str, &str)> {
    text.lines().filter_map(parsed).collect()
}

#[track_caller]
fn has(log: &[(&str, &str, &str)], level: &str, module: &str, start: &str) {
    let is_it = |&(its, of, rest): &(&str, &str, &str)| {
        (its, of) == (level, module) && (rest == start || rest.starts_with(&format!("{start} ")))
    };
    assert!(log.iter().any(is_it), "no {level} {module}: {start} in\n{log:#?}");
}

#[test]
fn nothing_is_logged_unless_it_is_asked_for() {
    for (name, value) in [("TABLEHAUL_NONE", ""), ("TABLEHAUL_LOG", ""), ("TABLEHAUL_LOG", "off")] {
        let place = Place::new();
        let finished = place.export("Forum", forum()).env(name, value).run().succeeded();
        assert_eq!(logged(&finished.stderr), [], "{name}={value}");
        let words: Vec<_> =
            finished.stderr.lines().filter_map(|line| line.split_whitespace().next()).collect();
        let plan = ["export", "to", "rate", "work", "cluster", "time", "cost"];
        let report =
            ["report", "exported", "items", "size", "read", "throttles", "workers", "segments", "time"];
        assert_eq!(words, [&plan[..], &report].concat(), "{}", finished.stderr);
        let place = Place::new();
        let quiet = place.export("Forum", forum()).arg("--quiet").env(name, value).run().succeeded();
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    }
}

#[test]
fn v_logs_both_programs_one_event_a_line() {
    let place = Place::new();
    let args = ["--quiet", "--workers", "1", "-v"];
    let finished = place.export("Forum", forum()).args(args).run().succeeded();
    let log = logged(&finished.stderr);
    assert_eq!(log.len(), finished.stderr.lines().count(), "nothing else:\n{}", finished.stderr);
    assert!(log.iter().all(|(level, ..)| ["ERROR", "WARN", "INFO"].contains(level)), "{log:#?}");
    has(&log, "INFO", "coordinator::cli::logging", "tablehaul started");
    has(&log, "INFO", "coordinator::cluster::fleet", "worker connected worker=1");
    has(&log, "INFO", "coordinator::driver::logging", "all tasks are done");
    has(&log, "INFO", "coordinator::jobs::commit", "object of the commit written name=_SUCCESS");
    has(&log, "INFO", "worker::serve", "worker started worker=1");
    has(&log, "INFO", "worker::serve", "the job is over worker=1");

    let place = Place::new();
    let finished = place.export("Forum", forum()).args(["--workers", "1", "-vv"]).run().succeeded();
    assert!(finished.stderr.contains("exported "), "plan and report are still there:\n{}", finished.stderr);
    let log = logged(&finished.stderr);
    assert!(log.iter().all(|&(level, ..)| level != "TRACE"), "{log:#?}");
    has(&log, "DEBUG", "coordinator::driver::logging", "segment leased worker=1");
    has(&log, "DEBUG", "coordinator::driver::logging", "segment done worker=1");
    has(&log, "DEBUG", "coordinator::driver::logging", "part sealed worker=1");
    has(&log, "DEBUG", "coordinator::journal::writer", "object written");
    has(&log, "DEBUG", "coordinator::output::progress::logged", "progress table=Forum phase=Reading");
    has(&log, "DEBUG", "worker::export::upload", "part stored worker=1");
}

#[test]
fn the_variable_sets_each_module_and_v_wins_over_it() {
    let filter = "worker=debug,coordinator::driver=info";
    let place = Place::new();
    let export = place.export("Forum", forum()).env("TABLEHAUL_LOG", filter);
    let stderr = export.args(["--workers", "1"]).run().succeeded().stderr;
    let log = logged(&stderr);
    has(&log, "DEBUG", "worker::export::scan", "segment read worker=1");
    has(&log, "INFO", "coordinator::driver::logging", "all tasks are done");
    let others = |module: &str| !module.starts_with("worker") && !module.starts_with("coordinator::driver");
    assert!(!log.iter().any(|(_, module, _)| others(module)), "{log:#?}");

    let place = Place::new();
    let export = place.export("Forum", forum()).env("TABLEHAUL_LOG", "trace").arg("-v");
    let stderr = export.run().succeeded().stderr;
    assert!(logged(&stderr).iter().all(|&(level, ..)| level == "INFO"), "{stderr}");
}

#[test]
fn every_command_logs() {
    let place = Place::new();
    place.export("Forum", forum()).run().succeeded();
    let folder = place.folder().to_string_lossy().into_owned();
    for command in ["verify", "status"] {
        let stderr = Tablehaul::new([command, &folder, "-v"]).run().succeeded().stderr;
        has(&logged(&stderr), "INFO", "coordinator::cli::logging", "tablehaul started");
    }
    let other = place.outer().join("other").to_string_lossy().into_owned();
    let class = "org.apache.hadoop.dynamodb.tools.DynamoDBExport";
    let java = Tablehaul::new([class, &other, "Forum", "0.25"])
        .env("TABLEHAUL_DYNAMODB_ENDPOINT", forum())
        .env("TABLEHAUL_LOG", "info");
    has(
        &logged(&java.run().succeeded().stderr),
        "INFO",
        "coordinator::driver::logging",
        "all tasks are done",
    );
}

#[test]
fn a_malformed_filter_is_a_wrong_argument() {
    let place = Place::new();
    let with = |filter: &str| place.export("Forum", forum()).env("TABLEHAUL_LOG", filter);
    let level = "is not a level: use off, error, warn, info, debug or trace; try --help";
    says(&with("loud").run(), 2, &["tablehaul: TABLEHAUL_LOG: \"loud\"", level]);
    says(&with("info,worker=").run(), 2, &["TABLEHAUL_LOG: \"\"", level]);
    for foreign in ["aws_smithy_runtime=trace", "hyper=debug", "h2=trace", "tonic=info", "rustls=error"] {
        let module = foreign.split('=').next().unwrap_or_default();
        let parts = [&format!("TABLEHAUL_LOG: \"{module}\" is not a module of tablehaul")];
        says(&with(foreign).run(), 2, &parts.map(String::as_str));
    }
    let failed = with("loud").arg("--json").run();
    assert_eq!(failed.code, Some(2));
    let error: Value = serde_json::from_str(&failed.stdout).expect("JSON");
    assert_eq!((&error["error"]["kind"], &error["error"]["exit_code"]), (&"usage".into(), &2.into()));
    place.is_untouched();
}

/// What no log may hold.
struct Secrets {
    folder: PathBuf,
}

impl Secrets {
    /// The secret key, and the token of a session.
    const KEYS: [&str; 2] = ["topsecretaccesskey", "topsecretsessiontoken"];
    /// Parts of the generator's keys and items, of the reject line, and of what the SDK signs and sends.
    const TEXTS: [&str; 12] = [
        "customer#",
        "Name of the",
        "Long Street",
        "lorem ipsum",
        "AAECAwQFBgcICQ",
        "gamma",
        "no item at all",
        "\"S\"",
        "BEGIN CERTIFICATE",
        "Signature=",
        "AWS4-HMAC",
        "x-amz-",
    ];

    /// In a folder of the place is a worker that keeps what it was told at its start.
    fn new(place: &Place) -> Self {
        let folder = place.outer().join("secrets");
        fs::create_dir(&folder).expect("a folder");
        let (worker, boot) = (binary("tablehaul-worker"), folder.join("boot"));
        let script = format!(
            "#!/bin/bash\nIFS= read -r line\nprintf '%s\\n' \"$line\" >> '{}'\nexec 3<&0\n\
             exec '{}' < <(printf '%s\\n' \"$line\"; exec cat <&3 2>/dev/null) 3<&-\n",
            boot.display(),
            worker.display()
        );
        let path = folder.join("worker");
        fs::write(&path, script).expect("a script");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
        Self { folder }
    }

    /// The command with these secrets, and with everything in its log.
    fn given_to(&self, command: Tablehaul) -> Tablehaul {
        command
            .env("AWS_SECRET_ACCESS_KEY", Self::KEYS[0])
            .env("AWS_SESSION_TOKEN", Self::KEYS[1])
            .env("TABLEHAUL_LOG", "trace")
            .env("TABLEHAUL_WORKER", self.folder.join("worker"))
    }

    /// Makes sure that a long log of both programs holds none of them.
    #[track_caller]
    fn are_not_in(&self, text: &str) {
        let log = logged(text);
        for (_, module, _) in &log {
            assert!(CRATES.contains(&module.split("::").next().unwrap_or_default()), "{module}");
        }
        assert!(log.iter().any(|(level, module, _)| *level == "TRACE" && module.starts_with("job_aws")));
        assert!(log.iter().any(|(level, module, _)| *level == "TRACE" && module.starts_with("coordinator")));
        let boots = fs::read_to_string(self.folder.join("boot")).expect("what workers were told");
        let boots: Vec<Value> = boots.lines().map(|boot| serde_json::from_str(boot).expect("JSON")).collect();
        let tokens = boots.iter().map(|boot| boot["token"].as_str().expect("a token"));
        let secrets: Vec<&str> = tokens.chain(Self::KEYS).chain(Self::TEXTS).chain([SECRET_KEY]).collect();
        assert!(secrets.len() > Self::KEYS.len() + Self::TEXTS.len() + 1);
        for secret in secrets {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret:?} is in the log");
        }
    }
}

/// Inserts a line into the middle of a file of a backup.
fn spoil(folder: &Path) {
    let files = fs::read_dir(folder).expect("a backup").flatten();
    let files = files.filter(|file| file.file_type().is_ok_and(|kind| kind.is_file()));
    let file = files.map(|file| file.path()).find(|file| file.extension().is_none() && is_data(file));
    let file = file.expect("a file of items");
    let text = fs::read_to_string(&file).expect("items");
    let at = text[..text.len() / 2].rfind('\n').expect("a line") + 1;
    fs::write(&file, [&text[..at], "{\"pk\":{\"s\":\"no item at all\n", &text[at..]].concat())
        .expect("a file");
}

fn is_data(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name != "manifest" && !name.starts_with(['_', '.'])
}

#[test]
fn the_most_verbose_log_of_a_resumed_export_and_of_an_import_holds_no_item_key_or_secret() {
    let (place, fake) = super::unfinished::stopped();
    let secrets = Secrets::new(&place);
    fake.faults(json!({"throttle_rate": 0.1, "error_rate": 0.1, "torn_rate": 0.05}));
    let export = place.export("Forum", &fake.endpoint()).args(["--read-units", "30000", "--workers", "2"]);
    let exported = secrets.given_to(export).run().succeeded();
    holds_each_item_once(&place.folder(), 20_000);
    let log = logged(&exported.stderr);
    has(&log, "INFO", "coordinator::journal", "folder acquired");
    has(&log, "TRACE", "worker::export::scan", "page read worker=1");
    has(&log, "DEBUG", "job_aws::retry", "retry after a pause");
    secrets.are_not_in(&exported.stderr);

    // Another backup: without a record of its counts, so that a line may be added.
    let folder = place.outer().join("plain");
    fs::create_dir(&folder).expect("a folder");
    for file in fs::read_dir(place.folder()).expect("a backup").flatten().filter(|file| is_data(&file.path()))
    {
        fs::copy(file.path(), folder.join(file.file_name())).expect("a copy");
    }
    spoil(&folder);
    let faults = json!({"action": "BatchWriteItem", "throttle_rate": 0.1, "unprocessed_rate": 0.1});
    let sink = Fake::start(["--table", "Sink:sink=1", "--faults", &faults.to_string()]);
    let rejects = place.outer().join("rejects.jsonl");
    let import = Tablehaul::import(&folder, "Sink", &sink.endpoint())
        .args(["--region", "us-east-1", "--max-rejects", "1", "--write-units", "40000", "--rejects"])
        .arg(&rejects)
        .arg("--state")
        .arg(place.outer().join("state"));
    let imported = secrets.given_to(import).run().succeeded();
    let rejected = fs::read_to_string(rejects).expect("a reject file");
    assert!(rejected.contains("no item at all"), "{rejected}");
    let log = logged(&imported.stderr);
    has(&log, "DEBUG", "coordinator::driver::logging", "split done worker=1");
    has(&log, "DEBUG", "job_aws::retry", "retry after a pause");
    secrets.are_not_in(&imported.stderr);
}

#[test]
fn the_most_verbose_log_of_an_export_to_s3_holds_no_item_key_or_secret() {
    let place = Place::new();
    let secrets = Secrets::new(&place);
    let bucket = "verbose";
    s3().create_bucket(bucket);
    let export = Tablehaul::new(["export", "Forum", &format!("s3://{bucket}/x"), "--workers", "1"]).args([
        "--dynamodb-endpoint",
        forum(),
        "--s3-endpoint",
        &s3().endpoint(),
        "--region",
        "us-east-1",
    ]);
    // The server knows this secret.
    let export =
        secrets.given_to(export).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY).without("AWS_SESSION_TOKEN");
    let exported = export.run().succeeded();
    let log = logged(&exported.stderr);
    has(&log, "TRACE", "job_aws::watch", "attempt of a call worker=1 action=s3:PutObject");
    has(&log, "DEBUG", "coordinator::jobs::commit", "part file completed");
    secrets.are_not_in(&exported.stderr);
}

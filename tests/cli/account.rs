//! Whose credentials are used: an explicit profile overrides the environment, a missing one is refused, and
//! `--account` refuses those of any other account, before anything is sent.

use super::{Place, export_json, files, forum, says};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tests_support::canned::Canned;
use tests_support::command::Tablehaul;
use tests_support::{BackupWriter, Fake, binary};

const STAGING: &str = "111122223333";
const PRODUCTION: &str = "444455556666";
const STAGING_ROLE: &str = "arn:aws:sts::111122223333:assumed-role/mover/x";

/// An STS that knows the keys `stagingkey` and `testkey`; the latter is that of the environment, of production.
fn sts() -> Canned {
    const KEYS: [(&str, &str, &str); 2] = [
        ("stagingkey", STAGING, STAGING_ROLE),
        ("testkey", PRODUCTION, "arn:aws:iam::444455556666:user/deploy"),
    ];
    Canned::sts(&KEYS)
}

/// Shared files with the profiles `staging` and `lost`, whose source is missing.
struct Files {
    place: Place,
}

impl Files {
    fn new() -> Self {
        let files = Self { place: Place::new() };
        let keys = "[staging]\naws_access_key_id = stagingkey\naws_secret_access_key = b\n";
        fs::write(files.credentials(), keys).expect("a file");
        let lost = "[profile lost]\nrole_arn = arn:aws:iam::111122223333:role/x\nsource_profile = gone\n";
        fs::write(files.config(), lost).expect("a file");
        files
    }

    fn credentials(&self) -> PathBuf {
        self.place.outer().join("credentials")
    }

    fn config(&self) -> PathBuf {
        self.place.outer().join("config")
    }

    fn add_to(&self, command: Tablehaul) -> Tablehaul {
        command.env("AWS_SHARED_CREDENTIALS_FILE", self.credentials()).env("AWS_CONFIG_FILE", self.config())
    }
}

/// The access keys that signed requests to a server, each once.
fn keys(server: &Canned) -> Vec<String> {
    let mut keys: Vec<String> =
        server.requests().iter().map(|request| request.access_key().to_owned()).collect();
    keys.sort();
    keys.dedup();
    keys
}

#[test]
fn an_explicit_profile_overrides_the_keys_of_the_environment_in_coordinator_and_workers() {
    let shared = Files::new();
    let (fake, place) = (Fake::start(["--table", "Sink:sink=1"]), Place::new());
    BackupWriter::new(5).java_tool(&place.outer().join("there"));
    let folder = place.outer().join("there");
    for by_variable in [false, true] {
        let with_profile = |command: Tablehaul| {
            let command = shared.add_to(command);
            if by_variable {
                command.env("TABLEHAUL_PROFILE", "staging")
            } else {
                command.args(["--profile", "staging"])
            }
        };
        let (source, sink) = (Canned::before(forum()), Canned::before(&fake.endpoint()));
        let export = Place::new();
        with_profile(export.export("Forum", &source.endpoint())).run().succeeded();
        with_profile(Tablehaul::import(&folder, "Sink", &sink.endpoint())).run().succeeded();
        let actions = |server: &Canned, action: &str| {
            server
                .requests()
                .iter()
                .filter(|request| request.header("x-amz-target").ends_with(action))
                .count()
        };
        assert!(actions(&source, "Scan") > 1 && actions(&sink, "BatchWriteItem") > 1, "workers were at work");
        assert_eq!((keys(&source), keys(&sink)), (vec!["stagingkey".into()], vec!["stagingkey".into()]));
    }
}

#[test]
fn a_profile_of_the_sdks_variable_alone_does_not_override_the_keys_of_the_environment() {
    let (shared, place, source) = (Files::new(), Place::new(), Canned::before(forum()));
    let export = shared.add_to(place.export("Forum", &source.endpoint())).env("AWS_PROFILE", "staging");
    export.run().succeeded();
    assert_eq!(keys(&source), ["testkey"]);
    let (place, source) = (Place::new(), Canned::before(forum()));
    for (name, value) in [("AWS_PROFILE", "staging"), ("AWS_DEFAULT_PROFILE", "staging")] {
        let export =
            shared.add_to(place.export("Forum", &source.endpoint())).env(name, value).arg("--dry-run");
        export.without("AWS_ACCESS_KEY_ID").run().succeeded();
    }
    assert_eq!(keys(&source), ["stagingkey"]);
}

#[test]
fn a_profile_that_no_file_defines_is_refused_before_anything_is_sent() {
    let (shared, source) = (Files::new(), Canned::before(forum()));
    let (credentials, config) = (shared.credentials(), shared.config());
    let place = Place::new();
    let export = || shared.add_to(place.export("Forum", &source.endpoint()));
    let files = [credentials.to_string_lossy().into_owned(), config.to_string_lossy().into_owned()];
    for (command, more) in [
        (export().args(["--profile", "prod"]), "the profile prod is not defined"),
        (export().args(["--profile", "default"]), "the profile default is not defined"),
        (export().env("TABLEHAUL_PROFILE", "prod"), "the profile prod is not defined"),
        (export().env("AWS_PROFILE", "prod"), "the profile prod of AWS_PROFILE is not defined"),
        (export().env("AWS_DEFAULT_PROFILE", "prod"), "the profile prod of AWS_DEFAULT_PROFILE is not"),
    ] {
        says(&command.run(), 2, &[more, "defined: lost, staging", &files[0], &files[1]]);
    }
    let lost = export().args(["--profile", "lost"]).run();
    says(&lost, 2, &["the profile lost takes its credentials from gone, which is not defined"]);
    let lost = export().env("AWS_PROFILE", "lost").without("AWS_ACCESS_KEY_ID").run();
    says(&lost, 2, &["takes its credentials from gone"]);
    let bucket = Canned::start(|_| tests_support::canned::Answer::new(404, ""));
    for command in ["verify", "status", "clean"] {
        let command = Tablehaul::new([command, "s3://bucket/x", "--s3-endpoint"]).arg(bucket.endpoint());
        says(
            &shared.add_to(command).args(["--profile", "prod"]).run(),
            2,
            &["the profile prod is not defined"],
        );
    }
    assert_eq!((source.requests().len(), bucket.requests().len()), (0, 0));
    place.is_untouched();
    export().env("AWS_PROFILE", "default").run().succeeded();
}

#[test]
fn plan_and_backup_name_the_caller() {
    let (sts, place) = (sts(), Place::new());
    let export = || place.export("Forum", forum()).env("AWS_ENDPOINT_URL_STS", sts.endpoint());
    let line = "account     444455556666 (arn:aws:iam::444455556666:user/deploy)";
    let plan = export().arg("--dry-run").run().succeeded().stdout;
    assert!(plan.contains(line), "{plan}");
    let finished = export().arg("--json").run().succeeded();
    assert_eq!(finished.stderr.matches(line).count(), 2, "plan and summary:\n{}", finished.stderr);
    let report: Value = serde_json::from_str(&finished.stdout).expect("a report");
    let expected = (PRODUCTION, "arn:aws:iam::444455556666:user/deploy");
    for said in [&report[0], &export_json(&place.folder())] {
        assert_eq!((&said["account"], &said["caller"]), (&expected.0.into(), &expected.1.into()), "{said}");
    }
    let fake = Fake::start(["--table", "Sink:sink=1"]);
    let backup = Place::new();
    BackupWriter::new(5).java_tool(&backup.folder());
    let import = Tablehaul::import(&backup.folder(), "Sink", &fake.endpoint()).arg("--json");
    let finished = import.env("AWS_ENDPOINT_URL_STS", sts.endpoint()).run().succeeded();
    assert_eq!(finished.stderr.matches(line).count(), 2, "plan and summary:\n{}", finished.stderr);
    let report: Value = serde_json::from_str(&finished.stdout).expect("a report");
    assert_eq!((&report["account"], &report["caller"]), (&expected.0.into(), &expected.1.into()));
}

#[test]
fn the_caller_may_be_unknown_unless_an_account_is_demanded() {
    let (denying, place) = (Canned::sts(&[]), Place::new());
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let silent = format!("http://{}", silent.local_addr().expect("its address"));
    for (sts, said) in [
        (denying.endpoint(), "a policy denies it"),
        ("http://127.0.0.1:1".to_owned(), "cannot be reached"),
        (silent, "no answer to sts:GetCallerIdentity within 3 s"),
    ] {
        let export = || place.export("Forum", forum()).env("AWS_ENDPOINT_URL_STS", &sts).arg("--dry-run");
        let plan = export().run().succeeded().stdout;
        assert!(plan.contains("account     unknown: ") && plan.contains(said), "{plan}");
        if !said.starts_with("no answer") {
            let finished = export().args(["--account", PRODUCTION]).run();
            says(
                &finished,
                2,
                &[&format!("cannot check that the credentials belong to account {PRODUCTION}: "), said],
            );
        }
    }
    // An emulator of DynamoDB has no accounts of AWS.
    let plan = place.export("Forum", forum()).arg("--dry-run").run().succeeded().stdout;
    assert!(!plan.contains("account"), "{plan}");
    place.is_untouched();
}

#[test]
fn another_account_than_the_one_demanded_is_refused_before_anything_else_is_sent() {
    let (sts, source, place) = (sts(), Canned::before(forum()), Place::new());
    let with_sts = |command: Tablehaul| command.env("AWS_ENDPOINT_URL_STS", sts.endpoint());
    let backup = Place::new();
    BackupWriter::new(5).java_tool(&backup.folder());
    let bucket = Canned::start(|_| tests_support::canned::Answer::new(404, ""));
    let (to, from) = (source.endpoint(), bucket.endpoint());
    let wrong = ["account 444455556666", "user/deploy", "account 111122223333 is required"];
    for command in [
        place.export("Forum", &to).args(["--account", STAGING]),
        place.export("Forum", &to).env("TABLEHAUL_ACCOUNT", STAGING),
        Tablehaul::import(&backup.folder(), "Sink", &to).args(["--account", STAGING]),
        Tablehaul::new(["verify", "s3://b11/x", "--s3-endpoint", &from, "--account", STAGING]),
        Tablehaul::new(["status", "s3://b11/x", "--s3-endpoint", &from, "--account", STAGING]),
        Tablehaul::new(["clean", "s3://b11/x", "--s3-endpoint", &from, "--account", STAGING]),
    ] {
        says(&with_sts(command).run(), 2, &wrong);
    }
    let java = "org.apache.hadoop.dynamodb.tools.DynamoDBExport";
    let path = place.folder().to_string_lossy().into_owned();
    let java = || Tablehaul::new([java, &path, "Forum"]).env("TABLEHAUL_DYNAMODB_ENDPOINT", &to);
    let finished = with_sts(java().env("TABLEHAUL_ACCOUNT", STAGING)).run();
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains(wrong[2]), "{}", finished.stderr);
    let finished = with_sts(java().env("TABLEHAUL_ACCOUNT", "42")).run();
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("give 12 digits"), "{}", finished.stderr);
    assert_eq!((source.requests().len(), bucket.requests().len()), (0, 0));
    place.is_untouched();
    with_sts(place.export("Forum", &to)).args(["--account", PRODUCTION]).run().succeeded();
}

#[test]
fn an_invalid_account_is_refused() {
    let place = Place::new();
    for wrong in ["1234", "12345678901x", "1234567890123", "1234-5678-9012"] {
        says(
            &place.export("Forum", forum()).args(["--account", wrong]).run(),
            2,
            &["--account", "12 digits"],
        );
    }
    place.is_untouched();
}

#[test]
fn a_worker_with_credentials_of_another_account_refuses_to_work() {
    let (sts, source, place) = (sts(), Canned::before(forum()), Place::new());
    let script = place.outer().join("worker");
    let lines = format!(
        "#!/bin/sh\nAWS_ACCESS_KEY_ID=stagingkey exec {} \"$@\"\n",
        binary("tablehaul-worker").display()
    );
    fs::write(&script, lines).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("it can be run");
    let export = place.export("Forum", &source.endpoint()).env("AWS_ENDPOINT_URL_STS", sts.endpoint());
    let finished = export.env("TABLEHAUL_WORKER", &script).args(["--account", PRODUCTION]).run();
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.stderr.contains("credentials belong to account 111122223333"), "{}", finished.stderr);
    assert_eq!(keys(&source), ["testkey"], "the worker has not asked DynamoDB for anything");
    assert_eq!(files(place.outer()), ["worker"]);
}

#[test]
fn a_table_named_by_an_arn_of_another_region_is_refused() {
    let (place, backup) = (Place::new(), Place::new());
    let arn = "arn:aws:dynamodb:eu-west-1:111122223333:table/Forum";
    BackupWriter::new(5).java_tool(&backup.folder());
    let (to, from) = (place.folder(), backup.folder());
    let (to, from) = (to.to_string_lossy(), from.to_string_lossy());
    for args in [["export", arn, &to], ["import", &from, arn]] {
        let finished = Tablehaul::new(args).args(["--region", "us-east-1"]).run();
        says(
            &finished,
            2,
            &[arn, "is in region eu-west-1, but requests go to us-east-1", "--region eu-west-1"],
        );
    }
    place.is_untouched();
}

#[test]
fn a_role_is_assumed_with_the_keys_of_an_explicit_profile() {
    let (shared, place) = (Files::new(), Place::new());
    let sts = Canned::start(|_| tests_support::canned::Answer::new(403, ""));
    let export = shared.add_to(place.export("Forum", forum())).env("AWS_ENDPOINT_URL_STS", sts.endpoint());
    let role = "arn:aws:iam::111122223333:role/mover";
    let finished = export.args(["--profile", "staging", "--assume-role", role]).run();
    says(&finished, 2, &["cannot assume role", role]);
    assert_eq!(keys(&sts), ["stagingkey"]);
}

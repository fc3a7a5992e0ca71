//! Every flag has a variable, and a typed flag overrides it.

use super::{Place, export_json, forum, run, s3, says};
use std::fs;
use tests_support::command::{Finished, Tablehaul};

/// A dry run with these variables and arguments.
fn planned(variables: &[(&str, &str)], args: &[&str]) -> Finished {
    let place = Place::new();
    let start = place.export("Forum", forum()).arg("--dry-run").args(args);
    let finished = variables.iter().fold(start, |command, (name, value)| command.env(name, value)).run();
    place.is_untouched();
    finished
}

#[test]
fn the_help_names_a_variable_for_every_flag() {
    for command in ["export", "import", "verify"] {
        let help = run([command, "--help"]).succeeded().stdout;
        let options = help.lines().map(str::trim).filter(|line| line.starts_with('-'));
        let flags = options.filter_map(|line| line.split(' ').find(|word| word.starts_with("--")));
        let flags: Vec<&str> = flags.filter(|&flag| flag != "--help").collect();
        assert!(flags.len() > 7, "{help}");
        for flag in flags {
            // `--page[=<ADDR:PORT>]` takes its value only after a sign of equality.
            let name = flag.trim_start_matches("--").split('[').next().unwrap_or_default();
            let name = name.replace('-', "_").to_uppercase();
            // The help does not show a value that may be secret.
            let is_named =
                ['=', ']'].iter().any(|end| help.contains(&format!("[env: TABLEHAUL_{name}{end}")));
            assert!(is_named, "no variable for {flag}:\n{help}");
        }
    }
}

#[test]
fn variables_stand_for_flags_and_typed_flags_override_them() {
    for (name, value, by_variable, args, by_flag) in [
        ("TABLEHAUL_READ_PERCENT", "10", "rate        100 ", ["--read-percent", "20"], "rate        200 "),
        ("TABLEHAUL_READ_UNITS", "70", "rate        70 ", ["--read-units", "71"], "rate        71 "),
        ("TABLEHAUL_SEGMENTS", "7", "work        7 segments", ["--segments", "8"], "work        8 segments"),
        ("TABLEHAUL_WORKERS", "3", "3 workers", ["--workers", "1"], "1 worker,"),
        ("TABLEHAUL_COMPRESS", "zstd", "compression zstd", ["--compress", "gzip"], "compression gzip"),
    ] {
        for (args, part) in [(&[][..], by_variable), (&args[..], by_flag)] {
            let args = [&["--segments=9"][..], args].concat();
            let args = if name == "TABLEHAUL_SEGMENTS" { &args[1..] } else { &args };
            let plan = planned(&[(name, value)], args).succeeded().stdout;
            assert!(plan.contains(part), "{name} {args:?}: no {part:?} in\n{plan}");
        }
    }
}

#[test]
fn a_typed_rate_overrides_a_variable_of_the_other_kind() {
    let plan = planned(&[("TABLEHAUL_READ_UNITS", "70")], &["--read-percent", "20"]).succeeded().stdout;
    assert!(plan.contains("rate        200 "), "{plan}");
    let plan = planned(&[("TABLEHAUL_READ_PERCENT", "20")], &["--read-units", "70"]).succeeded().stdout;
    assert!(plan.contains("rate        70 "), "{plan}");
    let both = [("TABLEHAUL_READ_PERCENT", "20"), ("TABLEHAUL_READ_UNITS", "70")];
    says(&planned(&both, &[]), 2, &["not both"]);
}

#[test]
fn a_switch_is_on_by_1_and_off_by_0() {
    let plan = |value| planned(&[("TABLEHAUL_CONSISTENT", value)], &[]).succeeded().stdout;
    for value in ["1", "true", "yes"] {
        assert!(plan(value).contains("strongly consistent"), "{value}");
    }
    for value in ["0", "false", "no", ""] {
        assert!(plan(value).contains("eventually consistent"), "{value}");
    }
}

#[test]
fn an_empty_variable_is_not_set() {
    let flags =
        ["READ_PERCENT", "READ_UNITS", "SEGMENTS", "WORKERS", "COMPRESS", "S3_ACL", "REGION", "S3_REGION"];
    let more =
        ["S3_ENDPOINT", "PROFILE", "ASSUME_ROLE", "EXTERNAL_ID", "ACCOUNT", "JSON", "QUIET", "CONSISTENT"];
    let names: Vec<String> = flags.iter().chain(&more).map(|flag| format!("TABLEHAUL_{flag}")).collect();
    let empty: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert!(planned(&empty, &[]).succeeded().stdout.contains("rate        250 "));
}

#[test]
fn a_wrong_variable_is_refused_as_the_flag_would_be() {
    says(&planned(&[("TABLEHAUL_WORKERS", "0")], &[]), 2, &["--workers", "1 to 10000"]);
    says(&planned(&[("TABLEHAUL_READ_PERCENT", "300")], &[]), 2, &["--read-percent 300"]);
}

#[test]
fn variables_say_where_dynamodb_and_s3_are_and_how_to_report() {
    s3().create_bucket("variables");
    let finished = Tablehaul::new(["export", "Forum", "s3://variables"])
        .env("TABLEHAUL_DYNAMODB_ENDPOINT", forum())
        .env("TABLEHAUL_S3_ENDPOINT", s3().endpoint())
        .env("TABLEHAUL_REGION", "eu-west-3")
        .env("TABLEHAUL_S3_REGION", "us-east-1")
        .env("TABLEHAUL_S3_ACL", "bucket-owner-full-control")
        .env("TABLEHAUL_QUIET", "1")
        .env("TABLEHAUL_JSON", "1")
        .run()
        .succeeded();
    assert_eq!(finished.stderr, "");
    assert!(finished.stdout.contains("s3://variables/eu-west-3/Forum"), "{}", finished.stdout);
    assert!(s3().objects("variables").contains(&"eu-west-3/Forum/_SUCCESS".to_owned()));
}

#[test]
fn variables_name_a_profile_and_a_role() {
    let (place, files) = (Place::new(), Place::new());
    let keys = "[other]\naws_access_key_id = a\naws_secret_access_key = b\n";
    fs::write(files.folder(), keys).expect("a file");
    let export = || {
        let export = place.export("Forum", forum()).without("AWS_ACCESS_KEY_ID");
        export.env("AWS_SHARED_CREDENTIALS_FILE", files.folder()).env("TABLEHAUL_PROFILE", "other")
    };
    let role = "arn:aws:iam::123456789012:role/reader";
    let with_role = export().env("TABLEHAUL_ASSUME_ROLE", role).env("TABLEHAUL_EXTERNAL_ID", "x");
    says(&with_role.env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1").run(), 2, &[role]);
    export().run().succeeded();
    assert_eq!(export_json(&place.folder())["items"], 100);
}

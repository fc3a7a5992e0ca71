//! `-h` and `--help` of each command.

use std::collections::BTreeSet;
use tests_support::command::Tablehaul;

use crate::{holds, redacted::redacted};

const COMMANDS: [&str; 10] =
    ["export", "import", "verify", "status", "clean", "emr", "page", "report", "completions", "man"];
const EMR_COMMANDS: [&str; 8] =
    ["export", "import", "status", "logs", "stop", "setup", "schedule", "convert"];

/// The help of `tablehaul ARGS`, as in a terminal of 100 columns.
fn help(args: &[&str]) -> String {
    let finished = Tablehaul::new(args).env("COLUMNS", "100").run().succeeded();
    assert_eq!(finished.stderr, "");
    redacted(&finished.stdout)
}

#[test]
fn of_tablehaul() {
    holds("help", &help(&["-h"]));
    holds("help_long", &help(&["--help"]));
}

#[test]
fn of_each_command() {
    for command in COMMANDS {
        holds(&format!("help_{command}"), &help(&[command, "-h"]));
        holds(&format!("help_{command}_long"), &help(&[command, "--help"]));
    }
}

#[test]
fn of_each_command_of_emr() {
    for command in EMR_COMMANDS {
        holds(&format!("help_emr_{command}"), &help(&["emr", command, "-h"]));
    }
}

#[test]
fn no_command_is_left_out() {
    assert_eq!(listed(&["-h"]), COMMANDS.into_iter().chain(["help"]).map(str::to_owned).collect());
    assert_eq!(listed(&["emr", "-h"]), EMR_COMMANDS.into_iter().chain(["help"]).map(str::to_owned).collect());
}

/// The commands that a help lists.
fn listed(args: &[&str]) -> BTreeSet<String> {
    let help = help(args);
    let listed = help.split_once("Commands:\n").expect("a list of commands").1.lines();
    let listed = listed.take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    listed.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

//! `-h` and `--help` of each command.

use std::collections::BTreeSet;
use tests_support::command::Tablehaul;

use crate::{holds, redacted::redacted};

const COMMANDS: [&str; 7] = ["export", "import", "verify", "status", "clean", "completions", "man"];

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
fn no_command_is_left_out() {
    let help = help(&["-h"]);
    let listed = help.split_once("Commands:\n").expect("a list of commands").1.lines();
    let listed = listed.take_while(|line| line.starts_with("  ")).filter(|line| !line.starts_with("   "));
    let listed: BTreeSet<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(listed, COMMANDS.into_iter().chain(["help"]).collect());
}

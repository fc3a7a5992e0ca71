//! The same arguments, given by name and value in another form than that of this command line.

use std::collections::BTreeMap;

use clap::{
    Arg, ArgAction, ArgMatches, FromArgMatches,
    parser::ValueSource::{CommandLine, EnvVariable},
};

use super::{Cli, Command, command};
use crate::cli::one_line;

/// Options that say whose credentials are used.
const IDENTITY: [&str; 3] = ["profile", "account", "assume-role"];

/// Arguments that were read, and where each came from.
pub(in crate::cli) struct Given {
    /// Those of the subcommand.
    pub(in crate::cli) matches: ArgMatches,
}

/// Reads `tablehaul SUBCOMMAND NAME…` with options by their long names. Switches take a value, as their variables
/// do; an empty value counts as none, but not of those that say whose credentials are used. Variables count as always.
///
/// # Errors
/// What is wrong with one of them, in one line; it calls options by the names of the command line.
pub(in crate::cli) fn given(
    subcommand: &str,
    options: &BTreeMap<String, String>,
    names: &[&str],
) -> Result<(Command, Given), String> {
    let command = command().mut_subcommand(subcommand, |command| command.mut_args(with_value));
    let options =
        options.iter().filter(|(name, value)| !value.is_empty() || IDENTITY.contains(&name.as_str()));
    let options: Vec<String> = options.map(|(name, value)| format!("--{name}={value}")).collect();
    let words = ["tablehaul", subcommand].into_iter().chain(options.iter().map(String::as_str));
    let words = words.chain(["--"]).chain(names.iter().copied());
    let matches = command.try_get_matches_from(words).map_err(|error| one_line(&error))?;
    let cli = Cli::from_arg_matches(&matches).map_err(|error| one_line(&error))?;
    let matches = matches.subcommand().map(|(_, matches)| matches.clone()).unwrap_or_default();
    Ok((cli.command, Given { matches }))
}

fn with_value(arg: Arg) -> Arg {
    match arg.get_action() {
        ArgAction::SetTrue => arg.action(ArgAction::Set).num_args(1).default_value("false"),
        _ => arg,
    }
}

impl Given {
    /// Whether an option was given by name, not by a variable.
    pub(in crate::cli) fn is_named(&self, id: &str) -> bool {
        self.matches.value_source(id) == Some(CommandLine)
    }

    /// Whether a variable says it.
    pub(in crate::cli) fn is_variable(&self, id: &str) -> bool {
        self.matches.value_source(id) == Some(EnvVariable)
    }

    /// What counts of an option that may also be given in another way: that wins over the option's variable, and
    /// the option by its name over both.
    pub(in crate::cli) fn or<T>(&self, id: &str, own: T, other: Option<T>) -> T {
        if self.is_named(id) { own } else { other.unwrap_or(own) }
    }
}

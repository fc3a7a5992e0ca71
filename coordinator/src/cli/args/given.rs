//! The arguments of a command that another form of command line gives by name and value.

use std::collections::BTreeMap;

use clap::{
    Arg, ArgAction, ArgMatches, FromArgMatches,
    parser::ValueSource::{CommandLine, EnvVariable},
};

use super::{Cli, Command, command, error::ArgumentError};

/// Options that decide whose credentials are used.
const IDENTITY: [&str; 3] = ["profile", "account", "assume-role"];

/// Parsed arguments, and where each came from.
pub(in crate::cli) struct Given {
    /// The arguments of the subcommand.
    pub(in crate::cli) matches: ArgMatches,
}

/// Parses `tablehaul SUBCOMMAND NAME…` with options by their long names. Switches take a value, as their environment
/// variables do. An empty value counts as not given, except for options that decide whose credentials are used.
/// Environment variables count as usual.
///
/// # Errors
/// Fails if an argument is invalid. The message has one line and names options as the command line does.
pub(in crate::cli) fn given(
    subcommand: &str,
    options: &BTreeMap<String, String>,
    names: &[&str],
) -> Result<(Command, Given), ArgumentError> {
    let command = command().mut_subcommand(subcommand, |command| command.mut_args(with_value));
    let options =
        options.iter().filter(|(name, value)| !value.is_empty() || IDENTITY.contains(&name.as_str()));
    let options: Vec<String> = options.map(|(name, value)| format!("--{name}={value}")).collect();
    let words = ["tablehaul", subcommand].into_iter().chain(options.iter().map(String::as_str));
    let words = words.chain(["--"]).chain(names.iter().copied());
    let matches = command.try_get_matches_from(words)?;
    let cli = Cli::from_arg_matches(&matches)?;
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
    /// Whether the option was given by name, not by an environment variable.
    pub(in crate::cli) fn is_named(&self, id: &str) -> bool {
        self.matches.value_source(id) == Some(CommandLine)
    }

    /// Whether the option was given by an environment variable.
    pub(in crate::cli) fn is_variable(&self, id: &str) -> bool {
        self.matches.value_source(id) == Some(EnvVariable)
    }

    /// The value of an option that another form of command line may also set. The option given by name comes first,
    /// then the other form's value `other`, then the option's environment variable.
    pub(in crate::cli) fn or<T>(&self, id: &str, own: T, other: Option<T>) -> T {
        if self.is_named(id) { own } else { other.unwrap_or(own) }
    }
}

//! Finds options that were typed with an empty value.

use std::ffi::OsStr;

use clap::{ArgMatches, parser::ValueSource};

use super::command;

/// What is wrong if an option of `subcommand` was typed with an empty value, such as that of an unset variable in a
/// script. Ignoring it would do something else than what was meant. Variables are another matter: an empty one is not
/// set.
pub(in crate::cli) fn empty(subcommand: &str, matches: &ArgMatches) -> Option<String> {
    let command = command();
    empty_of(command.find_subcommand(subcommand)?, matches)
}

fn empty_of(command: &clap::Command, matches: &ArgMatches) -> Option<String> {
    let options = command.get_arguments();
    let is_empty = |id: &str| {
        let is_typed = matches.value_source(id) == Some(ValueSource::CommandLine);
        is_typed && matches.get_raw(id).is_some_and(|mut values| values.any(OsStr::is_empty))
    };
    let mut empty =
        options.filter(|option| option.get_long().is_some() && is_empty(option.get_id().as_str()));
    if let Some(name) = empty.next().and_then(clap::Arg::get_long) {
        return Some(format!("--{name} has an empty value: give one, or remove the option"));
    }
    let (name, matches) = matches.subcommand()?;
    empty_of(command.find_subcommand(name)?, matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[&str]) -> Option<String> {
        let matches = command().try_get_matches_from([&["tablehaul"], words].concat()).unwrap();
        let (name, matches) = matches.subcommand().unwrap();
        empty(name, matches)
    }

    #[test]
    fn an_option_without_a_value_is_named() {
        for name in
            ["--state", "--rejects", "--region", "--s3-region", "--tags", "--yarn-queue", "--write-units"]
        {
            let why = format!("{name} has an empty value: give one, or remove the option");
            assert_eq!(said(&["import", "/x", "Forum", name, ""]), Some(why));
        }
        assert_eq!(said(&["import", "/x", "Forum", "--json", "--region", "eu-west-1"]), None);
        assert_eq!(said(&["export", "Forum", ""]), None, "told with what it should be");
    }
}

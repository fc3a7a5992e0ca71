//! How messages spell options in this form.
//!
//! All messages of the program spell options as its own command line does: `--if-complete skip`. This form has no such
//! options, so its messages are rewritten before they are printed: `-Dtablehaul.if-complete=skip`.

use std::collections::BTreeMap;

use clap::ArgAction;

use super::OWN;

/// Characters that may stand before an option in a message, besides whitespace.
const BEFORE: [char; 5] = ['\'', '"', '(', '`', '<'];

/// The options that messages may name.
#[derive(Debug)]
pub(super) struct Spelling {
    options: BTreeMap<String, Takes>,
}

/// What an option takes.
#[derive(Debug)]
enum Takes {
    /// No value: a switch.
    Nothing,
    /// A value. If the list is not empty, one of these.
    Value(Vec<String>),
}

impl Spelling {
    /// The options of these commands.
    pub(super) fn of<'a>(commands: impl Iterator<Item = &'a clap::Command>) -> Self {
        let options = commands.flat_map(clap::Command::get_arguments).filter_map(|option| {
            let values = option.get_possible_values();
            let values = values.iter().map(|value| value.get_name().to_owned()).collect();
            let takes = match option.get_action() {
                ArgAction::SetTrue => Takes::Nothing,
                _ => Takes::Value(values),
            };
            Some((option.get_long()?.to_owned(), takes))
        });
        Self { options: options.collect() }
    }

    /// The message with its options in this form's spelling.
    pub(super) fn respelt(&self, text: &str) -> String {
        let (mut respelt, mut rest) = (String::new(), text);
        while let Some(at) = rest.find("--") {
            let (before, option) = rest.split_at(at);
            respelt.push_str(before);
            let name = &option[2..];
            let belongs =
                |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
            let end = name.find(|letter| !belongs(letter)).unwrap_or(name.len());
            let (name, after) = name.split_at(end);
            let is_apart = before.is_empty() && respelt.is_empty()
                || before.ends_with(|letter: char| letter.is_whitespace() || BEFORE.contains(&letter));
            rest = match self.options.get(name).filter(|_| is_apart) {
                Some(Takes::Nothing) => {
                    respelt.extend(["-D", OWN, name, "=true"]);
                    after
                }
                Some(Takes::Value(values)) => {
                    respelt.extend(["-D", OWN, name]);
                    match after.strip_prefix(' ').filter(|after| is_value(after, values)) {
                        Some(value) => {
                            respelt.push('=');
                            value
                        }
                        None => after,
                    }
                }
                None => {
                    respelt.push_str("--");
                    &option[2..]
                }
            };
        }
        respelt + rest
    }
}

/// Whether the next word of a message is the value of the option before it.
fn is_value(text: &str, values: &[String]) -> bool {
    let word = text.split_whitespace().next().unwrap_or_default();
    let bare = word.trim_end_matches([',', '.', ':', ';', ')', '\'', '"']);
    values.iter().any(|value| value == bare)
        || word.starts_with(|letter: char| letter.is_ascii_digit() || matches!(letter, '/' | '<'))
        || word.contains("://")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::command;

    fn respelt(text: &str) -> String {
        let command = command();
        let commands = command.get_subcommands().filter(|one| matches!(one.get_name(), "export" | "import"));
        Spelling::of(commands).respelt(text)
    }

    #[test]
    fn options_in_messages_become_what_can_be_typed_here() {
        for (message, expected) in [
            ("give --if-complete skip to leave it", "give -Dtablehaul.if-complete=skip to leave it"),
            ("give --restart to start again", "give -Dtablehaul.restart=true to start again"),
            ("(--max-rejects allows none)", "(-Dtablehaul.max-rejects allows none)"),
            ("(further ones only with --rejects)", "(further ones only with -Dtablehaul.rejects)"),
            ("--cluster yarn: no", "-Dtablehaul.cluster=yarn: no"),
            ("or --cluster local", "or -Dtablehaul.cluster=local"),
            ("with --segments 4, not 5", "with -Dtablehaul.segments=4, not 5"),
            ("--rejects s3://b/x: exists", "-Dtablehaul.rejects=s3://b/x: exists"),
            ("--state file:///x: holds", "-Dtablehaul.state=file:///x: holds"),
            ("so --mode delete does not apply", "so -Dtablehaul.mode=delete does not apply"),
            ("folder of --state, and", "folder of -Dtablehaul.state, and"),
            (
                "invalid value 'x' for '--compress <CODEC>'",
                "invalid value 'x' for '-Dtablehaul.compress=<CODEC>'",
            ),
            (
                "give --read-percent or --read-units",
                "give -Dtablehaul.read-percent or -Dtablehaul.read-units",
            ),
            ("with --listen of tablehaul", "with -Dtablehaul.listen of tablehaul"),
        ] {
            assert_eq!(respelt(message), expected);
        }
    }

    #[test]
    fn whatever_is_no_option_stays() {
        for text in [
            "",
            "--",
            "a -- b",
            "see --help",
            "s3://b/my--restart",
            "x--if-complete skip",
            "folder --unknown",
            "--restartle",
            "\u{e9}--\u{e9}",
        ] {
            assert_eq!(respelt(text), text);
        }
    }
}

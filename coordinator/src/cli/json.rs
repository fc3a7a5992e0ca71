//! Whether failures are also printed as JSON. Decided before the arguments are parsed, because they may be wrong.

use std::ffi::{OsStr, OsString};

use clap::builder::{FalseyValueParser, TypedValueParser};

use super::java_tool::Class;

/// The variable of `--json`.
const JSON_VARIABLE: &str = "TABLEHAUL_JSON";
/// The option in the form of the Java tool.
const JSON_JAVA_OPTION: &str = "tablehaul.json=";

/// Whether the command line asks for JSON: by `--json` in any spelling, even a wrong one, or by its variable.
pub(super) fn is_wanted(arguments: &[OsString]) -> bool {
    is_asked_for(arguments, std::env::var_os(JSON_VARIABLE).as_deref())
}

fn is_asked_for(arguments: &[OsString], variable: Option<&OsStr>) -> bool {
    let words: Vec<_> = arguments.iter().skip(1).map(|argument| argument.to_string_lossy()).collect();
    let by_variable = variable.is_some_and(is_on);
    if words.first().is_some_and(|name| Class::named(name).is_some()) {
        let mut given = words.iter().rev().filter_map(|word| {
            let option = word.trim().trim_matches(['"', '\'']);
            option.trim_start_matches("-D").trim_start().strip_prefix(JSON_JAVA_OPTION)
        });
        let last = given.find(|value| !value.is_empty());
        return last.map_or(by_variable, |value| is_on(value.as_ref()));
    }
    let mut options = words.iter().take_while(|word| *word != "--");
    by_variable || options.any(|word| word == "--json" || word.starts_with("--json="))
}

/// Whether a switch with this value is on.
fn is_on(value: &OsStr) -> bool {
    !value.is_empty()
        && FalseyValueParser::new().parse_ref(&clap::Command::new(""), None, value).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str, variable: Option<&str>) -> bool {
        let words =
            std::iter::once("tablehaul").chain(line.split(' ')).map(OsString::from).collect::<Vec<_>>();
        is_asked_for(&words, variable.map(OsStr::new))
    }

    #[test]
    fn json_is_wanted_by_the_option_however_it_is_spelt_or_by_its_variable() {
        for line in ["export --json", "export a b --json=true", "--json export", "export --json=false"] {
            assert!(asked(line, None), "{line}");
        }
        for line in ["export a b", "export -- --json", "export --jsonx"] {
            assert!(!asked(line, None) && asked(line, Some("true")), "{line}");
        }
        for (value, is_on) in [("1", true), ("yes", true), ("0", false), ("FALSE", false), ("", false)] {
            assert_eq!(asked("status x", Some(value)), is_on, "{value}");
        }
    }

    #[test]
    fn in_the_form_of_the_java_tool_the_option_beats_the_variable() {
        let class = "org.apache.hadoop.dynamodb.tools.DynamoDBExport";
        for (words, variable, is_wanted) in [
            ("-Dtablehaul.json=true x", None, true),
            ("-D tablehaul.json=1 x", None, true),
            ("-Dtablehaul.json=false x", Some("1"), false),
            ("-Dtablehaul.json= x", Some("1"), true),
            ("x", Some("1"), true),
            ("--json x", None, false),
        ] {
            assert_eq!(asked(&format!("{class} {words}"), variable), is_wanted, "{words}");
        }
    }
}

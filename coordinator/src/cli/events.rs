//! Where events go. Decided before the arguments are parsed, because an error in them is an event, too.

use std::{
    ffi::{OsStr, OsString},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use super::{java_tool::Class, json};
use crate::output::{self, display::no_file_in};

/// The variable of `--events`.
const EVENTS_VARIABLE: &str = "TABLEHAUL_EVENTS";
/// The option in the form of the Java tool.
const EVENTS_JAVA_OPTION: &str = "tablehaul.events=";

/// Begins to write events, if the command line asks for that.
///
/// # Errors
/// Fails with the kind of the failure and a message if that is impossible.
pub(super) fn begin(arguments: &[OsString]) -> Result<(), (&'static str, String)> {
    let variable = std::env::var_os(EVENTS_VARIABLE).filter(|value| !value.is_empty());
    let Some(place) = place(arguments, variable) else { return Ok(()) };
    if place.as_os_str().is_empty() {
        return Err((
            "usage",
            "--events has an empty value: give one, or remove the option; try --help".into(),
        ));
    }
    if place.as_os_str() == "-" && json::is_wanted(arguments) {
        let why =
            "--events - and --json both write to standard output: give one of them, or a file for --events";
        return Err(("usage", format!("{why}; try --help")));
    }
    output::events::write_to(&place)
        .map_err(|error| ("refused", format!("--events {}: {}", place.display(), unwritable(&place, &error))))
}

/// Why the file can't be written, and what to do.
fn unwritable(place: &Path, error: &io::Error) -> String {
    const OTHERWISE: &str = "name another file";
    match error.kind() {
        ErrorKind::IsADirectory => "it is a folder; name a file in it".to_owned(),
        ErrorKind::PermissionDenied if place.exists() => format!("no permission to write to it; {OTHERWISE}"),
        _ if place.exists() => format!("it cannot be written ({error}); {OTHERWISE}"),
        _ => no_file_in(place.parent().unwrap_or(Path::new("/")), error, OTHERWISE),
    }
}

fn place(arguments: &[OsString], variable: Option<OsString>) -> Option<PathBuf> {
    let words = arguments.get(1..).unwrap_or_default();
    let text = |word: &OsString| word.to_string_lossy().into_owned();
    let given = if words.first().is_some_and(|name| Class::named(&text(name)).is_some()) {
        // The last one counts.
        let mut given = words.iter().rev().filter_map(|word| {
            let word = text(word);
            let option = word.trim().trim_matches(['"', '\'']);
            let value = option.trim_start_matches("-D").trim_start().strip_prefix(EVENTS_JAVA_OPTION)?;
            Some(OsString::from(value))
        });
        given.find(|value| !value.is_empty())
    } else {
        let options = words.iter().take_while(|word| *word != "--");
        let mut before: &OsStr = OsStr::new("");
        let mut given = None;
        for word in options {
            if before == "--events" {
                given = Some(word.clone());
            } else if let Some(value) = text(word).strip_prefix("--events=") {
                given = Some(value.into());
            }
            before = word;
        }
        given
    };
    given.or(variable).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str, variable: Option<&str>) -> Option<String> {
        let words: Vec<OsString> =
            std::iter::once("tablehaul").chain(line.split(' ')).map(OsString::from).collect();
        place(&words, variable.map(OsString::from)).map(|place| place.display().to_string())
    }

    #[test]
    fn the_option_beats_its_variable() {
        let is = |place: &str| Some(place.to_owned());
        assert_eq!(asked("export a b --events /x/e", Some("/y")), is("/x/e"));
        assert_eq!(asked("--events=- status /x", None), is("-"));
        assert_eq!(asked("export a b", Some("/y")), is("/y"));
        assert_eq!(asked("export a -- --events", None), None);
        assert_eq!(asked("export a b --events", None), None, "an error of the arguments");
        assert_eq!(asked("export a b --events=", None), is(""));
    }

    #[test]
    fn the_form_of_the_java_tool_has_it_too() {
        let class = "org.apache.hadoop.dynamodb.tools.DynamoDBExport";
        let line = |rest: &str| format!("{class} {rest}");
        assert_eq!(asked(&line("-Dtablehaul.events=/e s3://b/x Forum"), None), Some("/e".to_owned()));
        assert_eq!(asked(&line("-D tablehaul.events=/e s3://b/x Forum"), Some("/y")), Some("/e".to_owned()));
        assert_eq!(asked(&line("-Dtablehaul.events= s3://b/x Forum"), Some("/y")), Some("/y".to_owned()));
        assert_eq!(asked(&line("--events /e"), None), None);
    }
}

//! `emr convert`: a definition of Data Pipeline that runs tablehaul in place of the Java tool.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    process::ExitCode,
};

use emr::convert::{Change, Options};
use job::visible;

use super::{templates, unless_stopped, with_clients};
use crate::{
    cli::args::ConvertArgs,
    commands::emr as command,
    failure::Failure,
    output::{display, exit, stderr},
};

/// The longest definition. Data Pipeline has at most 100 objects in a pipeline (Developer Guide, "Limits").
const LONGEST_DEFINITION: u64 = 1024 * 1024;

/// Converts a definition. Writes the new one, and says what is different.
pub(super) fn convert(args: &ConvertArgs) -> Result<ExitCode, Failure> {
    let file = &args.definition;
    let refused = |why: &dyn std::fmt::Display| Failure::refused(format!("{file}: {why}"));
    // It may be a pipe, such as `<(aws datapipeline get-pipeline-definition …)`. A signal ends the wait for it.
    let definition = exit::talking(|| read(file)).map_err(|error| refused(&read_error(&error)))?;
    let options = options(args)?;
    let converted = emr::convert::convert(&definition, &options).map_err(|why| refused(&why))?;
    for Change { object, field, old, new } in &converted.changes {
        stderr::line(&format!("{object}, {field}:"));
        if let Some(old) = old {
            stderr::line(&format!("- {old}"));
        }
        stderr::line(&format!("+ {new}"));
    }
    converted.notes.iter().for_each(|note| stderr::line(&format!("note: {note}")));
    match &args.to {
        Some(to) => templates::write(to, &converted.text)?,
        None => display::result("the definition", converted.text.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(LONGEST_DEFINITION + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST_DEFINITION {
        return Err(io::Error::other(format!(
            "it has more than {LONGEST_DEFINITION} bytes, and no definition has"
        )));
    }
    Ok(text)
}

fn read_error(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::IsADirectory => "cannot be read: it is a folder".to_owned(),
        ErrorKind::NotFound => "cannot be read: there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "cannot be read: you have no permission".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

/// What the new definition installs.
fn options(args: &ConvertArgs) -> Result<Options, Failure> {
    let folder = args.install_from.trim_end_matches('/');
    let refused = |why: emr::convert::Refusal| Failure::refused(visible::line(&why.to_string()).into_owned());
    if args.step_only {
        return Options::step_alone(folder).map_err(refused);
    }
    if !args.install_sha256.is_empty() {
        let version = args.install_version.as_deref().unwrap_or(env!("CARGO_PKG_VERSION"));
        return Options::bootstrap_action(folder, version, &args.install_sha256).map_err(refused);
    }
    let access = args.aws.access();
    let package = with_clients(&access, async |clients, signals| {
        unless_stopped(&signals.stop, command::package(&clients, folder)).await
    })?;
    Options::bootstrap_action(folder, &package.version, &package.sums).map_err(refused)
}

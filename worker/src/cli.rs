//! The command line, of which there is hardly any.

use std::ffi::OsString;

const HELP: &str = "\
tablehaul-worker: moves the items of a tablehaul job

tablehaul starts this program by itself, once for each worker of a job, and tells it by a pipe
on standard input whom to work for. There is nothing to start by hand; see `tablehaul --help`.

Options:
  --version  print the version
  --help     print this
";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Work.
    Run,
    /// Print this and end well.
    Print(String),
    /// Print this and end badly.
    Refuse(String),
}

/// Reads the arguments after the program's name.
pub fn parse(mut arguments: impl Iterator<Item = OsString>) -> Command {
    let Some(first) = arguments.next() else { return Command::Run };
    match first.to_str() {
        Some("--version" | "-V") => {
            Command::Print(format!("tablehaul-worker {}\n", env!("CARGO_PKG_VERSION")))
        }
        Some("--help" | "-h") => Command::Print(HELP.to_owned()),
        _ => Command::Refuse(format!("unknown argument {}; see --help", first.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_arguments_it_works_and_with_unknown_ones_it_refuses() {
        assert_eq!(parse(std::iter::empty()), Command::Run);
        assert!(matches!(parse(["--version".into()].into_iter()), Command::Print(_)));
        assert!(matches!(parse(["export".into()].into_iter()), Command::Refuse(_)));
    }
}

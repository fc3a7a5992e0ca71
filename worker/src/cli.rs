//! The command line, of which there is hardly any.

use std::ffi::OsString;

const HELP: &str = "\
tablehaul-worker: moves the items of a tablehaul job

tablehaul starts this program by itself, once for each worker of a job, and tells it by a pipe
on standard input whom to work for. There is nothing to start by hand; see `tablehaul --help`.

On a Hadoop cluster tablehaul submits it as the mapper of a job. It is then told by the job's
credentials, and reports to Hadoop on standard error.

Options:
  --yarn     be the mapper of a Hadoop Streaming task
  --version  print the version
  --help     print this

Exit codes:
  0  the job is over
  1  it failed, was told to end, or lost its coordinator
  2  wrong arguments
  3  the coordinator cannot be reached at its address, which --listen of tablehaul sets
  4  the coordinator refused it: another version, or the token of another job
";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Work for the process that started this one.
    Run,
    /// Work as a task of a Hadoop Streaming job.
    RunOnYarn,
    /// Print this and end well.
    Print(String),
    /// Print this and end badly.
    Refuse(String),
}

/// Reads the arguments after the program's name.
pub fn parse(mut arguments: impl Iterator<Item = OsString>) -> Command {
    let Some(first) = arguments.next() else { return Command::Run };
    match first.to_str() {
        Some("--yarn") => match arguments.next() {
            None => Command::RunOnYarn,
            Some(more) => {
                Command::Refuse(format!("unknown argument {} after --yarn; see --help", more.display()))
            }
        },
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
        assert_eq!(parse(["--yarn".into()].into_iter()), Command::RunOnYarn);
        assert!(matches!(parse(["--yarn".into(), "task".into()].into_iter()), Command::Refuse(_)));
        assert!(matches!(parse(["export".into()].into_iter()), Command::Refuse(_)));
    }
}

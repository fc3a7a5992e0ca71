//! The command line.

use std::ffi::OsString;

use job::control::PROTOCOL;

const HELP: &str = "\
tablehaul-worker: moves the items of a tablehaul job

tablehaul starts this program once for each worker of a job, and passes it the coordinator's address
through a pipe on standard input. Do not start it by hand; see `tablehaul --help`.

On a Hadoop cluster, tablehaul submits it as the mapper of a job. It then reads the address from the
job's credentials, and reports its progress to Hadoop on standard error.

Options:
  --yarn     run as the mapper of a Hadoop Streaming task
  --version  print the version
  --help     print this help

Exit codes:
  0  the job has ended
  1  the worker failed, was terminated, or lost its coordinator
  2  wrong arguments
  3  the coordinator cannot be reached at its address, which you set with --listen of tablehaul
  4  the coordinator refused the worker: another version, or the token of another job
";

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Work for the parent process.
    Run,
    /// Work as a task of a Hadoop Streaming job.
    RunOnYarn,
    /// Print this and exit with success.
    Print(String),
    /// Print this and exit with an error.
    Refuse(String),
}

/// Parses the arguments after the program's name.
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
            Command::Print(format!("tablehaul-worker {}, protocol {PROTOCOL}\n", env!("CARGO_PKG_VERSION")))
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

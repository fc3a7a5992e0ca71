//! The `tablehaul` command: parse, run, exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    coordinator::cli::main(std::env::args_os().collect())
}

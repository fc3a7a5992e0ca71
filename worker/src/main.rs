//! `tablehaul-worker`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use mimalloc::MiMalloc;
use worker::{
    Exit,
    cli::{Command, parse},
};

/// A request of an import costs the SDK some hundred allocations. With this allocator it is a fifteenth faster than
/// with that of glibc. Huge pages are off (feature `no_thp`): they are no faster here and take three times the memory.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    worker::end_at_panic();
    match parse(std::env::args_os().skip(1)) {
        Command::Run => worker::run().into(),
        Command::RunOnYarn => worker::run_on_yarn().into(),
        Command::Print(text) => {
            // A failed write is ignored: it does not matter if nobody reads the text.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Command::Refuse(why) => {
            let _ = writeln!(io::stderr(), "tablehaul-worker: {}", job::visible::line(&why));
            Exit::Usage.into()
        }
    }
}

//! `tablehaul-worker`.

use std::process::ExitCode;

use mimalloc::MiMalloc;
use worker::{
    Exit,
    cli::{Command, parse},
};

/// An import's request costs the SDK some hundred allocations: with this one it is a fifteenth faster than with
/// glibc's. Without huge pages (feature `no_thp`), which are no faster here and take three times the memory.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)) {
        Command::Run => worker::run().into(),
        Command::RunOnYarn => worker::run_on_yarn().into(),
        Command::Print(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Command::Refuse(why) => {
            eprintln!("tablehaul-worker: {why}");
            Exit::Usage.into()
        }
    }
}

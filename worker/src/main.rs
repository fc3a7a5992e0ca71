//! `tablehaul-worker`.

use std::process::ExitCode;

use worker::cli::{Command, parse};

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)) {
        Command::Run => worker::run(),
        Command::Print(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Command::Refuse(why) => {
            eprintln!("tablehaul-worker: {why}");
            ExitCode::from(2)
        }
    }
}

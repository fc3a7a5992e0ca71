//! The command line: what was typed becomes a request, what came of it an exit code.

mod args;
mod crash;
mod edc;
mod signals;

use std::{
    ffi::OsString,
    io::{self, IsTerminal},
    process::ExitCode,
    time::Duration,
};

use clap::{FromArgMatches, error::ErrorKind};
use job::visible;
use tokio_util::sync::CancellationToken;

use crate::{
    clean::clean,
    export::{Outcome, export},
    failure::Failure,
    import::{ImportRequest, Imported, import},
    output,
    preflight::ExportRequest,
    progress::Progress,
    status::status,
    text::{complain, print, print_json, tell},
    verify::verify,
};
use args::{CleanArgs, Cli, Command, ExportArgs, ImportArgs, StatusArgs, VerifyArgs};

/// Threads for waiting; nothing in the coordinator computes for long.
const THREADS: usize = 2;
/// How long calls that block may still take when all is done.
const SHUTDOWN: Duration = Duration::from_millis(500);

/// Runs the command of a command line, `arguments[0]` being the program.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let ended = run_command(arguments);
    output::settle();
    ended
}

fn run_command(arguments: Vec<OsString>) -> ExitCode {
    let class = arguments.get(1).and_then(|name| edc::Class::named(&name.to_string_lossy()));
    crash::end_at_panic(if class.is_some() { 1 } else { crash::BUG });
    if let Some(class) = class {
        signals::end_with(1);
        let rest = arguments[2..].iter().map(|argument| argument.to_string_lossy().into_owned());
        return edc::main(class, rest.collect());
    }
    let parsed = args::command().try_get_matches_from(arguments);
    let matches = match parsed {
        Ok(matches) => matches,
        Err(error) => return usage(&error),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let matches = matches.subcommand().map_or(&matches, |(_, matches)| matches);
    let result = match cli.command {
        Command::Export(args) => run_export(args, matches),
        Command::Import(args) => run_import(args, matches),
        Command::Verify(args) => run_verify(&args),
        Command::Status(args) => run_status(&args),
        Command::Clean(args) => run_clean(&args),
    };
    match result {
        Ok(code) => code,
        Err(failure) => {
            complain(&failure.to_string());
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Help and version, which go well, and what was wrong with the arguments.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        if error.use_stderr() {
            tell(error.to_string().trim_end());
        } else {
            // In colours, where somebody sees them. As with all that is printed: nobody may be reading any more.
            let _ = output::talking(|| error.print());
        }
        return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
    }
    let text = error.to_string();
    let said = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let said: Vec<&str> = said.filter(|line| !line.is_empty() && !line.starts_with("For more")).collect();
    let said = said.join(" ").replace(" tip:", "; tip:");
    complain(&format!("{}; try --help", said.trim_start_matches("error: ")));
    ExitCode::from(2)
}

fn run_export(args: ExportArgs, matches: &clap::ArgMatches) -> Result<ExitCode, Failure> {
    let (dry_run, json, quiet) = (args.dry_run, args.json, args.quiet);
    let request = args.request(matches).map_err(Failure::Refused)?;
    match run(&request, dry_run, quiet)? {
        Outcome::Planned(texts) => print(&texts.join("\n\n")),
        Outcome::Exported(reports) if json => print_json(&reports),
        Outcome::Exported(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs an export until it ends or a signal stops it.
fn run(request: &ExportRequest, dry_run: bool, quiet: bool) -> Result<Outcome, Failure> {
    let progress = Progress::new(quiet);
    block_on(|stop| async move { Box::pin(export(request, dry_run, &progress, &stop)).await })
}

fn run_import(args: ImportArgs, matches: &clap::ArgMatches) -> Result<ExitCode, Failure> {
    let (dry_run, json, quiet) = (args.dry_run, args.json, args.quiet);
    let request = args.request(matches).map_err(Failure::Refused)?;
    match run_one_import(&request, dry_run, quiet)? {
        Imported::Planned(text) => print(&text),
        Imported::Done(report) if json => print_json(&report),
        Imported::Done(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs an import until it ends or a signal stops it.
fn run_one_import(request: &ImportRequest, dry_run: bool, quiet: bool) -> Result<Imported, Failure> {
    let progress = Progress::new(quiet);
    // A job is a large future.
    block_on(|stop| async move { Box::pin(import(request, dry_run, &progress, &stop)).await })
}

fn run_verify(args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let folder = args.folder().map_err(Failure::Refused)?;
    let access = args.aws.access();
    let verified = block_on(|stop| async move { verify(&folder, &access, &stop).await })?;
    if args.json {
        print_json(&verified);
    } else {
        verified.defects.iter().for_each(|defect| print(&visible::line(defect)));
        tell(&verified.to_string());
    }
    Ok(ExitCode::from(u8::from(!verified.defects.is_empty())))
}

fn run_status(args: &StatusArgs) -> Result<ExitCode, Failure> {
    let folder = args.folder().map_err(Failure::Refused)?;
    let access = args.aws.access();
    let status = block_on(|stop| async move { status(&folder, &access, &stop).await })?;
    if args.json {
        print_json(&status);
    } else {
        print(&status.to_string());
    }
    Ok(ExitCode::SUCCESS)
}

fn run_clean(args: &CleanArgs) -> Result<ExitCode, Failure> {
    let folder = args.folder().map_err(Failure::Refused)?;
    let (access, yes) = (args.aws.access(), args.yes);
    let agree = |what: &str| if yes { Ok(()) } else { ask(what) };
    let progress = Progress::new(false);
    let done = block_on(|stop| async move { clean(&folder, &access, agree, &progress, &stop).await })?;
    tell(&done);
    Ok(ExitCode::SUCCESS)
}

/// Whether the user agrees to something that can't be undone.
fn ask(what: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Refused(format!("{what}: give --yes to do so")));
    }
    tell(&format!("{what}. Type yes to go on:"));
    let mut answer = String::new();
    match output::talking(|| io::stdin().read_line(&mut answer)) {
        Ok(_) if answer.trim().eq_ignore_ascii_case("yes") => Ok(()),
        _ => Err(Failure::Refused("nothing was removed".into())),
    }
}

fn block_on<T, F: Future<Output = Result<T, Failure>>>(
    work: impl FnOnce(CancellationToken) -> F,
) -> Result<T, Failure> {
    let stop = signals::watch()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Refused(format!("cannot start: {error}")))?;
    crash::has_begun();
    let result = runtime.block_on(work(stop));
    // A call that hangs in a file system must not keep the process from its end.
    runtime.shutdown_timeout(SHUTDOWN);
    result
}

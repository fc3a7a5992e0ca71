//! The command line: turns arguments into a request, and the result into an exit code.

mod args;
mod crash;
#[cfg(feature = "emr")]
mod emr;
mod events;
mod java_tool;
mod json;
mod logging;
mod manual;
mod observed_job;
mod signals;

use std::{
    ffi::OsString,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use ::events::{Command as Kind, Event, Plan, Summary};
use clap::{
    FromArgMatches,
    error::{ContextKind, ContextValue, ErrorKind},
};
use job::{object::Object, spec::AwsAccess, target::Target, visible};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{
    commands::{
        clean::clean,
        export::{self, ExportRequest, Report},
        import::{self, ImportReport, ImportRequest},
        page, report,
        status::{status, watch},
        verify::{Verified, verify},
    },
    failure::{Failure, Why},
    jobs::outcome::JobOutcome,
    observers,
    output::{
        self,
        display::{complain, fail, fail_in_json, result, result_as_json, written_to_stdout},
        exit,
        progress::Progress,
        stderr,
        stream::{Stream, plan_of},
        waits,
    },
    server::calls,
};
use args::{
    ArgumentError, CleanArgs, Cli, Command, CompletionsArgs, ExportArgs, ImportArgs, ManArgs, PageArgs,
    ReportArgs, Show, StatusArgs, VerifyArgs,
};
use observed_job::ObservedJob;

/// Threads of the runtime. Two suffice: the coordinator mostly waits and never computes for long.
const THREADS: usize = 2;
/// How long the runtime waits at shutdown for blocking calls that still run.
const SHUTDOWN: Duration = Duration::from_millis(500);

/// Runs the command of a command line. `arguments[0]` is the program.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let ended = run_command(arguments);
    observers::settle(signals::stopped_at);
    output::events::settle();
    stderr::settle();
    ended
}

fn run_command(arguments: Vec<OsString>) -> ExitCode {
    if json::is_wanted(&arguments) {
        exit::want_json();
    }
    let began = events::begin(&arguments);
    let class = arguments.get(1).and_then(|name| java_tool::Class::named(&name.to_string_lossy()));
    crash::end_at_panic(if class.is_some() { 1 } else { crash::BUG });
    if let Err((kind, why)) = began {
        return fails(kind, &why, if class.is_some() { 1 } else { 2 });
    }
    if let Some(class) = class {
        signals::end_with(1);
        let rest = arguments[2..].iter().map(|argument| argument.to_string_lossy().into_owned());
        return java_tool::main(class, rest.collect());
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
    let (name, matches) = matches.subcommand().unwrap_or(("", &matches));
    if let Some(why) = args::empty(name, matches) {
        return fails("usage", &format!("{why}; try --help"), 2);
    }
    if let Err(why) = start(cli.verbose, cli.command.keeps_logs()) {
        return fails("usage", &format!("{why}; try --help"), 2);
    }
    let result = match cli.command {
        Command::Export(args) => run_export(args, matches),
        Command::Import(args) => run_import(args, matches),
        Command::Verify(args) => run_verify(&args, matches),
        Command::Status(args) => run_status(&args, matches),
        Command::Clean(args) => run_clean(&args, matches),
        #[cfg(feature = "emr")]
        Command::Emr(args) => emr::run(args, matches),
        Command::Page(args) => run_page(&args, matches),
        Command::Report(args) => run_report(&args, matches),
        Command::Completions(args) => completions(&args),
        Command::Man(args) => man(&args),
    };
    if result.is_ok() {
        // The last event of commands that have none of their own. Nothing is written after a last event.
        ended_with(&Stream::new(), Kind::Other, 0, None::<&()>, String::new());
    }
    ended(result)
}

/// The exit code of a command. Prints why it failed: a line on standard error, and an object on standard output if JSON
/// is wanted.
fn ended(result: Result<ExitCode, Failure>) -> ExitCode {
    result.unwrap_or_else(|failure| {
        debug!(kind = failure.kind().name(), fault = ?failure.fault_kind(), "the command failed");
        fails(failure.kind().name(), &failure.to_string(), failure.kind().exit_code())
    })
}

fn fails(kind: &str, message: &str, exit_code: u8) -> ExitCode {
    observers::settle_failure((kind, message, exit_code), signals::stopped_at);
    fail(kind, message, exit_code);
    ExitCode::from(exit_code)
}

/// Prints help or the version, which is a success, or the error in the arguments.
fn usage(error: &clap::Error) -> ExitCode {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        stderr::lines(error.to_string().trim_end());
        fail_in_json("usage", "no command was given; try --help", 2);
        return ExitCode::from(2);
    }
    if !error.use_stderr() {
        // Without it, a limit of the length of files ends the process by a signal.
        let _ = signals::watch();
        // `error.print` uses colours if the output is a terminal.
        let written = exit::talking(|| error.print().and_then(|()| io::stdout().flush()));
        return ended(written_to_stdout("the help", written).map(|()| ExitCode::SUCCESS));
    }
    fails("usage", &format!("{}; try --help", one_line(error)), 2)
}

/// The error in the arguments, in one line.
fn one_line(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::InvalidUtf8 {
        return not_utf8();
    }
    let mut text = error.to_string();
    // The value may be a malformed URL that contains a password.
    if let Some(ContextValue::String(value)) = error.get(ContextKind::InvalidValue)
        && let Some((_, after)) = value.rsplit_once('@')
    {
        text = text.replace(value, &format!("…@{after}"));
    }
    let said = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let said: Vec<&str> = said.filter(|line| !line.is_empty() && !line.starts_with("For more")).collect();
    said.join(" ").replace(" tip:", "; tip:").trim_start_matches("error: ").to_owned()
}

/// Which argument or variable is not valid UTF-8.
fn not_utf8() -> String {
    let words = std::env::args_os().skip(1).map(|word| ("an argument".to_owned(), word));
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with("TABLEHAUL_"))?;
        Some((format!("the value of {name}"), value))
    });
    match words.chain(variables).find(|(_, value)| value.to_str().is_none()) {
        Some((what, value)) => format!("{what} is not valid UTF-8: {}", value.to_string_lossy()),
        None => "an argument is not valid UTF-8".to_owned(),
    }
}

/// A malformed environment variable that belongs to no option.
#[derive(Debug, thiserror::Error)]
enum EnvironmentError {
    #[error(transparent)]
    Log(#[from] logging::VariableError),
    #[error(transparent)]
    Calls(#[from] calls::SwitchError),
}

/// Starts to log. `verbose` says how often `-v` was given, `keeps_logs` whether `--logs` was.
///
/// # Errors
/// Fails if an environment variable is malformed, used or not.
fn start(verbose: u8, keeps_logs: bool) -> Result<(), EnvironmentError> {
    logging::start(verbose, keeps_logs)?;
    calls::are_sdk_only()?;
    Ok(())
}

fn refused(error: ArgumentError) -> Failure {
    Failure::usage(Why::of(error))
}

fn run_export(args: ExportArgs, matches: &clap::ArgMatches) -> Result<ExitCode, Failure> {
    let show = args.show().map_err(refused)?;
    let request = args.request(matches).map_err(refused)?;
    let in_s3 = is_in_s3(&request.destination);
    let has_s3 = in_s3 || show.logs_in_s3();
    warn_of_unused(matches, has_s3, has_s3);
    let progress = Progress::new(show.quiet);
    let outcome = run_one_export(&request, &show, &progress)?;
    job_ended(outcome, &show, Kind::Export, "the export is done, but its report", &progress)
}

/// Runs an export until it ends or a signal stops it.
fn run_one_export(
    request: &ExportRequest,
    show: &Show,
    progress: &Progress,
) -> Result<JobOutcome<Vec<Report>>, Failure> {
    let observed = observed_job::of_export(request);
    run_job(show, &request.aws, &observed, progress, async |stop| {
        Box::pin(export::export(request, show.dry_run, progress, stop)).await
    })
}

fn run_import(args: ImportArgs, matches: &clap::ArgMatches) -> Result<ExitCode, Failure> {
    let show = args.show().map_err(refused)?;
    let request = args.request(matches).map_err(refused)?;
    let rejects_in_s3 = matches!(request.rejects, Some(Object::S3 { .. }));
    let state_in_s3 = request.state.as_ref().is_some_and(is_in_s3);
    let writes_s3 = rejects_in_s3 || state_in_s3 || show.logs_in_s3();
    warn_of_unused(matches, writes_s3 || is_in_s3(&request.folder), writes_s3);
    let progress = Progress::new(show.quiet);
    let outcome = run_one_import(&request, &show, &progress)?;
    job_ended(outcome, &show, Kind::Import, "the import is done, but its report", &progress)
}

/// Runs an import until it ends or a signal stops it.
fn run_one_import(
    request: &ImportRequest,
    show: &Show,
    progress: &Progress,
) -> Result<JobOutcome<Box<ImportReport>>, Failure> {
    let observed = observed_job::of_import(request);
    run_job(show, &request.aws, &observed, progress, async |stop| {
        Box::pin(import::import(request, show.dry_run, progress, stop)).await
    })
}

/// Runs a job, with its observers and its page, until it ends or a signal stops it.
fn run_job<T>(
    show: &Show,
    access: &AwsAccess,
    observed: &ObservedJob,
    progress: &Progress,
    job: impl AsyncFnOnce(&CancellationToken) -> Result<T, Failure>,
) -> Result<T, Failure> {
    observed_job::begin(show, access, observed, progress)?;
    block_on(&progress.sink(), |stop| async move {
        let _page = page_of(show, progress).await?;
        // Boxed because the future of a job is large.
        Box::pin(job(&stop)).await
    })
}

/// Shows what came of a job. `what` names its report in a failure.
fn job_ended(
    outcome: JobOutcome<impl Serialize>,
    show: &Show,
    kind: Kind,
    what: &str,
    progress: &Progress,
) -> Result<ExitCode, Failure> {
    match outcome {
        JobOutcome::Planned(text) => {
            result("the plan", &text)?;
            done(progress.stream(), kind, None::<&()>);
        }
        JobOutcome::Done(reports) => {
            if show.json {
                result_as_json(what, &reports)?;
            }
            done(progress.stream(), kind, Some(&reports));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Serves a page about the job, if one is wanted, until the value returned is dropped.
async fn page_of(show: &Show, progress: &Progress) -> Result<Option<JoinSet<()>>, Failure> {
    match show.page.filter(|_| !show.dry_run) {
        Some(at) => page::of_this_job(at, progress).await.map(Some),
        None => Ok(None),
    }
}

fn run_page(args: &PageArgs, matches: &clap::ArgMatches) -> Result<ExitCode, Failure> {
    let folders = args.folders().map_err(refused)?;
    warn_of_unused(matches, folders.iter().any(is_in_s3), false);
    let (access, at) = (args.aws.access(), args.listen);
    block_on(&to_standard_error(), |stop| async move {
        page::of_folders(&folders, &access, at, &stop, stderr::lines).await
    })?;
    Ok(ExitCode::SUCCESS)
}

fn run_report(args: &ReportArgs, matches: &clap::ArgMatches) -> Result<ExitCode, Failure> {
    let of = args.folder().map_err(refused)?;
    warn_of_unused(matches, is_in_s3(&of), false);
    let access = args.aws.access();
    let html =
        block_on(&to_standard_error(), |stop| async move { report::report(&of, &access, &stop).await })?;
    written_whole("the report", html.as_bytes())
}

fn run_verify(args: &VerifyArgs, matches: &clap::ArgMatches) -> Result<ExitCode, Failure> {
    let request = args.request().map_err(refused)?;
    let observers = args.observers().map_err(refused)?;
    let folder = &request.folder;
    let logs_in_s3 = observers.logs.as_ref().is_some_and(is_in_s3);
    let state_in_s3 = request.state.as_ref().is_some_and(is_in_s3);
    warn_of_unused(matches, is_in_s3(folder) || logs_in_s3 || state_in_s3, logs_in_s3 || state_in_s3);
    let progress = Progress::new(false);
    let stream = progress.stream();
    observed_job::begin_with(&observers, &request.aws, &observed_job::of_verify(&request), stream)?;
    let show = |verified: &Verified| {
        if args.json {
            result_as_json("the result", verified)?;
        } else {
            verified.defects.iter().try_for_each(|defect| result("the result", &visible::line(defect)))?;
            stderr::lines(&verified.to_string());
        }
        Ok(())
    };
    let verified = block_on(&progress.sink(), async |stop| verify(&request, &progress, &stop, show).await)?;
    let exit_code = u8::from(!verified.defects.is_empty());
    ended_with(stream, Kind::Verify, exit_code, Some(&verified), verified.to_string());
    Ok(ExitCode::from(exit_code))
}

fn run_status(args: &StatusArgs, matches: &clap::ArgMatches) -> Result<ExitCode, Failure> {
    let folder = args.folder().map_err(refused)?;
    warn_of_unused(matches, is_in_s3(&folder), false);
    let access = args.aws.access();
    let stream = stream_of(Kind::Status, &folder);
    let is_watched = args.watch;
    let look = |stop| async move {
        if is_watched {
            watch(&folder, &access, &stop, painter()).await
        } else {
            status(&folder, &access, &stop).await
        }
    };
    let status = block_on(&to_standard_error(), look)?;
    if args.json {
        result_as_json("the status", &status)?;
    } else {
        result("the status", &visible::line(&status.to_string()))?;
    }
    ended_with(&stream, Kind::Status, 0, Some(&status), status.to_string());
    Ok(ExitCode::SUCCESS)
}

/// Writes texts of several lines to standard output, on a terminal each over the one before.
fn painter() -> impl FnMut(&str) {
    let is_terminal = io::stdout().is_terminal();
    let mut lines = 0;
    move |text: &str| {
        if is_terminal && lines > 0 {
            // Up by as many lines, and clears what is below (ECMA-48, CPL and ED).
            let _ = write!(io::stdout(), "\u{1b}[{lines}F\u{1b}[J");
        }
        lines = text.lines().count();
        let gap = if is_terminal { "" } else { "\n" };
        let _ = result("the status", &format!("{text}{gap}"));
    }
}

fn run_clean(args: &CleanArgs, matches: &clap::ArgMatches) -> Result<ExitCode, Failure> {
    let folder = args.folder().map_err(refused)?;
    warn_of_unused(matches, is_in_s3(&folder), is_in_s3(&folder));
    let (access, yes) = (args.access().map_err(refused)?, args.yes);
    let agree = move |what: &str| if yes { Ok(()) } else { ask(what, "nothing was removed") };
    let progress = Progress::new(false);
    let stream = stream_of(Kind::Clean, &folder);
    let removed =
        block_on(
            &progress.sink(),
            |stop| async move { clean(&folder, &access, agree, &progress, &stop).await },
        )?;
    stderr::line(&removed);
    ended_with(&stream, Kind::Clean, 0, None::<&()>, removed);
    Ok(ExitCode::SUCCESS)
}

/// The events of a command that only needs a folder, which begin with its plan.
fn stream_of(command: Kind, folder: &Target) -> Stream {
    let stream = Stream::new();
    publish_plan(&stream, command, folder);
    stream
}

fn publish_plan(stream: &Stream, command: Kind, folder: &Target) {
    let plan = Plan { folder: Some(folder.to_string()), ..plan_of(command) };
    stream.publish(Event::Plan(Box::new(plan)));
}

/// Tells that a job is done, with what `--json` prints.
fn done(stream: &Stream, command: Kind, report: Option<&impl serde::Serialize>) {
    ended_with(stream, command, 0, report, String::new());
}

/// Tells that a command has ended.
fn ended_with(
    stream: &Stream,
    command: Kind,
    exit_code: u8,
    result: Option<&impl serde::Serialize>,
    text: String,
) {
    let result = result.and_then(|result| serde_json::to_value(result).ok());
    stream.publish(Event::Summary(Summary { command, exit_code, result, text }));
}

fn completions(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    signals::watch()?;
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "tablehaul", &mut script);
    written_whole("the completions", &script)
}

/// Writes bytes to standard output as they are. `what` names them in the error.
fn written_whole(what: &str, bytes: &[u8]) -> Result<ExitCode, Failure> {
    let written = exit::talking(|| io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()));
    written_to_stdout(what, written).map(|()| ExitCode::SUCCESS)
}

fn man(args: &ManArgs) -> Result<ExitCode, Failure> {
    signals::watch()?;
    manual::write(args::command(), &args.folder).map(|()| ExitCode::SUCCESS)
}

/// Warns of typed flags that have no effect because the command uses no S3, or writes nothing there.
fn warn_of_unused(matches: &clap::ArgMatches, has_s3: bool, writes_s3: bool) {
    if let Some(unused) = args::unused(matches, has_s3, writes_s3) {
        complain(&format!("warning: {unused}"));
    }
}

fn is_in_s3(target: &Target) -> bool {
    matches!(target, Target::S3 { .. })
}

/// Asks the user to confirm something that can't be undone. `otherwise` is what then has happened.
fn ask(what: &str, otherwise: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::refused(format!("{what}: give --yes to confirm")));
    }
    stderr::line(&format!("{what}. Type yes to continue:"));
    let mut answer = String::new();
    match exit::talking(|| io::stdin().read_line(&mut answer)) {
        Ok(_) if answer.trim().eq_ignore_ascii_case("yes") => Ok(()),
        _ => Err(Failure::refused(otherwise)),
    }
}

fn to_standard_error() -> Arc<dyn Fn(String) + Send + Sync> {
    Arc::new(|text| stderr::line(&text))
}

/// Runs a command. `print` gets a line about each long wait.
fn block_on<T, F: Future<Output = Result<T, Failure>>>(
    print: &Arc<dyn Fn(String) + Send + Sync>,
    work: impl FnOnce(CancellationToken) -> F,
) -> Result<T, Failure> {
    let stop = signals::watch()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::refused(format!("cannot start: {error}")))?;
    crash::has_begun();
    let result = runtime.block_on(async {
        tokio::select! {
            result = work(stop) => result,
            never = waits::report(&**print) => match never {},
        }
    });
    // Does not wait for a file system call that hangs.
    runtime.shutdown_timeout(SHUTDOWN);
    result
}

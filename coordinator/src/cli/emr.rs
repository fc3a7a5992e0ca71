//! `tablehaul emr …`: from arguments to launches, templates and results.

mod convert;
mod templates;

use std::{io::IsTerminal, process::ExitCode};

use clap::ArgMatches;
use emr::request::ClusterOptions;
use job::{spec::AwsAccess, visible};
use job_aws::Clients;
use serde_json::Value;
use tokio::sync::watch;

use super::{
    SHUTDOWN, THREADS,
    args::{EmrArgs, EmrCommand, EmrExportArgs, EmrImportArgs, LaunchOptions, SteppedJob, exports, imports},
    ask, crash, signals, to_standard_error,
};
use crate::{
    commands::{
        emr as command,
        emr::{JobRequest, LaunchRequest, Stepped},
    },
    failure::Failure,
    output::{display, stderr, waits},
    stop::Stop,
};

/// Runs a command of `emr`. `matches` are its arguments.
pub(super) fn run(args: EmrArgs, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let (_, matches) = matches.subcommand().unwrap_or(("", matches));
    match args.command {
        EmrCommand::Export(args) => export(*args, matches),
        EmrCommand::Import(args) => import(*args, matches),
        EmrCommand::Status(args) => {
            let access = args.aws.access();
            let said = with_clients(&access, async |clients, signals| {
                unless_stopped(&signals.stop, command::status(&clients, args.cluster.as_deref())).await
            })?;
            display::result("the status", &visible::lines(&said)).map(|()| ExitCode::SUCCESS)
        }
        EmrCommand::Logs(args) => {
            let access = args.aws.access();
            let said = with_clients(&access, async |clients, signals| {
                let logs = command::logs(&clients, &args.cluster, args.step.as_deref());
                unless_stopped(&signals.stop, logs).await
            })?;
            display::result("the logs", &visible::lines(&said)).map(|()| ExitCode::SUCCESS)
        }
        EmrCommand::Stop(args) => {
            let access = args.aws.access();
            let agree = |what: &str| agree(args.yes, what, "nothing was stopped");
            let said = with_clients(&access, async |clients, signals| {
                unless_stopped(&signals.stop, command::stop(&clients, &args.cluster, &agree)).await
            })?;
            stderr::line(&said);
            Ok(ExitCode::SUCCESS)
        }
        EmrCommand::Setup(args) => {
            signals::watch()?;
            templates::setup(&args)
        }
        EmrCommand::Schedule(args) => {
            signals::watch()?;
            templates::schedule(args, matches)
        }
        EmrCommand::Convert(args) => {
            signals::watch()?;
            convert::convert(&args)
        }
    }
}

async fn unless_stopped<T>(
    stop: &Stop,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    stop.unless_requested(work).await.map_err(Failure::stopped)?
}

fn agree(yes: bool, what: &str, otherwise: &str) -> Result<(), Failure> {
    if yes { Ok(()) } else { ask(what, otherwise) }
}

/// What a launch is made of, before the region is known.
struct Wanted {
    job: JobRequest,
    own: AwsAccess,
    cluster: ClusterOptions,
    how: LaunchOptions,
    show: super::Show,
}

fn export(args: EmrExportArgs, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    launch(wanted_export(args, matches)?, matches)
}

fn wanted_export(args: EmrExportArgs, matches: &ArgMatches) -> Result<Wanted, Failure> {
    let (cluster, how) = args.launch.read().map_err(|error| super::refused(error.into()))?;
    let (own, show) = (args.job.own_access(), args.job.show().map_err(super::refused)?);
    let request = args.job.request(matches).map_err(super::refused)?;
    Ok(Wanted { job: JobRequest::Export(Box::new(request)), own, cluster, how, show })
}

fn import(args: EmrImportArgs, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let (cluster, how) = args.launch.read().map_err(|error| super::refused(error.into()))?;
    let (own, show) = (args.job.own_access(), args.job.show().map_err(super::refused)?);
    let request = args.job.request(matches).map_err(super::refused)?;
    launch(Wanted { job: JobRequest::Import(Box::new(request)), own, cluster, how, show }, matches)
}

impl Wanted {
    /// The launch in this region.
    fn request(self, matches: &ArgMatches, region: &str) -> Result<LaunchRequest, Failure> {
        let Self { mut job, cluster, how, show, .. } = self;
        if let Some(logs) = show.observers.logs.as_ref().filter(|logs| !super::is_in_s3(logs)) {
            let why = "clusters cannot reach a folder of this machine: give a folder in S3";
            return Err(Failure::usage(format!("--job-logs {logs}: {why}")));
        }
        let nodes = if how.guest_of.is_some() { 0 } else { cluster.nodes };
        let steps = match &mut job {
            JobRequest::Export(request) => exports(request, matches, region, nodes),
            JobRequest::Import(request) => imports(request, matches, (region, nodes, &cluster.logs)),
        };
        let steps = steps.map_err(|error| super::refused(error.into()))?.into_iter();
        Ok(LaunchRequest {
            job,
            steps: steps.map(|SteppedJob { job, state }| Stepped { job, state }).collect(),
            cluster,
            guest_of: how.guest_of,
            detach: how.detach,
            poll: how.poll,
            log_wait: how.log_wait,
            quiet: show.quiet,
        })
    }

    /// Whether the request is known without a call.
    fn known_region(&self) -> Option<String> {
        self.own.region.clone().filter(|_| self.how.has_sums)
    }
}

/// Refuses options that only make sense on the machine that runs the job.
fn check_options(show: &super::Show) -> Result<(), Failure> {
    let why = if show.dry_run {
        "--dry-run has no effect here: --print shows the request, and the plan comes before the question"
    } else if show.observers.metrics_file.is_some() {
        "--metrics-file has no effect here: the job runs on another machine"
    } else if show.page.is_some() {
        "--page has no effect here: `tablehaul page FOLDER` shows jobs on EMR"
    } else {
        return Ok(());
    };
    Err(Failure::usage(why))
}

fn launch(wanted: Wanted, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    check_options(&wanted.show)?;
    if wanted.how.print {
        return print_request(wanted, matches);
    }
    let (access, json) = (wanted.own.clone(), wanted.show.json);
    let (yes, quiet) = (wanted.how.yes, wanted.show.quiet);
    if !yes && !std::io::stdin().is_terminal() {
        return Err(Failure::refused(
            "a launch costs money and there is no terminal to ask at: give --yes to confirm, or --print",
        ));
    }
    let ended = with_clients(&access, async |clients, signals| {
        let wanted = with_package(wanted, &clients).await?;
        let request = wanted.request(matches, &clients.region)?;
        let agree = |what: &str| agree(yes, what, "nothing was launched");
        Box::pin(command::launch(&request, &clients, &agree, signals.count)).await
    })?;
    if !quiet {
        stderr::lines(&visible::lines(&ended.text));
    }
    if json {
        display::result_as_json("the job is done, but its report", &ended.json())?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn with_package(mut wanted: Wanted, clients: &Clients) -> Result<Wanted, Failure> {
    if !wanted.how.has_sums {
        wanted.cluster.package = command::package(clients, &wanted.cluster.package.folder).await?;
    }
    Ok(wanted)
}

/// The request of a launch, with `run` as the name of the run.
fn request_of(
    wanted: Wanted,
    matches: &ArgMatches,
    run: &str,
) -> Result<(LaunchRequest, Value, String), Failure> {
    let (request, region) = if let Some(region) = wanted.known_region() {
        (wanted.request(matches, &region)?, region)
    } else {
        let access = wanted.own.clone();
        with_clients(&access, async |clients, signals| {
            let wanted = unless_stopped(&signals.stop, with_package(wanted, &clients)).await?;
            Ok((wanted.request(matches, &clients.region)?, clients.region.clone()))
        })?
    };
    request.check()?;
    let body = request.body(&region, run);
    Ok((request, body, region))
}

fn print_request(wanted: Wanted, matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let (_, body, _) = request_of(wanted, matches, "printed")?;
    display::result_as_json("the request", &body).map(|()| ExitCode::SUCCESS)
}

/// The signals that this command has got.
struct Signals {
    stop: Stop,
    /// How many there were.
    count: watch::Receiver<u32>,
}

/// Runs a command with clients and with the signals. A signal ends the process only where nothing is launched.
fn with_clients<T>(
    access: &AwsAccess,
    work: impl AsyncFnOnce(Clients, Signals) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (first, count) = signals::count()?;
    let signals = Signals { stop: Stop::new(&first, None), count };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::refused(format!("cannot start: {error}")))?;
    crash::has_begun();
    let print = to_standard_error();
    let result = runtime.block_on(async {
        let work = async {
            let stopped = |why| Failure::stopped(format!("{why} before anything was done"));
            let clients = signals.stop.unless_requested(command::reach(access)).await.map_err(stopped)??;
            Box::pin(work(clients, signals)).await
        };
        tokio::select! {
            result = work => result,
            never = waits::report(&*print) => match never {},
        }
    });
    runtime.shutdown_timeout(SHUTDOWN);
    result
}

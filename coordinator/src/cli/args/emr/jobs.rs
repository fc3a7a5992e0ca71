//! The command lines of the jobs that run on a cluster: what was typed here, in the words of the command itself.

use clap::{ArgMatches, parser::ValueSource};
use emr::request::Job;
use job::{spec::AwsAccess, target::Target, visible};

use crate::{
    cli::args::{ExportArgs, ImportArgs, command, error::LaunchError},
    commands::{export::ExportRequest, import::ImportRequest},
};

/// What only concerns this machine: whose credentials are used here, and what is printed here.
const LOCAL: [&str; 7] = ["profile", "account", "dry_run", "json", "quiet", "page", "metrics_file"];
/// When a job stops by itself if the user says nothing. Data Pipeline's templates leave it open, and a cluster that
/// hangs then costs for days.
const DEADLINE: &str = "12h";

/// A job, and what the launcher must know of it.
#[derive(Clone, Debug)]
pub(in crate::cli) struct SteppedJob {
    pub(in crate::cli) job: Job,
    /// The folder whose journal shows its progress.
    pub(in crate::cli) state: Option<Target>,
}

/// The jobs of an export, one for each table. `region` is that of tables and cluster.
///
/// # Errors
/// Fails if clusters cannot reach the destination.
pub(in crate::cli) fn exports(
    request: &ExportRequest,
    matches: &ArgMatches,
    region: &str,
    nodes: u32,
) -> Result<Vec<SteppedJob>, LaunchError> {
    in_s3(&request.destination)?;
    let mut options = typed("export", matches);
    if !is_given(matches, "if_complete") {
        // A step that is repeated after its end is done.
        options.push("--if-complete=skip".into());
    }
    options.extend(defaults(matches, region, nodes));
    let jobs = request.tables.iter().map(|table| {
        let name = table.rsplit('/').next().unwrap_or(table);
        let (whole, own) = (&request.destination, request.destination.folder(name));
        // The engine divides the top of a bucket by region and table itself.
        let (to, state) = match (whole.is_bucket_root(), request.tables.len()) {
            (true, _) => (whole.clone(), whole.folder(region).folder(name)),
            (false, 1) => (whole.clone(), whole.clone()),
            (false, _) => (own.clone(), own),
        };
        let mut arguments = vec!["export".to_owned(), table.clone(), to.to_string()];
        arguments.extend(options.iter().cloned());
        SteppedJob { job: Job { name: format!("export {name}"), arguments }, state: Some(state) }
    });
    Ok(jobs.collect())
}

/// The job of an import. Without a state folder of the user it has one in the folder `logs`, so that it can be watched
/// and resumed.
///
/// # Errors
/// Fails if clusters cannot reach the backup or another folder.
pub(in crate::cli) fn imports(
    request: &mut ImportRequest,
    matches: &ArgMatches,
    (region, nodes, logs): (&str, u32, &str),
) -> Result<Vec<SteppedJob>, LaunchError> {
    in_s3(&request.folder)?;
    request.state.as_ref().map_or(Ok(()), in_s3)?;
    if let Some(file) = &request.rejects
        && !file.to_string().starts_with("s3://")
    {
        return Err(LaunchError::LocalRejects(file.to_string()));
    }
    let mut options = typed("import", matches);
    let name = request.table.rsplit('/').next().unwrap_or(&request.table).to_owned();
    if request.state.is_none() && !logs.is_empty() {
        let text = format!("{} {} {}", request.folder, request.table, request.mode.name());
        let folder = format!("{logs}/tablehaul-state/{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()));
        options.push(format!("--state={folder}"));
        request.state = folder.parse().ok();
    }
    options.extend(defaults(matches, region, nodes));
    let mut arguments = vec!["import".to_owned(), request.folder.to_string(), request.table.clone()];
    arguments.extend(options);
    Ok(vec![SteppedJob {
        job: Job { name: format!("import {name}"), arguments },
        state: request.state.clone(),
    }])
}

/// The options that were given here, by the command line or by environment variables, as the job gets them.
fn typed(subcommand: &str, matches: &ArgMatches) -> Vec<String> {
    let command = command();
    let Some(command) = command.find_subcommand(subcommand) else { return Vec::new() };
    let mut options = Vec::new();
    for argument in command.get_arguments() {
        let id = argument.get_id().as_str();
        let Some(long) = argument.get_long().filter(|_| !LOCAL.contains(&id) && is_given(matches, id)) else {
            continue;
        };
        if !argument.get_action().takes_values() {
            options.extend(matches.get_flag(id).then(|| format!("--{long}")));
            continue;
        }
        let values = matches.get_raw(id).into_iter().flatten();
        options.extend(values.map(|value| format!("--{long}={}", value.to_string_lossy())));
    }
    options
}

/// What the job gets if the user says nothing about it.
fn defaults(matches: &ArgMatches, region: &str, nodes: u32) -> Vec<String> {
    let cluster = if nodes == 0 { "local" } else { "yarn" };
    let wanted =
        [("deadline", "deadline", DEADLINE), ("region", "region", region), ("cluster", "cluster", cluster)];
    let missing = wanted.into_iter().filter(|(id, ..)| !is_given(matches, id));
    missing.map(|(_, long, value)| format!("--{long}={value}")).collect()
}

fn is_given(matches: &ArgMatches, id: &str) -> bool {
    let is_known = matches.try_contains_id(id).unwrap_or(false);
    is_known && matches!(matches.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

fn in_s3(folder: &Target) -> Result<(), LaunchError> {
    match folder {
        Target::S3 { .. } => Ok(()),
        Target::File { .. } => Err(LaunchError::LocalFolder(visible::line(&folder.to_string()).into_owned())),
    }
}

impl ExportArgs {
    /// How the launcher itself reaches AWS: not with a role that the job assumes for its table.
    pub(in crate::cli) fn own_access(&self) -> AwsAccess {
        AwsAccess { assume_role: None, external_id: None, ..self.aws.access() }
    }
}

impl ImportArgs {
    /// See [`ExportArgs::own_access`].
    pub(in crate::cli) fn own_access(&self) -> AwsAccess {
        AwsAccess { assume_role: None, external_id: None, ..self.aws().access() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::{ArgumentError, Cli, Command, EmrCommand, command};
    use clap::FromArgMatches;

    /// The command lines of the steps of `tablehaul emr …`, and the folders of their journals.
    fn steps(line: &str) -> Result<Vec<(String, String)>, ArgumentError> {
        let words = std::iter::once("tablehaul").chain(line.split(' '));
        let matches = command().try_get_matches_from(words)?;
        let Command::Emr(args) = Cli::from_arg_matches(&matches).unwrap().command else { panic!() };
        let (_, matches) = matches.subcommand().unwrap().1.subcommand().unwrap();
        let steps = match args.command {
            EmrCommand::Export(args) => {
                let nodes = args.launch.read()?.0.nodes;
                exports(&args.job.request(matches)?, matches, "eu-west-1", nodes)?
            }
            EmrCommand::Import(args) => {
                let (cluster, _) = args.launch.read()?;
                let mut request = args.job.request(matches)?;
                imports(&mut request, matches, ("eu-west-1", cluster.nodes, &cluster.logs))?
            }
            _ => panic!(),
        };
        let stepped = |step: SteppedJob| {
            (step.job.arguments.join(" "), step.state.map(|state| state.to_string()).unwrap_or_default())
        };
        Ok(steps.into_iter().map(stepped).collect())
    }

    const PLACE: &str = "--logs s3://b0cket/logs --install-from s3://b0cket/t";
    const DEFAULTS: &str = "--deadline=12h --region=eu-west-1 --cluster=local";

    #[test]
    fn what_is_typed_reaches_the_job_and_what_concerns_this_machine_does_not() {
        let line = format!(
            "emr export Forum s3://b0cket/x --read-units 50 --consistent --compress zstd --tags a=b --profile me \
             --json --quiet --yes --account 123456789012 {PLACE}"
        );
        let options = "--read-units=50 --consistent --compress=zstd --tags=a=b --if-complete=skip";
        assert_eq!(
            steps(&line).unwrap(),
            [(format!("export Forum s3://b0cket/x {options} {DEFAULTS}"), "s3://b0cket/x".to_owned())]
        );
    }

    #[test]
    fn what_is_typed_wins_over_our_defaults() {
        let line = format!(
            "emr export Forum s3://b0cket/x --if-complete refuse --deadline 2h --region us-east-1 --cluster auto \
             --nodes 3 {PLACE}"
        );
        let (arguments, _) = steps(&line).unwrap().remove(0);
        assert_eq!(
            arguments,
            "export Forum s3://b0cket/x --if-complete=refuse --deadline=2h --cluster=auto --region=us-east-1"
        );
        let (arguments, _) =
            steps(&format!("emr export Forum s3://b0cket/x --nodes 3 {PLACE}")).unwrap().remove(0);
        assert!(arguments.ends_with("--cluster=yarn"), "{arguments}");
    }

    #[test]
    fn each_table_has_the_folder_that_one_command_would_give_it() {
        let of = |line: &str| {
            let steps = steps(&format!("{line} {PLACE}")).unwrap();
            steps
                .into_iter()
                .map(|(arguments, state)| (arguments.split(' ').take(3).collect::<Vec<_>>().join(" "), state))
                .collect::<Vec<_>>()
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            of("emr export Forum Thread s3://b0cket/x"),
            [
                pair("export Forum s3://b0cket/x/Forum", "s3://b0cket/x/Forum"),
                pair("export Thread s3://b0cket/x/Thread", "s3://b0cket/x/Thread")
            ]
        );
        assert_eq!(
            of("emr export Forum s3://b0cket"),
            [pair("export Forum s3://b0cket", "s3://b0cket/eu-west-1/Forum")]
        );
    }

    #[test]
    fn an_import_has_a_state_folder_and_nothing_on_this_machine() {
        let (arguments, state) =
            steps(&format!("emr import s3://b0cket/x Forum --mode delete {PLACE}")).unwrap().remove(0);
        assert!(state.starts_with("s3://b0cket/logs/tablehaul-state/"), "{state}");
        assert_eq!(arguments, format!("import s3://b0cket/x Forum --mode=delete --state={state} {DEFAULTS}"));
        for wrong in [
            "emr import /x Forum",
            "emr import s3://b0cket/x Forum --rejects /x/y",
            "emr import s3://b0cket/x Forum --state /x",
        ] {
            assert!(steps(&format!("{wrong} {PLACE}")).is_err(), "{wrong}");
        }
        assert!(steps(&format!("emr export Forum /x {PLACE}")).is_err());
        assert!(steps("emr export Forum s3://b0cket/x --logs s3://b0cket/l").is_err());
    }
}

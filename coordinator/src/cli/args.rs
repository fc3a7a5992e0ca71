//! The arguments of the command line, and how they become requests.

#![allow(clippy::doc_markdown, reason = "the help is read in a terminal")]

mod cluster;
mod empty;
#[cfg(feature = "emr")]
mod emr;
mod error;
mod examples;
mod folder;
mod given;
mod import;
mod observers;
mod page;
mod s3;
mod show;
mod values;

use std::{path::PathBuf, time::Duration};

use clap::{
    ArgAction, Args, CommandFactory, Parser, Subcommand,
    builder::{FalseyValueParser, Resettable},
};
use job::{
    spec::{AwsAccess, Compression, NullSpelling, OutputFormat, account},
    task::TotalSegments,
};

use crate::{
    commands::{
        export::{ExportOptions, ExportRequest, IfComplete},
        verify::VerifyRequest,
    },
    observers::ObserverOptions,
};
use cluster::ClusterArgs;
pub(super) use empty::empty;
#[cfg(feature = "emr")]
pub(super) use emr::{
    ConvertArgs, EmrArgs, EmrCommand, EmrExportArgs, EmrImportArgs, LaunchOptions, ScheduleArgs,
    ScheduledJob, SetupArgs, SteppedJob, exports, imports,
};
pub(super) use error::ArgumentError;
pub(super) use folder::{CleanArgs, StatusArgs};
pub(super) use given::{Given, given};
pub(super) use import::ImportArgs;
use observers::ObserverArgs;
pub(super) use page::{PageArgs, ReportArgs};
pub(super) use s3::unused;
use s3::{BucketArgs, ObjectArgs};
pub(super) use show::Show;
use show::ShowArgs;
use values::{Rates, duration, endpoint, identity, segments, workers};
pub(super) use values::{tables, target};

/// The canned ACLs that apply to objects. Source: Amazon S3 User Guide, "Canned ACL".
pub(super) const CANNED_ACLS: [&str; 7] = [
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
];

/// Moves whole DynamoDB tables to S3 or a folder and back, in the backup format of AWS Data Pipeline.
#[derive(Debug, Parser)]
#[command(name = "tablehaul", version, after_help = examples::all(), max_term_width = 100)]
pub(super) struct Cli {
    /// Write a log to standard error; -vv and -vvv log more. TABLEHAUL_LOG=debug is the same as -vv
    #[arg(short, global = true, action = ArgAction::Count, help_heading = "Output", display_order = 900)]
    pub(super) verbose: u8,

    /// Append events for programs to this file, one JSON object a line; - is standard output
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "TABLEHAUL_EVENTS",
        help_heading = "Output",
        display_order = 901
    )]
    pub(super) events: Option<PathBuf>,

    #[command(subcommand)]
    pub(super) command: Command,
}

/// The command line. An empty environment variable counts as unset.
pub(super) fn command() -> clap::Command {
    let command = Cli::command();
    #[cfg(feature = "emr")]
    let command = command.mut_subcommand("emr", emr::with_job_logs);
    command.mut_subcommands(without_empty_variables_of)
}

fn without_empty_variables_of(command: clap::Command) -> clap::Command {
    command.mut_args(without_empty_variables).mut_subcommands(without_empty_variables_of)
}

fn without_empty_variables(arg: clap::Arg) -> clap::Arg {
    let is_empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    if is_empty { arg.env(Resettable::Reset) } else { arg }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Export(ExportArgs),
    Import(ImportArgs),
    Verify(VerifyArgs),
    Status(StatusArgs),
    Clean(CleanArgs),
    #[cfg(feature = "emr")]
    Emr(EmrArgs),
    Page(PageArgs),
    Report(ReportArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Print completions for a shell.
///
/// For bash: tablehaul completions bash > /etc/bash_completion.d/tablehaul
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    pub(super) shell: clap_complete::Shell,
}

/// Write the manual pages to a folder.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The folder, which must exist
    #[arg(value_name = "DIR")]
    pub(super) folder: PathBuf,
}

/// Export tables to a folder.
///
/// Writes every item of each table as one line of JSON to part files in the destination, with a manifest
/// that Data Pipeline's import reads. The folder must be empty or hold an unfinished run of the same
/// export, which is then resumed. An unfinished export never looks complete.
#[derive(Debug, Args)]
#[command(after_help = examples::export(), override_usage = "tablehaul export [OPTIONS] <TABLE>... <DESTINATION>")]
pub(super) struct ExportArgs {
    /// One or more tables, then the destination: s3://bucket/folder, s3://bucket, file:///folder or a path
    #[arg(value_name = "TABLE")]
    names: Vec<String>,

    /// Share of the table's read capacity to use, in percent [default: 25]
    #[arg(long, value_name = "P", env = "TABLEHAUL_READ_PERCENT")]
    read_percent: Option<String>,

    /// Read capacity units per second to use, regardless of the table's capacity
    #[arg(long, value_name = "N", env = "TABLEHAUL_READ_UNITS")]
    read_units: Option<String>,

    /// Strongly consistent reads, at twice the price
    #[arg(long, env = "TABLEHAUL_CONSISTENT", value_parser = FalseyValueParser::new())]
    consistent: bool,

    /// Segments of the parallel scan, 1 to 1000000 [default: by size, rate and workers]
    #[arg(long, value_name = "N", env = "TABLEHAUL_SEGMENTS", value_parser = segments)]
    segments: Option<TotalSegments>,

    /// Worker processes, 1 to 10000 [default: cores; on YARN as many as the rate needs, if they fit]
    #[arg(long, value_name = "N", env = "TABLEHAUL_WORKERS", value_parser = workers)]
    workers: Option<u32>,

    /// Compression of the part files: none, gzip or zstd
    #[arg(long, value_name = "CODEC", env = "TABLEHAUL_COMPRESS", default_value = "none")]
    compress: Compression,

    /// Spelling of NULL: single (version 5 of the Java tool reads it) or both (for versions 4 and 5)
    /// [default: single; a resumed export keeps its spelling]
    #[arg(long, value_name = "SPELLING", env = "TABLEHAUL_NULL")]
    null: Option<NullSpelling>,

    /// What to do if the destination already holds a complete export of the table
    #[arg(long, value_name = "WHAT", env = "TABLEHAUL_IF_COMPLETE", default_value = "refuse")]
    if_complete: IfComplete,

    /// Remove an unfinished export in the destination and start again, instead of resuming it
    #[arg(long, env = "TABLEHAUL_RESTART", value_parser = FalseyValueParser::new())]
    restart: bool,

    /// Stop cleanly before this much time has passed, such as 90m or 2h30m; run the same command again to resume
    #[arg(long, value_name = "DURATION", env = "TABLEHAUL_DEADLINE", value_parser = duration)]
    deadline: Option<Duration>,

    /// Only check everything and print the plan: segments, workers, streams, rate, time, price
    #[arg(long, env = "TABLEHAUL_DRY_RUN", value_parser = FalseyValueParser::new())]
    dry_run: bool,

    #[command(flatten)]
    show: ShowArgs,

    #[command(flatten)]
    observers: ObserverArgs,

    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    aws: AwsArgs,

    #[command(flatten)]
    objects: ObjectArgs,
}

/// Read every file of a backup and check it against the recorded values.
///
/// Takes every backup that `tablehaul import` takes. Checks what the backup records of each file (counts,
/// bytes and checksums), and that every line is an item. In an export of tablehaul, every item must have the
/// table's keys, and no key may occur twice in a file; other backups do not say which attributes are the key.
/// Prints one line for each defect. Exit code 1 if there is any.
#[derive(Debug, Args)]
#[command(after_help = examples::verify())]
pub(super) struct VerifyArgs {
    /// The folder of the backup, or one file: s3://bucket/folder, file:///folder or a path
    #[arg(value_name = "FOLDER")]
    folder: String,

    /// Print the result, defects included, as JSON on standard output
    #[arg(long, env = "TABLEHAUL_JSON", value_parser = FalseyValueParser::new())]
    pub(super) json: bool,

    /// Folder to record results in, so that the same command can resume: s3://bucket/folder or a path.
    /// Workers then verify the files
    #[arg(long, value_name = "FOLDER", env = "TABLEHAUL_STATE")]
    state: Option<String>,

    /// Discard the results in the folder of --state and verify every file again
    #[arg(long, env = "TABLEHAUL_RESTART", value_parser = FalseyValueParser::new(), requires = "state")]
    restart: bool,

    /// Worker processes, 1 to 10000 [default: none on this machine, where the command itself uses all cores,
    /// unless --state is given; on YARN as many as have enough to read, if they fit]
    #[arg(long, value_name = "N", env = "TABLEHAUL_WORKERS", value_parser = workers)]
    workers: Option<u32>,

    #[command(flatten)]
    observers: ObserverArgs,

    #[command(flatten)]
    cluster: ClusterArgs,

    #[command(flatten)]
    aws: AwsArgs,

    #[command(flatten)]
    objects: ObjectArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "AWS")]
pub(super) struct AwsArgs {
    /// Region of the table
    #[arg(long, value_name = "REGION", env = "TABLEHAUL_REGION")]
    region: Option<String>,

    /// Region of the bucket [default: the one that S3 reports]
    #[arg(long, value_name = "REGION", env = "TABLEHAUL_S3_REGION")]
    s3_region: Option<String>,

    /// Endpoint of DynamoDB, instead of AWS's own
    #[arg(long, value_name = "URL", env = "TABLEHAUL_DYNAMODB_ENDPOINT", value_parser = endpoint)]
    dynamodb_endpoint: Option<String>,

    /// Endpoint of S3, instead of AWS's own
    #[arg(long, value_name = "URL", env = "TABLEHAUL_S3_ENDPOINT", value_parser = endpoint)]
    s3_endpoint: Option<String>,

    /// Profile of the shared AWS configuration files; tablehaul then uses no other credentials
    #[arg(long, value_name = "NAME", env = "TABLEHAUL_PROFILE", value_parser = identity)]
    profile: Option<String>,

    /// Role to assume for DynamoDB and S3
    #[arg(long, value_name = "ARN", env = "TABLEHAUL_ASSUME_ROLE", value_parser = identity)]
    assume_role: Option<String>,

    /// External ID that the role requires
    #[arg(long, value_name = "ID", env = "TABLEHAUL_EXTERNAL_ID", requires = "assume_role")]
    external_id: Option<String>,

    /// AWS account (12 digits): refuse to run with credentials of another account
    #[arg(long, value_name = "ACCOUNT", env = "TABLEHAUL_ACCOUNT", value_parser = account)]
    account: Option<String>,

    #[command(flatten)]
    bucket: BucketArgs,
}

impl AwsArgs {
    pub(super) fn access(&self) -> AwsAccess {
        AwsAccess {
            region: self.region.clone(),
            s3_region: self.s3_region.clone(),
            dynamodb_endpoint: self.dynamodb_endpoint.clone(),
            s3_endpoint: self.s3_endpoint.clone(),
            profile: self.profile.clone(),
            assume_role: self.assume_role.clone(),
            external_id: self.external_id.clone(),
            account: self.account.clone(),
            s3: self.bucket.settings(),
            lent: false,
        }
    }
}

impl ExportArgs {
    pub(super) fn show(&self) -> Result<Show, ArgumentError> {
        self.show.show(self.dry_run, &self.observers)
    }

    /// The request that the arguments describe.
    ///
    /// # Errors
    /// Fails if an argument is invalid.
    pub(super) fn request(self, matches: &clap::ArgMatches) -> Result<ExportRequest, ArgumentError> {
        let rate =
            Rates { verb: "read", percent: self.read_percent.as_deref(), units: self.read_units.as_deref() };
        let rate = rate.read(matches)?;
        let (mut aws, cluster) = (self.aws.access(), self.cluster.options());
        aws.lent = self.cluster.lends_credentials();
        self.objects.add_to(&mut aws.s3)?;
        let Self { if_complete, restart, deadline, .. } = self;
        let Self { mut names, consistent, segments, workers, compress, null, .. } = self;
        let destination = names.pop().filter(|_| !names.is_empty());
        let destination = destination.ok_or(ArgumentError::NoDestination)?;
        // Compiles as long as there is nothing to choose. A second format needs an option.
        let [format] = OutputFormat::ALL;
        Ok(ExportRequest {
            tables: tables(names)?,
            destination: target(&destination)?,
            rate,
            options: ExportOptions {
                segments,
                workers,
                consistent,
                format,
                compression: compress,
                null,
                null_default: NullSpelling::Single,
            },
            if_complete,
            restart,
            deadline,
            cluster,
            aws,
        })
    }
}

impl VerifyArgs {
    /// The request that the arguments describe.
    ///
    /// # Errors
    /// Fails if an argument is invalid.
    pub(super) fn request(&self) -> Result<VerifyRequest, ArgumentError> {
        let mut aws = self.aws.access();
        aws.lent = self.cluster.lends_credentials();
        self.objects.add_to(&mut aws.s3)?;
        let (folder, cluster) = (target(&self.folder)?, self.cluster.options());
        let state = self.state.as_deref().map(target).transpose()?;
        Ok(VerifyRequest { folder, workers: self.workers, state, restart: self.restart, cluster, aws })
    }

    pub(super) fn observers(&self) -> Result<ObserverOptions, ArgumentError> {
        self.observers.options()
    }
}

impl Command {
    /// Whether the log is kept for `--logs`. A dry run writes nothing.
    pub(super) fn keeps_logs(&self) -> bool {
        match self {
            Self::Export(args) => args.observers.keeps_logs() && !args.dry_run,
            Self::Import(args) => args.keeps_logs(),
            Self::Verify(args) => args.observers.keeps_logs(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;
    use job::{capacity::Rate, spec::RateSpec};

    fn request(line: &str) -> Result<ExportRequest, String> {
        let words = std::iter::once("tablehaul").chain(line.split(' '));
        let matches = command().try_get_matches_from(words).map_err(|error| error.to_string())?;
        let Command::Export(args) = Cli::from_arg_matches(&matches).unwrap().command else { panic!() };
        args.request(matches.subcommand_matches("export").unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn the_last_name_is_the_destination() {
        let request = request("export Forum Thread s3://bucket/x --workers 3").unwrap();
        assert_eq!(request.tables, ["Forum", "Thread"]);
        assert_eq!(request.destination.to_string(), "s3://bucket/x");
        assert_eq!(request.rate, RateSpec::MilliPercent(25_000));
    }

    #[test]
    fn a_rate_is_percent_or_units_but_not_both() {
        let rate = |line: &str| request(&format!("export Forum /x {line}")).map(|request| request.rate);
        assert_eq!(rate("--read-percent 12.5"), Ok(RateSpec::MilliPercent(12_500)));
        let units = Rate::from_milli_per_second(500);
        assert_eq!(rate("--read-units 0.5"), Ok(RateSpec::Units(units)));
        for wrong in [
            "--read-percent 0",
            "--read-percent 101",
            "--read-percent x",
            "--read-percent=-1",
            "--read-units 0",
            "--read-units 1 --read-percent 1",
            "--segments 0",
            "--segments 1000001",
            "--workers 0",
            "--compress bzip2",
            "--dynamodb-endpoint localhost:8000",
            "--external-id x",
            "--profile=",
            "--account=",
            "--assume-role=",
            "--account 12345",
            "--account 1234567890ab",
        ] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_table_is_refused() {
        for line in
            ["export Forum", "export s3://bucket/x", "export Fo s3://bucket/x", "export a/b s3://bucket/x"]
        {
            assert!(request(line).is_err(), "{line}");
        }
    }
}

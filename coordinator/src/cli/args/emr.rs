//! The arguments of `emr` and its commands.

mod jobs;
mod launch;

use clap::{Args, Subcommand, builder::FalseyValueParser};

use super::{AwsArgs, ExportArgs, ImportArgs, error::LaunchError};
pub(in crate::cli) use jobs::{SteppedJob, exports, imports};
pub(in crate::cli) use launch::{LaunchArgs, LaunchOptions};

const EMR_EXAMPLES: &str = "\
Examples:
  tablehaul emr setup --bucket mybucket --table-arn ARN        # what to do before the first launch
  export TABLEHAUL_EMR_LOGS=s3://mybucket/logs TABLEHAUL_EMR_INSTALL_FROM=s3://mybucket/tablehaul
  tablehaul emr export Forum s3://mybucket/exports
  tablehaul emr import s3://mybucket/exports Forum
  tablehaul emr export Forum s3://mybucket/exports --print     # the request; launches nothing
  tablehaul emr status                                         # active clusters of tablehaul
  tablehaul emr logs j-…                                       # what the steps wrote
  tablehaul emr stop j-…                                       # stops the job, ends the cluster
  tablehaul emr schedule --cron '0 3 * * ? *' --name nightly export Forum s3://mybucket/exports
  tablehaul emr convert pipeline.json --to new.json            # an old pipeline that runs tablehaul

Ctrl-C stops the job cleanly and ends its cluster. Ctrl-C again leaves both, after a question.
The same command again watches its cluster, or launches a new one, which resumes the job.

Exit codes are those of the job: 0 done, or launched with --detach · 1 failed · 2 refused before
anything was launched or written · 3 stopped · 4 internal error.";

/// Names the option for the logs of a job apart from that for the logs of its cluster.
pub(super) fn with_job_logs(command: clap::Command) -> clap::Command {
    let named = |job: clap::Command| job.mut_arg("job_logs", |logs| logs.long("job-logs"));
    let command = command.mut_subcommand("export", named).mut_subcommand("import", named);
    command.mut_subcommand("schedule", |schedule| schedule.mut_subcommand("export", named))
}

/// Run jobs on Amazon EMR: launch a cluster, watch it, end it.
#[derive(Debug, Args)]
#[command(after_help = EMR_EXAMPLES)]
pub(in crate::cli) struct EmrArgs {
    #[command(subcommand)]
    pub(in crate::cli) command: EmrCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum EmrCommand {
    /// Export tables on a cluster that is launched for it
    #[command(override_usage = "tablehaul emr export [OPTIONS] <TABLE>... <DESTINATION>", after_help = EMR_EXAMPLES)]
    Export(Box<EmrExportArgs>),
    /// Import a backup on a cluster that is launched for it
    #[command(after_help = EMR_EXAMPLES)]
    Import(Box<EmrImportArgs>),
    /// Tell what clusters do
    #[command(after_help = EMR_EXAMPLES)]
    Status(EmrStatusArgs),
    /// Print what the steps of a cluster wrote
    #[command(after_help = EMR_EXAMPLES)]
    Logs(EmrLogsArgs),
    /// Stop the steps of a cluster in order, and end it
    #[command(after_help = EMR_EXAMPLES)]
    Stop(EmrStopArgs),
    /// Create the roles, or print what a first launch needs: roles, packages, commands
    #[command(after_help = EMR_EXAMPLES)]
    Setup(SetupArgs),
    /// Write a CloudFormation template that launches a job by a schedule, and deploy it or print the command for that
    #[command(after_help = EMR_EXAMPLES)]
    Schedule(ScheduleArgs),
    /// Convert a definition of AWS Data Pipeline: its steps then run tablehaul in place of the Java tool
    #[command(after_help = EMR_EXAMPLES)]
    Convert(ConvertArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EmrExportArgs {
    #[command(flatten)]
    pub(in crate::cli) job: ExportArgs,
    #[command(flatten)]
    pub(in crate::cli) launch: LaunchArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EmrImportArgs {
    #[command(flatten)]
    pub(in crate::cli) job: ImportArgs,
    #[command(flatten)]
    pub(in crate::cli) launch: LaunchArgs,
}

/// What a cluster does, or which clusters of tablehaul there are.
#[derive(Debug, Args)]
pub(in crate::cli) struct EmrStatusArgs {
    /// The cluster [default: all of tablehaul that are active]
    #[arg(value_name = "CLUSTER")]
    pub(in crate::cli) cluster: Option<String>,

    #[command(flatten)]
    pub(in crate::cli) aws: AwsArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EmrLogsArgs {
    /// The cluster
    #[arg(value_name = "CLUSTER")]
    pub(in crate::cli) cluster: String,

    /// The step [default: all]
    #[arg(value_name = "STEP")]
    pub(in crate::cli) step: Option<String>,

    #[command(flatten)]
    pub(in crate::cli) aws: AwsArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct EmrStopArgs {
    /// The cluster
    #[arg(value_name = "CLUSTER")]
    pub(in crate::cli) cluster: String,

    /// Do not ask
    #[arg(long, short, env = "TABLEHAUL_YES", value_parser = FalseyValueParser::new())]
    pub(in crate::cli) yes: bool,

    #[command(flatten)]
    pub(in crate::cli) aws: AwsArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SetupArgs {
    /// Bucket of backups, logs and packages
    #[arg(long, value_name = "BUCKET")]
    pub(in crate::cli) bucket: String,

    /// ARNs of the tables that jobs may use
    #[arg(long, value_name = "ARN,...", value_delimiter = ',', required = true)]
    pub(in crate::cli) table_arn: Vec<String>,

    /// Folder of the backups in the bucket
    #[arg(long, value_name = "FOLDER", default_value = "exports")]
    pub(in crate::cli) exports: String,

    /// Folder of the logs in the bucket
    #[arg(long, value_name = "FOLDER", default_value = "logs")]
    pub(in crate::cli) logs: String,

    /// Folder of the packages in the bucket
    #[arg(long, value_name = "FOLDER", default_value = "tablehaul")]
    pub(in crate::cli) packages: String,

    /// What jobs may do with the tables: export, import or both
    #[arg(long, value_name = "WHAT", default_value = "both", value_parser = ["export", "import", "both"])]
    pub(in crate::cli) access: String,

    /// Policy of the service role: v2, which needs a tag on the subnet, or legacy
    #[arg(long, value_name = "POLICY", default_value = "v2", value_parser = ["v2", "legacy"])]
    pub(in crate::cli) service_policy: String,

    /// Region [default: that of the AWS CLI]
    #[arg(long, value_name = "REGION", env = "TABLEHAUL_REGION")]
    pub(in crate::cli) region: Option<String>,

    /// Create the stack of the roles, or change it, instead of printing the command for that
    #[arg(long)]
    pub(in crate::cli) create: bool,

    /// Do not ask
    #[arg(long, short, env = "TABLEHAUL_YES", value_parser = FalseyValueParser::new())]
    pub(in crate::cli) yes: bool,

    /// File to write the template of the roles to
    #[arg(long, value_name = "FILE", default_value = "tablehaul-roles.yaml")]
    pub(in crate::cli) template: String,
}

/// A name that CloudFormation takes for a stack, and EventBridge Scheduler for a schedule.
fn stack_name(text: &str) -> Result<String, LaunchError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let is_name = text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.chars().all(is_plain);
    if is_name && text.len() <= 64 { Ok(text.to_owned()) } else { Err(LaunchError::Name) }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ScheduleArgs {
    /// When: minute, hour, day of month, month, day of week, year, as EventBridge Scheduler takes them
    #[arg(long, value_name = "FIELDS")]
    pub(in crate::cli) cron: String,

    /// Time zone of --cron
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub(in crate::cli) time_zone: String,

    /// Name of the schedule and of its stack
    #[arg(long, value_name = "NAME", value_parser = stack_name)]
    pub(in crate::cli) name: String,

    /// Create the stack of the schedule, or change it, instead of printing the command for that; --yes of the job
    /// answers
    #[arg(long)]
    pub(in crate::cli) create: bool,

    /// File to write the template to
    #[arg(long, value_name = "FILE", default_value = "tablehaul-schedule.json")]
    pub(in crate::cli) template: String,

    #[command(subcommand)]
    pub(in crate::cli) job: ScheduledJob,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ConvertArgs {
    /// The definition, as `aws datapipeline get-pipeline-definition` prints it
    #[arg(value_name = "FILE")]
    pub(in crate::cli) definition: String,

    /// Folder that upload.sh was given: s3://bucket/folder
    #[arg(long, value_name = "FOLDER", env = "TABLEHAUL_EMR_INSTALL_FROM")]
    pub(in crate::cli) install_from: String,

    /// Checksums that upload.sh printed [default: those in run.sh of that folder]
    #[arg(long, value_name = "SUM,...", env = "TABLEHAUL_EMR_INSTALL_SHA256", value_delimiter = ',')]
    pub(in crate::cli) install_sha256: Vec<String>,

    /// Version to install, with --install-sha256 [default: this one]
    #[arg(long, value_name = "VERSION", env = "TABLEHAUL_EMR_INSTALL_VERSION", requires = "install_sha256")]
    pub(in crate::cli) install_version: Option<String>,

    /// Change only the step, which then installs tablehaul itself; without a bootstrap action
    #[arg(long)]
    pub(in crate::cli) step_only: bool,

    /// File for the new definition [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) to: Option<String>,

    #[command(flatten)]
    pub(in crate::cli) aws: AwsArgs,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ScheduledJob {
    /// Export tables; the time of the schedule becomes the last part of the folder
    #[command(override_usage = "tablehaul emr schedule … export [OPTIONS] <TABLE>... <DESTINATION>", after_help = EMR_EXAMPLES)]
    Export(Box<EmrExportArgs>),
}

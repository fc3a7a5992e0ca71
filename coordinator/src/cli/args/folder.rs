//! The arguments of commands that need only a folder.

use clap::{Args, builder::FalseyValueParser};
use job::{spec::AwsAccess, target::Target};

use super::{AwsArgs, ObjectArgs, error::ArgumentError, examples, values::target};

/// Show what a folder holds: a complete, damaged, running or unfinished export, or something else.
///
/// An export counts as complete if a listing of the folder shows every file of the export with its recorded
/// length. Contents are not read: `tablehaul verify` reads them. The exit code is 0 in all of these cases,
/// also if the folder is damaged, empty or missing; it is 2 if the folder can't be read.
#[derive(Debug, Args)]
#[command(after_help = examples::status())]
pub(in crate::cli) struct StatusArgs {
    /// The folder: s3://bucket/folder, file:///folder or a path
    #[arg(value_name = "FOLDER")]
    folder: String,

    /// Print the status as JSON
    #[arg(long, env = "TABLEHAUL_JSON", value_parser = FalseyValueParser::new())]
    pub(in crate::cli) json: bool,

    /// Show the job in the folder every few seconds until it ends
    #[arg(long, env = "TABLEHAUL_WATCH", value_parser = FalseyValueParser::new(), conflicts_with = "json")]
    pub(in crate::cli) watch: bool,

    #[command(flatten)]
    pub(in crate::cli) aws: AwsArgs,
}

/// Remove an unfinished export, or the state of an unfinished import or verification.
///
/// Removes the multipart uploads or hidden files of an export and its journal, or the journal in the folder of
/// --state. Refuses if the folder holds a complete export, a running job or anything else. Asks before it
/// removes anything; without a terminal, give --yes.
#[derive(Debug, Args)]
#[command(after_help = examples::clean())]
pub(in crate::cli) struct CleanArgs {
    /// The folder: s3://bucket/folder, file:///folder or a path
    #[arg(value_name = "FOLDER")]
    folder: String,

    /// Do not ask
    #[arg(long, short, env = "TABLEHAUL_YES", value_parser = FalseyValueParser::new())]
    pub(in crate::cli) yes: bool,

    #[command(flatten)]
    aws: AwsArgs,

    #[command(flatten)]
    objects: ObjectArgs,
}

impl StatusArgs {
    pub(in crate::cli) fn folder(&self) -> Result<Target, ArgumentError> {
        target(&self.folder)
    }
}

impl CleanArgs {
    /// Includes the settings of written objects, because `clean` writes to the journal before it removes an export.
    pub(in crate::cli) fn access(&self) -> Result<AwsAccess, ArgumentError> {
        let mut access = self.aws.access();
        self.objects.add_to(&mut access.s3).map(|()| access)
    }

    pub(in crate::cli) fn folder(&self) -> Result<Target, ArgumentError> {
        target(&self.folder)
    }
}

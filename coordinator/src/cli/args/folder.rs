//! The arguments of commands that only need a folder.

use clap::{Args, builder::FalseyValueParser};
use job::{spec::AwsAccess, target::Target};

use super::{AwsArgs, EXAMPLES, ObjectArgs, values::target};

/// Tell what is in a folder: a complete export, a damaged one, one at work, one that can be resumed, or
/// something else.
///
/// An export is called complete if every file that it lists is there, with the length that is recorded, as one
/// listing of the folder tells. Contents are not read: `tablehaul verify` reads them. Exit code 0 whatever
/// it is, also if it is damaged, empty or not there; 2 if it can't be read.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct StatusArgs {
    /// The folder: s3://bucket/folder, file:///folder or a path
    #[arg(value_name = "FOLDER")]
    folder: String,

    /// Print it as JSON
    #[arg(long, env = "TABLEHAUL_JSON", value_parser = FalseyValueParser::new())]
    pub(in crate::cli) json: bool,

    #[command(flatten)]
    pub(in crate::cli) aws: AwsArgs,
}

/// Remove an unfinished export: its multipart uploads or hidden files, and its journal.
///
/// Refuses where a complete export is, one at work, or anything else. Asks first; without a terminal --yes
/// is needed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
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
    pub(in crate::cli) fn folder(&self) -> Result<Target, String> {
        target(&self.folder)
    }
}

impl CleanArgs {
    /// Also the settings of written objects: clean writes to the journal before it removes an export.
    pub(in crate::cli) fn access(&self) -> Result<AwsAccess, String> {
        let mut access = self.aws.access();
        self.objects.add_to(&mut access.s3).map(|()| access)
    }

    pub(in crate::cli) fn folder(&self) -> Result<Target, String> {
        target(&self.folder)
    }
}

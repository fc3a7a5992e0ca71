//! The arguments of the commands that show jobs in a browser.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use job::target::Target;

use super::{
    AwsArgs,
    error::ArgumentError,
    values::{page_address, target},
};

/// Any free port of this machine.
pub(super) const ANY_PORT: &str = "127.0.0.1:0";

/// Serve a page about the jobs in folders on this machine, until you press Ctrl-C.
///
/// Running jobs write their status to their folder every few seconds. The page shows it, wherever they run.
/// It needs only permission to read the folders. Only this machine can open the page, with the token in the
/// address that is printed.
#[derive(Debug, Args)]
pub(in crate::cli) struct PageArgs {
    /// Folders of exports, or state folders of imports: s3://bucket/folder, file:///folder or a path
    #[arg(value_name = "FOLDER", required = true)]
    folders: Vec<String>,

    /// Address and port of this machine, or only a port
    #[arg(long, value_name = "ADDR:PORT", env = "TABLEHAUL_AT", value_parser = page_address, default_value = ANY_PORT)]
    pub(in crate::cli) at: SocketAddr,

    #[command(flatten)]
    pub(in crate::cli) aws: AwsArgs,
}

/// Draw the report of a job from the file of its events: one HTML file that needs nothing else.
///
/// A job writes the file with --events. The report shows the last job in it, with all its runs.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArgs {
    /// The file of events
    #[arg(value_name = "EVENTS")]
    pub(in crate::cli) events: PathBuf,
}

impl PageArgs {
    pub(in crate::cli) fn folders(&self) -> Result<Vec<Target>, ArgumentError> {
        self.folders.iter().map(|folder| target(folder)).collect()
    }
}

//! The arguments of the commands that show jobs in a browser.

use std::net::SocketAddr;

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
/// Of jobs that have ended it shows the history and the outcome. It needs only permission to read the
/// folders. Only this machine can open the page, with the token in the address that is printed.
#[derive(Debug, Args)]
pub(in crate::cli) struct PageArgs {
    /// Folders of exports, or state folders of imports: s3://bucket/folder, file:///folder or a path
    #[arg(value_name = "FOLDER", required = true)]
    folders: Vec<String>,

    /// Address and port of this machine, or only a port
    #[arg(long, value_name = "ADDR:PORT", env = "TABLEHAUL_PAGE_LISTEN", value_parser = page_address, default_value = ANY_PORT)]
    pub(in crate::cli) listen: SocketAddr,

    #[command(flatten)]
    pub(in crate::cli) aws: AwsArgs,
}

/// Draw the report of a job again: one HTML file that needs nothing else.
///
/// A job that ends writes its report to its folder, as _tablehaul/report.html. This command prints the report
/// of a running or killed job as well, and the report of the last job in a file that --events wrote. It shows
/// all runs of the job, and needs only permission to read.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArgs {
    /// A file of events; or the folder of an export, or the state folder of an import: s3://bucket/folder,
    /// file:///folder or a path
    #[arg(value_name = "EVENTS|FOLDER")]
    of: String,

    #[command(flatten)]
    pub(in crate::cli) aws: AwsArgs,
}

impl PageArgs {
    pub(in crate::cli) fn folders(&self) -> Result<Vec<Target>, ArgumentError> {
        self.folders.iter().map(|folder| target(folder)).collect()
    }
}

impl ReportArgs {
    /// A file is one as well.
    pub(in crate::cli) fn folder(&self) -> Result<Target, ArgumentError> {
        target(&self.of)
    }
}

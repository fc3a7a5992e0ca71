//! What a job shows while it runs and at its end.

use std::net::SocketAddr;

use clap::{Args, builder::FalseyValueParser};
use job::target::Target;

use super::{error::ArgumentError, observers::ObserverArgs, page::ANY_PORT, values::page_address};
use crate::observers::ObserverOptions;

/// The arguments of jobs.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Print the final report as JSON on standard output
    #[arg(long, env = "TABLEHAUL_JSON", value_parser = FalseyValueParser::new())]
    json: bool,

    /// Do not print plan, progress and summary
    #[arg(long, short, env = "TABLEHAUL_QUIET", value_parser = FalseyValueParser::new())]
    quiet: bool,

    /// Serve a page about the job on this machine while it runs, and print its address
    #[arg(
        long,
        value_name = "ADDR:PORT",
        env = "TABLEHAUL_PAGE",
        value_parser = page_address,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ANY_PORT
    )]
    page: Option<SocketAddr>,
}

/// What a job prints, and whether it only prints its plan.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Show {
    /// Only check everything and print the plan.
    pub(in crate::cli) dry_run: bool,
    /// Print the report as JSON on standard output.
    pub(in crate::cli) json: bool,
    /// Print nothing else.
    pub(in crate::cli) quiet: bool,
    /// Where to serve a page about the job.
    pub(in crate::cli) page: Option<SocketAddr>,
    /// Logs, notifications and metrics of the job.
    pub(in crate::cli) observers: ObserverOptions,
}

impl ShowArgs {
    pub(super) fn show(&self, dry_run: bool, observers: &ObserverArgs) -> Result<Show, ArgumentError> {
        Ok(Show {
            dry_run,
            json: self.json,
            quiet: self.quiet,
            page: self.page,
            observers: observers.options()?,
        })
    }
}

impl Show {
    /// Whether logs go to S3.
    pub(in crate::cli) fn logs_in_s3(&self) -> bool {
        matches!(self.observers.logs, Some(Target::S3 { .. }))
    }
}

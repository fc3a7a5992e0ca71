//! The options for logs, notifications and metrics.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{
    error::ArgumentError,
    values::{duration, target},
};
use crate::observers::{ObserverOptions, Receiver};

/// The arguments of jobs and of `verify`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Logs, notifications, metrics")]
pub(super) struct ObserverArgs {
    /// Folder for the logs and events of the command and for the logs of its workers: s3://bucket/folder,
    /// file:///folder or a path; in S3, not the top of a bucket
    #[arg(long = "logs", value_name = "FOLDER", env = "TABLEHAUL_LOGS")]
    job_logs: Option<String>,

    /// Notify this URL (POST of JSON) or SNS topic (ARN) when the command ends, also if it fails. Repeat the
    /// option for more; in the variable, separate them by spaces
    #[arg(
        long,
        value_name = "URL|ARN",
        env = "TABLEHAUL_NOTIFY",
        value_delimiter = ' ',
        hide_env_values = true
    )]
    notify: Vec<String>,

    /// Also notify if the command still runs after this time, such as 90m or 2h30m
    #[arg(long, value_name = "DURATION", env = "TABLEHAUL_LATE_AFTER", value_parser = duration, requires = "notify")]
    late_after: Option<Duration>,

    /// Write metrics to this file every 15 seconds, for the textfile collector of Prometheus' node_exporter
    #[arg(long, value_name = "FILE", env = "TABLEHAUL_METRICS_FILE")]
    metrics_file: Option<PathBuf>,
}

impl ObserverArgs {
    /// What the arguments ask for.
    ///
    /// # Errors
    /// Fails if an argument is invalid. The message never repeats the address of a receiver, which may hold a secret.
    pub(super) fn options(&self) -> Result<ObserverOptions, ArgumentError> {
        let logs = self.job_logs.as_deref().map(target).transpose()?;
        if let Some(logs) = logs.as_ref().filter(|logs| logs.is_bucket_root()) {
            return Err(ArgumentError::Logs(logs.to_string()));
        }
        let receivers =
            self.notify.iter().filter(|text| !text.is_empty()).map(|text| text.parse::<Receiver>());
        Ok(ObserverOptions {
            logs,
            notify: receivers.collect::<Result<_, _>>()?,
            late_after: self.late_after,
            metrics_file: self.metrics_file.clone(),
        })
    }

    /// Whether logs are kept.
    pub(super) fn keeps_logs(&self) -> bool {
        self.job_logs.is_some()
    }
}

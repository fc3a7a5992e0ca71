//! The arguments of a launch: the cluster, and what to do with it.

use std::time::Duration;

use clap::{Args, builder::FalseyValueParser};
use emr::request::{ClusterOptions, Package};

use crate::cli::args::{error::LaunchError, values::duration};

const MOST_NODES: u32 = 10_000;

/// The cluster that runs a job.
#[derive(Debug, Args)]
#[command(next_help_heading = "EMR")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(in crate::cli) struct LaunchArgs {
    /// Folder for the logs of clusters, below the top of a bucket: s3://bucket/folder
    #[arg(long, value_name = "FOLDER", env = "TABLEHAUL_EMR_LOGS")]
    logs: Option<String>,

    /// Folder that upload.sh was given, from which clusters install tablehaul: s3://bucket/folder
    #[arg(long, value_name = "FOLDER", env = "TABLEHAUL_EMR_INSTALL_FROM")]
    install_from: Option<String>,

    /// Checksums that upload.sh printed, one for each architecture [default: those in run.sh of that folder]
    #[arg(long, value_name = "SUM,...", env = "TABLEHAUL_EMR_INSTALL_SHA256", value_delimiter = ',')]
    install_sha256: Vec<String>,

    /// Version to install, with --install-sha256 [default: this one]
    #[arg(long, value_name = "VERSION", env = "TABLEHAUL_EMR_INSTALL_VERSION", requires = "install_sha256")]
    install_version: Option<String>,

    /// Release of EMR
    #[arg(long, value_name = "LABEL", env = "TABLEHAUL_EMR_RELEASE", default_value = "emr-7.13.0")]
    release: String,

    /// Instance types of all nodes; EMR takes the cheapest that it gets
    #[arg(
        long,
        value_name = "TYPE,...",
        env = "TABLEHAUL_EMR_INSTANCE_TYPE",
        default_value = "m5.xlarge",
        value_delimiter = ','
    )]
    instance_type: Vec<String>,

    /// Core nodes. With 0 the leader does the work: rates limit a job, rarely the machine
    #[arg(long, value_name = "N", env = "TABLEHAUL_EMR_NODES", default_value = "0", value_parser = nodes)]
    nodes: u32,

    /// More nodes, on spot instances; needs core nodes
    #[arg(long, value_name = "N", env = "TABLEHAUL_EMR_SPOT", default_value = "0", value_parser = nodes)]
    spot: u32,

    /// Subnets; EMR picks one of them [default: EMR's choice]
    #[arg(long, value_name = "ID,...", env = "TABLEHAUL_EMR_SUBNET", value_delimiter = ',')]
    subnet: Vec<String>,

    /// Service role of EMR
    #[arg(
        long,
        value_name = "ROLE",
        env = "TABLEHAUL_EMR_SERVICE_ROLE",
        default_value = "tablehaul-service"
    )]
    service_role: String,

    /// Instance profile of the nodes, whose permissions the job has
    #[arg(long, value_name = "PROFILE", env = "TABLEHAUL_EMR_NODE_ROLE", default_value = "tablehaul-node")]
    node_role: String,

    /// Security configuration of EMR, such as one for encryption
    #[arg(long, value_name = "NAME", env = "TABLEHAUL_EMR_SECURITY_CONFIGURATION")]
    security_configuration: Option<String>,

    /// Further tag of the cluster; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    cluster_tag: Vec<String>,

    /// Leave the cluster running when the job is done. It costs until you end it
    #[arg(long, env = "TABLEHAUL_EMR_KEEP", value_parser = FalseyValueParser::new())]
    keep: bool,

    /// Run the job on this running cluster, which is left as it is
    #[arg(long, value_name = "ID", env = "TABLEHAUL_EMR_CLUSTER_ID", conflicts_with = "keep")]
    cluster_id: Option<String>,

    /// Only print the request to EMR as JSON: RunJobFlow, or the steps for --cluster-id
    #[arg(long)]
    print: bool,

    /// Leave as soon as the cluster is launched
    #[arg(long, env = "TABLEHAUL_EMR_DETACH", value_parser = FalseyValueParser::new())]
    detach: bool,

    /// Do not ask
    #[arg(long, short, env = "TABLEHAUL_YES", value_parser = FalseyValueParser::new())]
    yes: bool,

    /// Time between two looks at the cluster. In twice this time EMR is called four times at most
    #[arg(long, value_name = "DURATION", env = "TABLEHAUL_EMR_POLL", default_value = "30s", value_parser = poll)]
    poll: Duration,

    /// How long to wait for the logs of a job that failed; EMR delivers them late
    #[arg(long, value_name = "DURATION", env = "TABLEHAUL_EMR_LOG_WAIT", default_value = "6m", value_parser = duration)]
    log_wait: Duration,
}

/// What concerns the launch and not the cluster.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(in crate::cli) struct LaunchOptions {
    pub(in crate::cli) guest_of: Option<String>,
    pub(in crate::cli) print: bool,
    pub(in crate::cli) detach: bool,
    pub(in crate::cli) yes: bool,
    pub(in crate::cli) has_sums: bool,
    pub(in crate::cli) poll: Duration,
    pub(in crate::cli) log_wait: Duration,
}

impl LaunchArgs {
    /// The cluster, and how it is launched.
    ///
    /// # Errors
    /// Fails if an argument is missing.
    pub(in crate::cli) fn read(&self) -> Result<(ClusterOptions, LaunchOptions), LaunchError> {
        let folder = self.install_from.as_deref().ok_or(LaunchError::NoPackage)?;
        let logs = match (&self.logs, &self.cluster_id) {
            (Some(logs), _) => logs.clone(),
            // The cluster has a folder for logs.
            (None, Some(_)) => String::new(),
            (None, None) => return Err(LaunchError::NoLogs),
        };
        let tags = self.cluster_tag.iter().map(|tag| {
            let (key, value) = tag.split_once('=').ok_or_else(|| LaunchError::Tag(tag.clone()))?;
            Ok((key.to_owned(), value.to_owned()))
        });
        let without_end = |folder: &str| folder.trim_end_matches('/').to_owned();
        let package = Package {
            folder: without_end(folder),
            version: self.install_version.clone().unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
            sums: self.install_sha256.clone(),
        };
        let options = ClusterOptions {
            release: self.release.clone(),
            instance_types: self.instance_type.clone(),
            nodes: self.nodes,
            spot: self.spot,
            subnets: self.subnet.clone(),
            service_role: self.service_role.clone(),
            node_role: self.node_role.clone(),
            security_configuration: self.security_configuration.clone(),
            tags: tags.collect::<Result<_, LaunchError>>()?,
            keep: self.keep,
            logs: without_end(&logs),
            package,
        };
        let how = LaunchOptions {
            guest_of: self.cluster_id.clone(),
            print: self.print,
            detach: self.detach,
            yes: self.yes,
            has_sums: !self.install_sha256.is_empty(),
            poll: self.poll,
            log_wait: self.log_wait,
        };
        Ok((options, how))
    }
}

/// A number of nodes. No cluster of EMR has more.
fn nodes(text: &str) -> Result<u32, LaunchError> {
    text.parse().ok().filter(|nodes| *nodes <= MOST_NODES).ok_or(LaunchError::Nodes(MOST_NODES))
}

/// A time between two looks.
fn poll(text: &str) -> Result<Duration, LaunchError> {
    let range = Duration::from_secs(1)..=Duration::from_mins(10);
    let poll = duration(text).ok().filter(|poll| range.contains(poll));
    poll.ok_or(LaunchError::Poll)
}

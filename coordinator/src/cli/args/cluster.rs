//! The arguments that say where workers run.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::Args;

use super::{error::ArgumentError, values::worker_memory};
use crate::cluster::{ClusterKind, ClusterOptions};

#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(in crate::cli) struct ClusterArgs {
    /// Where workers run
    #[arg(long, value_enum, value_name = "KIND", env = "TABLEHAUL_CLUSTER", default_value = "auto")]
    cluster: ClusterKind,

    /// Address of this machine that workers connect to, with or without a port
    /// [default: that of the interface facing the ResourceManager; for a local cluster 127.0.0.1]
    #[arg(long, value_name = "IP[:PORT]", env = "TABLEHAUL_LISTEN", value_parser = address)]
    listen: Option<SocketAddr>,

    /// YARN queue to run in [default: the cluster's]
    #[arg(long, value_name = "QUEUE", env = "TABLEHAUL_YARN_QUEUE")]
    yarn_queue: Option<String>,

    /// Memory of a worker in its YARN container, in MiB; its JVM gets 256 more [default: 256]
    #[arg(long, value_name = "MIB", env = "TABLEHAUL_WORKER_MEMORY", value_parser = worker_memory)]
    worker_memory: Option<u32>,

    /// Credentials of workers. With coordinator they need none on their nodes, and get those of this machine over the
    /// TLS stream of the job
    #[arg(
        long,
        value_enum,
        value_name = "WHOSE",
        env = "TABLEHAUL_WORKER_CREDENTIALS",
        default_value = "nodes"
    )]
    worker_credentials: WorkerCredentials,

    /// Hadoop's configuration folder [default: $HADOOP_CONF_DIR, else /etc/hadoop/conf]
    #[arg(long, value_name = "FOLDER", env = "TABLEHAUL_HADOOP_CONF")]
    hadoop_conf: Option<PathBuf>,

    /// hadoop-streaming.jar [default: where Hadoop is installed]
    #[arg(long, value_name = "FILE", env = "TABLEHAUL_STREAMING_JAR")]
    streaming_jar: Option<PathBuf>,
}

/// Whose credentials workers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum WorkerCredentials {
    /// Those of the nodes that they run on
    Nodes,
    /// Those of this machine
    Coordinator,
}

impl ClusterArgs {
    /// Whether workers get the credentials of this machine.
    pub(super) fn lends_credentials(&self) -> bool {
        self.worker_credentials == WorkerCredentials::Coordinator
    }

    pub(super) fn options(&self) -> ClusterOptions {
        ClusterOptions {
            kind: self.cluster,
            most_workers: None,
            listen: self.listen,
            queue: self.yarn_queue.clone(),
            worker_memory_mib: self.worker_memory,
            hadoop_conf: self.hadoop_conf.clone(),
            streaming_jar: self.streaming_jar.clone(),
        }
    }
}

/// An address of this machine. Refuses 0.0.0.0, to which no worker can connect.
fn address(text: &str) -> Result<SocketAddr, ArgumentError> {
    let address = text.parse::<IpAddr>().map(|ip| SocketAddr::from((ip, 0))).or_else(|_| text.parse());
    match address {
        Ok(address) if !address.ip().is_unspecified() => Ok(address),
        Ok(any) => Err(ArgumentError::AnyAddress(any.ip())),
        Err(_) => Err(ArgumentError::Address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_or_none_and_is_one_that_can_be_reached() {
        assert_eq!(address("10.0.0.5").unwrap(), ([10, 0, 0, 5], 0).into());
        assert_eq!(address("10.0.0.5:4433").unwrap(), ([10, 0, 0, 5], 4433).into());
        assert_eq!(address("[::1]:7").unwrap().port(), 7);
        assert!(address("::1").is_ok());
        for wrong in ["", "0.0.0.0", "0.0.0.0:4433", "leader", "10.0.0.5:x"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}

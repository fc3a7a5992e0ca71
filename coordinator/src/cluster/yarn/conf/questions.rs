//! What the other modules ask of Hadoop's configuration.

use super::Conf;

/// Default web ports of a `NameNode`, of Hadoop 3 and of Hadoop 2 (hdfs-default.xml, `dfs.namenode.http-address` and
/// `dfs.namenode.https-address`).
const NAME_NODE_PORTS: [u16; 2] = [9870, 50070];
const SECURE_NAME_NODE_PORTS: [u16; 2] = [9871, 50470];

/// The old property with the memory of the application master.
const OLD_MASTER_MEMORY_PROPERTY: &str = "yarn.app.mapreduce.am.resource.mb";

/// The protocol of a daemon's web server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    /// `HTTP_ONLY` and `HTTP_AND_HTTPS`.
    Http,
    /// `HTTPS_ONLY`.
    Https,
}

impl Policy {
    fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The file system of paths without a scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DefaultFs {
    /// HDFS, with the authority of its URI: a host, perhaps with a port, or the name of a name service.
    Hdfs(String),
    /// Another one, with its URI.
    Other(String),
}

impl Conf {
    /// Whether jobs of this configuration run on YARN: it says so, or it names a `ResourceManager`. An edge node may
    /// only do the latter, because it has no mapred-site.xml.
    pub(crate) fn has_yarn(&self) -> bool {
        let names = ["hostname", "address", "webapp.address", "webapp.https.address", "ha.rm-ids"];
        self.get("mapreduce.framework.name").is_some_and(|name| name.eq_ignore_ascii_case("yarn"))
            || names.iter().any(|name| self.is_set(&format!("yarn.resourcemanager.{name}")))
    }

    /// `http://host:port`, or `https://host:port`, of the web server of every `ResourceManager`, in their order.
    pub(crate) fn resource_managers(&self) -> Vec<String> {
        let policy = self.policy("yarn.http.policy");
        let (name, port) = match policy {
            Policy::Http => ("webapp.address", 8088),
            Policy::Https => ("webapp.https.address", 8090),
        };
        let mut ids = vec![String::new()];
        if self.is_on("yarn.resourcemanager.ha.enabled") {
            ids =
                self.list("yarn.resourcemanager.ha.rm-ids").into_iter().map(|id| format!(".{id}")).collect();
        }
        let address = |id: String| {
            let configured = self.get(&format!("yarn.resourcemanager.{name}{id}"));
            let host = || self.get(&format!("yarn.resourcemanager.hostname{id}"));
            configured.or_else(|| Some(format!("{}:{port}", host()?)))
        };
        ids.into_iter().filter_map(address).map(|address| url(policy, &address)).collect()
    }

    /// `http://host:port`, or `https://host:port`, of the `JobHistoryServer`.
    pub(crate) fn history_server(&self) -> Option<String> {
        let policy = self.policy("mapreduce.jobhistory.http.policy");
        let name = match policy {
            Policy::Http => "mapreduce.jobhistory.webapp.address",
            Policy::Https => "mapreduce.jobhistory.webapp.https.address",
        };
        self.get(name).map(|address| url(policy, &address))
    }

    /// The file system of paths without a scheme.
    pub(crate) fn default_fs(&self) -> DefaultFs {
        let uri = self.get("fs.defaultFS").or_else(|| self.get("fs.default.name")).unwrap_or_default();
        let authority = |rest: &str| rest.split('/').next().unwrap_or_default().to_owned();
        match uri.strip_prefix("hdfs://").map(authority) {
            Some(authority) if !authority.is_empty() => DefaultFs::Hdfs(authority),
            _ => DefaultFs::Other(uri),
        }
    }

    /// `http://host:port`, or `https://host:port`, at which the `NameNode`s of the default file system may answer
    /// `WebHDFS`, the most likely first. Empty if it is not HDFS, or `WebHDFS` is disabled.
    pub(crate) fn name_nodes(&self) -> Vec<String> {
        let DefaultFs::Hdfs(authority) = self.default_fs() else { return Vec::new() };
        if !self.is_on("dfs.webhdfs.enabled") {
            return Vec::new();
        }
        let policy = self.policy("dfs.http.policy");
        let name = match policy {
            Policy::Http => "dfs.namenode.http-address",
            Policy::Https => "dfs.namenode.https-address",
        };
        let ids = self.list(&format!("dfs.ha.namenodes.{authority}"));
        if !ids.is_empty() {
            let address = |id: &String| self.get(&format!("{name}.{authority}.{id}"));
            return ids.iter().filter_map(address).map(|address| url(policy, &address)).collect();
        }
        let host = host(&authority);
        if let Some(address) = self.get(&format!("{name}.{authority}")).or_else(|| self.get(name)) {
            // A server that listens on all addresses is reached at the host of its file system.
            let address = address.replacen("0.0.0.0:", &format!("{host}:"), 1);
            return vec![url(policy, &address)];
        }
        let ports = match policy {
            Policy::Http => NAME_NODE_PORTS,
            Policy::Https => SECURE_NAME_NODE_PORTS,
        };
        ports.map(|port| url(policy, &format!("{host}:{port}"))).into()
    }

    /// The queue of jobs that name none.
    pub(crate) fn default_queue(&self) -> String {
        self.get("mapreduce.job.queuename").unwrap_or_else(|| "default".to_owned())
    }

    /// Memory of the application master's container in MiB.
    pub(crate) fn master_mb(&self) -> u64 {
        let name = self.master_property();
        self.get(name)
            .and_then(|amount| mebibytes(&amount))
            .or_else(|| self.number(OLD_MASTER_MEMORY_PROPERTY))
            .unwrap_or(1536)
    }

    /// The property with the memory of the application master. In Hadoop 3 the resource types override the old property
    /// (`YARNRunner.generateResourceRequests`).
    pub(crate) fn master_property(&self) -> &'static str {
        let typed = ["yarn.app.mapreduce.am.resource.memory-mb", "yarn.app.mapreduce.am.resource.memory"];
        typed.into_iter().find(|name| self.get(name).is_some()).unwrap_or(OLD_MASTER_MEMORY_PROPERTY)
    }

    /// The memory of every container is rounded up to a multiple of this, in MiB, at least 1. The capacity scheduler
    /// uses the minimum allocation, the fair scheduler has an increment of its own.
    pub(crate) fn increment_mb(&self) -> u64 {
        let scheduler = self.get("yarn.resourcemanager.scheduler.class").unwrap_or_default();
        let (fair, minimum) =
            ("yarn.scheduler.increment-allocation-mb", "yarn.scheduler.minimum-allocation-mb");
        let name = if scheduler.ends_with("FairScheduler") { fair } else { minimum };
        self.number(name).unwrap_or(1024).max(1)
    }

    /// The least memory of a container, in MiB.
    pub(crate) fn minimum_mb(&self) -> u64 {
        self.number("yarn.scheduler.minimum-allocation-mb").unwrap_or(1024)
    }

    /// The most memory of a container, in MiB.
    pub(crate) fn maximum_mb(&self) -> u64 {
        self.number("yarn.scheduler.maximum-allocation-mb").unwrap_or(8192)
    }

    fn policy(&self, name: &str) -> Policy {
        match self.get(name).as_deref() {
            Some("HTTPS_ONLY") => Policy::Https,
            _ => Policy::Http,
        }
    }
}

/// The URL of a server. One that listens on all addresses is reached on this machine, as by Hadoop's own clients.
fn url(policy: Policy, address: &str) -> String {
    let address = address.replacen("0.0.0.0:", "localhost:", 1);
    format!("{}://{address}", policy.scheme())
}

/// An authority without its port. An IPv6 address keeps its brackets.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// The amount of a resource type in MiB: `2048`, `2048Mi`, `2Gi` (`ResourceUtils`, `UnitsConversionUtil`).
fn mebibytes(amount: &str) -> Option<u64> {
    let digits = amount.find(|character: char| !character.is_ascii_digit()).unwrap_or(amount.len());
    let (number, unit) = amount.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit.trim() {
        "" | "Mi" => Some(number),
        "Gi" => number.checked_mul(1024),
        "Ti" => number.checked_mul(1024 * 1024),
        _ => None,
    }
}

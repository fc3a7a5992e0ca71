//! The processes of a cluster, found by their environment.

use super::Hadoop;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The variable that every process of a cluster has: the cluster's folder, and in it the name of the daemon that the
/// process is or was started by (`node1`, `resourcemanager`, …), or `client`.
pub(super) const MARK: &str = "CLUSTER_MEMBER";

/// A process of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its process id.
    pub pid: i32,
    /// Its arguments, the program first.
    pub args: Vec<String>,
    /// The daemon that it is or was started by, such as `node1`.
    pub daemon: String,
    /// The container it runs in, such as `container_1795572946962_0002_01_000004`.
    pub container: Option<String>,
    /// The attempt whose mapper it is; its JVM has it as an argument.
    pub attempt: Option<String>,
}

impl Member {
    /// Sends it a signal.
    ///
    /// # Panics
    /// When it is gone.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid), signal).unwrap_or_else(|error| panic!("{signal} to {self:?}: {error}"));
    }

    /// Is it still there, and not only waiting to be waited for?
    pub fn runs(&self) -> bool {
        fs::read(format!("/proc/{}/cmdline", self.pid)).is_ok_and(|args| !args.is_empty())
    }

    /// Has it a connection to this address, over IPv4?
    pub fn is_connected_to(&self, address: SocketAddr) -> bool {
        let SocketAddr::V4(address) = address else { return false };
        // proc(5): in the byte order of the machine, and in hexadecimal.
        let ip = u32::from_ne_bytes(address.ip().octets());
        let remote = format!("{ip:08X}:{:04X}", address.port());
        let table = fs::read_to_string(format!("/proc/{}/net/tcp", self.pid)).unwrap_or_default();
        let sockets: Vec<String> = table
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|fields| fields.get(2) == Some(&remote.as_str()))
            .filter_map(|fields| fields.get(9).map(|inode| format!("socket:[{inode}]")))
            .collect();
        let files = fs::read_dir(format!("/proc/{}/fd", self.pid)).into_iter().flatten().flatten();
        let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
        targets.any(|target| sockets.iter().any(|socket| target == Path::new(socket)))
    }

    /// Is it an attempt of this application (`application_…`)?
    pub fn is_of(&self, application: &str) -> bool {
        let number = application.strip_prefix("application").map(|number| format!("{number}_"));
        let of = |container: &String| number.as_ref().is_some_and(|number| container.contains(number));
        self.container.as_ref().is_some_and(of)
    }

    fn is(&self, program: &str) -> bool {
        let path = self.args.first().map(Path::new);
        path.and_then(Path::file_name).is_some_and(|name| name == program)
    }

    fn is_jvm_of(&self, class: &str) -> bool {
        self.is("java") && self.args.iter().any(|arg| arg == class)
    }
}

impl Hadoop {
    /// All its processes, and those that were started with [`Hadoop::env`].
    pub fn members(&self) -> Vec<Member> {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = processes.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
        pids.filter_map(|pid| self.member(pid)).collect()
    }

    /// None if it is gone, or of something else.
    fn member(&self, pid: i32) -> Option<Member> {
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).ok();
        let environ = read("environ")?;
        let variable = |name: &str| {
            let mut entries = environ.split(|byte| *byte == 0);
            entries.find_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mark = variable(MARK)?.strip_prefix(self.folder().as_os_str().as_bytes())?;
        let args = read("cmdline")?;
        let args = args.strip_suffix(&[0]).unwrap_or(&args).split(|byte| *byte == 0);
        Some(Member {
            pid,
            args: args.map(text).collect(),
            daemon: text(mark.strip_prefix(b"/")?),
            container: variable("CONTAINER_ID").map(text),
            attempt: variable("mapreduce_task_attempt_id").map(text),
        })
    }

    /// A daemon: `resourcemanager`, `node1`, `node2`, `namenode`, `datanode`, `historyserver`.
    pub fn daemon(&self, name: &str) -> Option<Member> {
        let argument = format!("-Dcluster.daemon={}/{name}", self.folder().display());
        self.members().into_iter().find(|member| member.is_jvm_of(&argument))
    }

    /// The JVM of the application's master.
    pub fn application_master(&self, application: &str) -> Option<Member> {
        let is = |member: &Member| {
            member.is_of(application) && member.is_jvm_of("org.apache.hadoop.mapreduce.v2.app.MRAppMaster")
        };
        self.members().into_iter().find(is)
    }

    /// The JVM that runs an attempt (`attempt_…`), the parent of its mapper.
    pub fn task_jvm(&self, attempt: &str) -> Option<Member> {
        let is = |member: &Member| {
            member.is_jvm_of("org.apache.hadoop.mapred.YarnChild")
                && member.args.iter().any(|arg| arg == attempt)
        };
        self.members().into_iter().find(is)
    }

    /// The mappers of the application that run this program, by attempt.
    pub fn mappers(&self, application: &str, program: &str) -> Vec<Member> {
        let is =
            |member: &Member| member.is_of(application) && member.attempt.is_some() && member.is(program);
        let mut mappers: Vec<Member> = self.members().into_iter().filter(is).collect();
        mappers.sort_by(|a, b| a.attempt.cmp(&b.attempt));
        mappers
    }

    /// The workers of the application, by attempt.
    pub fn workers(&self, application: &str) -> Vec<Member> {
        self.mappers(application, "tablehaul-worker")
    }
}

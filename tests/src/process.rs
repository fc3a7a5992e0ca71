//! Running the binaries of this workspace: finding them, waiting until a server says where it listens, and
//! leaving none behind. For other binaries there is `installed`.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The path of the binary `name` of this workspace, in the profile the running executable was built in.
///
/// # Panics
/// When it isn't built: a test of one package doesn't build the binaries of the others.
#[track_caller]
pub fn binary(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    let mut profile_dir = this.parent().map(PathBuf::from).unwrap_or_default();
    if profile_dir.file_name().is_some_and(|last| last == "deps" || last == "examples") {
        profile_dir.pop();
    }
    let path = profile_dir.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.is_file(), "{} is missing: run `cargo build --workspace` first", path.display());
    path
}

/// A server process of this workspace. It ends when this is dropped, and when the process that started it is
/// gone in any way, because its standard input closes then.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts the binary `name` and waits until it has printed `listening on ADDRESS`.
    ///
    /// # Panics
    /// When it is missing, doesn't start, or says nothing for `patience`; its messages are on standard error.
    #[track_caller]
    pub fn start<I>(name: &str, args: I, patience: Duration) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        let mut child = Command::new(binary(name))
            .arg("--exit-with-stdin")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {name}: {error}"));
        let (found, address) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            // Reads to the end, so that the server never blocks on a full pipe; ends with the server.
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    let address = line.strip_prefix("listening on ").and_then(|text| text.parse().ok());
                    if let Some(address) = address {
                        let _ = found.send(address);
                    }
                }
            });
        }
        let Ok(address) = address.recv_timeout(patience) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{name} did not start listening within {patience:?}; its messages are above");
        };
        Self { child, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, without a slash at the end.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process id, for one who wants to measure it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal. It is not an error if the process has ended.
///
/// # Panics
/// When it may not be sent.
#[track_caller]
pub fn send(pid: i32, signal: Signal) {
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => panic!("{signal} to {pid}: {error}"),
    }
}

/// Whether a process runs, sleeps or is stopped. A zombie is not alive.
pub fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// Makes sure that these processes end within `patience`.
///
/// # Panics
/// When one does not.
#[track_caller]
pub fn assert_gone<'a>(pids: impl IntoIterator<Item = &'a i32>, patience: Duration) {
    let since = Instant::now();
    for &pid in pids {
        while is_alive(pid) {
            assert!(since.elapsed() < patience, "process {pid} is left behind");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// For a server's `--exit-with-stdin`: ends this process when its standard input is closed.
pub fn exit_with_stdin() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        #[expect(clippy::disallowed_methods, reason = "a server has no main to return from")]
        std::process::exit(0);
    });
}

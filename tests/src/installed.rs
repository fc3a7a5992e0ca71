//! The servers that `scripts/setup` installs: finding them, starting them on a free port, and leaving
//! neither a process nor a file behind. Not for binaries of this workspace.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take until it listens; moto imports half of Python first.
const PATIENCE: Duration = Duration::from_mins(1);
/// Tries, because another process may take the port before the server does.
const ATTEMPTS: usize = 5;
/// The ports that are tried. Linux gives none of them to a socket that asks for any port: `ip_local_port_range` begins
/// at 32,768. So no server of another test gets one while moto still starts: `listens` would take it for moto.
const PORTS: std::ops::Range<u32> = 20_000..32_000;
/// What it says, in its folder.
const LOG: &str = "log";
/// Ends process $1 and removes folder $2 when the process that started it has ended in any way, unless a line
/// says that it is no longer needed.
const REAPER: &str = r#"read -r _ && exit; kill -9 "$1" 2>/dev/null; exec rm -rf "$2""#;

/// The path of something that `scripts/setup PART` installs.
///
/// # Panics
/// When it isn't installed.
#[track_caller]
pub fn installed(part: &str, path: &str) -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/tablehaul");
    let cache = std::env::var_os("TABLEHAUL_CACHE").map_or_else(home, PathBuf::from);
    let path = cache.join(path);
    assert!(path.exists(), "{} is missing: run `scripts/setup {part}` first", path.display());
    path
}

/// A server that was started by [`Installed::start`]. It and its folder are gone when this is dropped, and when
/// the process that started it is gone.
#[derive(Debug)]
pub(crate) struct Installed {
    child: Child,
    reaper: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Installed {
    /// Starts the server that `command` returns for a free address and its own folder, and waits until it
    /// listens.
    ///
    /// # Panics
    /// When it can't be started or doesn't listen in time; with the end of what it said.
    #[track_caller]
    pub(crate) fn start(command: impl Fn(SocketAddr, &Path) -> Command) -> Self {
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            match Self::attempt(&command) {
                Ok(server) => return server,
                Err(why) => said = why,
            }
        }
        panic!("{said}");
    }

    fn attempt(command: &impl Fn(SocketAddr, &Path) -> Command) -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a temporary folder").keep();
        let address = free_address();
        let (child, reaper) = spawn(command(address, &folder), &folder);
        let mut server = Self { child, reaper, address, folder };
        if server.listens() {
            return Ok(server);
        }
        Err(server.does_not_listen())
    }

    /// Kills it. Its folder stays.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again after [`kill`](Self::kill), with the same address and folder.
    ///
    /// # Panics
    /// When it can't be started or doesn't listen in time.
    #[track_caller]
    pub(crate) fn start_again(&mut self, command: impl Fn(SocketAddr, &Path) -> Command) {
        let (child, reaper) = spawn(command(self.address, &self.folder), &self.folder);
        self.child = child;
        let mut old = std::mem::replace(&mut self.reaper, reaper);
        let told = old.stdin.take().expect("it has a pipe").write_all(b"\n");
        told.and_then(|()| old.wait()).expect("the reaper of the killed server");
        assert!(self.listens(), "{}", self.does_not_listen());
    }

    fn does_not_listen(&self) -> String {
        let log = fs::read_to_string(self.folder.join(LOG)).unwrap_or_default();
        format!("the server at {} does not listen: {log}", self.address)
    }

    fn listens(&mut self) -> bool {
        let started_at = Instant::now();
        while started_at.elapsed() < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            if TcpStream::connect(self.address).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// The folder of its own, which holds what it said and whatever else it keeps.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its URL, without a slash at the end.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// An address that nothing listens to. Test processes begin at different ports.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(41);
    let free = PORTS.into_iter().find_map(|_| {
        let step = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(PORTS.start + step % (PORTS.end - PORTS.start)).ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?.local_addr().ok()
    });
    free.expect("a free port")
}

/// A server, and who ends it.
fn spawn(mut command: Command, folder: &Path) -> (Child, Child) {
    let log = File::options().create(true).append(true).open(folder.join(LOG)).expect("a log file");
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("the log file again"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {name}: {error}"));
    let pid = child.id().to_string();
    let reaper = Command::new("sh")
        .args([OsStr::new("-c"), OsStr::new(REAPER), OsStr::new("reaper"), OsStr::new(&pid)])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run sh: {error}"));
    (child, reaper)
}

impl Drop for Installed {
    fn drop(&mut self) {
        // The server cannot be another process with its id yet: nobody has waited for it.
        drop(self.reaper.stdin.take());
        let _ = self.reaper.wait();
        let _ = self.child.wait();
    }
}

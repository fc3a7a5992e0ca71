//! Workers as child processes on this machine.

use std::{
    collections::BTreeMap,
    num::NonZero,
    path::{Path, PathBuf},
    pin::pin,
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{Cluster, ClusterEvent, Shutdown, SpawnError, lines::next_line};
use crate::{
    failure::Failure,
    output::{self, stderr},
    store::blocking,
};
use engine::schedule::WorkerSupply;
use job::{
    control::{Boot, LOG_MARK},
    ids::WorkerId,
};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    process::{Child, ChildStderr, Command},
    sync::oneshot,
    task::JoinSet,
};

/// How long workers may take to end by themselves before they are killed.
const WORKER_END_LIMIT: Duration = Duration::from_secs(3);
/// How long a worker whose stream has ended may take to end by itself. Its exit status tells more than being killed.
const EXIT_STATUS_LIMIT: Duration = Duration::from_millis(200);
/// The most characters of a worker's last line that are repeated in the message about its end.
const MAX_LINE: usize = 300;

/// The worker binary: `TABLEHAUL_WORKER`, or else the one beside this binary.
///
/// # Errors
/// Fails with `FailureKind::Refused` if it is not there, or not executable.
pub(crate) async fn worker_binary() -> Result<PathBuf, Failure> {
    let path = match std::env::var_os("TABLEHAUL_WORKER") {
        Some(path) => PathBuf::from(path),
        None => std::env::current_exe()
            .ok()
            .and_then(|own| own.parent().map(|folder| folder.join("tablehaul-worker")))
            .unwrap_or_default(),
    };
    let binary = path.clone();
    let is_executable = blocking(&path, move || Ok(is_executable(&binary))).await;
    if is_executable.map_err(|fault| Failure::refused(&fault))? {
        return Ok(path);
    }
    Err(Failure::refused(format!(
        "the worker binary {} is missing or not executable: install tablehaul-worker beside tablehaul, or \
         name it in TABLEHAUL_WORKER",
        path.display()
    )))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// The number of CPU cores that this process may use.
pub(crate) fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

/// Child processes of this process. Dropping it kills them.
pub(crate) struct LocalCluster {
    binary: PathBuf,
    boot: Option<Boot>,
    note: Arc<dyn Fn(String) + Send + Sync>,
    /// The job is over and its workers are killed. What they say then says nothing of the job.
    is_over: Arc<AtomicBool>,
    children: JoinSet<(WorkerId, Option<String>)>,
    kill: BTreeMap<WorkerId, oneshot::Sender<()>>,
}

impl LocalCluster {
    /// Will run `binary`. The lines that workers write to standard error go to `note`, except those of their log.
    pub(crate) fn new(binary: PathBuf, note: Arc<dyn Fn(String) + Send + Sync>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let unless_over = is_over.clone();
        let note = Arc::new(move |line| {
            if !unless_over.load(Ordering::SeqCst) {
                note(line);
            }
        });
        Self { binary, boot: None, note, is_over, children: JoinSet::new(), kill: BTreeMap::new() }
    }

    /// Waits for all workers to end by themselves.
    async fn all_ended(&mut self) {
        while self.children.join_next().await.is_some() {}
    }
}

#[tonic::async_trait]
impl Cluster for LocalCluster {
    async fn start(&mut self, workers: u32, boot: &Boot) -> Result<WorkerSupply, Failure> {
        self.boot = Some(Boot { workers_here: NonZero::new(workers), ..boot.clone() });
        Ok(WorkerSupply::Spawn(workers))
    }

    fn reads_logs(&self) -> bool {
        true
    }

    /// The worker gets its [`Boot`] on standard input, which no other process can read. While the input stays open, the
    /// worker knows that this process is alive.
    fn spawn(&mut self, worker: WorkerId) -> Result<(), SpawnError> {
        let boot = Boot { worker: Some(worker), ..self.boot.clone().ok_or(SpawnError::NotStarted)? };
        let mut child = Command::new(&self.binary)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| SpawnError::Program { program: self.binary.clone(), error })?;
        let mut line = serde_json::to_vec(&boot)?;
        line.push(b'\n');
        let note = Arc::clone(&self.note);
        let (kill, killed) = oneshot::channel();
        self.kill.insert(worker, kill);
        self.children.spawn(async move {
            let end = watch(&mut child, line, killed, (worker, note)).await;
            (worker, end)
        });
        Ok(())
    }

    /// Never returns while no worker runs.
    async fn poll(&mut self) -> ClusterEvent {
        loop {
            match self.children.join_next().await {
                Some(Ok((worker, how))) => {
                    self.kill.remove(&worker);
                    return ClusterEvent::WorkerEnded(worker, how);
                }
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    fn release(&mut self, worker: WorkerId) -> bool {
        self.kill.remove(&worker).is_some_and(|kill| kill.send(()).is_ok())
    }

    fn is_watched(&self) -> bool {
        false
    }

    async fn stop(&mut self, ending: Shutdown) {
        if ending == Shutdown::Graceful
            && tokio::time::timeout(WORKER_END_LIMIT, self.all_ended()).await.is_ok()
        {
            return;
        }
        self.is_over.store(true, Ordering::SeqCst);
        self.kill.clear();
        self.all_ended().await;
    }
}

/// Who speaks, and who gets what it says.
type Listener = (WorkerId, Arc<dyn Fn(String) + Send + Sync>);

/// How the worker ended, or `None` if it was killed.
async fn watch(
    child: &mut Child,
    boot: Vec<u8>,
    killed: oneshot::Receiver<()>,
    listener: Listener,
) -> Option<String> {
    let last_line = Mutex::new(None);
    let read = read(child.stderr.take(), listener, &last_line);
    let with_last_line = |how: String| {
        let said = last_line.lock().unwrap_or_else(PoisonError::into_inner).take();
        said.map_or_else(|| how.clone(), |said| format!("{how}; its last line: {said}"))
    };
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin
        && let Err(error) = stdin.write_all(&boot).await
    {
        // The exit status and what it said tell more than this error.
        let ended = tokio::time::timeout(EXIT_STATUS_LIMIT, child.wait()).await;
        let _ = tokio::time::timeout(EXIT_STATUS_LIMIT, read).await;
        let how = ended.map_or_else(|_| format!("could not be given its job: {error}"), how);
        return Some(with_last_line(how));
    }
    let wait = async {
        tokio::select! {
            status = child.wait() => return Some(how(status)),
            // A dropped sender kills at once; a sent message first gives the worker time to end by itself.
            killed = killed => if killed.is_ok()
                && let Ok(status) = tokio::time::timeout(EXIT_STATUS_LIMIT, child.wait()).await
            {
                return Some(how(status));
            }
        }
        let _ = child.kill().await;
        None
    };
    let ended = async {
        let ended = wait.await;
        drop(stdin);
        ended
    };
    let (mut read, mut ended) = (pin!(read), pin!(ended));
    let how = tokio::select! {
        ended = &mut ended => {
            // A process that the worker started may keep standard error open.
            let _ = tokio::time::timeout(EXIT_STATUS_LIMIT, read).await;
            ended
        }
        () = &mut read => ended.await,
    };
    how.map(with_last_line)
}

/// Passes on what a worker says, and keeps its last line.
async fn read(stderr: Option<ChildStderr>, (worker, note): Listener, last_line: &Mutex<Option<String>>) {
    let Some(stderr) = stderr else { return };
    let mut stderr = BufReader::new(stderr);
    while let Some(line) = next_line(&mut stderr).await {
        if let Some(line) = line.strip_prefix(LOG_MARK) {
            stderr::log_of_worker(worker.0, line);
        } else {
            output::kept::of_worker(worker.0, &line);
            *last_line.lock().unwrap_or_else(PoisonError::into_inner) = Some(cut(&line));
            note(line);
        }
    }
}

/// A line that fits into another one.
fn cut(line: &str) -> String {
    let mut cut: String = line.chars().take(MAX_LINE).collect();
    if line.chars().nth(MAX_LINE).is_some() {
        cut.push('…');
    }
    cut
}

fn how(ended: std::io::Result<ExitStatus>) -> String {
    ended.map_or_else(|error| error.to_string(), |status| status.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A worker that never stops talking.
    const WORKER: &str = "#!/bin/sh\nread boot; while :; do echo word >&2; done\n";

    #[tokio::test]
    async fn nothing_is_heard_of_workers_that_are_killed_because_the_job_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("worker");
        std::fs::write(&binary, WORKER).unwrap();
        std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = said.clone();
        let [coordinator, ca_pem, token] = [const { String::new() }; 3];
        let boot = Boot {
            coordinator,
            ca_pem,
            token,
            worker: None,
            workers_here: None,
            log: String::new(),
            sdk_only: false,
        };
        let mut cluster = LocalCluster::new(binary, Arc::new(move |line| heard.lock().unwrap().push(line)));
        cluster.start(1, &boot).await.unwrap();
        cluster.spawn(WorkerId(1)).unwrap();
        while said.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // No other task runs from here until the cluster is asked to stop.
        let before = said.lock().unwrap().len();
        cluster.stop(Shutdown::Kill).await;
        assert_eq!(said.lock().unwrap().len(), before);
    }
}

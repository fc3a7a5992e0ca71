//! Workers as child processes on this machine.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    pin::pin,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use job::{control::Boot, ids::WorkerId};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
    sync::oneshot,
    task::JoinSet,
};

/// How long a worker that was told to end may take before it is killed.
const END_LIMIT: Duration = Duration::from_secs(3);
/// How long a worker whose stream has ended may take to end by itself: how it ended says more.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Children of this process. Dropping it kills them.
pub(crate) struct LocalCluster {
    binary: PathBuf,
    note: Arc<dyn Fn(String) + Send + Sync>,
    children: JoinSet<(WorkerId, Option<String>)>,
    kill: BTreeMap<WorkerId, oneshot::Sender<()>>,
}

impl LocalCluster {
    /// Will run `binary`; what workers write to standard error goes to `note`, line by line.
    pub(crate) fn new(binary: PathBuf, note: Arc<dyn Fn(String) + Send + Sync>) -> Self {
        Self { binary, note, children: JoinSet::new(), kill: BTreeMap::new() }
    }

    /// Starts a worker. It learns what it must by its standard input, which nobody else can see;
    /// that the input stays open tells it that this process is alive.
    pub(crate) fn start(&mut self, boot: &Boot) -> Result<(), String> {
        let mut child = Command::new(&self.binary)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", self.binary.display()))?;
        let mut line = serde_json::to_vec(boot).map_err(|error| error.to_string())?;
        line.push(b'\n');
        let Some(worker) = boot.worker else { return Err("a worker without a number".into()) };
        let note = Arc::clone(&self.note);
        let (kill, killed) = oneshot::channel();
        self.kill.insert(worker, kill);
        self.children.spawn(async move {
            let end = watch(&mut child, line, killed, note).await;
            (worker, end)
        });
        Ok(())
    }

    /// Waits for a worker to end and says how, if it was not killed by [`kill`](Self::kill). Never
    /// returns while none runs.
    pub(crate) async fn ended(&mut self) -> (WorkerId, Option<String>) {
        loop {
            match self.children.join_next().await {
                Some(Ok((worker, how))) => {
                    self.kill.remove(&worker);
                    return (worker, how);
                }
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// Kills a worker if it does not just end by itself; [`ended`](Self::ended) still reports it.
    /// Says whether there is one.
    pub(crate) fn kill(&mut self, worker: WorkerId) -> bool {
        self.kill.remove(&worker).is_some_and(|kill| kill.send(()).is_ok())
    }

    /// Waits for all workers to end by themselves, and kills those that do not.
    pub(crate) async fn finish(mut self) {
        let all_ended = async { while self.children.join_next().await.is_some() {} };
        if tokio::time::timeout(END_LIMIT, all_ended).await.is_err() {
            self.stop().await;
        }
    }

    /// Kills all workers and waits for them.
    pub(crate) async fn stop(mut self) {
        self.kill.clear();
        while self.children.join_next().await.is_some() {}
    }
}

/// How the worker ended, unless it was killed.
async fn watch(
    child: &mut Child,
    boot: Vec<u8>,
    killed: oneshot::Receiver<()>,
    note: Arc<dyn Fn(String) + Send + Sync>,
) -> Option<String> {
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin
        && let Err(error) = stdin.write_all(&boot).await
    {
        // How it ended says more.
        let ended = tokio::time::timeout(LAST_WORDS, child.wait()).await;
        return Some(ended.map_or_else(|_| format!("could not be told its job: {error}"), how));
    }
    let stderr = child.stderr.take();
    let read = async {
        if let Some(stderr) = stderr {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                note(line);
            }
        }
    };
    let wait = async {
        tokio::select! {
            status = child.wait() => return Some(how(status)),
            // A dropped sender kills as well as a sent word, and at once.
            killed = killed => if killed.is_ok()
                && let Ok(status) = tokio::time::timeout(LAST_WORDS, child.wait()).await
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
    tokio::select! {
        ended = &mut ended => {
            // Whatever the worker has started may hold standard error open.
            let _ = tokio::time::timeout(LAST_WORDS, read).await;
            ended
        }
        () = &mut read => ended.await,
    }
}

fn how(ended: std::io::Result<ExitStatus>) -> String {
    ended.map_or_else(|error| error.to_string(), |status| status.to_string())
}

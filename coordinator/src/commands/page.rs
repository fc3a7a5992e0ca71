//! The page of jobs in a browser: of the job that this command runs, or of those in folders. It only reads, and nothing
//! waits for it.

use std::{io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};

use ::page::{Access, INTERRUPTED, Jobs, Server, new_token};
use events::{Failed, JobState};
use futures_util::future::join_all;
use job::{spec::AwsAccess, target::Target, visible};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::status::{FolderState, News, SILENT, STALE, status_of};
use crate::{
    failure::Failure,
    jobs::history,
    output::{progress::Progress, waits::unless_silent},
    store::Store,
};

/// The time between two states of the job of this command.
const OWN_EVERY: Duration = Duration::from_secs(1);
/// The time between two looks at folders. Jobs write their status every five seconds.
const READ_FOLDERS_EVERY: Duration = Duration::from_secs(3);
/// How long a look at a folder may take.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// Serves the page of the job that this command runs, until the value returned is dropped. Prints its address.
///
/// # Errors
/// Fails with `FailureKind::Refused` if the page can't listen at `at`.
pub(crate) async fn of_this_job(at: SocketAddr, progress: &Progress) -> Result<JoinSet<()>, Failure> {
    let stream = progress.stream().clone();
    let newest = {
        let stream = stream.clone();
        move || Arc::new(Jobs::new(vec![(String::new(), Ok(stream.state()))]))
    };
    let (sender, jobs) = watch::channel(newest());
    let (server, address) = listen(at, jobs).await?;
    progress.note(&address);
    let mut tasks = JoinSet::new();
    tasks.spawn(server.run());
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(OWN_EVERY).await;
            sender.send_replace(newest());
        }
    });
    Ok(tasks)
}

/// Serves the page of the jobs in folders until a signal ends it. `tell` gets the address.
///
/// # Errors
/// Fails with `FailureKind::Refused` if a folder can't be read, or if the page can't listen at `at`.
pub(crate) async fn of_folders(
    folders: &[Target],
    access: &AwsAccess,
    at: SocketAddr,
    stop: &CancellationToken,
    print: impl Fn(&str),
) -> Result<(), Failure> {
    let serving = async {
        let mut watched = Vec::new();
        for folder in folders {
            let open =
                async { Store::to_read(folder, access).await.map_err(|fault| Failure::refused(&fault)) };
            watched.push(Watched::new(folder, unless_silent(open).await?));
        }
        let (sender, jobs) = watch::channel(Arc::new(refresh_all(&mut watched).await));
        let (server, address) = listen(at, jobs).await?;
        print(&address);
        let mut tasks = JoinSet::new();
        tasks.spawn(server.run());
        loop {
            tokio::time::sleep(READ_FOLDERS_EVERY).await;
            sender.send_replace(Arc::new(refresh_all(&mut watched).await));
        }
    };
    tokio::select! {
        served = serving => served,
        () = stop.cancelled() => Ok(()),
    }
}

/// A folder on the page.
struct Watched<'a> {
    folder: &'a Target,
    store: Store,
    news: News,
    /// What was shown last, for folders that do not answer in time.
    shown: Result<JobState, String>,
}

impl<'a> Watched<'a> {
    fn new(folder: &'a Target, store: Store) -> Self {
        Self { folder, store, news: News::default(), shown: Err("no answer yet".to_owned()) }
    }

    /// Looks again. A folder that does not answer in time keeps what was shown, and does not hold up the others.
    async fn refresh(&mut self) {
        if let Ok(shown) = tokio::time::timeout(LOOK_LIMIT, self.newest()).await {
            self.shown = shown;
        }
    }

    /// The state of the folder's job. Without one, a text says what the folder holds.
    async fn newest(&mut self) -> Result<JobState, String> {
        let Some(mut state) = history::newest(&self.store).await else {
            return Err(match status_of(self.folder, &self.store).await {
                Ok(status) => visible::line(&status.to_string()).into_owned(),
                Err(failure) => failure.to_string(),
            });
        };
        // At the first look the files in the folder are looked at, too.
        let unchanged_for = self.news.unchanged_for(&state.at).unwrap_or(STALE);
        // The files say more than the state, which may be old, or forged.
        if !state.has_ended() && unchanged_for < STALE {
            return Ok(state);
        }
        let status = status_of(self.folder, &self.store).await.map_err(|failure| failure.to_string())?;
        match status.state {
            FolderState::Running(_) if !state.has_ended() => Ok(state),
            FolderState::Unfinished(_) if !state.has_ended() && unchanged_for < SILENT => Ok(state),
            FolderState::Complete { .. } | FolderState::Empty if state.completed.is_some() => Ok(state),
            FolderState::Stopped(_) | FolderState::Interrupted(_) | FolderState::Unfinished(_)
                if state.error.is_some() =>
            {
                Ok(state)
            }
            FolderState::Stopped(_) | FolderState::Interrupted(_) | FolderState::Unfinished(_) => {
                let message = visible::line(&status.to_string()).into_owned();
                state.completed = None;
                state.error = Some(Failed { exit_code: 1, kind: INTERRUPTED.to_owned(), message });
                Ok(state)
            }
            _ => match history::of_complete(&self.store).await {
                Some(history) => Ok(history),
                None => Err(visible::line(&status.to_string()).into_owned()),
            },
        }
    }
}

/// What is shown of each folder, after another look at all of them.
async fn refresh_all(watched: &mut [Watched<'_>]) -> Jobs {
    join_all(watched.iter_mut().map(Watched::refresh)).await;
    Jobs::new(watched.iter().map(|one| (one.folder.to_string(), one.shown.clone())).collect())
}

/// A server, and the line that tells its address with the token.
async fn listen(at: SocketAddr, jobs: watch::Receiver<Arc<Jobs>>) -> Result<(Server, String), Failure> {
    let refused = |error: std::io::Error| {
        let why = match error.kind() {
            ErrorKind::AddrInUse => {
                "another program listens there: give another port, or 0 for any".to_owned()
            }
            ErrorKind::PermissionDenied => "that needs more permissions: give a port above 1023".to_owned(),
            _ => error.to_string(),
        };
        Failure::refused(format!("the page can't be served at {at}: {why}"))
    };
    let listener = TcpListener::bind(at).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let token = new_token();
    let line = format!("page        http://{address}/#token={token}");
    Ok((Server::new(listener, Access::new(token), jobs), line))
}

//! The page of jobs in a browser: of the job that this command runs, or of those in folders. It only reads, and nothing
//! waits for it.

use std::{io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};

use ::page::{Access, Jobs, Server, new_token};
use job::{spec::AwsAccess, target::Target, visible};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::status::status_of;
use crate::{failure::Failure, history, progress::Progress, store::Store, waits::unless_silent};

/// The time between two states of the job of this command.
const OWN_EVERY: Duration = Duration::from_secs(1);
/// The time between two looks at folders. Jobs write their status every five seconds.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Serves the page of the job that this command runs, until the value returned is dropped. Prints its address.
///
/// # Errors
/// Fails with [`Failure::Refused`] if the page can't listen at `at`.
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
/// Fails with [`Failure::Refused`] if a folder can't be read, or if the page can't listen at `at`.
pub(crate) async fn of_folders(
    folders: &[Target],
    access: &AwsAccess,
    at: SocketAddr,
    stop: &CancellationToken,
    tell: impl Fn(&str),
) -> Result<(), Failure> {
    let serving = async {
        let mut stores = Vec::new();
        for folder in folders {
            let open =
                async { Store::to_read(folder, access).await.map_err(|fault| Failure::refused(&fault)) };
            stores.push((folder, unless_silent(open).await?));
        }
        let (sender, jobs) = watch::channel(Arc::new(look(&stores).await));
        let (server, address) = listen(at, jobs).await?;
        tell(&address);
        let mut tasks = JoinSet::new();
        tasks.spawn(server.run());
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            sender.send_replace(Arc::new(look(&stores).await));
        }
    };
    tokio::select! {
        served = serving => served,
        () = stop.cancelled() => Ok(()),
    }
}

/// The state of each folder's job. If the folder tells of none, it says what it holds.
async fn look(stores: &[(&Target, Store)]) -> Jobs {
    let mut jobs = Vec::new();
    for (folder, store) in stores {
        let state = match history::newest(store).await {
            Some(state) => Ok(state),
            None => Err(match status_of(folder, store).await {
                Ok(status) => visible::line(&status.to_string()).into_owned(),
                Err(failure) => failure.to_string(),
            }),
        };
        jobs.push((folder.to_string(), state));
    }
    Jobs::new(jobs)
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

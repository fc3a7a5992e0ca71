//! Serves the page over HTTP.
//!
//! A page must not disturb the job that it shows. Connections are few, short and take little memory, and whatever is
//! answered is drawn once for all who ask.

mod access;
mod answer;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use events::JobState;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time,
};

pub use access::{Access, new_token};

use crate::draw;

/// The most connections at a time. Further ones are closed at once.
const MOST_CONNECTIONS: usize = 64;
/// The longest that a request's head may take to arrive, and the longest that a connection may wait for one.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// The longest that a connection lives, so that a reader that stopped to read does not hold one for ever. Browsers
/// connect again.
const CONNECTION_LIMIT: Duration = Duration::from_mins(10);
/// The largest head of a request, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;
/// How long to wait after an error of `accept`, which without that would come again at once: too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The jobs on the page, at one moment.
#[derive(Debug, Default)]
pub struct Jobs {
    /// For each folder the state of its job, or why it could not be read.
    folders: Vec<(String, Result<JobState, String>)>,
    /// What was drawn of it.
    body: OnceLock<Bytes>,
    text: OnceLock<Bytes>,
    json: OnceLock<Bytes>,
}

impl Jobs {
    /// The folder and the state of each job, or why its state could not be read.
    pub fn new(jobs: Vec<(String, Result<JobState, String>)>) -> Self {
        Self { folders: jobs, ..Self::default() }
    }

    fn body(&self) -> Bytes {
        self.body.get_or_init(|| draw::body(&self.drawn()).into()).clone()
    }

    fn text(&self) -> Bytes {
        self.text.get_or_init(|| draw::document(&self.drawn()).into()).clone()
    }

    /// A list with an object for each job: `folder`, and `state` or `problem`.
    fn json(&self) -> Bytes {
        self.json
            .get_or_init(|| {
                let list = self.folders.iter().map(|(folder, state)| match state {
                    Ok(state) => serde_json::json!({ "folder": folder, "state": state }),
                    Err(problem) => serde_json::json!({ "folder": folder, "problem": problem }),
                });
                list.collect::<serde_json::Value>().to_string().into()
            })
            .clone()
    }

    /// The metrics of the job. `None` if there are several: each metric may stand once only.
    fn metrics(&self) -> Option<String> {
        match self.folders.as_slice() {
            [(_, Ok(state))] => {
                let job =
                    events::Measured { state: Some(state), table: "", direction: "", succeeded_at: None };
                Some(events::metrics(&[job], events::Exposition::OpenMetrics))
            }
            _ => None,
        }
    }

    fn drawn(&self) -> Vec<draw::Job<'_>> {
        self.folders
            .iter()
            .map(|(folder, state)| draw::Job { folder, state: state.as_ref().map_err(String::as_str) })
            .collect()
    }
}

/// The server of a page.
pub struct Server {
    listener: TcpListener,
    service: Arc<PageService>,
}

/// What all connections share.
struct PageService {
    access: Access,
    jobs: watch::Receiver<Arc<Jobs>>,
}

impl Server {
    /// A server that listens already, on an address that only this machine reaches: it has no TLS.
    pub fn new(listener: TcpListener, access: Access, jobs: watch::Receiver<Arc<Jobs>>) -> Self {
        Self { listener, service: Arc::new(PageService { access, jobs }) }
    }

    /// Serves until it is dropped.
    pub async fn run(self) {
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok((stream, _)) = self.listener.accept().await else {
                time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Ok(place) = places.clone().try_acquire_owned() else { continue };
            let service = self.service.clone();
            connections.spawn(async move {
                let _ = time::timeout(CONNECTION_LIMIT, connection(stream, service)).await;
                drop(place);
            });
        }
    }
}

/// Serves a connection until either side ends it. Its faults do not concern other connections.
async fn connection(stream: TcpStream, service: Arc<PageService>) {
    let service = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, std::convert::Infallible>(answer::answer(&request, &service)) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

#[cfg(test)]
mod tests;

//! A client of the `ResourceManager`'s REST API, and through it of application masters and the `JobHistoryServer`. The
//! submodules parse the replies.

pub(crate) mod applications;
pub(crate) mod attempts;
pub(crate) mod nodes;
pub(crate) mod scheduler;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use hyper::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use self::{
    applications::{Application, Applications, expiry},
    attempts::{Attempts, FailedAttempt, Tasks},
    nodes::{Node, Nodes},
    scheduler::Scheduler,
};
use super::http::{Client, Content, HttpError, escaped};

/// The most tasks whose attempts are examined for failures. Each takes a request.
const MOST_TASKS: usize = 20;

/// What a `ResourceManager` says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Info {
    /// Its URL, such as `http://host:8088`.
    pub(crate) url: String,
    /// The version of Hadoop, such as `3.4.1-amzn-0`.
    pub(crate) version: String,
    /// `STARTED` if it works.
    pub(crate) state: String,
    /// Whether it is the active one.
    pub(crate) is_active: bool,
}

/// Sends requests to the active one of a cluster's `ResourceManager`s, on behalf of a user.
#[derive(Debug)]
pub(crate) struct Manager {
    client: Client,
    urls: Vec<String>,
    history: Option<String>,
    user: String,
    /// Which of `urls` was active at the last request.
    active: Mutex<Option<String>>,
}

impl Manager {
    /// `urls` are the web addresses of the `ResourceManager`s (`http://host:port`), `history` that of the
    /// `JobHistoryServer` if known. `user` makes the requests; clusters without Kerberos trust that name.
    pub(crate) fn new(client: Client, urls: Vec<String>, history: Option<String>, user: String) -> Self {
        Self { client, urls, history, user, active: Mutex::new(None) }
    }

    /// Finds the active `ResourceManager`, and remembers it.
    ///
    /// # Errors
    /// Fails if none is active, with the reason of the last one tried, or of one that tablehaul cannot talk to: that
    /// one may be active.
    pub(crate) async fn info(&self) -> Result<Info, HttpError> {
        let mut last = HttpError::Malformed {
            url: "the Hadoop configuration".to_owned(),
            why: "it names no ResourceManager".to_owned(),
        };
        for url in &self.urls {
            // A standby one answers this request itself as well.
            let error =
                match self.client.get::<ClusterInfoReply>(&self.at(url, "/ws/v1/cluster/info", "")).await {
                    Ok(about) if about.info.is_active() => {
                        *self.active.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.clone());
                        return Ok(about.info.with_url(url));
                    }
                    Ok(_) => HttpError::Standby(url.clone()),
                    Err(error) => error,
                };
            if error.is_closed() || !last.is_closed() {
                last = error;
            }
        }
        Err(last)
    }

    /// The nodes that run containers.
    ///
    /// # Errors
    /// See [`HttpError`], as for all other requests.
    pub(crate) async fn nodes(&self) -> Result<Vec<Node>, HttpError> {
        Ok(self.get::<Nodes>("/ws/v1/cluster/nodes", "&states=RUNNING").await?.into_nodes())
    }

    /// The queues.
    pub(crate) async fn scheduler(&self) -> Result<Scheduler, HttpError> {
        Ok(Scheduler::read(&self.get("/ws/v1/cluster/scheduler", "").await?))
    }

    /// An application. `None` if the `ResourceManager` does not know it, or no longer.
    pub(crate) async fn application(&self, id: &str) -> Result<Option<Application>, HttpError> {
        match self.get::<Applications>(&format!("/ws/v1/cluster/apps/{id}"), "").await {
            Ok(applications) => Ok(applications.into_first()),
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The application with a tag, the newest if there are several. YARN stores tags in lower case.
    pub(crate) async fn tagged(&self, tag: &str) -> Result<Option<Application>, HttpError> {
        let tag = format!("&applicationTags={}", escaped(&tag.to_ascii_lowercase()));
        Ok(self.get::<Applications>("/ws/v1/cluster/apps", &tag).await?.into_newest())
    }

    /// Kills an application. That may take a moment. Repeating it does no harm.
    pub(crate) async fn kill(&self, id: &str) -> Result<(), HttpError> {
        let state = json!({ "state": "KILLED" });
        self.put(&format!("/ws/v1/cluster/apps/{id}/state"), &state).await
    }

    /// Makes the `ResourceManager` kill an application after this time, unless the time is extended (Hadoop 2.9 and
    /// later). The deadline uses the `ResourceManager`'s clock, which may differ from this machine's.
    pub(crate) async fn end_in(&self, id: &str, time: SignedDuration) -> Result<(), HttpError> {
        let url = self.at(&self.active().await?, "/ws/v1/cluster/info", "");
        let now = self.client.follow(Method::GET, &url, None).await?.time.unwrap_or_else(Timestamp::now);
        let timeout = json!({ "timeout": { "type": "LIFETIME", "expiryTime": expiry(now + time) } });
        self.put(&format!("/ws/v1/cluster/apps/{id}/timeout"), &timeout).await
    }

    /// Failed attempts of an application's tasks with their reasons, from its master while it runs and from the
    /// `JobHistoryServer` afterwards. For a large job only those of some tasks. None for an application that was killed
    /// from outside, because no history of it is written.
    pub(crate) async fn failed_attempts(&self, id: &str) -> Result<Vec<FailedAttempt>, HttpError> {
        let job = id.replacen("application", "job", 1);
        let master = format!("{}/proxy/{id}/ws/v1/mapreduce/jobs/{job}", self.active().await?);
        let (tasks, job) = match (self.tasks(&master).await, &self.history) {
            (Ok(tasks), _) => (tasks, master),
            (Err(_), Some(history)) => {
                let history = format!("{history}/ws/v1/history/mapreduce/jobs/{job}");
                match self.tasks(&history).await {
                    Ok(tasks) => (tasks, history),
                    Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => return Ok(Vec::new()),
                    Err(error) => return Err(error),
                }
            }
            (Err(error), None) => return Err(error),
        };
        let mut failed = Vec::new();
        for task in tasks.suspects(MOST_TASKS) {
            let attempts: Attempts = self.client.get(&format!("{job}/tasks/{task}/attempts")).await?;
            failed.extend(attempts.into_failed());
        }
        Ok(failed)
    }

    async fn tasks(&self, job: &str) -> Result<Tasks, HttpError> {
        self.client.get(&self.at(job, "/tasks", "&type=m")).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &str) -> Result<T, HttpError> {
        let url = self.active().await?;
        let reply = self.client.get(&self.at(&url, path, query)).await;
        if !reply.as_ref().is_err_and(moved) {
            return reply;
        }
        let url = self.info().await?.url;
        self.client.get(&self.at(&url, path, query)).await
    }

    async fn put(&self, path: &str, body: &Value) -> Result<(), HttpError> {
        let body = Content::json(body);
        let url = self.active().await?;
        let mut reply = self.client.follow(Method::PUT, &self.at(&url, path, ""), Some(body.clone())).await;
        if reply.as_ref().is_err_and(moved) {
            let url = self.info().await?.url;
            reply = self.client.follow(Method::PUT, &self.at(&url, path, ""), Some(body)).await;
        }
        reply.map(|_| ())
    }

    async fn active(&self) -> Result<String, HttpError> {
        let known = self.active.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(url) => Ok(url),
            None => Ok(self.info().await?.url),
        }
    }

    fn at(&self, url: &str, path: &str, query: &str) -> String {
        format!("{url}{path}?user.name={}{query}", escaped(&self.user))
    }
}

/// Whether another `ResourceManager` may be active by now.
fn moved(error: &HttpError) -> bool {
    matches!(error, HttpError::Standby(_) | HttpError::Unreachable { .. })
}

#[derive(Deserialize)]
struct ClusterInfoReply {
    #[serde(rename = "clusterInfo")]
    info: ClusterInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClusterInfo {
    #[serde(default)]
    state: String,
    /// Also `ACTIVE` without high availability.
    #[serde(default)]
    ha_state: Option<String>,
    #[serde(default)]
    hadoop_version: String,
}

impl ClusterInfo {
    fn is_active(&self) -> bool {
        self.ha_state.as_deref().is_none_or(|state| state == "ACTIVE")
    }

    fn with_url(self, url: &str) -> Info {
        let is_active = self.is_active();
        Info { url: url.to_owned(), version: self.hadoop_version, state: self.state, is_active }
    }
}

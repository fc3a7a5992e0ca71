//! What the `ResourceManager` and the history server say of an application, by their REST APIs.

use super::Hadoop;
use crate::http;
use serde_json::Value;
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often it is asked while waiting.
const INTERVAL: Duration = Duration::from_millis(100);
/// The history server may need this long after an application's end until it knows of its job.
const PATIENCE: Duration = Duration::from_secs(20);

impl Hadoop {
    /// All applications with this tag, in whatever case.
    ///
    /// # Panics
    /// When the `ResourceManager` doesn't answer.
    #[track_caller]
    pub fn applications(&self, tag: &str) -> Vec<Value> {
        let url = format!("{}/ws/v1/cluster/apps?applicationTags={tag}", self.resource_manager());
        let mut reply = get(&url).unwrap_or_else(|why| panic!("{why}"));
        match reply["apps"]["app"].take() {
            Value::Array(applications) => applications,
            _ => Vec::new(),
        }
    }

    /// One application (`application_…`): its `state`, `finalStatus`, `diagnostics`, …
    ///
    /// # Panics
    /// When there is no such.
    #[track_caller]
    pub fn application(&self, id: &str) -> Value {
        let url = format!("{}/ws/v1/cluster/apps/{id}", self.resource_manager());
        get(&url).unwrap_or_else(|why| panic!("{why}"))["app"].take()
    }

    /// The id of the one application with this tag, once there is one.
    ///
    /// # Panics
    /// When there is none after `patience`, or there are several.
    #[track_caller]
    pub fn submitted(&self, tag: &str, patience: Duration) -> String {
        let applications = wait(patience, &format!("an application tagged {tag}"), || {
            Some(self.applications(tag)).filter(|applications| !applications.is_empty())
        });
        assert_eq!(applications.len(), 1, "{applications:?}");
        applications[0]["id"].as_str().expect("its id").to_owned()
    }

    /// One application, once it has ended in whatever way: its `state` is `FINISHED`, `FAILED` or `KILLED`.
    ///
    /// # Panics
    /// When it runs longer than `patience`.
    #[track_caller]
    pub fn ended(&self, id: &str, patience: Duration) -> Value {
        wait(patience, &format!("the end of {id}"), || {
            let application = self.application(id);
            let state = application["state"].as_str().unwrap_or_default();
            ["FINISHED", "FAILED", "KILLED"].contains(&state).then_some(application)
        })
    }

    /// What is said at `path` (`counters`, `conf`, `tasks`, …) below the job of an application: by its master while it
    /// runs, after that by the history server.
    ///
    /// # Errors
    /// What was said instead: a job that was killed together with its master has no history.
    pub fn job(&self, application: &str, path: &str) -> Result<Value, String> {
        let job = application.replacen("application", "job", 1);
        let proxy = format!("{}/proxy/{application}/ws/v1", self.resource_manager());
        let history = format!("{}/ws/v1/history", self.history());
        let at = |server: &str| get(&format!("{server}/mapreduce/jobs/{job}/{path}"));
        let since = Instant::now();
        loop {
            match at(&proxy).or_else(|_| at(&history)) {
                Err(_) if since.elapsed() < PATIENCE => sleep(INTERVAL),
                reply => return reply,
            }
        }
    }

    /// The counters of a group, such as `tablehaul`, summed over all tasks.
    ///
    /// # Panics
    /// If the job is unknown.
    #[track_caller]
    pub fn counters(&self, application: &str, group: &str) -> BTreeMap<String, u64> {
        let reply = self.job(application, "counters").unwrap_or_else(|why| panic!("{why}"));
        let groups = reply["jobCounters"]["counterGroup"].as_array().into_iter().flatten();
        let counters = groups.filter(|found| found["counterGroupName"] == group);
        let counters = counters.flat_map(|group| group["counter"].as_array().into_iter().flatten());
        let pair = |counter: &Value| {
            Some((counter["name"].as_str()?.to_owned(), counter["totalCounterValue"].as_u64()?))
        };
        counters.filter_map(pair).collect()
    }

    /// All attempts of all tasks: their `id`, `state`, `status`, `diagnostics`, `assignedContainerId`,
    /// `nodeHttpAddress`.
    ///
    /// # Panics
    /// If the job is unknown.
    #[track_caller]
    pub fn attempts(&self, application: &str) -> Vec<Value> {
        let ask = |path: &str| self.job(application, path).unwrap_or_else(|why| panic!("{why}"));
        let tasks = ask("tasks")["tasks"]["task"].take();
        let tasks = tasks.as_array().into_iter().flatten();
        let attempts = tasks.filter_map(|task| Some(format!("tasks/{}/attempts", task["id"].as_str()?)));
        let attempts = attempts.map(|path| ask(&path)["taskAttempts"]["taskAttempt"].take());
        attempts.filter_map(|attempts| attempts.as_array().cloned()).flatten().collect()
    }
}

/// What `get` answers, as soon as it answers something.
#[track_caller]
fn wait<T>(patience: Duration, what: &str, get: impl Fn() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = get() {
            return found;
        }
        assert!(since.elapsed() < patience, "there is not {what} after {patience:?}");
        sleep(INTERVAL);
    }
}

/// The JSON at a URL of a server at an IP address.
///
/// # Errors
/// When it isn't reached, answers with another status than 200, or with something else than JSON.
pub fn get(url: &str) -> Result<Value, String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url}: not http"))?;
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = address.parse().map_err(|error| format!("{url}: {error}"))?;
    let reply = http::request(address, "GET", &format!("/{path}"), &[], "");
    let reply = reply.map_err(|error| format!("{url}: {error}"))?;
    if reply.status != 200 {
        return Err(format!("{url}: status {}: {:.500}", reply.status, reply.body));
    }
    serde_json::from_str(&reply.body).map_err(|error| format!("{url}: {error}: {:.500}", reply.body))
}

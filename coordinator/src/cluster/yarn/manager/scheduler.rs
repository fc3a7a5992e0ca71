//! What the `ResourceManager` says of its queues. The capacity, the fair and the FIFO scheduler reply in three
//! unrelated forms.

use serde_json::Value;

/// How queues share the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SchedulerKind {
    /// All queues are configured.
    Capacity,
    /// Queues may also be created when they are named.
    Fair,
    /// There are no queues, or the scheduler is unknown.
    Other,
}

/// A queue that takes applications.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct YarnQueue {
    /// Its full path, such as `root.etl.nightly`.
    pub(crate) path: String,
    /// Whether it takes applications now, as far as is known.
    pub(crate) is_running: bool,
    /// The most that the applications of one user may have in it.
    pub(crate) most: Most,
    /// What its applications have, in MiB.
    pub(crate) used_mb: u64,
    /// The number of applications in it, and the most that it takes. `None` if not reported.
    applications: Option<(u64, u64)>,
}

/// A limit of a queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Most {
    /// Percent of the whole cluster.
    Percent(f64),
    /// MiB.
    Memory(u64),
}

impl YarnQueue {
    /// An empty queue without limits.
    #[cfg(test)]
    pub(crate) fn of(path: &str) -> Self {
        let most = Most::Percent(100.0);
        Self { path: path.to_owned(), is_running: true, most, used_mb: 0, applications: None }
    }

    /// The last component of its path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// Whether it takes no further application until another one ends.
    pub(crate) fn is_full(&self) -> bool {
        self.applications.is_some_and(|(now, most)| now >= most)
    }

    /// What is left of its limit on a cluster with this much memory, both in MiB. Does not consider what other queues
    /// have taken of the cluster.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "not negative, and YARN reports shares with fewer digits"
    )]
    pub(crate) fn free_mb(&self, cluster_mb: u64) -> u64 {
        let most = match self.most {
            // Shares are reported as 60.000004.
            Most::Percent(percent) => (cluster_mb as f64 * percent.clamp(0.0, 100.0) / 100.0).round() as u64,
            Most::Memory(mb) => mb,
        };
        most.saturating_sub(self.used_mb)
    }
}

/// Why a queue takes no job.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueError {
    #[error(
        "queue {name} does not exist or is not a leaf queue: --yarn-queue must be one of {}",
        queues.join(", ")
    )]
    Unknown { name: String, queues: Vec<String> },
    #[error("queue {0} is stopped: it takes no jobs")]
    Stopped(String),
    #[error("queue {path} is full: it has {now} of {most} applications")]
    Full { path: String, now: u64, most: u64 },
}

/// All queues that take applications.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scheduler {
    /// The kind of scheduler.
    pub(crate) kind: SchedulerKind,
    /// In the order of the reply.
    pub(crate) queues: Vec<YarnQueue>,
    /// The most memory of a container, in MiB, if reported (Hadoop 3). Not more than the largest node has.
    pub(crate) maximum_mb: Option<u64>,
}

impl Scheduler {
    /// Parses the reply to `/ws/v1/cluster/scheduler`.
    pub(super) fn read(reply: &Value) -> Self {
        let info = &reply["scheduler"]["schedulerInfo"];
        let mut queues = Vec::new();
        let kind = match info["type"].as_str() {
            Some("capacityScheduler") => {
                capacity_leaves(info, "", &mut queues);
                SchedulerKind::Capacity
            }
            Some("fairScheduler") => {
                fair_leaves(&info["rootQueue"], &mut queues);
                SchedulerKind::Fair
            }
            _ => SchedulerKind::Other,
        };
        Self { kind, queues, maximum_mb: info["maximumAllocation"]["memory"].as_u64() }
    }

    /// The queue with this name or path. `None` if the scheduler creates queues when they are named, or its queues are
    /// unknown.
    ///
    /// # Errors
    /// Fails if there is no such queue, if it takes no applications, or if it is full.
    pub(crate) fn queue(&self, name: &str) -> Result<Option<&YarnQueue>, QueueError> {
        let path =
            self.queues.iter().find(|queue| queue.path == name || queue.path == format!("root.{name}"));
        let Some(queue) = path.or_else(|| self.queues.iter().find(|queue| queue.name() == name)) else {
            if self.kind != SchedulerKind::Capacity {
                return Ok(None);
            }
            let queues = self.queues.iter().map(|queue| queue.path.clone()).collect();
            return Err(QueueError::Unknown { name: name.to_owned(), queues });
        };
        if !queue.is_running {
            return Err(QueueError::Stopped(queue.path.clone()));
        }
        if let Some((now, most)) = queue.applications.filter(|_| queue.is_full()) {
            return Err(QueueError::Full { path: queue.path.clone(), now, most });
        }
        Ok(Some(queue))
    }
}

/// The leaf queues of the capacity scheduler below a queue: `queues.queue`.
fn capacity_leaves(queue: &Value, parent: &str, leaves: &mut Vec<YarnQueue>) {
    let name = queue["queueName"].as_str().unwrap_or_default();
    // Paths are reported only since Hadoop 3.3.
    let path = if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
    let below = children(&queue["queues"]);
    for child in below {
        capacity_leaves(child, &path, leaves);
    }
    if !below.is_empty() || parent.is_empty() {
        return;
    }
    let percent = |name: &str| queue[name].as_f64();
    let most = percent("absoluteMaxCapacity").unwrap_or(100.0);
    // One user gets at most the queue's own share times this factor. -1 means no limit.
    let user = percent("userLimitFactor").filter(|factor| *factor > 0.0);
    let user = user.and_then(|factor| Some(factor * percent("absoluteCapacity")?));
    let running = queue["numApplications"].as_u64();
    leaves.push(YarnQueue {
        path,
        is_running: queue["state"].as_str().is_none_or(|state| state == "RUNNING"),
        most: Most::Percent(user.map_or(most, |user| user.min(most))),
        used_mb: queue["resourcesUsed"]["memory"].as_u64().unwrap_or(0),
        applications: running.zip(queue["maxApplications"].as_u64()),
    });
}

/// The leaf queues of the fair scheduler, whose names are paths: `childQueues.queue`.
fn fair_leaves(queue: &Value, leaves: &mut Vec<YarnQueue>) {
    let below = children(&queue["childQueues"]);
    for child in below {
        fair_leaves(child, leaves);
    }
    let path = queue["queueName"].as_str().unwrap_or_default();
    if below.is_empty() && path.contains('.') {
        leaves.push(YarnQueue {
            path: path.to_owned(),
            is_running: true,
            most: queue["maxResources"]["memory"].as_u64().map_or(Most::Percent(100.0), Most::Memory),
            used_mb: queue["usedResources"]["memory"].as_u64().unwrap_or(0),
            applications: None,
        });
    }
}

/// `{"queue": [...]}`, or in Hadoop 2.7 the list itself.
fn children(below: &Value) -> &[Value] {
    let list = below.as_array().or_else(|| below["queue"].as_array());
    list.map_or(&[], Vec::as_slice)
}

//! What the `ResourceManager` says of its queues (core): of the capacity, the fair and the FIFO scheduler, whose
//! replies have nothing in common.

use serde_json::Value;

/// How queues share the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Queues are configured.
    Capacity,
    /// Queues may also come into being when they are named.
    Fair,
    /// There are none; or a scheduler not known here.
    Other,
}

/// A queue that takes applications.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Queue {
    /// With all above it, such as `root.etl.nightly`.
    pub(crate) path: String,
    /// Whether it takes applications now, for what can be known.
    pub(crate) is_running: bool,
    /// What one user's applications in it may have, at most.
    pub(crate) most: Most,
    /// What its applications have, in MiB.
    pub(crate) used_mb: u64,
    /// Applications in it, and how many it takes; nothing if that is not told.
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

impl Queue {
    /// An empty queue without limits.
    #[cfg(test)]
    pub(crate) fn of(path: &str) -> Self {
        let most = Most::Percent(100.0);
        Self { path: path.to_owned(), is_running: true, most, used_mb: 0, applications: None }
    }

    /// The last part of its path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// Whether it takes no further application before another has ended.
    pub(crate) fn is_full(&self) -> bool {
        self.applications.is_some_and(|(now, most)| now >= most)
    }

    /// What is left of its limit on a cluster of so much memory, both in MiB; what others may have taken of the
    /// cluster is not known here.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
    pub(crate) fn free_mb(&self, cluster_mb: u64) -> u64 {
        let most = match self.most {
            // Shares come as 60.000004.
            Most::Percent(percent) => (cluster_mb as f64 * percent.clamp(0.0, 100.0) / 100.0).round() as u64,
            Most::Memory(mb) => mb,
        };
        most.saturating_sub(self.used_mb)
    }
}

/// All queues that take applications.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scheduler {
    /// Of which kind.
    pub(crate) kind: Kind,
    /// In the order told.
    pub(crate) queues: Vec<Queue>,
    /// The most memory of a container, in MiB, if it is told (Hadoop 3): not more than the largest node has.
    pub(crate) maximum_mb: Option<u64>,
}

impl Scheduler {
    /// Reads the reply to `/ws/v1/cluster/scheduler`.
    pub(super) fn read(reply: &Value) -> Self {
        let info = &reply["scheduler"]["schedulerInfo"];
        let mut queues = Vec::new();
        let kind = match info["type"].as_str() {
            Some("capacityScheduler") => {
                capacity_leaves(info, "", &mut queues);
                Kind::Capacity
            }
            Some("fairScheduler") => {
                fair_leaves(&info["rootQueue"], &mut queues);
                Kind::Fair
            }
            _ => Kind::Other,
        };
        Self { kind, queues, maximum_mb: info["maximumAllocation"]["memory"].as_u64() }
    }

    /// The queue that a name or path means; nothing where queues may come into being when they are named, or are not
    /// known here.
    ///
    /// # Errors
    /// One line: there is no such queue (and which there are), it takes no applications, or it is full.
    pub(crate) fn queue(&self, name: &str) -> Result<Option<&Queue>, String> {
        let path =
            self.queues.iter().find(|queue| queue.path == name || queue.path == format!("root.{name}"));
        let Some(queue) = path.or_else(|| self.queues.iter().find(|queue| queue.name() == name)) else {
            if self.kind != Kind::Capacity {
                return Ok(None);
            }
            let names: Vec<_> = self.queues.iter().map(|queue| queue.path.as_str()).collect();
            return Err(format!(
                "queue {name} does not exist or is not a leaf queue: --yarn-queue must be one of {}",
                names.join(", ")
            ));
        };
        if !queue.is_running {
            return Err(format!("queue {} is stopped: it takes no jobs", queue.path));
        }
        if let Some((now, most)) = queue.applications.filter(|_| queue.is_full()) {
            return Err(format!("queue {} is full: it has {now} of {most} applications", queue.path));
        }
        Ok(Some(queue))
    }
}

/// The capacity scheduler's queues below one: `queues.queue`.
fn capacity_leaves(queue: &Value, parent: &str, leaves: &mut Vec<Queue>) {
    let name = queue["queueName"].as_str().unwrap_or_default();
    // Paths are told since Hadoop 3.3.
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
    // One user gets no more than the queue's own share times this factor; -1 means any.
    let user = percent("userLimitFactor").filter(|factor| *factor > 0.0);
    let user = user.and_then(|factor| Some(factor * percent("absoluteCapacity")?));
    let running = queue["numApplications"].as_u64();
    leaves.push(Queue {
        path,
        is_running: queue["state"].as_str().is_none_or(|state| state == "RUNNING"),
        most: Most::Percent(user.map_or(most, |user| user.min(most))),
        used_mb: queue["resourcesUsed"]["memory"].as_u64().unwrap_or(0),
        applications: running.zip(queue["maxApplications"].as_u64()),
    });
}

/// The fair scheduler's, whose names are paths: `childQueues.queue`.
fn fair_leaves(queue: &Value, leaves: &mut Vec<Queue>) {
    let below = children(&queue["childQueues"]);
    for child in below {
        fair_leaves(child, leaves);
    }
    let path = queue["queueName"].as_str().unwrap_or_default();
    if below.is_empty() && path.contains('.') {
        leaves.push(Queue {
            path: path.to_owned(),
            is_running: true,
            most: queue["maxResources"]["memory"].as_u64().map_or(Most::Percent(100.0), Most::Memory),
            used_mb: queue["usedResources"]["memory"].as_u64().unwrap_or(0),
            applications: None,
        });
    }
}

/// `{"queue": [...]}`, or, from Hadoop 2.7, the list itself.
fn children(below: &Value) -> &[Value] {
    let list = below.as_array().or_else(|| below["queue"].as_array());
    list.map_or(&[], Vec::as_slice)
}

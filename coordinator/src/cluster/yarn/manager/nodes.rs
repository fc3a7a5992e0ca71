//! What the `ResourceManager` says of nodes (core).

use serde::Deserialize;

/// A running `NodeManager`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Node {
    /// `host:port`.
    #[serde(default)]
    pub(crate) id: String,
    /// Memory that is not given to containers, in MiB; below zero when a node was made smaller.
    #[serde(rename = "availMemoryMB", default)]
    pub(crate) free_mb: i64,
    /// Memory that is, in MiB.
    #[serde(rename = "usedMemoryMB", default)]
    pub(crate) used_mb: i64,
    /// Virtual cores that are not given away; below zero where the scheduler does not look at cores.
    #[serde(rename = "availableVirtualCores", default)]
    pub(crate) free_cores: i64,
}

impl Node {
    /// What its containers may have together, in MiB.
    pub(crate) fn total_mb(&self) -> u64 {
        u64::try_from(self.free_mb.saturating_add(self.used_mb)).unwrap_or(0)
    }
}

/// The reply: an empty list is told as nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Nodes {
    nodes: Option<List>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct List {
    node: Vec<Node>,
}

impl Nodes {
    pub(super) fn into_nodes(self) -> Vec<Node> {
        self.nodes.unwrap_or_default().node
    }
}

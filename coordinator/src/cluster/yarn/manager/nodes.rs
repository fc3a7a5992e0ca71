//! What the `ResourceManager` says of nodes.

use serde::Deserialize;

/// A running `NodeManager`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Node {
    /// `host:port`.
    #[serde(default)]
    pub(crate) id: String,
    /// Memory that is not allocated to containers, in MiB. Negative after a node was made smaller.
    #[serde(rename = "availMemoryMB", default)]
    pub(crate) free_mb: i64,
    /// Memory that is allocated, in MiB.
    #[serde(rename = "usedMemoryMB", default)]
    pub(crate) used_mb: i64,
    /// Virtual cores that are not allocated. Negative if the scheduler ignores cores.
    #[serde(rename = "availableVirtualCores", default)]
    pub(crate) free_cores: i64,
}

impl Node {
    /// The memory for all of its containers, in MiB.
    pub(crate) fn total_mb(&self) -> u64 {
        u64::try_from(self.free_mb.saturating_add(self.used_mb)).unwrap_or(0)
    }
}

/// The reply. An empty list is reported as null.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Nodes {
    nodes: Option<NodeList>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeList {
    node: Vec<Node>,
}

impl Nodes {
    pub(super) fn into_nodes(self) -> Vec<Node> {
        self.nodes.unwrap_or_default().node
    }
}

//! How many workers a cluster can hold now. This is an estimate: other applications take and return resources, and YARN
//! may place containers differently. Nothing depends on all workers running.

use super::{
    client,
    conf::Conf,
    manager::{nodes::Node, scheduler::YarnQueue},
};

/// Sizes of containers and the cluster's rules for them, in MiB.
#[expect(clippy::struct_field_names, reason = "the names say the unit")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Size of a worker's container.
    pub(crate) worker_mb: u64,
    /// Size of the application master's container.
    pub(crate) master_mb: u64,
    /// The least size of a container.
    pub(crate) minimum_mb: u64,
    /// Sizes are rounded up to a multiple of this.
    pub(crate) increment_mb: u64,
    /// The largest size of a container.
    pub(crate) maximum_mb: u64,
}

impl Sizes {
    /// For workers in containers of `worker_mb`. `maximum_mb` is the limit that the `ResourceManager` reports, if it
    /// does.
    pub(crate) fn new(worker_mb: u64, conf: &Conf, maximum_mb: Option<u64>) -> Self {
        Self {
            worker_mb,
            master_mb: client::master_mb(conf.master_mb()),
            minimum_mb: conf.minimum_mb(),
            increment_mb: conf.increment_mb(),
            maximum_mb: maximum_mb.unwrap_or_else(|| conf.maximum_mb()),
        }
    }

    /// The size of a container that requests this much (`DefaultResourceCalculator.normalize`).
    fn granted(&self, mb: u64) -> u64 {
        mb.max(self.minimum_mb).next_multiple_of(self.increment_mb.max(1))
    }
}

/// What fits now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fit {
    /// Workers beside the application master. If 0, the job waits until others release resources.
    pub(crate) num_workers: usize,
    /// The actual size of each worker's container, in MiB.
    pub(crate) container_mb: u64,
}

/// A container that will never fit. Sizes are in MiB.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FitError {
    #[error(
        "{whose} needs a container of {mb} MiB, and this cluster allows {maximum_mb} MiB at most \
         (yarn.scheduler.maximum-allocation-mb): {remedy}"
    )]
    AboveLimit { whose: &'static str, mb: u64, maximum_mb: u64, remedy: &'static str },
    #[error(
        "{whose} needs a container of {mb} MiB, and the largest node has {largest} MiB for all its \
         containers: {remedy}"
    )]
    AboveNodes { whose: &'static str, mb: u64, largest: u64, remedy: &'static str },
}

/// Counts the workers that fit on the nodes and into the queue, with one virtual core each. Cores count even if the
/// scheduler ignores them, because more workers than cores would not be faster.
///
/// # Errors
/// Fails if a container will never fit, because it is above the cluster's limit or larger than every
/// node.
pub(crate) fn fit(sizes: &Sizes, nodes: &[Node], queue: Option<&YarnQueue>) -> Result<Fit, FitError> {
    let worker_mb = sizes.granted(sizes.worker_mb);
    let master_mb = sizes.granted(sizes.master_mb);
    possible(sizes, nodes, worker_mb, "a worker", "lower --worker-memory")?;
    let property = "lower yarn.app.mapreduce.am.resource.mb in mapred-site.xml";
    possible(sizes, nodes, master_mb, "the application master", property)?;
    let on_nodes = on_nodes(nodes, worker_mb, master_mb);
    let cluster_mb = nodes.iter().map(Node::total_mb).sum();
    let in_queue = queue.map_or(u64::MAX, |queue| {
        queue.free_mb(cluster_mb).saturating_sub(master_mb).checked_div(worker_mb).unwrap_or(0)
    });
    let num_workers = usize::try_from(on_nodes.min(in_queue)).unwrap_or(usize::MAX);
    Ok(Fit { num_workers, container_mb: worker_mb })
}

fn possible(
    sizes: &Sizes,
    nodes: &[Node],
    mb: u64,
    whose: &'static str,
    remedy: &'static str,
) -> Result<(), FitError> {
    let maximum_mb = sizes.maximum_mb;
    if mb > maximum_mb {
        return Err(FitError::AboveLimit { whose, mb, maximum_mb, remedy });
    }
    match nodes.iter().map(Node::total_mb).max() {
        Some(largest) if largest < mb => Err(FitError::AboveNodes { whose, mb, largest, remedy }),
        _ => Ok(()),
    }
}

/// Workers on all nodes, with the application master on the node where it displaces the fewest. 0 if the master fits
/// nowhere.
fn on_nodes(nodes: &[Node], worker_mb: u64, master_mb: u64) -> u64 {
    let all: u64 = nodes.iter().map(|node| workers(node, worker_mb, 0, 0)).sum();
    let fits = |node: &&Node| unsigned(node.free_mb) >= master_mb && node.free_cores >= 1;
    let cost = |node: &Node| workers(node, worker_mb, 0, 0) - workers(node, worker_mb, master_mb, 1);
    nodes.iter().filter(fits).map(cost).min().map_or(0, |cost| all - cost)
}

/// Workers on a node on which something else takes some memory and cores.
fn workers(node: &Node, worker_mb: u64, other_mb: u64, other_cores: u64) -> u64 {
    let by_memory = unsigned(node.free_mb).saturating_sub(other_mb).checked_div(worker_mb).unwrap_or(0);
    by_memory.min(unsigned(node.free_cores).saturating_sub(other_cores))
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::yarn::manager::scheduler::Most;

    const SIZES: Sizes =
        Sizes { worker_mb: 768, master_mb: 1536, minimum_mb: 32, increment_mb: 32, maximum_mb: 12288 };

    fn node(free_mb: i64, free_cores: i64) -> Node {
        Node { id: "n:8041".into(), free_mb, used_mb: 0, free_cores }
    }

    fn workers_on(nodes: &[Node]) -> usize {
        fit(&SIZES, nodes, None).unwrap().num_workers
    }

    #[test]
    fn the_master_goes_where_it_costs_least() {
        let workers_beside =
            |master_mb, nodes: &[Node]| fit(&Sizes { master_mb, ..SIZES }, nodes, None).unwrap().num_workers;
        // On the first node it would displace two.
        assert_eq!(workers_beside(1024, &[node(4 * 768, 8), node(5 * 768 + 512, 8)]), 4 + 5 - 1);
        assert_eq!(workers_beside(512, &[node(4 * 768, 8), node(5 * 768 + 512, 8)]), 4 + 5);
        // If the master takes the last free core, it displaces a worker as well.
        assert_eq!(workers_beside(512, &[node(4 * 768 + 512, 4)]), 3);
    }

    #[test]
    fn cores_limit_as_memory_does() {
        assert_eq!(workers_on(&[node(100 * 768, 4)]), 3);
        assert_eq!(workers_on(&[node(100 * 768, -2), node(100 * 768, 4)]), 3);
    }

    #[test]
    fn a_full_cluster_holds_none_and_that_is_no_error() {
        let full = Node { used_mb: 12288, ..node(-64, 0) };
        assert_eq!(workers_on(&[full]), 0);
        assert_eq!(workers_on(&[]), 0);
        assert_eq!(workers_on(&[node(1024, 4), Node { used_mb: 2048, ..node(1024, 4) }]), 0);
    }

    #[test]
    fn containers_are_rounded_up() {
        let sizes = Sizes { worker_mb: 700, minimum_mb: 1024, increment_mb: 512, ..SIZES };
        assert_eq!(fit(&sizes, &[node(4096, 8)], None).unwrap(), Fit { num_workers: 2, container_mb: 1024 });
        let sizes = Sizes { worker_mb: 1025, ..sizes };
        assert_eq!(fit(&sizes, &[node(4096, 8)], None).unwrap().container_mb, 1536);
    }

    #[test]
    fn a_queue_holds_no_more_than_its_limit() {
        let queue = |most, used_mb| {
            let mut queue = YarnQueue::of("root.default");
            (queue.most, queue.used_mb) = (most, used_mb);
            fit(&SIZES, &[node(10240, 32), node(10240, 32)], Some(&queue)).unwrap().num_workers
        };
        assert_eq!(queue(Most::Percent(100.0), 0), (20480 - 1536) / 768);
        assert_eq!(queue(Most::Percent(50.000_004), 1024), (10240 - 1024 - 1536) / 768);
        assert_eq!(queue(Most::Memory(3072), 0), 2);
        assert_eq!(queue(Most::Memory(3072), 4096), 0);
    }

    #[test]
    fn a_container_that_will_never_fit_is_refused_in_words() {
        let refused =
            |sizes: Sizes| fit(&sizes, &[node(4096, 8), node(2048, 8)], None).unwrap_err().to_string();
        assert_eq!(
            refused(Sizes { worker_mb: 5000, maximum_mb: 4096, ..SIZES }),
            "a worker needs a container of 5024 MiB, and this cluster allows 4096 MiB at most \
             (yarn.scheduler.maximum-allocation-mb): lower --worker-memory"
        );
        assert_eq!(
            refused(Sizes { master_mb: 8192, ..SIZES }),
            "the application master needs a container of 8192 MiB, and the largest node has 4096 MiB for all \
             its containers: lower yarn.app.mapreduce.am.resource.mb in mapred-site.xml"
        );
    }
}

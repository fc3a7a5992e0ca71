//! The number of cores of this process, and its CPU time and waiting time.

use std::{fs, num::NonZero, thread, time::Duration};

use engine::worker::streams::Cpu;

/// The number of cores to use. The encoder has as many threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cores(NonZero<usize>);

impl Cores {
    /// The maximum in a container. Containers that are not bound to cores, as on EMR by default, each see the cores of
    /// the whole node, which dozens of workers share. No worker needs more: one core encodes the replies of 16 streams,
    /// 1 MiB each in some 50 ms, and two compress them.
    const MAX_IN_CONTAINER: NonZero<usize> = NonZero::new(4).expect("it is not zero");

    /// All cores that the system lets this process use (affinity and cgroups included).
    pub(crate) fn all() -> Self {
        Self(thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN))
    }

    /// A container's share of the cores of a node.
    pub(crate) fn of_container() -> Self {
        Self(Self::all().0.min(Self::MAX_IN_CONTAINER))
    }

    /// The share of one worker if this many share the machine.
    pub(crate) fn share(self, workers: Option<NonZero<u32>>) -> Self {
        let workers = workers.map_or(1, |workers| workers.get() as usize);
        Self(NonZero::new(self.get().div_ceil(workers)).unwrap_or(NonZero::<usize>::MIN))
    }

    pub(crate) const fn get(self) -> usize {
        self.0.get()
    }
}

/// Reads the scheduler's statistics of all threads (`/proc/self/task/*/schedstat`; Linux).
#[derive(Debug)]
pub(crate) struct CpuMeter {
    cores: u32,
    last: Option<(Duration, Duration)>,
}

impl CpuMeter {
    pub(crate) fn new(cores: Cores) -> Self {
        let cores = u32::try_from(cores.get()).unwrap_or(u32::MAX);
        Self { cores, last: totals() }
    }

    /// The CPU time of the last `elapsed`; `None` if the system does not report it.
    pub(crate) fn since_last(&mut self, elapsed: Duration) -> Option<Cpu> {
        let now = totals();
        let last = std::mem::replace(&mut self.last, now);
        let ((ran, waited), (ran_before, waited_before)) = (now?, last?);
        Some(Cpu {
            // Totals shrink when a thread ends.
            ran: ran.saturating_sub(ran_before),
            waited: waited.saturating_sub(waited_before),
            available: elapsed * self.cores,
        })
    }
}

fn totals() -> Option<(Duration, Duration)> {
    let mut totals = (Duration::ZERO, Duration::ZERO);
    for thread in fs::read_dir("/proc/self/task").ok()?.flatten() {
        // A thread may end between being listed and being read.
        let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
        let mut fields = text.split_ascii_whitespace().map(str::parse);
        let (Some(Ok(ran)), Some(Ok(waited))) = (fields.next(), fields.next()) else { return None };
        totals.0 += Duration::from_nanos(ran);
        totals.1 += Duration::from_nanos(waited);
    }
    (!totals.0.is_zero()).then_some(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_of_a_machine_has_a_core_at_least() {
        let share = |cores, workers| {
            let cores = Cores(NonZero::new(cores).unwrap());
            cores.share(NonZero::new(workers)).get()
        };
        assert_eq!(
            [(8, 0), (8, 1), (8, 3), (8, 8), (8, 9)].map(|(cores, workers)| share(cores, workers)),
            [8, 8, 3, 1, 1]
        );
    }
}

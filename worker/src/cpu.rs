//! How much processor time this process got and how much it waited for.

use std::{fs, thread, time::Duration};

use crate::streams::Cpu;

/// Reads the scheduler's statistics of all threads (`/proc/self/task/*/schedstat`; Linux).
#[derive(Debug)]
pub(crate) struct CpuMeter {
    cores: u32,
    last: Option<(Duration, Duration)>,
}

impl CpuMeter {
    pub(crate) fn new() -> Self {
        let cores =
            thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1));
        Self { cores, last: totals() }
    }

    /// What the last `elapsed` gave; `None` where the system does not tell.
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

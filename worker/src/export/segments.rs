//! Starts a stream for each lease, asks for as many leases as can be read at once, and has the last part sealed when no
//! segment is being read any more.

use std::{sync::Arc, time::Instant};

use engine::worker::streams::{DECIDE_EVERY, LeaseDemand, Streams};
use job::{control::FromWorker, task::Lease};
use tokio::{task::JoinSet, time::MissedTickBehavior};

use super::{ExportError, scan::Scanner};
use crate::{
    breakdown::Breakdown,
    cpu::{Cores, CpuMeter},
    task_channel::{TaskCommand, TaskReceiver},
};

/// Runs until the agent is gone, or a segment can't be read.
pub(crate) async fn run(
    scanner: Arc<Scanner>,
    mut commands: TaskReceiver<Lease>,
    cores: Cores,
) -> Result<(), ExportError> {
    let mut reading = JoinSet::new();
    let mut streams = Streams::new();
    let mut leases = LeaseDemand::default();
    let mut cpu = CpuMeter::new(cores);
    let mut decided_at = Instant::now();
    let mut ticks = tokio::time::interval(DECIDE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let num_reading = u32::try_from(reading.len()).unwrap_or(u32::MAX);
        scanner.report.streams(num_reading);
        if let Some(total) = leases.want(num_reading, streams.target()) {
            scanner.report.say(FromWorker::Want(total)).await;
        }
        tokio::select! {
            command = commands.recv() => match command {
                None => return Ok(()),
                Some(TaskCommand::Drain) => {
                    streams.stop_growing();
                    leases.drain();
                    if reading.is_empty() {
                        scanner.encoder.flush().await;
                    }
                }
                Some(TaskCommand::Work(lease)) => {
                    leases.read();
                    let scanner = scanner.clone();
                    reading.spawn(async move { scanner.read(lease).await });
                }
            },
            Some(ended) = reading.join_next() => {
                ended.map_err(Breakdown::of("a stream"))??;
                if reading.is_empty() && leases.is_draining() {
                    scanner.encoder.flush().await;
                }
            },
            _ = ticks.tick() => {
                let elapsed = decided_at.elapsed();
                decided_at = Instant::now();
                streams.decide(num_reading, scanner.spent.take(), cpu.since_last(elapsed));
            }
        }
    }
}

//! All simulated workers, in one process in place of the `hadoop` command: so its parent is the
//! coordinator, whose resources it measures.

use std::{
    io::Write,
    os::unix::process::parent_id,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use job::control::{BOOT_SECRET, Boot, FromWorker, PROTOCOL, ToWorker, wire};
use tests_support::usage;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{sleep, sleep_until, timeout},
};
use tonic::Streaming;

use crate::{
    Scale, browser, connection,
    measured::{Delays, Measured},
    simulated::Simulated,
    tally::Tally,
};

/// The output of the command when a job was accepted.
const SUBMITTED: &str = "INFO impl.YarnClientImpl: Submitted application application_1_0001";
/// Workers that connect at the same time: YARN starts containers one after the other as well.
const JOINING: usize = 32;
/// The time in which all workers must have connected.
const JOIN_LIMIT: Duration = Duration::from_mins(3);
/// The pause before the measurement, in which the backlog of the start disappears.
const SETTLE: Duration = Duration::from_secs(10);
/// Tries of a worker to connect.
const JOIN_TRIES: u32 = 5;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);
const OUTBOX: usize = 64;

/// Simulates workers until this process is killed. Writes the measurements, or the error, to `result`.
pub(crate) fn run(secrets: &Path, result: &Path, page: &Path, scale: &Scale) -> anyhow::Result<()> {
    // It is gone as soon as the coordinator knows that the job was taken in.
    let boot = boot(secrets)?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{SUBMITTED}")?;
    stdout.flush()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut workers = JoinSet::new();
        let measured = measure(&mut workers, boot, page, scale).await.map_err(|error| format!("{error:#}"));
        let partial = result.with_extension("partial");
        std::fs::write(&partial, serde_json::to_vec(&measured)?)?;
        std::fs::rename(&partial, result)?;
        // Until the coordinator ends the streams or this process.
        while workers.join_next().await.is_some() {}
        Ok(())
    })
}

fn boot(secrets: &Path) -> anyhow::Result<Boot> {
    let secrets: serde_json::Value = serde_json::from_slice(&std::fs::read(secrets)?)?;
    let boot = secrets[BOOT_SECRET].as_str().context("the credentials hold no boot")?;
    Ok(serde_json::from_str(boot)?)
}

async fn measure(
    workers: &mut JoinSet<anyhow::Result<()>>,
    boot: Boot,
    page: &Path,
    scale: &Scale,
) -> anyhow::Result<Measured> {
    let (boot, tally, places) =
        (Arc::new(boot), Arc::new(Tally::default()), Arc::new(Semaphore::new(JOINING)));
    let started = Instant::now();
    for number in 1..=scale.workers {
        let (boot, tally, places, streams) = (boot.clone(), tally.clone(), places.clone(), scale.streams);
        workers.spawn(async move {
            let place = places.acquire_owned().await?;
            let (messages, inbound) = join(&boot, &tally, number).await?;
            drop(place);
            work(messages, inbound, streams, &tally).await
        });
    }
    let joined = async {
        while tally.num_joined() < u64::from(scale.workers) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    unbroken(workers, timeout(JOIN_LIMIT, joined)).await?.map_err(|_| {
        anyhow!("after {JOIN_LIMIT:?} only {} of {} workers have joined", tally.num_joined(), scale.workers)
    })?;
    let joined_after = started.elapsed();
    unbroken(workers, sleep(SETTLE)).await?;
    let coordinator = parent_id();
    let cpu = |pid| usage::cpu(pid).map(|cpu| cpu.own).context("a process to measure");
    let before = (tally.counts(), cpu(coordinator)?, cpu(std::process::id())?, Instant::now());
    drop(tally.take_grant_delays());
    unbroken(workers, sleep(Duration::from_secs(scale.secs))).await?;
    let (counts, coordinator_before, fleet_before, since) = before;
    let mut measured = Measured {
        fleet: std::process::id(),
        joined_secs: joined_after.as_secs_f64(),
        secs: since.elapsed().as_secs_f64(),
        counts: tally.counts().since(counts),
        grants: Delays::of(tally.take_grant_delays()),
        coordinator_cpu_secs: cpu(coordinator)?.saturating_sub(coordinator_before).as_secs_f64(),
        coordinator_bytes: usage::peak_bytes(coordinator).context("the coordinator")?,
        fleet_cpu_secs: cpu(std::process::id())?.saturating_sub(fleet_before).as_secs_f64(),
        page: None,
    };
    if scale.page_secs > 0 {
        let time = Duration::from_secs(scale.page_secs);
        measured.page = Some(unbroken(workers, browser::measure(page, coordinator, time)).await??);
    }
    Ok(measured)
}

/// Waits for something, unless a worker ends meanwhile.
async fn unbroken<T>(
    workers: &mut JoinSet<anyhow::Result<()>>,
    waiting: impl Future<Output = T>,
) -> anyhow::Result<T> {
    tokio::select! {
        waited = waiting => Ok(waited),
        Some(ended) = workers.join_next() => match ended? {
            Ok(()) => bail!("the job was over too early: more segments are needed"),
            Err(why) => Err(why.context("a worker ended")),
        },
    }
}

/// Says hello, and receives the start of the answer. On a busy machine the coordinator may refuse slow workers,
/// which YARN would replace.
async fn join(
    boot: &Boot,
    tally: &Arc<Tally>,
    number: u32,
) -> anyhow::Result<(mpsc::Sender<FromWorker>, Streaming<wire::ToWorker>)> {
    for _ in 1..JOIN_TRIES {
        if let Ok(joined) = try_to_join(boot, tally, number).await {
            return Ok(joined);
        }
        sleep(TRY_AGAIN_AFTER).await;
    }
    try_to_join(boot, tally, number).await.context("joining")
}

async fn try_to_join(
    boot: &Boot,
    tally: &Arc<Tally>,
    number: u32,
) -> anyhow::Result<(mpsc::Sender<FromWorker>, Streaming<wire::ToWorker>)> {
    let (messages, outbox) = mpsc::channel(OUTBOX);
    let hello = FromWorker::Hello {
        version: PROTOCOL.to_owned(),
        worker: None,
        pid: std::process::id(),
        host: format!("host{}", number / 8),
        place: format!("attempt_1_0001_m_{number:06}_0"),
    };
    messages.send(hello).await?;
    Ok((messages, connection::open(boot, tally, outbox).await?))
}

/// Works until the job is over.
async fn work(
    messages: mpsc::Sender<FromWorker>,
    mut inbound: Streaming<wire::ToWorker>,
    streams: u32,
    tally: &Tally,
) -> anyhow::Result<()> {
    let settings = loop {
        match inbound.message().await?.map(ToWorker::try_from).context("the stream ended at once")?? {
            ToWorker::Pass(_) => {}
            ToWorker::Export(settings) => break settings,
            _ => bail!("no settings came first"),
        }
    };
    tally.join();
    let started = tokio::time::Instant::now();
    let mut worker = Simulated::new(&settings, streams, Duration::ZERO);
    let mut said = worker.advance(Duration::ZERO);
    loop {
        for message in said {
            tally.say(&message);
            messages.send(message).await.context("the stream ended")?;
        }
        said = tokio::select! {
            message = inbound.message() => {
                let message = ToWorker::try_from(message?.context("the stream ended")?)?;
                if message == ToWorker::Finish {
                    return Ok(());
                }
                tally.tell(&message);
                let said = worker.told(started.elapsed(), message)?;
                if let Some(delay) = worker.take_grant_delay() {
                    tally.wait_for_grant(delay);
                }
                said
            }
            () = sleep_until(started + worker.due_at()) => worker.advance(started.elapsed()),
        };
    }
}

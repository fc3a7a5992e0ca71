//! Verifies the files with workers. Each file is a task, so as many workers can help as there are files.

use std::convert::Infallible;

use engine::{rate::Limits, schedule::Pass, verify::VerifyWork};
use events::Phase;
use job::{
    target::Target,
    verify::{FileFound, StoredFile, VerifySettings},
};
use verify::key_bytes;

use super::{Job, Verified, VerifyRequest, new_seed};
use crate::{
    access::bucket,
    cluster::{ClusterChoice, ClusterKind, ClusterOptions, Shutdown, WORKER_MIB, cores, worker_binary},
    driver::{Call, Driver, Effects},
    failure::{Failure, FailureKind},
    fleet::Fleet,
    stop::Stop,
    text::{self, count},
};

const MIB: u64 = 1024 * 1024;

/// From this size of an export in S3 on, a Hadoop cluster is used by default. Its containers take some 15 seconds to
/// start; this machine alone reads about that much meanwhile.
const CLUSTER_BYTES: u64 = 16 * 1024 * MIB;
/// The least share of a worker by default. Less is read sooner than a container starts.
const SHARE_BYTES: u64 = 512 * MIB;

/// The files that a worker in a container reads at once: while one waits for S3, the other uses the core.
const OPEN_IN_CONTAINER: u32 = 2;
/// Memory for keys of a worker in a container, unless one file alone needs more.
const KEY_MIB_IN_CONTAINER: u64 = 64;
/// The rest of its memory; the doc comment of the worker's `verify.rs` adds it up.
const REST_MIB_IN_CONTAINER: u64 = 20 + 30 * OPEN_IN_CONTAINER as u64;
/// Memory for keys of all workers on this machine.
const KEY_MIB_HERE: u64 = 1024;

/// Which workers verify the files.
pub(super) struct WorkerPlan {
    cluster: ClusterChoice,
    workers: u32,
    /// What each of them reads at once.
    open_files: u32,
    key_bytes: u64,
}

/// Decides whether workers verify the files, and which. `None` means that this process does so alone.
///
/// # Errors
/// Fails if the cluster that was asked for can't be used.
pub(super) async fn choose(
    request: &VerifyRequest,
    files: &[StoredFile],
) -> Result<Option<WorkerPlan>, Failure> {
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let VerifyRequest { folder, cluster, workers, .. } = request;
    if files.is_empty() && cluster.kind != ClusterKind::Yarn || !wants_workers(request, bytes) {
        return Ok(None);
    }
    let most_keys = files.iter().map(|file| key_bytes(file.record.items)).max().unwrap_or(0);
    let options = with_memory(cluster, most_keys);
    let choice = ClusterChoice::choose(&options, worker_binary()?, folder).await?;
    let is_here = choice.is_this_machine();
    if files.is_empty() || is_here && workers.is_none() {
        return Ok(None);
    }
    if !is_here {
        enough_memory(cluster, most_keys)?;
    }
    let room = choice.worker_slots().await?.workers;
    let useful = u32::try_from(bytes.div_ceil(SHARE_BYTES)).unwrap_or(u32::MAX);
    let at_most = u32::try_from(files.len()).unwrap_or(u32::MAX);
    let workers = workers.unwrap_or(room.min(useful)).min(at_most).max(1);
    let (open_files, key_mib) = if is_here {
        // As many files as this process alone would read.
        let threads = if matches!(folder, Target::S3 { .. }) { 2 * cores() } else { cores() };
        (threads.div_ceil(workers), KEY_MIB_HERE / u64::from(workers))
    } else {
        (OPEN_IN_CONTAINER, KEY_MIB_IN_CONTAINER)
    };
    Ok(Some(WorkerPlan { cluster: choice, workers, open_files, key_bytes: key_mib * MIB }))
}

/// Whether workers are asked for, or are likely to be quicker.
fn wants_workers(VerifyRequest { folder, cluster, workers, .. }: &VerifyRequest, bytes: u64) -> bool {
    match cluster.kind {
        ClusterKind::Yarn => true,
        ClusterKind::Local => workers.is_some(),
        ClusterKind::Auto => {
            workers.is_some() || matches!(folder, Target::S3 { .. }) && bytes >= CLUSTER_BYTES
        }
    }
}

/// The memory that a container needs if its largest file needs this many bytes for keys.
fn needed_mib(most_keys: u64) -> u64 {
    REST_MIB_IN_CONTAINER + most_keys.div_ceil(MIB).max(KEY_MIB_IN_CONTAINER)
}

/// The options, with memory for keys unless the user says how much.
fn with_memory(options: &ClusterOptions, most_keys: u64) -> ClusterOptions {
    let needed = u32::try_from(needed_mib(most_keys)).unwrap_or(u32::MAX);
    let worker_memory_mib = options.worker_memory_mib.or((needed > WORKER_MIB).then_some(needed));
    ClusterOptions { worker_memory_mib, ..options.clone() }
}

/// Fails if the user gives containers less than they need: YARN would kill them.
fn enough_memory(options: &ClusterOptions, most_keys: u64) -> Result<(), Failure> {
    let needed = needed_mib(most_keys);
    match options.worker_memory_mib {
        Some(given) if u64::from(given) < needed => Err(Failure::refused(format!(
            "--worker-memory {given}: a worker needs {needed} MiB to compare the keys of the largest file; remove \
             the option or give more"
        ))),
        _ => Ok(()),
    }
}

/// Verifies the files with workers. Returns the results in the order of the files. `known` is what is known before.
///
/// # Errors
/// Fails if the workers fail, or files can't be read for a reason that does not concern one file alone.
pub(super) async fn verify(
    job: Job<'_>,
    plan: WorkerPlan,
    known: &Verified,
) -> Result<Vec<FileFound>, Failure> {
    let Job { request, clients, export, files, progress, stop, .. } = job;
    let WorkerPlan { cluster, workers, open_files, key_bytes } = plan;
    let table = &known.table;
    let folder = &request.folder;
    let bytes = files.iter().map(|file| file.bytes).sum();
    let (num_files, num_workers) = (count(files.len(), "file"), count(workers as usize, "worker"));
    progress.plan(&format!("work        {num_files}, {}, {num_workers}", text::bytes(bytes)));
    progress.plan(&format!("cluster     {}", cluster.text()));
    let pass = Pass {
        table: table.clone(),
        phase: Phase::Checking,
        expected_items: Some(files.iter().map(|file| file.record.items).sum()).filter(|&items| items > 0),
        earlier_items: 0,
    };
    let settings = VerifySettings {
        folder: folder.clone(),
        options: export.options,
        keys: export.keys,
        seed: new_seed(),
        open_files,
        key_bytes,
        aws: clients.as_ref().map(|clients| clients.for_workers(bucket(folder))).unwrap_or_default(),
    };
    let title = format!("tablehaul verify {table}");
    let lender = clients.as_ref().filter(|clients| clients.access.lent).cloned();
    let mut fleet = Fleet::open(&cluster, title, lender, progress).await?;
    let driver = Driver {
        fleet: &mut fleet,
        effects: NoEffects,
        clients,
        table: None,
        limits: None,
        journal: None,
        note: progress.sink(),
        pass: pass.clone(),
        stream: progress.stream().clone(),
    };
    let stop = Stop::new(stop, None);
    // Nothing needs units. Boxed because the future of a pass is large.
    let running = Box::pin(driver.run(VerifyWork::new(settings, files), Limits::default(), workers, &stop));
    let (schedule, outcome) = progress.show(&pass, running).await;
    match outcome {
        Ok(()) => {
            let found: Vec<_> = schedule.into_work().into_found().collect();
            let is_whole = known.defects.is_empty() && found.iter().all(|file| file.defects.is_empty());
            // An application that succeeds says that the export has no defects.
            fleet.end(if is_whole { Shutdown::Graceful } else { Shutdown::Kill }, &stop).await;
            Ok(found)
        }
        Err(failure) if failure.is(FailureKind::Stopped) => {
            Err(Failure::stopped(format!("{failure} before the verification was complete")))
        }
        Err(failure) => Err(failure),
    }
}

/// A verification asks for no actions.
struct NoEffects;

impl Effects<VerifyWork> for NoEffects {
    fn perform(&mut self, _: &VerifyWork, action: Infallible) -> Call<Infallible> {
        match action {}
    }
}

#[cfg(test)]
mod tests {
    use job::{export_json::PartFile, spec::AwsAccess};

    use super::*;

    const S3: &str = "s3://bucket/x";

    fn request(folder: &str, kind: ClusterKind, workers: Option<u32>) -> VerifyRequest {
        let cluster = ClusterOptions { kind, ..ClusterOptions::default() };
        VerifyRequest { folder: folder.parse().unwrap(), workers, cluster, aws: AwsAccess::default() }
    }

    #[test]
    fn small_exports_and_folders_need_no_workers_unless_asked_for() {
        let wants = |folder, kind, workers, bytes| wants_workers(&request(folder, kind, workers), bytes);
        for (folder, kind, workers, bytes, wanted) in [
            (S3, ClusterKind::Auto, None, CLUSTER_BYTES - 1, false),
            (S3, ClusterKind::Auto, None, CLUSTER_BYTES, true),
            ("/x", ClusterKind::Auto, None, CLUSTER_BYTES, false),
            ("/x", ClusterKind::Auto, Some(2), 1, true),
            (S3, ClusterKind::Local, None, CLUSTER_BYTES, false),
            (S3, ClusterKind::Local, Some(1), 1, true),
            (S3, ClusterKind::Yarn, None, 1, true),
        ] {
            assert_eq!(wants(folder, kind, workers, bytes), wanted, "{folder} {kind:?} {workers:?} {bytes}");
        }
    }

    #[test]
    fn containers_get_the_memory_that_the_largest_file_needs() {
        let memory = |given, items| {
            let options = ClusterOptions { worker_memory_mib: given, ..ClusterOptions::default() };
            let refusal = enough_memory(&options, key_bytes(items)).err().map(|why| why.to_string());
            (with_memory(&options, key_bytes(items)).worker_memory_mib, refusal)
        };
        assert_eq!(memory(None, 1_000_000), (None, None), "the default is enough");
        assert_eq!(memory(None, 64 * MIB), (Some(1104), None));
        assert_eq!(memory(Some(2000), 64 * MIB), (Some(2000), None));
        let (_, refusal) = memory(Some(1000), 64 * MIB);
        assert!(refusal.unwrap().starts_with("--worker-memory 1000: a worker needs 1104 MiB"));
    }

    /// A file with this many items and bytes.
    fn file(items: u64, bytes: u64) -> StoredFile {
        let name = "00000000-0000-0000-0000-000000000001_000000".parse().unwrap();
        let record = PartFile { name, items, bytes, crc32c: String::new(), parts: Vec::new() };
        StoredFile { record, bytes, etag: None }
    }

    #[tokio::test]
    async fn a_verification_without_files_starts_no_worker() {
        let request = request("/x", ClusterKind::Local, Some(4));
        assert!(choose(&request, &[]).await.unwrap().is_none());
        let alone = super::VerifyRequest { workers: None, ..request };
        assert!(choose(&alone, &[file(1, 1)]).await.unwrap().is_none());
    }
}

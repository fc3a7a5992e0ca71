//! Verifies the files with workers. Each file is a task, so as many workers can help as there are files.

use std::convert::Infallible;

use engine::{
    rate::Limits,
    schedule::Pass,
    verify::{VerifyState, VerifyWork},
};
use events::{Command, Phase, Plan};
use job::{
    ids::JobId,
    journal::BeginVerify,
    split::Codec,
    target::Target,
    verify::{FileFound, FileRecord, StoredFile, VerifySettings},
};
use verify::key_bytes;

use super::{Job, Resumable, Verified, VerifyRequest, new_seed};
use crate::{
    aws::access::bucket,
    cluster::{
        ClusterChoice, ClusterKind, ClusterOptions, Shutdown, WORKER_MIB, cores, fleet::Fleet, worker_binary,
    },
    driver::{Call, Driver, Effects},
    failure::{Failure, FailureKind},
    jobs::lifecycle::run_pass,
    output::{
        display::{self, count},
        stream::plan_of,
    },
};

const MIB: u64 = 1024 * 1024;

/// From this size of an export in S3 on, a Hadoop cluster is used by default. Until its containers run, 12 seconds pass
/// (`scripts/bench yarn --only start`). Meanwhile this machine alone reads about as much: one core checks 1 GB/s
/// (`scripts/bench verify`), and S3 gives a machine with a network of 10 Gbit/s no more than that.
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

impl WorkerPlan {
    pub(super) fn workers(&self) -> u32 {
        self.workers
    }

    /// The plan as text.
    pub(super) fn text(&self, files: &[StoredFile]) -> String {
        let (files, bytes) = (count(files.len(), "file"), display::bytes(bytes_of(files)));
        let workers = count(self.workers as usize, "worker");
        format!("work        {files}, {bytes}, {workers}\ncluster     {}", self.cluster.text())
    }

    /// The plan of a resumable verification, for other programs. `begin` is its first fact; `text` is what people read.
    pub(super) fn event(&self, begin: &BeginVerify, job: &JobId, files: &[StoredFile], text: String) -> Plan {
        Plan {
            table: Some(begin.table.clone()),
            folder: Some(begin.source.clone()),
            job: Some(job.to_string()),
            items: Some(begin.expected_items).filter(|&items| items > 0),
            bytes: Some(bytes_of(files)),
            tasks: Some(begin.files.into()),
            workers: Some(self.workers.into()),
            cluster: Some(self.cluster.text()),
            text,
            ..plan_of(Command::Verify)
        }
    }
}

fn bytes_of(files: &[StoredFile]) -> u64 {
    files.iter().map(|file| file.bytes).sum()
}

/// Decides whether workers verify the files, and which. `None` means that this process does so alone.
///
/// # Errors
/// Fails if the cluster that was asked for can't be used.
pub(super) async fn choose(
    request: &VerifyRequest,
    folder: &Target,
    files: &[StoredFile],
) -> Result<Option<WorkerPlan>, Failure> {
    let bytes = bytes_of(files);
    let VerifyRequest { cluster, workers, .. } = request;
    if files.is_empty() && cluster.kind != ClusterKind::Yarn || !wants_workers(request, bytes) {
        return Ok(None);
    }
    let most = Memory::of(files);
    let options = with_memory(cluster, most);
    let choice = ClusterChoice::choose(&options, worker_binary().await?, folder).await?;
    let is_here = choice.is_this_machine();
    if files.is_empty() || is_here && !asks_for_workers(request) {
        return Ok(None);
    }
    if !is_here {
        enough_memory(cluster, most)?;
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

/// Whether workers are asked for. Only their results can be kept in a state folder.
fn asks_for_workers(request: &VerifyRequest) -> bool {
    request.workers.is_some() || request.state.is_some()
}

/// Whether workers are asked for, or are likely to be quicker.
fn wants_workers(request: &VerifyRequest, bytes: u64) -> bool {
    match request.cluster.kind {
        ClusterKind::Yarn => true,
        ClusterKind::Local => asks_for_workers(request),
        ClusterKind::Auto => {
            asks_for_workers(request) || matches!(request.folder, Target::S3 { .. }) && bytes >= CLUSTER_BYTES
        }
    }
}

/// The memory that the files need which need most, in bytes.
#[derive(Clone, Copy)]
struct Memory {
    /// For the keys of a file.
    keys: u64,
    /// For its decompressor, beyond what every file has.
    decompressor: u64,
}

impl Memory {
    fn of(files: &[StoredFile]) -> Self {
        let keys = files.iter().map(|file| key_bytes(file.record.num_keys())).max().unwrap_or(0);
        let decompressor = files.iter().map(|file| decompressor_bytes(&file.record)).max().unwrap_or(0);
        Self { keys, decompressor }
    }

    /// The memory that a container needs, in MiB.
    fn needed_mib(self) -> u64 {
        let decompressors = u64::from(OPEN_IN_CONTAINER) * self.decompressor.div_ceil(MIB);
        REST_MIB_IN_CONTAINER + decompressors + self.keys.div_ceil(MIB).max(KEY_MIB_IN_CONTAINER)
    }
}

/// What the decompressor of a file may need beyond the 8 MiB that every file has. Windows and blocks of other programs
/// may be large; see [`format::codec::decompress`].
fn decompressor_bytes(record: &FileRecord) -> u64 {
    let FileRecord::Listed(listed) = record else { return 0 };
    match listed.codec {
        Codec::Zstd => 120 * MIB,
        Codec::Snappy | Codec::Lz4 => 56 * MIB,
        Codec::Plain | Codec::Gzip | Codec::Zlib | Codec::Bzip2 => 0,
    }
}

/// The options, with the memory that files need unless the user says how much.
fn with_memory(options: &ClusterOptions, most: Memory) -> ClusterOptions {
    let needed = u32::try_from(most.needed_mib()).unwrap_or(u32::MAX);
    let worker_memory_mib = options.worker_memory_mib.or((needed > WORKER_MIB).then_some(needed));
    ClusterOptions { worker_memory_mib, ..options.clone() }
}

/// Fails if the user gives containers less than they need: YARN would kill them. Most files of other programs need much
/// less than their codec allows, so there the user is believed.
fn enough_memory(options: &ClusterOptions, most: Memory) -> Result<(), Failure> {
    let needed = Memory { decompressor: 0, ..most }.needed_mib();
    match options.worker_memory_mib {
        Some(given) if u64::from(given) < needed => Err(Failure::refused(format!(
            "--worker-memory {given}: a worker needs {needed} MiB to compare the keys of the largest file; remove \
             the option or give more"
        ))),
        _ => Ok(()),
    }
}

/// Verifies the files with workers, or those that are not done if the verification can be resumed. Returns the results
/// of all in the order of the files. `known` is what is known before.
///
/// # Errors
/// Fails if the workers fail, or files can't be read for a reason that does not concern one file alone.
pub(super) async fn verify(
    job: Job<'_>,
    plan: WorkerPlan,
    known: &Verified,
    mut resumable: Option<&mut Resumable>,
) -> Result<Vec<FileFound>, Failure> {
    let Job { clients, folder, rules, files, progress, stop, .. } = job;
    let WorkerPlan { cluster, workers, open_files, key_bytes } = plan;
    let table = known.table_text();
    let earlier = resumable.as_ref().and_then(|resumable| resumable.state.as_ref());
    let earlier_items = earlier.map_or(0, VerifyState::items);
    let pass = Pass {
        table: table.to_owned(),
        phase: Phase::Checking,
        expected_items: expected_items(&files).map(|items| items.saturating_sub(earlier_items)),
        earlier_items,
    };
    let aws = clients.as_ref().map(|clients| clients.for_workers(bucket(&folder))).unwrap_or_default();
    let settings = VerifySettings { folder, rules, seed: new_seed(), open_files, key_bytes, aws };
    let title = format!("tablehaul verify {table}");
    let lender = clients.as_ref().filter(|clients| clients.access.lent).cloned();
    let mut fleet = Fleet::open(&cluster, title, lender, progress).await?;
    // From here on nothing fails before the work gives it back.
    let state = resumable.as_mut().and_then(|resumable| resumable.state.take());
    let driver = Driver {
        fleet: &mut fleet,
        effects: NoEffects,
        clients,
        table: None,
        limits: None,
        journal: resumable.as_mut().map(|resumable| &mut resumable.journal),
        note: progress.sink(),
        pass,
        stream: progress.stream().clone(),
    };
    let mut work = VerifyWork::new(settings, files);
    if let Some(state) = state {
        work = work.with(state);
    }
    // Nothing needs units.
    let (schedule, outcome) = run_pass(driver, work, Limits::default(), workers, progress, stop).await;
    let mut work = schedule.into_work();
    let found = match resumable {
        Some(resumable) => {
            resumable.state = work.take_state();
            resumable.found()
        }
        None => work.into_found().collect(),
    };
    match outcome {
        Ok(()) => {
            let is_whole = known.defects.is_empty() && found.iter().all(|file| file.defects.is_empty());
            // An application that succeeds says that the export has no defects.
            fleet.end(if is_whole { Shutdown::Graceful } else { Shutdown::Kill }, stop).await;
            Ok(found)
        }
        Err(failure) if failure.is(FailureKind::Stopped) => {
            Err(Failure::stopped(format!("{failure} before the verification was complete")))
        }
        Err(failure) => Err(failure),
    }
}

/// The number of items that the files should have; `None` if it is unknown of one, or there are none.
pub(super) fn expected_items(files: &[StoredFile]) -> Option<u64> {
    let all = files.iter().try_fold(0_u64, |sum, file| Some(sum.saturating_add(file.record.items()?)));
    all.filter(|&items| items > 0)
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
    use job::{export_json::PartFile, spec::AwsAccess, verify::ListedFile};

    use super::*;

    const S3: &str = "s3://bucket/x";

    fn request(folder: &str, kind: ClusterKind, workers: Option<u32>) -> VerifyRequest {
        let cluster = ClusterOptions { kind, ..ClusterOptions::default() };
        let (folder, aws) = (folder.parse().unwrap(), AwsAccess::default());
        VerifyRequest { folder, workers, state: None, restart: false, cluster, aws }
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
        for kind in [ClusterKind::Auto, ClusterKind::Local, ClusterKind::Yarn] {
            let state = Some("/state".parse().unwrap());
            let with_state = VerifyRequest { state, ..request("/x", kind, None) };
            assert!(wants_workers(&with_state, 1), "only workers can keep their results");
        }
    }

    #[test]
    fn containers_get_the_memory_that_the_largest_file_needs() {
        let memory = |given, items| {
            let options = ClusterOptions { worker_memory_mib: given, ..ClusterOptions::default() };
            let most = Memory::of(&[file(items, 1)]);
            let refusal = enough_memory(&options, most).err().map(|why| why.to_string());
            (with_memory(&options, most).worker_memory_mib, refusal)
        };
        assert_eq!(memory(None, 1_000_000), (None, None), "the default is enough");
        assert_eq!(memory(None, 64 * MIB), (Some(1104), None));
        assert_eq!(memory(Some(2000), 64 * MIB), (Some(2000), None));
        let (_, refusal) = memory(Some(1000), 64 * MIB);
        assert!(refusal.unwrap().starts_with("--worker-memory 1000: a worker needs 1104 MiB"));
    }

    #[test]
    fn files_of_other_programs_get_the_memory_that_their_codec_may_need() {
        let of = |codec| {
            let listed = ListedFile { name: "f".into(), items: None, checksum: None, codec, format: None };
            let file = StoredFile { record: FileRecord::Listed(listed), bytes: 1, etag: None };
            with_memory(&ClusterOptions::default(), Memory::of(&[file])).worker_memory_mib
        };
        assert_eq!((of(Codec::Gzip), of(Codec::Plain)), (None, None));
        assert_eq!((of(Codec::Zstd), of(Codec::Lz4)), (Some(384), None));
    }

    /// A file with this many items and bytes.
    fn file(items: u64, bytes: u64) -> StoredFile {
        let name = "00000000-0000-0000-0000-000000000001_000000".parse().unwrap();
        let record = PartFile { name, items, bytes, crc32c: String::new(), parts: Vec::new() };
        StoredFile { record: FileRecord::Part(record), bytes, etag: None }
    }

    #[tokio::test]
    async fn a_verification_without_files_starts_no_worker() {
        let request = request("/x", ClusterKind::Local, Some(4));
        assert!(choose(&request, &request.folder, &[]).await.unwrap().is_none());
        let alone = super::VerifyRequest { workers: None, ..request };
        assert!(choose(&alone, &alone.folder, &[file(1, 1)]).await.unwrap().is_none());
    }
}

//! Makes a backup visible, all or nothing: files, then export.json, then the manifest, then
//! `_SUCCESS`; and removes all of a job that is given up. A shell.
//!
//! Every step may be done again, by whoever goes on when one that began it has died.

use job::{export_json::ExportJson, ids::JobId, layout, manifest, target::Target};
use job_aws::{Fault, FaultKind};
use tokio::task::JoinSet;

use crate::{files::PartFile, progress::Progress, retry::retried, store::Store};

/// Files completed or aborted at once.
const AT_ONCE: usize = 16;

/// Completes all files.
pub(crate) async fn complete_files(store: &Store, files: &[PartFile]) -> Result<(), Fault> {
    for_each(files.iter(), |file| {
        let store = store.clone();
        async move { retried(|| store.complete(file.clone())).await }
    })
    .await
}

/// Makes sure that whoever filled these files before can't any more.
pub(crate) async fn fence(store: &Store, files: impl Iterator<Item = &PartFile>) -> Result<(), Fault> {
    for_each(files, |file| {
        let store = store.clone();
        async move { retried(|| store.fence(file.clone())).await }
    })
    .await
}

/// Writes what says that the backup is whole.
pub(crate) async fn publish(store: &Store, target: &Target, export: &ExportJson) -> Result<(), Fault> {
    let json = serde_json::to_vec_pretty(export).unwrap_or_default();
    retried(|| store.put(layout::EXPORT_JSON, json.clone())).await?;
    let urls: Vec<String> = export.files.iter().map(|file| target.url(&file.name)).collect();
    let manifest = manifest::write(&urls).into_bytes();
    retried(|| store.put(layout::MANIFEST, manifest.clone())).await?;
    retried(|| store.put(layout::SUCCESS, Vec::new())).await
}

/// Aborts what is open of a job and in no journal: its coordinator died, or a reply was lost, right after it was
/// opened. Says so if nobody may look for it.
pub(crate) async fn abort_strays(store: &Store, job: &JobId, progress: &Progress) -> Result<(), Fault> {
    match retried(|| store.abort_all(job)).await {
        Err(fault) if fault.kind == FaultKind::Denied => {
            let what = "uploads that were opened and never used could not be looked for";
            progress.note(&format!("note        {what}: {}", fault.message));
            Ok(())
        }
        aborted => aborted.map(drop),
    }
}

/// Removes the files of a job and whatever is open of it. Says so if nobody may look for that.
pub(crate) async fn discard(
    store: &Store,
    job: &JobId,
    files: &[PartFile],
    progress: &Progress,
) -> Result<(), Fault> {
    for name in [layout::SUCCESS, layout::MANIFEST, layout::EXPORT_JSON] {
        store.remove(name).await?;
    }
    for_each(files.iter(), |file| {
        let store = store.clone();
        async move { store.abort(&file).await }
    })
    .await?;
    abort_strays(store, job, progress).await
}

async fn for_each<'a, F>(
    files: impl Iterator<Item = &'a PartFile>,
    work: impl Fn(PartFile) -> F,
) -> Result<(), Fault>
where
    F: Future<Output = Result<(), Fault>> + Send + 'static,
{
    let mut under_way = JoinSet::new();
    for file in files {
        if under_way.len() >= AT_ONCE {
            join_one(&mut under_way).await?;
        }
        under_way.spawn(work(file.clone()));
    }
    while !under_way.is_empty() {
        join_one(&mut under_way).await?;
    }
    Ok(())
}

async fn join_one(under_way: &mut JoinSet<Result<(), Fault>>) -> Result<(), Fault> {
    match under_way.join_next().await {
        None => Ok(()),
        Some(Ok(result)) => result,
        Some(Err(error)) => {
            Err(Fault::new(FaultKind::Refused, format!("a file call ended abruptly: {error}")))
        }
    }
}

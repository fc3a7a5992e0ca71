//! Makes a backup visible, all or nothing: files, then export.json, then the manifest, then
//! `_SUCCESS`. A shell.

use job::{export_json::ExportJson, layout, manifest, target::Target};
use job_aws::Fault;
use tokio::task::JoinSet;

use crate::{files::PartFile, retry::retried, store::Store};

/// Files completed or aborted at once.
const AT_ONCE: usize = 16;

/// Completes all files.
pub(crate) async fn complete_files(store: &Store, files: &[PartFile]) -> Result<(), Fault> {
    for_each(files, |file| {
        let store = store.clone();
        async move { retried(|| store.complete(file.clone())).await }
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
    retried(|| store.remove(layout::CLAIM)).await?;
    retried(|| store.put(layout::SUCCESS, Vec::new())).await
}

/// Removes everything of a job that failed, what says that it is whole first.
pub(crate) async fn abandon(store: &Store, files: &[PartFile]) -> Result<(), Fault> {
    for name in [layout::SUCCESS, layout::MANIFEST, layout::EXPORT_JSON] {
        store.remove(name).await?;
    }
    for_each(files, |file| {
        let store = store.clone();
        async move { store.abort(&file).await }
    })
    .await?;
    store.remove(layout::CLAIM).await?;
    store.tidy();
    Ok(())
}

async fn for_each<F>(files: &[PartFile], work: impl Fn(PartFile) -> F) -> Result<(), Fault>
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
            Err(Fault::new(job_aws::FaultKind::Refused, format!("a file call ended abruptly: {error}")))
        }
    }
}

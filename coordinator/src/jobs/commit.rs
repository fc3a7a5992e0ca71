//! Makes a backup visible, all or nothing: files, then export.json, then the manifest, then `_SUCCESS`. Also removes
//! everything of a discarded job.
//!
//! Every step can be repeated, so that another coordinator can finish the work of one that died. Nothing is
//! overwritten, and nothing is removed that this export has not written, because another backup may be put in the same
//! folder meanwhile.

use engine::{
    export::ExportState,
    part_files::PartFile,
    replay::{Journaled, State},
};
use job::{export_json::ExportJson, ids::JobId, layout, manifest, target::Target};
use job_aws::{Fault, FaultKind, Policy};
use tokio::task::JoinSet;
use tracing::{debug, info};

use crate::{output::progress::Progress, store::Store};

/// Files completed or aborted at once.
const FILES_AT_ONCE: usize = 16;

/// The objects that mark a backup as complete. They follow from the journal, so they can be told from those of another
/// backup.
pub(crate) struct Marks {
    export_json: Vec<u8>,
    manifest: Vec<u8>,
}

impl Marks {
    /// The marks of an export to this folder.
    pub(crate) fn of(target: &Target, export: &ExportJson) -> Self {
        let urls: Vec<String> = export.files.iter().map(|file| target.url(&file.name)).collect();
        Self {
            export_json: serde_json::to_vec_pretty(export).unwrap_or_default(),
            manifest: manifest::write(&urls).into_bytes(),
        }
    }

    /// The marks that an unfinished export may have written. `None` if it has not begun to complete its files.
    pub(crate) fn journaled(store: &Store, journaled: &Journaled) -> Option<Self> {
        let State::Export(state) = &journaled.state else { return None };
        let run = journaled.run.clone().unwrap_or_default();
        let export = state.export_json(&run, &journaled.totals, journaled.committed_at.as_ref()?).ok()?;
        Some(Self::of(&store.target(), &export))
    }

    /// The marks in the order in which they are written.
    fn all(&self) -> [(&'static str, &[u8]); 3] {
        [(layout::EXPORT_JSON, &self.export_json), (layout::MANIFEST, &self.manifest), (layout::SUCCESS, &[])]
    }
}

/// Completes all files.
pub(crate) async fn complete_files(store: &Store, files: &[PartFile]) -> Result<(), Fault> {
    for_each(FILES_AT_ONCE, files.iter(), |file| {
        let store = store.clone();
        async move {
            Policy::Patient.retry(|| store.complete(&file)).await?;
            debug!(file = %file.id, "part file completed");
            Ok(())
        }
    })
    .await
}

/// Fences these files, so that workers of earlier runs can't change them any more. Handles one file at a time, because
/// a file may have to be copied: so there need be space for only one copy.
pub(crate) async fn fence(store: &Store, files: impl Iterator<Item = &PartFile>) -> Result<(), Fault> {
    for_each(1, files, |file| {
        let store = store.clone();
        async move {
            Policy::Patient.retry(|| store.fence(&file)).await?;
            debug!(file = %file.id, "part file fenced");
            Ok(())
        }
    })
    .await
}

/// Writes the marks, which make the backup complete.
pub(crate) async fn publish(store: &Store, marks: &Marks) -> Result<(), Fault> {
    for (name, bytes) in marks.all() {
        Policy::Patient.retry(|| create_same(store, name, bytes)).await?;
        info!(name, bytes = bytes.len(), "object of the commit written");
    }
    Ok(())
}

/// Creates an object, unless it exists with the same contents.
async fn create_same(store: &Store, name: &str, bytes: &[u8]) -> Result<(), Fault> {
    let in_the_way = || {
        let url = store.url(name);
        let why = format!("{url} already exists, and this export did not write it: move it elsewhere");
        Fault::new(FaultKind::Refused, why)
    };
    // Checks first, because not every server supports the condition.
    match is_same(store, name, bytes).await? {
        None => {}
        Some(true) => return Ok(()),
        Some(false) => return Err(in_the_way()),
    }
    match store.create(name, bytes.to_vec()).await {
        Err(fault) if fault.kind == FaultKind::PreconditionFailed => match is_same(store, name, bytes).await?
        {
            // An earlier try succeeded, but its reply was lost.
            Some(true) => Ok(()),
            Some(false) => Err(in_the_way()),
            // It was refused for another reason, such as an earlier try still in flight.
            None => Err(Fault::new(FaultKind::Transient, fault.message)),
        },
        created => created,
    }
}

/// Whether an object has these contents. `None` if it does not exist. `false` for a folder, a link or a FIFO.
async fn is_same(store: &Store, name: &str, bytes: &[u8]) -> Result<Option<bool>, Fault> {
    if !store.is_object(name).await? {
        return Ok(Some(false));
    }
    match store.get(name).await {
        Ok(there) => Ok(Some(there == bytes)),
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// Whether nothing has that name.
async fn is_free(store: &Store, name: &str) -> Result<bool, Fault> {
    Ok(store.is_object(name).await? && store.look_up(name).await?.is_none())
}

/// The names of whatever foreign is in place of a mark that this export would write. `marks` are the export's own
/// marks, or `None` if it can't have written any yet. Every tool's empty `_SUCCESS` looks like its own, and may stay.
pub(crate) async fn in_the_way(store: &Store, marks: Option<&Marks>) -> Result<Vec<&'static str>, Fault> {
    let mut foreign = Vec::new();
    for name in [layout::EXPORT_JSON, layout::MANIFEST, layout::SUCCESS] {
        let ours = marks.and_then(|marks| marks.all().into_iter().find(|(of, _)| *of == name));
        let is_free = match ours {
            Some((_, bytes)) => Policy::Patient.retry(|| is_same(store, name, bytes)).await? != Some(false),
            None => Policy::Patient.retry(|| is_free(store, name)).await?,
        };
        if !is_free {
            foreign.push(name);
        }
    }
    Ok(foreign)
}

/// Aborts everything open of a job that no journal mentions, because its coordinator died, or a reply was lost, right
/// after it was opened. Notes it if the permissions do not allow to look for it.
pub(crate) async fn abort_strays(store: &Store, job: &JobId, progress: &Progress) -> Result<(), Fault> {
    match Policy::Patient.retry(|| store.abort_all(job)).await {
        Err(fault) if fault.kind == FaultKind::Denied => {
            let what = "could not look for unused multipart uploads";
            progress.note(&format!("note        {what}: {}", fault.message));
            Ok(())
        }
        aborted => aborted.map(drop),
    }
}

/// Removes the files of an export and its open uploads. Notes it if the permissions do not allow to list uploads.
/// `marks` are those that the export may have written. Without them, none of its files is visible.
pub(crate) async fn discard(
    store: &Store,
    state: &ExportState,
    marks: Option<&Marks>,
    progress: &Progress,
) -> Result<(), Fault> {
    if let Some(marks) = marks {
        // Every tool's `_SUCCESS` looks the same: it is removed only together with the manifest that it was written
        // after.
        let [export_json, manifest, success] = marks.all();
        let is_whole = is_same(store, manifest.0, manifest.1).await? == Some(true);
        for (name, bytes) in [success].into_iter().filter(|_| is_whole).chain([manifest, export_json]) {
            store.remove_same(name, bytes).await?;
        }
    }
    let may_be_complete = marks.is_some();
    for_each(FILES_AT_ONCE, state.files().iter(), |file| {
        let store = store.clone();
        async move { store.abort(&file, may_be_complete).await }
    })
    .await?;
    abort_strays(store, &state.begin.job, progress).await
}

async fn for_each<'a, F>(
    at_once: usize,
    files: impl Iterator<Item = &'a PartFile>,
    work: impl Fn(PartFile) -> F,
) -> Result<(), Fault>
where
    F: Future<Output = Result<(), Fault>> + Send + 'static,
{
    let mut running = JoinSet::new();
    for file in files {
        if running.len() >= at_once {
            join_one(&mut running).await?;
        }
        running.spawn(work(file.clone()));
    }
    while !running.is_empty() {
        join_one(&mut running).await?;
    }
    Ok(())
}

async fn join_one(running: &mut JoinSet<Result<(), Fault>>) -> Result<(), Fault> {
    match running.join_next().await {
        None => Ok(()),
        Some(Ok(result)) => result,
        Some(Err(error)) => {
            let why = format!("a file call ended abruptly: {error}");
            Err(Fault::new(FaultKind::Refused, why).caused_by(error))
        }
    }
}

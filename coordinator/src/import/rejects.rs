//! What is said of lines of a backup that became nothing. A shell.
//!
//! Each goes to the reject file, if there is one: where it stands, why, and the line itself, as one JSON
//! object a line. The file is written beside its place and appears there when the job ends, well or not.

use std::{
    fs::Permissions,
    io::{self, BufWriter, Seek, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use job::{object::Object, split::Reject, target::Target};
use job_aws::{Clients, Fault, FaultKind};
use serde::Serialize;
use tempfile::NamedTempFile;

use crate::{
    failure::Failure,
    retry::retried,
    store::{Entry as StoredEntry, Store},
};

/// The text of lines is left out beyond so many bytes of the file: by object and offset it is found in
/// the backup. Without that, a folder of garbage would be written again as one reject file.
const MAX_TEXT_BYTES: u64 = 256 * 1024 * 1024;

/// So many lines are told of when there is no file for them.
const MOST_TOLD: u64 = 20;

/// Where rejected lines go.
#[derive(Clone)]
pub(super) struct Rejects {
    state: Arc<Mutex<State>>,
    tell: Arc<dyn Fn(String) + Send + Sync>,
}

#[derive(Default)]
struct State {
    file: Option<RejectFile>,
    /// So many more are told of.
    to_tell: u64,
}

impl Rejects {
    /// Lines go to `file`; without one, `tell` is given the first ones.
    pub(super) fn new(file: Option<RejectFile>, tell: Arc<dyn Fn(String) + Send + Sync>) -> Self {
        Self { state: Arc::new(Mutex::new(State { file, to_tell: 0 })), tell }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on up to `max_rejects` lines are told of if there is no file; the one too many is told
    /// as the failure that it is.
    pub(super) fn tell_of(&self, max_rejects: u64) {
        let mut state = self.state();
        state.to_tell = if state.file.is_some() { 0 } else { max_rejects.min(MOST_TOLD) };
    }

    /// Notes lines of an object.
    pub(super) fn note(&self, object: &Object, rejects: &[Reject]) -> Result<(), Fault> {
        let mut state = self.state();
        for Reject { offset, reason, .. } in rejects {
            if state.to_tell > 0 {
                state.to_tell -= 1;
                let more = if state.to_tell == 0 { " (further ones only with --rejects)" } else { "" };
                (self.tell)(format!("rejected    {object}, byte {offset} of its text: {reason}{more}"));
            }
        }
        state.file.as_mut().map_or(Ok(()), |file| file.note(object, rejects))
    }

    /// Forgets what was noted: the lines are read again.
    pub(super) fn restart(&self) -> Result<(), Fault> {
        self.state().file.as_mut().map_or(Ok(()), RejectFile::restart)
    }

    /// No line was noted, or there is no file.
    pub(super) fn is_empty(&self) -> bool {
        self.state().file.as_ref().is_none_or(|file| file.bytes == 0)
    }

    /// Leaves nothing of the file.
    pub(super) async fn discard(&self, clients: &Clients) {
        let file = self.state().file.take();
        if let Some(file) = file {
            file.discard(clients).await;
        }
    }

    /// Puts the file in its place.
    pub(super) async fn finish(&self, clients: &Clients) -> Result<(), Fault> {
        let file = self.state().file.take();
        match file {
            Some(file) => file.finish(clients).await,
            None => Ok(()),
        }
    }
}

/// A reject file that is being written.
#[derive(Debug)]
pub(crate) struct RejectFile {
    place: Object,
    lines: BufWriter<NamedTempFile>,
    bytes: u64,
    /// An empty object was put in its place, where there was none.
    is_claimed: bool,
}

/// A line of it.
#[derive(Serialize)]
struct Entry<'a> {
    object: String,
    offset: u64,
    reason: &'a str,
    /// Absent if it is not UTF-8, or too long, or the file is too large already.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a str>,
}

impl RejectFile {
    /// Makes sure that it can be written in its place, where nothing may be yet but an empty file, unless
    /// `is_ours`: then an earlier run of the import has written it.
    pub(crate) async fn create(place: &Object, clients: &Clients, is_ours: bool) -> Result<Self, Failure> {
        let refused = |why: String| Failure::Refused(format!("--rejects {place}: {why}"));
        let folder = match place {
            Object::File { path } => {
                let length = path.metadata().map_or(0, |file| file.len());
                if path.is_dir() || length > 0 && !is_ours {
                    return Err(refused("exists already; name another file or remove it".into()));
                }
                parent(path)
            }
            Object::S3 { .. } => std::env::temp_dir(),
        };
        let named = tempfile::Builder::new()
            .prefix(".tablehaul-rejects-")
            // What the user's umask leaves, as of any other file.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(&folder);
        let lines = named.map_err(|error| refused(format!("{}: {error}", folder.display())))?;
        let lines = BufWriter::new(lines);
        // Last, so that nothing can go wrong after it here.
        let is_claimed = match place {
            Object::S3 { .. } if !is_ours => claim(place, clients).await?,
            _ => false,
        };
        Ok(Self { place: place.clone(), lines, bytes: 0, is_claimed })
    }

    /// Removes the empty object that was put in its place. If that can't be done, an empty object is left, which the
    /// next import takes for its own.
    async fn discard(self, clients: &Clients) {
        if !self.is_claimed {
            return;
        }
        if let Ok((store, name)) = store(&self.place, clients)
            && let Ok(Some(StoredEntry { bytes: 0, .. })) = store.look_up(name).await
        {
            let _ = store.remove(name).await;
        }
    }

    /// Notes lines of an object.
    fn note(&mut self, object: &Object, rejects: &[Reject]) -> Result<(), Fault> {
        rejects.iter().try_for_each(|reject| self.append(object, reject)).map_err(|error| self.fault(&error))
    }

    fn append(&mut self, object: &Object, reject: &Reject) -> io::Result<()> {
        let Reject { offset, reason, line } = reject;
        let line = if line.is_empty() || self.bytes > MAX_TEXT_BYTES { None } else { Some(line.as_slice()) };
        let line = line.and_then(|line| std::str::from_utf8(line).ok());
        let entry = Entry { object: object.to_string(), offset: *offset, reason, line };
        let mut text = serde_json::to_vec(&entry)?;
        text.push(b'\n');
        self.bytes += text.len() as u64;
        self.lines.write_all(&text)
    }

    /// Forgets what was noted: the lines are read again.
    fn restart(&mut self) -> Result<(), Fault> {
        self.try_restart().map_err(|error| self.fault(&error))
    }

    fn try_restart(&mut self) -> io::Result<()> {
        self.lines.flush()?;
        self.lines.get_mut().as_file_mut().set_len(0)?;
        self.lines.get_mut().rewind()?;
        self.bytes = 0;
        Ok(())
    }

    /// Puts it in its place.
    async fn finish(self, clients: &Clients) -> Result<(), Fault> {
        let place = self.place.clone();
        let fault = |error: &dyn std::fmt::Display| fault(&place, error);
        let lines = self.lines.into_inner().map_err(|error| fault(error.error()))?;
        match &place {
            Object::File { path } => {
                lines.as_file().sync_all().map_err(|error| fault(&error))?;
                lines.persist(path).map_err(|error| fault(&error.error))?;
                Ok(())
            }
            Object::S3 { .. } => {
                let bytes = std::fs::read(lines.path()).map_err(|error| fault(&error))?;
                let (store, name) = store(&place, clients)?;
                retried(|| store.put(name, bytes.clone())).await
            }
        }
    }

    fn fault(&self, error: &io::Error) -> Fault {
        fault(&self.place, error)
    }
}

fn fault(place: &Object, error: &dyn std::fmt::Display) -> Fault {
    Fault::new(FaultKind::Refused, format!("writing the reject file {place}: {error}"))
}

fn parent(path: &Path) -> PathBuf {
    path.parent().map_or_else(|| PathBuf::from("/"), Path::to_path_buf)
}

/// Puts an empty object in its place, unless there is one that holds something. Whether there was none.
async fn claim(place: &Object, clients: &Clients) -> Result<bool, Failure> {
    let refused = |fault: Fault| Failure::Refused(format!("--rejects {place}: {}", fault.message));
    let (store, name) = store(place, clients).map_err(refused)?;
    match store.create(name, Vec::new()).await {
        Ok(()) => Ok(true),
        Err(fault) if fault.kind == FaultKind::PreconditionFailed => {
            match store.look_up(name).await.map_err(refused)? {
                Some(there) if there.bytes > 0 => Err(Failure::Refused(format!(
                    "--rejects {place}: exists already; name another object or remove it"
                ))),
                _ => Ok(false),
            }
        }
        Err(fault) => Err(refused(fault)),
    }
}

/// The folder of an object, and its name in it.
fn store<'a>(place: &'a Object, clients: &Clients) -> Result<(Store, &'a str), Fault> {
    let Object::S3 { bucket, key } = place else { return Err(fault(place, &"not in S3")) };
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("", key));
    let folder = Target::S3 { bucket: bucket.clone(), prefix: prefix.to_owned() };
    Ok((Store::new(&folder, clients), name))
}

//! A reject file on this machine. A thread of its own writes it, so that a FIFO without a reader or a file system that
//! hangs blocks nothing else.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Seek, Write},
    os::{
        fd::AsRawFd,
        unix::fs::{OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    thread,
};

use nix::{
    fcntl::{AT_FDCWD, AtFlags, OFlag},
    unistd::linkat,
};
use tempfile::NamedTempFile;
use tokio::sync::{mpsc, oneshot};

use super::destination::{Before, Destination, DestinationError, Target};

/// The prefix of an unfinished file that needs a name.
const REJECT_FILE_PREFIX: &str = ".tablehaul-rejects-";
/// The file holds items, so only its owner may read it, unless the user made an empty file with other permissions.
const REJECT_FILE_MODE: u32 = 0o600;

/// A handle of the thread that writes the file.
#[derive(Debug)]
pub(super) struct RejectFile {
    orders: mpsc::Sender<(Order, oneshot::Sender<io::Result<()>>)>,
}

#[derive(Debug)]
enum Order {
    Write(Vec<u8>),
    Restart,
    /// Puts the file in its place, or removes it.
    End {
        keep: bool,
    },
}

/// Makes sure that a file can be made in the folder of `target`. Leaves nothing there.
///
/// # Errors
/// Fails if it can't.
pub(super) fn check(target: &Target) -> Result<(), DestinationError> {
    let made = Making::begin(target.folder()).map(drop);
    made.map_err(|error| DestinationError::NoFile { error, path: target.path.clone() })
}

impl RejectFile {
    /// Starts the thread.
    ///
    /// # Errors
    /// Fails if the file can't be written there.
    pub(super) fn start(destination: Destination) -> Result<Self, DestinationError> {
        let mut writer = RejectWriter::new(destination)?;
        let (orders, mut queue) = mpsc::channel::<(Order, oneshot::Sender<_>)>(1);
        let write = move || {
            while let Some((order, done)) = queue.blocking_recv() {
                // The caller may have been cancelled meanwhile.
                let _ = match order {
                    Order::Write(bytes) => done.send(writer.out().write_all(&bytes)),
                    Order::Restart => done.send(writer.restart()),
                    Order::End { keep } => {
                        let ended = if keep {
                            writer.finish()
                        } else {
                            // Dropping the writer also removes a named file, before the caller continues.
                            drop(writer);
                            Ok(())
                        };
                        let _ = done.send(ended);
                        return;
                    }
                };
            }
        };
        // The thread is not joined: a write to a FIFO that nobody reads never returns.
        thread::Builder::new().name("rejects".into()).spawn(write)?;
        Ok(Self { orders })
    }

    async fn order(&self, order: Order) -> io::Result<()> {
        let (done, is_done) = oneshot::channel();
        let gone = || io::Error::other("the thread that writes it is gone");
        self.orders.send((order, done)).await.map_err(|_| gone())?;
        is_done.await.map_err(|_| gone())?
    }

    /// Writes these bytes, even if the caller is cancelled: orders are executed one after the other.
    pub(super) async fn write(&self, bytes: Vec<u8>) -> io::Result<()> {
        self.order(Order::Write(bytes)).await
    }

    /// Discards what was written. Has no effect on what is written to directly.
    pub(super) async fn restart(&self) -> io::Result<()> {
        self.order(Order::Restart).await
    }

    /// Puts the file in its place, or removes it if `keep` is false.
    pub(super) async fn end(&self, keep: bool) -> io::Result<()> {
        self.order(Order::End { keep }).await
    }
}

enum RejectWriter {
    Through(File),
    Unfinished(Making, Target),
}

impl RejectWriter {
    fn new(destination: Destination) -> Result<Self, DestinationError> {
        match destination {
            Destination::Through(file) => Ok(Self::Through(file)),
            Destination::File(target) => match Making::begin(target.folder()) {
                Ok(making) => Ok(Self::Unfinished(making, target)),
                Err(error) => Err(DestinationError::NoFile { error, path: target.path }),
            },
        }
    }

    fn out(&mut self) -> &mut File {
        match self {
            Self::Through(file) | Self::Unfinished(Making::Unnamed(file), _) => file,
            Self::Unfinished(Making::Named(file), _) => file.as_file_mut(),
        }
    }

    fn restart(&mut self) -> io::Result<()> {
        if let Self::Through(_) = self {
            return Ok(());
        }
        self.out().set_len(0)?;
        self.out().rewind()
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Through(_) => Ok(()),
            Self::Unfinished(making, target) => making.put(&target),
        }
    }
}

impl Target {
    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

/// A file that is not in its place yet, readable only by its owner.
enum Making {
    /// It has no name, so that a killed process leaves nothing.
    Unnamed(File),
    /// For file systems without unnamed files.
    Named(NamedTempFile),
}

impl Making {
    fn begin(folder: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(REJECT_FILE_MODE).custom_flags(OFlag::O_TMPFILE.bits());
        match options.open(folder) {
            Ok(file) if own_name(&file).exists() => Ok(Self::Unnamed(file)),
            _ => Ok(Self::Named(tempfile::Builder::new().prefix(REJECT_FILE_PREFIX).tempfile_in(folder)?)),
        }
    }

    fn file(&self) -> &File {
        match self {
            Self::Unnamed(file) => file,
            Self::Named(file) => file.as_file(),
        }
    }

    /// Puts the file in its place, unless the file there has changed since the import began.
    fn put(self, target: &Target) -> io::Result<()> {
        let Target { path, before } = target;
        if let Some(before) = before {
            self.file().set_permissions(Permissions::from_mode(before.mode))?;
        }
        self.file().sync_all()?;
        let there = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            there => Some(there?),
        };
        let put = match there {
            None => self.put_new(path),
            Some(there) if there.is_file() && *before == Some(Before::of(&there)) => self.replace(path),
            Some(_) => Err((io::ErrorKind::AlreadyExists.into(), self)),
        };
        match put {
            Ok(()) => File::open(target.folder())?.sync_all(),
            Err((error, making)) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(making.keep(target.folder()))
            }
            Err((error, _)) => Err(error),
        }
    }

    /// Gives the file a name that must not exist yet.
    fn put_new(self, path: &Path) -> Result<(), (io::Error, Self)> {
        match self {
            Self::Unnamed(file) => link(&file, path).map_err(|error| (error, Self::Unnamed(file))),
            Self::Named(file) => {
                file.persist_noclobber(path).map(drop).map_err(|error| (error.error, Self::Named(error.file)))
            }
        }
    }

    fn replace(self, path: &Path) -> Result<(), (io::Error, Self)> {
        match self {
            Self::Unnamed(file) => {
                let unused = unused_name(path.parent().unwrap_or(Path::new("/")));
                let replaced = link(&file, &unused)
                    .and_then(|()| fs::rename(&unused, path).inspect_err(|_| drop(fs::remove_file(&unused))));
                replaced.map_err(|error| (error, Self::Unnamed(file)))
            }
            Self::Named(file) => {
                file.persist(path).map(drop).map_err(|error| (error.error, Self::Named(error.file)))
            }
        }
    }

    /// Keeps the file under another name, and returns the error that names it.
    fn keep(self, folder: &Path) -> io::Error {
        let path = unused_name(folder);
        let what = "another program wrote a file there during the import; it was not replaced";
        io::Error::other(match self.put_new(&path) {
            Ok(()) => format!("{what}, and the rejected lines are in {}", path.display()),
            Err((error, _)) => {
                format!("{what}, and the rejected lines can't be kept in {}: {error}", path.display())
            }
        })
    }
}

/// Gives an unnamed file a name that must not exist yet.
fn link(file: &File, path: &Path) -> io::Result<()> {
    Ok(linkat(AT_FDCWD, &own_name(file), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW)?)
}

fn own_name(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

fn unused_name(folder: &Path) -> PathBuf {
    folder.join(format!("{REJECT_FILE_PREFIX}{}", uuid::Uuid::new_v4().simple()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    /// Both kinds of unfinished files.
    fn makings(folder: &Path) -> [Making; 2] {
        [
            Making::begin(folder).unwrap(),
            Making::Named(tempfile::Builder::new().prefix(REJECT_FILE_PREFIX).tempfile_in(folder).unwrap()),
        ]
    }

    fn find(path: &Path, is_ours: bool) -> Target {
        match Destination::find(path, is_ours) {
            Ok(Destination::File(target)) => target,
            other => panic!("{other:?}"),
        }
    }

    fn written(making: Making, target: Target) -> RejectWriter {
        let mut writer = RejectWriter::Unfinished(making, target);
        writer.out().write_all(b"first").unwrap();
        writer.restart().unwrap();
        writer.out().write_all(b"second").unwrap();
        writer
    }

    #[test]
    fn a_new_file_is_for_its_owner_alone_and_one_that_is_replaced_keeps_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects");
        for making in makings(folder.path()) {
            written(making, find(&path, false)).finish().unwrap();
            assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("second", 0o600));
            fs::remove_file(&path).unwrap();
        }
        for making in makings(folder.path()) {
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
            written(making, find(&path, false)).finish().unwrap();
            assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("second", 0o640));
        }
        assert_eq!(names(folder.path()), ["rejects"]);
    }

    #[test]
    fn a_file_that_came_or_changed_meanwhile_is_not_replaced_and_no_line_is_lost() {
        for at in 0..2 {
            for was_there in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("rejects");
                if was_there {
                    fs::write(&path, "").unwrap();
                }
                let making = makings(folder.path()).into_iter().nth(at).unwrap();
                let writer = written(making, find(&path, false));
                fs::write(&path, "another's").unwrap();
                let error = writer.finish().unwrap_err().to_string();
                assert_eq!(fs::read_to_string(&path).unwrap(), "another's");
                let kept = names(folder.path())
                    .into_iter()
                    .find(|name| name.starts_with(REJECT_FILE_PREFIX))
                    .unwrap();
                assert!(error.contains("was not replaced") && error.contains(&kept), "{error}");
                assert_eq!(fs::read_to_string(folder.path().join(kept)).unwrap(), "second");
            }
        }
    }

    #[test]
    fn a_file_that_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for making in makings(folder.path()) {
            drop(written(making, find(&folder.path().join("rejects"), false)));
        }
        assert_eq!(names(folder.path()), [""; 0]);
    }
}

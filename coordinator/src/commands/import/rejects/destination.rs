//! Finds out what the path given to `--rejects` is, and opens it if it is written to directly.

use std::{
    fs::{self, File, FileType, Metadata, OpenOptions},
    io,
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::{AccessFlags, eaccess},
};

use super::{
    super::backup_overlap::{IS_MARK, is_mark},
    mount::is_mount_point,
};
use crate::output::display::no_file_in;

/// The most links that the kernel follows (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// Where rejected lines go on this machine.
#[derive(Debug)]
pub(super) enum Destination {
    /// To a regular file, which appears in its place when it is complete.
    File(Target),
    /// Directly to something other than a regular file, or to an output of this process. It is never replaced.
    Through(File),
}

/// The place of a regular file.
#[derive(Debug)]
pub(super) struct Target {
    /// Its path after all links are followed.
    pub(super) path: PathBuf,
    /// The file that exists there now. It is replaced only if it is still the same then.
    pub(super) before: Option<Before>,
}

/// Tells a file from others, and from itself after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Before {
    device: u64,
    inode: u64,
    length: u64,
    /// Its permissions, which the new file gets.
    pub(super) mode: u32,
}

impl Before {
    pub(super) fn of(file: &Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino(), length: file.len(), mode: file.mode() & 0o777 }
    }
}

/// Why rejected lines can't be written to a path.
#[derive(Debug, thiserror::Error)]
pub(super) enum DestinationError {
    #[error("{NAMES_FOLDER}")]
    NamesFolder,
    #[error("{IS_MARK}")]
    IsMark,
    #[error("{IS_FOLDER}")]
    IsFolder,
    #[error("exists already; name another file or remove it")]
    Exists,
    #[error("is a disk; name a file on it")]
    Disk,
    #[error("{}", why_not(error, path))]
    NoFile {
        #[source]
        error: io::Error,
        path: PathBuf,
    },
    #[error("there is no such device or terminal; name a file")]
    NoDevice(#[source] io::Error),
    #[error("is a FIFO without a reader, or a socket: tablehaul cannot write to it")]
    NoReader(#[source] io::Error),
    #[error("no permission to write to it; name a file")]
    NotPermitted(#[source] io::Error),
    #[error("cannot be opened: {0}")]
    NotOpened(#[source] io::Error),
    #[error("descriptor {0} is open for reading; open it for writing")]
    OnlyRead(u32),
    #[error("tablehaul was started without an open descriptor {0}; name a file")]
    NotGiven(u32),
    #[error("{0} is closed, so the lines would be lost; name a file")]
    Closed(&'static str),
    #[error("is a mount point, so no file can take its place; name another file")]
    MountPoint,
    #[error("{0}")]
    Flags(#[source] Errno),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl DestinationError {
    fn no_file(error: io::Error, path: &Path) -> Self {
        Self::NoFile { error, path: path.to_owned() }
    }
}

/// What a path given to `--rejects` means.
#[derive(Debug)]
pub(super) enum RejectPath {
    /// A regular file, which is there or not.
    File(Target),
    /// Something that is written to directly.
    Through(PathBuf),
}

impl Destination {
    /// Looks at a path and opens it, if it is written to directly.
    ///
    /// # Errors
    /// Fails if nothing can be written there.
    pub(super) fn find(path: &Path, is_ours: bool) -> Result<Self, DestinationError> {
        match RejectPath::inspect(path, is_ours)? {
            RejectPath::File(target) => Ok(Self::File(target)),
            RejectPath::Through(path) => through(&path).map(Self::Through),
        }
    }
}

impl RejectPath {
    /// Looks at a path and opens nothing. Accepts only an empty file for replacement, unless `is_ours` says that an
    /// earlier run has written it.
    ///
    /// # Errors
    /// Fails if nothing can be written there.
    pub(super) fn inspect(path: &Path, is_ours: bool) -> Result<Self, DestinationError> {
        let (path, is_of_process) = follow(path).map_err(|error| DestinationError::no_file(error, path))?;
        // One that is not open is not there either.
        if is_of_process || own_number(&path).is_some() {
            return Ok(Self::Through(path));
        }
        if names_folder(&path.to_string_lossy()) {
            return Err(DestinationError::NamesFolder);
        }
        // Also through a link among its folders.
        let folder = path.parent().and_then(|folder| fs::canonicalize(folder).ok());
        let real = folder.zip(path.file_name()).map(|(folder, name)| folder.join(name));
        if is_mark(&path.to_string_lossy()) || real.is_some_and(|real| is_mark(&real.to_string_lossy())) {
            return Err(DestinationError::IsMark);
        }
        let before = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(DestinationError::no_file(error, &path)),
            Ok(there) if there.is_dir() => return Err(DestinationError::IsFolder),
            Ok(there) if !there.is_file() => return Ok(Self::Through(path)),
            Ok(_) if is_mount_point(&path) => return Err(DestinationError::MountPoint),
            Ok(there) if there.len() > 0 && !is_ours => return Err(DestinationError::Exists),
            Ok(there) => Some(Before::of(&there)),
        };
        Ok(Self::File(Target { path, before }))
    }
}

/// Why a path is refused that names a folder.
const IS_FOLDER: &str = "is a folder; name a file";
/// Why a path is refused for which [`names_folder`] is true.
pub(crate) const NAMES_FOLDER: &str = "names a folder; name a file in it";

/// Whether a path can only be that of a folder, whether or not there is one. A file with such a path can't be made.
pub(crate) fn names_folder(path: &str) -> bool {
    matches!(path.rsplit('/').next(), Some("" | "." | ".."))
}

/// Why no file can be made at `path`, in words that say what to do.
pub(super) fn why_not(error: &io::Error, path: &Path) -> String {
    match error.kind() {
        io::ErrorKind::NotADirectory => {
            let folder = path.parent().unwrap_or(Path::new("/")).display();
            format!("{folder} is not a folder; name a file in a folder")
        }
        io::ErrorKind::InvalidFilename => "the name is too long; name a file with a shorter one".to_owned(),
        _ if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            "its links lead in a circle; name a file elsewhere".to_owned()
        }
        _ => no_file_in(path.parent().unwrap_or(Path::new("/")), error, "name a file elsewhere"),
    }
}

/// The path after all links are followed, and whether it is an open file of a process, which `/proc` shows as a link.
fn follow(path: &Path) -> io::Result<(PathBuf, bool)> {
    let mut path = path.to_owned();
    let proc = fs::metadata("/proc").map(|proc| proc.dev()).ok();
    for _ in 0..MAX_LINKS {
        match fs::symlink_metadata(&path) {
            Ok(there) if there.is_symlink() => {
                // `/proc` has links in the middle of paths as well, such as `self`. The kernel follows those.
                if Some(there.dev()) == proc {
                    return Ok((path, true));
                }
                let to = fs::read_link(&path)?;
                path = path.parent().map_or_else(|| to.clone(), |folder| folder.join(&to));
            }
            _ => return Ok((path, false)),
        }
    }
    Err(io::Error::from(Errno::ELOOP))
}

/// Opens what is written to directly.
fn through(path: &Path) -> Result<File, DestinationError> {
    let Some(there) = other_than_output(path)? else { return own_output(path) };
    let refused = |error: io::Error| match Errno::from_raw(error.raw_os_error().unwrap_or_default()) {
        Errno::ENXIO | Errno::ENODEV if there.is_char_device() => DestinationError::NoDevice(error),
        Errno::ENXIO => DestinationError::NoReader(error),
        Errno::EACCES | Errno::EPERM | Errno::EROFS => DestinationError::NotPermitted(error),
        _ => DestinationError::NotOpened(error),
    };
    // Does not wait for a reader of a FIFO. Appends, in case it is a regular file after all.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().append(true).custom_flags(flags.bits()).open(path).map_err(refused)?;
    wait_when_full(&file).map_err(DestinationError::Flags)?;
    Ok(file)
}

/// Makes sure, as far as that is known without opening it, that something can be written to directly. Opening a FIFO
/// and closing it again would end its reader.
pub(super) fn check_through(path: &Path) -> Result<(), DestinationError> {
    match other_than_output(path)? {
        None => own_output(path).map(drop),
        Some(there) if there.is_socket() => Err(DestinationError::NoReader(Errno::ENXIO.into())),
        Some(_) => {
            eaccess(path, AccessFlags::W_OK).map_err(|error| DestinationError::NotPermitted(error.into()))
        }
    }
}

/// What is written to directly at a path. `None` if it is an output of this process.
fn other_than_output(path: &Path) -> Result<Option<FileType>, DestinationError> {
    match own_number(path) {
        Some(1 | 2) => return Ok(None),
        Some(number) => must_be_given(number)?,
        None => {}
    }
    let there = fs::metadata(path).map_err(|error| DestinationError::no_file(error, path))?.file_type();
    if there.is_dir() {
        return Err(DestinationError::IsFolder);
    }
    if there.is_block_device() {
        return Err(DestinationError::Disk);
    }
    Ok(Some(there))
}

/// Makes writes block while there is no room.
fn wait_when_full(file: &File) -> nix::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
    fcntl(file, FcntlArg::F_SETFL(flags & !OFlag::O_NONBLOCK)).map(drop)
}

/// The number of the descriptor of this process that the path means, if it means one.
fn own_number(path: &Path) -> Option<u32> {
    let text = path.to_str()?;
    let own = format!("/proc/{}/fd/", std::process::id());
    let number = ["/proc/self/fd/", "/dev/fd/", &own].iter().find_map(|fds| text.strip_prefix(fds))?;
    number.parse().ok()
}

/// Standard output or standard error. They are duplicated instead of opened again: opening would overwrite the
/// beginning of a file, and fails for a socket.
fn own_output(path: &Path) -> Result<File, DestinationError> {
    let (shared, name) = match own_number(path) {
        Some(2) => (io::stderr().as_fd().try_clone_to_owned(), "standard error"),
        _ => (io::stdout().as_fd().try_clone_to_owned(), "standard output"),
    };
    must_be_open(File::from(shared?), name)
}

/// Makes sure that an output was open when this process began. If it was not, the standard library has opened
/// `/dev/null` in its place, for reading and writing. A shell opens `/dev/null` for writing alone.
fn must_be_open(output: File, name: &'static str) -> Result<File, DestinationError> {
    let flags = fcntl(&output, FcntlArg::F_GETFL).map_err(DestinationError::Flags)?;
    let is_for_both = OFlag::from_bits_retain(flags) & OFlag::O_ACCMODE == OFlag::O_RDWR;
    let null = fs::metadata("/dev/null").map(|null| null.rdev()).ok();
    let there = output.metadata()?;
    if is_for_both && there.file_type().is_char_device() && Some(there.rdev()) == null {
        return Err(DestinationError::Closed(name));
    }
    Ok(output)
}

/// Makes sure that whoever started this process has given it this descriptor, for writing. The others are its own: its
/// connections, its locks and its journal.
///
/// # Errors
/// Fails if that is not so.
fn must_be_given(number: u32) -> Result<(), DestinationError> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags =
        flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok()).map(OFlag::from_bits_retain);
    match flags {
        // All that this process opens is closed for the programs that it starts, so it was not given either.
        Some(flags) if !flags.contains(OFlag::O_CLOEXEC) => match flags & OFlag::O_ACCMODE {
            OFlag::O_WRONLY | OFlag::O_RDWR => Ok(()),
            _ => Err(DestinationError::OnlyRead(number)),
        },
        _ => Err(DestinationError::NotGiven(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::{sys::stat::Mode, unistd::mkfifo};
    use std::os::{
        fd::AsRawFd,
        unix::{fs::symlink, net::UnixListener},
    };

    #[test]
    fn a_link_is_followed_to_its_end_also_where_nothing_is_yet() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).unwrap();
        symlink("real/rejects", at("second")).unwrap();
        symlink(at("second"), at("first")).unwrap();
        let Ok(Destination::File(Target { path, before: None })) = Destination::find(&at("first"), false)
        else {
            panic!()
        };
        assert_eq!(path, at("real/rejects"));
        fs::write(&path, "").unwrap();
        let Ok(Destination::File(Target { path, before: Some(_) })) = Destination::find(&at("first"), false)
        else {
            panic!()
        };
        assert_eq!(path, at("real/rejects"));
        symlink("circle", at("circle")).unwrap();
        assert!(Destination::find(&at("circle"), false).unwrap_err().to_string().contains("in a circle"));
    }

    #[test]
    fn what_holds_something_is_replaced_only_by_who_wrote_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("there");
        fs::write(&path, "x").unwrap();
        assert!(Destination::find(&path, false).unwrap_err().to_string().contains("exists already"));
        assert!(matches!(
            Destination::find(&path, true),
            Ok(Destination::File(Target { before: Some(_), .. }))
        ));
        assert!(Destination::find(folder.path(), true).unwrap_err().to_string().contains("is a folder"));
    }

    #[test]
    fn what_is_no_regular_file_is_written_through_or_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(Destination::find(Path::new("/dev/null"), false), Ok(Destination::Through(_))));
        let fifo = folder.path().join("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        assert!(Destination::find(&fifo, false).unwrap_err().to_string().contains("without a reader"));
        let _reader =
            OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&fifo).unwrap();
        assert!(matches!(Destination::find(&fifo, false), Ok(Destination::Through(_))));
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert!(Destination::find(&socket, false).unwrap_err().to_string().contains("socket"));
        let own = folder.path().join("stdout");
        symlink("/proc/self/fd/1", &own).unwrap();
        assert!(matches!(RejectPath::inspect(&own, false), Ok(RejectPath::Through(_))));
        check_through(Path::new("/dev/null")).unwrap();
        check_through(&fifo).unwrap();
        assert!(check_through(&socket).unwrap_err().to_string().contains("socket"));
    }

    #[test]
    fn what_can_only_be_a_folder_is_refused_before_anything_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| PathBuf::from(format!("{}/{name}", folder.path().display()));
        symlink("no/such/", at("link")).unwrap();
        for name in ["new/", "new/.", "new/..", "new//", "link", ".", ".."] {
            let why = Destination::find(&at(name), false).unwrap_err().to_string();
            assert!(why.contains("a folder"), "{name}: {why}");
        }
        fs::write(at("file"), "").unwrap();
        for (name, said) in [
            ("file/", "names a folder"),
            ("file/x", "/file is not a folder"),
            (&"x".repeat(300)[..], "too long"),
        ] {
            let why = Destination::find(&at(name), false).unwrap_err().to_string();
            assert!(why.contains(said), "{name}: {why}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn an_error_of_the_file_system_is_told_with_what_to_do() {
        for (errno, said) in [
            (Errno::EROFS, "the file system of /a is read-only; name a file elsewhere"),
            (Errno::EACCES, "no permission to make a file in /a; name a file elsewhere"),
            (Errno::ENOSPC, "the file system of /a is full; name a file elsewhere"),
            (Errno::EDQUOT, "the file system of /a is full; name a file elsewhere"),
            (Errno::ENOENT, "there is no folder /a; create it first"),
        ] {
            assert_eq!(why_not(&errno.into(), Path::new("/a/b")), said);
        }
    }

    #[test]
    fn only_a_descriptor_that_the_process_was_given_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        // As the standard library opens it: for this process alone.
        let own = File::create(folder.path().join("own")).unwrap();
        let refused = |path: &str| Destination::find(Path::new(path), false).unwrap_err().to_string();
        let why = refused(&format!("/dev/fd/{}", own.as_raw_fd()));
        assert!(why.contains("started without an open descriptor"), "{why}");
        assert!(refused("/dev/fd/9999").contains("started without an open descriptor 9999"));
        assert!(refused("/proc/self/cwd").contains("is a folder"));
        assert_eq!(fs::read(folder.path().join("own")).unwrap(), b"");
    }

    #[test]
    fn an_output_that_was_closed_is_told_from_one_that_leads_to_the_null_device() {
        let null = |both: bool| OpenOptions::new().read(both).write(true).open("/dev/null").unwrap();
        assert!(must_be_open(null(false), "standard output").is_ok());
        let closed = must_be_open(null(true), "standard output").unwrap_err().to_string();
        assert!(closed.starts_with("standard output is closed"), "{closed}");
        assert!(must_be_open(tempfile::tempfile().unwrap(), "standard output").is_ok());
    }
}

//! Opens files for reading. All calls may block on the file system, so they belong on blocking threads.

use std::{
    fs::{self, File, FileType},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::{FileTypeExt, OpenOptionsExt},
    path::Path,
};

use job::fingerprint::Fingerprint;
use nix::fcntl::OFlag;

/// Opens a file for reading, if it is a regular file or a link to one. It never waits for another process, as opening a
/// FIFO would.
///
/// # Errors
/// Fails with the error of the file system, or if it is not a regular file; the error says what it is.
pub fn open(path: &Path) -> io::Result<File> {
    // Checked before opening, since opening a device may have an effect.
    must_be_regular(fs::metadata(path)?.file_type())?;
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    // Checked again, since the name may belong to another file by now.
    must_be_regular(file.metadata()?.file_type())?;
    Ok(file)
}

/// Reads a whole file, if it is a regular file or a link to one, and has at most this many bytes.
///
/// # Errors
/// Fails like [`open`], and if the file is longer.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Reads one byte more than allowed, because the file may grow meanwhile.
    open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_long(most)) } else { Ok(bytes) }
}

/// Makes sure that another library can read a file to its end: that it is a regular file with at most this many bytes,
/// `/dev/null`, a directory, or does not exist.
///
/// # Errors
/// Fails if it may have no end, or is longer.
pub fn check_end(path: &Path, most: u64) -> io::Result<()> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    let is_null = || fs::canonicalize(path).is_ok_and(|path| path == Path::new("/dev/null"));
    if metadata.is_dir() || is_null() {
        return Ok(());
    }
    must_be_regular(metadata.file_type())?;
    if metadata.len() > most { Err(too_long(most)) } else { Ok(()) }
}

fn too_long(most: u64) -> io::Error {
    io::Error::other(format!("it has more than {most} bytes"))
}

fn must_be_regular(kind: FileType) -> io::Result<()> {
    match other_than_file(kind) {
        None => Ok(()),
        Some(what) => Err(io::Error::other(format!("it is {what}, not a regular file"))),
    }
}

/// What it is, in words, if it is no regular file.
pub fn other_than_file(kind: FileType) -> Option<&'static str> {
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_symlink() {
        Some("a symbolic link")
    } else if kind.is_fifo() {
        Some("a FIFO")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

/// A file whose content must not change after it was found. Every read checks, after it has the bytes, whether the file
/// has changed. So it never returns bytes of a changed file.
#[derive(Debug)]
pub struct Unchanged {
    file: File,
    found: Fingerprint,
}

impl Unchanged {
    /// Opens a file that had this fingerprint when it was found.
    ///
    /// # Errors
    /// Fails like [`open`], and if the file has changed since.
    pub fn open(path: &Path, found: Fingerprint) -> io::Result<Self> {
        let unchanged = Self { file: open(path)?, found };
        unchanged.check()?;
        Ok(unchanged)
    }

    /// Opens a file by its version in a listing: its [`Fingerprint`] as text, or `None` for anything but a regular
    /// file.
    ///
    /// # Errors
    /// Fails like [`open`](Self::open), and always without a fingerprint. The error then says what it is.
    pub fn open_listed(path: &Path, version: Option<&str>) -> io::Result<Self> {
        match version.map(str::parse) {
            Some(Ok(found)) => Self::open(path, found),
            None | Some(Err(_)) => {
                open(path).and_then(|_| Err(io::Error::other("it was not there when its folder was listed")))
            }
        }
    }

    fn check(&self) -> io::Result<()> {
        match self.found.difference(&self.file.metadata()?) {
            None => Ok(()),
            Some(what) => Err(io::Error::other(format!(
                "the file was changed after tablehaul listed it ({what} differs): run the command again when \
                 no program writes to it any more"
            ))),
        }
    }
}

impl Read for Unchanged {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.check()?;
        Ok(bytes)
    }
}

impl Seek for Unchanged {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, time::Duration};

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    fn found(path: &Path) -> Fingerprint {
        Fingerprint::of(&path.metadata().unwrap(), true)
    }

    /// Waits until the kernel's clock has another time for the next change.
    fn a_tick() {
        std::thread::sleep(Duration::from_millis(20));
    }

    #[test]
    fn what_is_no_regular_file_is_named_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        mkfifo(&at("fifo"), Mode::S_IRWXU).unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        std::os::unix::fs::symlink("/dev/null", at("device")).unwrap();
        std::os::unix::fs::symlink(at("fifo"), at("link")).unwrap();
        for (name, what) in [
            ("", "a directory"),
            ("fifo", "a FIFO"),
            ("link", "a FIFO"),
            ("socket", "a socket"),
            ("device", "a device"),
        ] {
            let error = open(&at(name)).unwrap_err().to_string();
            assert_eq!(error, format!("it is {what}, not a regular file"));
        }
        fs::write(at("file"), "x").unwrap();
        std::os::unix::fs::symlink(at("file"), at("good")).unwrap();
        assert!(open(&at("good")).is_ok());
    }

    #[test]
    fn only_files_with_an_end_are_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        mkfifo(&at("fifo"), Mode::S_IRWXU).unwrap();
        fs::write(at("file"), "1234").unwrap();
        let said = |read: io::Result<()>| read.err().map(|error| error.to_string());
        let cases = [
            ("file", 4, None, None),
            ("file", 3, Some("it has more than 3 bytes"), Some("it has more than 3 bytes")),
            ("fifo", 9, Some("it is a FIFO, not a regular file"), Some("it is a FIFO, not a regular file")),
            (
                "/dev/zero",
                9,
                Some("it is a device, not a regular file"),
                Some("it is a device, not a regular file"),
            ),
            ("/dev/null", 9, Some("it is a device, not a regular file"), None),
            (".", 9, Some("it is a directory, not a regular file"), None),
        ];
        for (name, most, read_says, check_says) in cases {
            assert_eq!(said(read(&at(name), most).map(drop)).as_deref(), read_says, "{name}");
            assert_eq!(said(check_end(&at(name), most)).as_deref(), check_says, "{name}");
        }
        assert!(check_end(&at("missing"), 1).is_ok() && read(&at("missing"), 1).is_err());
    }

    #[test]
    fn a_file_that_is_another_one_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("x"), folder.path().join("y"));
        fs::write(&path, "0123456789").unwrap();
        let before = found(&path);
        assert!(Unchanged::open(&path, before).is_ok());
        a_tick();
        fs::write(&path, "0123456798").unwrap();
        let error = Unchanged::open(&path, before).unwrap_err().to_string();
        assert!(error.contains("the time of its last change differs"), "{error}");
        let before = found(&path);
        fs::write(&other, "9876543210").unwrap();
        let time = path.metadata().unwrap().modified().unwrap();
        File::options().write(true).open(&other).unwrap().set_modified(time).unwrap();
        fs::rename(&other, &path).unwrap();
        let error = Unchanged::open(&path, before).unwrap_err().to_string();
        assert!(error.contains("its inode number"), "{error}");
    }

    #[test]
    fn a_change_while_the_file_is_read_ends_the_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "0123456789").unwrap();
        let mut file = Unchanged::open(&path, found(&path)).unwrap();
        let mut some = [0; 4];
        file.read_exact(&mut some).unwrap();
        a_tick();
        fs::write(&path, "9876543210").unwrap();
        assert!(
            file.read_exact(&mut some)
                .unwrap_err()
                .to_string()
                .contains("was changed after tablehaul listed it")
        );
    }

    #[test]
    fn a_file_that_another_replaces_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("x"), folder.path().join("y"));
        fs::write(&path, "0123456789").unwrap();
        let mut file = Unchanged::open(&path, found(&path)).unwrap();
        fs::write(&other, "9876543210").unwrap();
        fs::rename(&other, &path).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "0123456789");
    }
}

//! Writes the manual pages, all or none. Nothing is opened that is there already: each page is a new file, which then
//! takes the place of a regular file or of none.

use std::{
    fmt::Display,
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use clap::Command;
use clap_mangen::Man;

use crate::{failure::Failure, output::display::no_file_in, store::whole_file::WholeFile};

/// Anyone may read a page, as far as the umask permits.
const PAGE_MODE: u32 = 0o644;

/// Why the folder takes no pages.
#[derive(Debug, thiserror::Error)]
enum FolderError {
    #[error("it is not a folder")]
    NoFolder,
    #[error("there is no such folder; create it first")]
    Missing,
    #[error("{0}")]
    Unreadable(#[source] io::Error),
    #[error("{name}: {error}")]
    UnreadablePage {
        name: String,
        #[source]
        error: io::Error,
    },
    #[error("{name} there is {what}, not a regular file; remove it")]
    NoFile { name: String, what: &'static str },
}

/// Writes a page for the command and for each of its subcommands to a folder.
///
/// # Errors
/// Fails if the folder can't be written, or if something else than a regular file has the name of a page.
pub(super) fn write(command: Command, folder: &Path) -> Result<(), Failure> {
    let cannot = |why: &dyn Display| format!("cannot write manual pages to {}: {why}", folder.display());
    let pages = pages(command).map_err(|error| Failure::failed(cannot(&error)))?;
    let names = pages.iter().map(|(name, _)| name.as_str());
    check(folder, names).map_err(|why| Failure::refused(cannot(&why)))?;
    let none = |error: &io::Error| cannot(&no_file_in(folder, error, "name another folder"));
    let whole = pages.iter().map(|(name, page)| WholeFile::write(folder.join(name), page, PAGE_MODE));
    let whole: Vec<_> = whole.collect::<io::Result<_>>().map_err(|error| Failure::refused(none(&error)))?;
    put(whole).map_err(|error| Failure::failed(none(&error)))
}

/// Puts the pages in their places. If one can't be, removes those that replaced nothing.
fn put(pages: Vec<WholeFile>) -> io::Result<()> {
    let mut new: Vec<PathBuf> = Vec::new();
    for page in pages {
        let path = page.path().to_owned();
        let is_new = fs::symlink_metadata(&path).is_err();
        if let Err(error) = page.put() {
            // What can't be removed is a whole page.
            for path in &new {
                drop(fs::remove_file(path));
            }
            return Err(error);
        }
        if is_new {
            new.push(path);
        }
    }
    Ok(())
}

/// The pages by their file names.
fn pages(command: Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    for command in with_subcommands(&command) {
        let (man, mut page) = (Man::new(command), Vec::new());
        man.render(&mut page)?;
        pages.push((man.get_filename(), page));
    }
    Ok(pages)
}

/// The command and all below it that are shown.
fn with_subcommands(command: &Command) -> Vec<Command> {
    let shown = command.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help");
    [command.clone()].into_iter().chain(shown.flat_map(with_subcommands)).collect()
}

/// Makes sure that only regular files would be replaced.
fn check<'a>(folder: &Path, mut names: impl Iterator<Item = &'a str>) -> Result<(), FolderError> {
    match fs::metadata(folder) {
        Ok(there) if there.is_dir() => {}
        Ok(_) => return Err(FolderError::NoFolder),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(FolderError::Missing),
        Err(error) => return Err(FolderError::Unreadable(error)),
    }
    names.try_for_each(|name| match fs::symlink_metadata(folder.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FolderError::UnreadablePage { name: name.to_owned(), error }),
        Ok(there) if there.is_file() => Ok(()),
        Ok(there) => {
            let kind = there.file_type();
            let what = if kind.is_symlink() {
                "a link"
            } else if kind.is_dir() {
                "a folder"
            } else if kind.is_fifo() {
                "a FIFO"
            } else {
                "a socket or a device"
            };
            Err(FolderError::NoFile { name: name.to_owned(), what })
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::{sys::stat::Mode, unistd::mkfifo};
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn command() -> Command {
        Command::new("haul").version("1").subcommand(Command::new("there")).subcommand(Command::new("back"))
    }

    #[test]
    fn each_command_has_a_page_that_anyone_may_read_and_a_file_there_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            write(command(), folder.path()).unwrap();
            assert_eq!(names(folder.path()), ["haul-back.1", "haul-there.1", "haul.1"]);
        }
        let page = folder.path().join("haul-there.1");
        assert!(fs::read_to_string(&page).unwrap().contains("haul"));
        assert_eq!(fs::metadata(&page).unwrap().permissions().mode() & 0o444, 0o444);
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_nothing_is_written() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (page, target) = (folder.path().join("haul-there.1"), outside.path().join("file"));
        fs::write(&target, "another's").unwrap();
        let refused = |what: &str| {
            let failure = write(command(), folder.path()).unwrap_err();
            let said = format!("haul-there.1 there is {what}, not a regular file; remove it");
            assert!(failure.to_string().ends_with(&said), "{failure}");
            assert_eq!(
                (failure.kind().exit_code(), names(folder.path())),
                (2, vec!["haul-there.1".to_owned()])
            );
        };
        for to in [target.clone(), outside.path().join("new")] {
            symlink(to, &page).unwrap();
            refused("a link");
            fs::remove_file(&page).unwrap();
        }
        mkfifo(&page, Mode::S_IRWXU).unwrap();
        refused("a FIFO");
        fs::remove_file(&page).unwrap();
        fs::create_dir(&page).unwrap();
        refused("a folder");
        assert_eq!(
            (fs::read_to_string(&target).unwrap().as_str(), names(outside.path()).len()),
            ("another's", 1)
        );
    }

    #[test]
    fn a_link_that_is_planted_after_the_check_is_replaced_and_not_followed() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(outside.path().join("new"), folder.path().join("haul.1")).unwrap();
        WholeFile::write(folder.path().join("haul.1"), b"page", PAGE_MODE).unwrap().put().unwrap();
        assert_eq!(fs::read(folder.path().join("haul.1")).unwrap(), b"page");
        assert_eq!(names(outside.path()), [""; 0]);
    }

    #[test]
    fn if_one_page_finds_no_place_none_is_left_that_replaced_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let pages = ["haul-back.1", "haul-there.1", "haul.1"];
        let pages = pages.map(|name| WholeFile::write(at(name), b"page", PAGE_MODE).unwrap());
        // Nothing can be renamed over a folder.
        fs::create_dir(at("haul.1")).unwrap();
        put(pages.into()).unwrap_err();
        assert_eq!(names(folder.path()), ["haul.1"]);
    }
}

//! Keeps a shared cluster of EMR alive while a job runs on its leader alone. An auto-termination policy ends a cluster
//! on which nothing runs on YARN, unless this file was touched within the last minute (Amazon EMR Management Guide,
//! "Using an auto-termination policy").

use std::{
    fs::{File, FileTimes},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio::task::JoinSet;

use crate::output::stderr;

/// The folder exists on EMR only.
const FOLDER: &str = "/emr/metricscollector";
const FILE: &str = "isbusy";
/// Less than a minute.
const TOUCH_EVERY: Duration = Duration::from_secs(20);

/// Touches the file until this is dropped.
pub(super) struct Busy {
    _touching: JoinSet<()>,
}

impl Busy {
    /// Begins, if this machine is a node of EMR.
    pub(super) fn begin() -> Option<Self> {
        Self::begin_in(Path::new(FOLDER))
    }

    fn begin_in(folder: &Path) -> Option<Self> {
        if !folder.is_dir() {
            return None;
        }
        let mut touching = JoinSet::new();
        touching.spawn(touch_on(folder.join(FILE)));
        Some(Self { _touching: touching })
    }
}

async fn touch_on(file: PathBuf) {
    loop {
        let path = file.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || touch(&path)).await {
            stderr::line(&format!(
                "note        {} cannot be touched ({error}): if the cluster ends itself when it is idle, it may end this job",
                file.display()
            ));
            return;
        }
        tokio::time::sleep(TOUCH_EVERY).await;
    }
}

fn touch(file: &Path) -> io::Result<()> {
    let file = File::options().create(true).append(true).open(file)?;
    file.set_times(FileTimes::new().set_modified(SystemTime::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_is_touched_where_its_folder_is_and_keeps_what_it_holds() {
        let place = tempfile::tempdir().unwrap();
        assert!(Busy::begin_in(&place.path().join("nowhere")).is_none());
        let file = place.path().join(FILE);
        std::fs::write(&file, "x").unwrap();
        let old = SystemTime::UNIX_EPOCH;
        File::options()
            .append(true)
            .open(&file)
            .unwrap()
            .set_times(FileTimes::new().set_modified(old))
            .unwrap();
        let busy = Busy::begin_in(place.path());
        while std::fs::metadata(&file).unwrap().modified().unwrap() == old {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(busy);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "x");
    }
}

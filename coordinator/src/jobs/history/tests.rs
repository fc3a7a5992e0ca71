use std::{fs, os::unix::fs::symlink, path::PathBuf};

use events::{Command, Event, Plan};
use job::target::Target;

use super::*;

const LONG: Duration = Duration::from_mins(1);

fn of(number: u128) -> JobId {
    JobId::from_u128(number)
}

/// A command that has told of this job.
fn telling(job: &JobId) -> Progress {
    let progress = Progress::new(true);
    let plan = Plan { job: Some(job.to_string()), table: Some("Forum".into()), ..Plan::of(Command::Export) };
    progress.stream().publish(Event::Plan(Box::new(plan)));
    progress
}

fn folder(place: &tempfile::TempDir) -> (Store, PathBuf) {
    let dir = place.path().join("backup");
    fs::create_dir_all(dir.join(layout::OWN_FOLDER)).unwrap();
    (Store::reading(&Target::File { dir: dir.clone() }, None).unwrap(), dir)
}

#[tokio::test]
async fn a_job_replaces_and_removes_only_what_says_that_it_is_its_own() {
    let place = tempfile::tempdir().unwrap();
    let (store, dir) = folder(&place);
    let (report, history) = (dir.join(layout::REPORT), dir.join(layout::HISTORY));
    write(&store, &of(1), &telling(&of(1)), LONG).await;
    let first = (fs::read(&report).unwrap(), fs::read(&history).unwrap());
    let there = || (fs::read(&report).unwrap(), fs::read(&history).unwrap());
    write(&store, &of(2), &telling(&of(2)), LONG).await;
    write_report(&store, &of(2), &telling(&of(2)), LONG).await;
    remove(&store, Some(&of(2))).await.unwrap();
    assert_eq!(there(), first, "they are of another job");
    write(&store, &of(1), &telling(&of(1)), LONG).await;
    assert_ne!(there(), first, "they are replaced by newer ones");
    assert_eq!(newest(&store).await.and_then(|state| state.plan?.job), Some(of(1).to_string()));
    remove(&store, Some(&of(1))).await.unwrap();
    assert!(!report.exists() && !history.exists());
    assert!(dir.exists());
}

#[tokio::test]
async fn what_no_job_wrote_stays_whatever_it_is() {
    let place = tempfile::tempdir().unwrap();
    let (store, dir) = folder(&place);
    let (report, history) = (dir.join(layout::REPORT), dir.join(layout::HISTORY));
    let victim = place.path().join("victim");
    fs::write(&victim, "a letter").unwrap();
    for bytes in [&b""[..], b"<!doctype html>\n<p>mine", b"{}", b"\xff\x00", &vec![b' '; 5 << 20]] {
        fs::write(&report, bytes).unwrap();
        fs::write(&history, bytes).unwrap();
        write(&store, &of(1), &telling(&of(1)), LONG).await;
        remove(&store, Some(&of(1))).await.unwrap();
        clear(&store).await;
        assert!(fs::read(&report).unwrap() == bytes && fs::read(&history).unwrap() == bytes);
    }
    for path in [&report, &history] {
        fs::remove_file(path).unwrap();
        symlink(&victim, path).unwrap();
    }
    write(&store, &of(1), &telling(&of(1)), LONG).await;
    remove(&store, Some(&of(1))).await.unwrap();
    assert!(report.is_symlink() && fs::read(&victim).unwrap() == b"a letter");
    for path in [&report, &history] {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    }
    write(&store, &of(1), &telling(&of(1)), LONG).await;
    remove(&store, Some(&of(1))).await.unwrap();
    assert!(report.is_dir() && history.is_dir());
}

#[tokio::test]
async fn the_status_of_an_earlier_run_is_continued_unless_it_is_of_another_job_or_damaged() {
    let place = tempfile::tempdir().unwrap();
    let (store, dir) = folder(&place);
    let earlier = telling(&of(1));
    let failed = events::Failed { exit_code: 3, kind: "stopped".into(), message: "stopped".into() };
    earlier.stream().note(Event::Error(failed));
    let good = serde_json::to_vec(&earlier.stream().state()).unwrap();
    for (bytes, job, is_continued) in
        [(&good[..], 1, true), (&good, 2, false), (&good[..40], 1, false), (&vec![b' '; 2 << 20], 1, false)]
    {
        fs::write(dir.join(layout::STATUS), bytes).unwrap();
        let now = telling(&of(job));
        follow(&store, &of(job), &now).await;
        assert_eq!(now.stream().state().events.len(), usize::from(is_continued));
        assert!(now.stream().state().error.is_none(), "how an earlier run ended is not how this one does");
    }
    fs::remove_file(dir.join(layout::STATUS)).unwrap();
    follow(&store, &of(1), &telling(&of(1))).await;
}

#[tokio::test]
async fn only_the_files_of_an_ended_job_are_cleared() {
    let place = tempfile::tempdir().unwrap();
    let (store, dir) = folder(&place);
    write(&store, &of(1), &telling(&of(1)), LONG).await;
    fs::write(dir.join("notes.txt"), "mine").unwrap();
    clear(&store).await;
    assert!(!dir.join(layout::REPORT).exists() && !dir.join(layout::HISTORY).exists());
    assert!(dir.join("notes.txt").exists());
}

//! The state folder of an import: whether what it holds is this import.

use engine::{import::ImportState, replay::State};
use jiff::Timestamp;
use job::{fingerprint::Fingerprint, journal::BeginImport, object::Object, split::Split};
use job_aws::Clients;
use xxhash_rust::xxh3::Xxh3;

use super::request::ImportRequest;
use crate::{
    aws::{identity::differ, table::TableFacts},
    failure::{Failure, FailureKind},
    jobs::lifecycle::{StateFolder, new_job},
    output::display,
    store::Store,
};

/// What the state folder holds, if one was given.
pub(super) async fn inspect(
    request: &ImportRequest,
    clients: &Clients,
) -> Result<Option<StateFolder>, Failure> {
    let Some(target) = &request.state else { return Ok(None) };
    StateFolder::inspect(Store::new(target, clients), "import", request.restart).await.map(Some)
}

/// The state of the import that is resumed, if one is.
pub(super) fn resumed(folder: &StateFolder) -> Option<&ImportState> {
    match folder.start.resumed()? {
        State::Import(state) => Some(state),
        State::Export(_) | State::Verify(_) => None,
    }
}

/// Refuses to resume another import, or one that is running.
pub(super) async fn check(
    folder: &StateFolder,
    begin: &BeginImport,
    note: Option<&(dyn Fn(&str) + Sync)>,
) -> Result<(), Failure> {
    if let Some(state) = resumed(folder)
        && let Some(why) = difference(&state.begin, begin)
    {
        let place = folder.store.display();
        return Err(Failure::refused(format!(
            "--state {place}: holds an unfinished import {why}: give the same options, or --restart to start again"
        )));
    }
    match note {
        Some(note) => folder.wait_for_owner_to_stop(note).await,
        None => Ok(()),
    }
}

/// What to do next after an import that failed or was stopped, and whose state is kept.
pub(super) fn next_step(failure: &Failure) -> &'static str {
    if failure.is(FailureKind::OtherTable) {
        "give --restart to import all of it into the table as it is now"
    } else {
        "run the same command again to resume"
    }
}

/// The first fact of a new import.
pub(super) fn begin(
    request: &ImportRequest,
    facts: &TableFacts,
    (splits, cut_for): (&[Split], u32),
    expected_items: Option<u64>,
) -> BeginImport {
    BeginImport {
        job: new_job(),
        table: facts.name.clone(),
        table_id: facts.id(),
        source: request.folder.to_string(),
        mode: request.mode,
        fingerprint: fingerprint(splits),
        cut_for,
        splits: u32::try_from(splits.len()).unwrap_or(u32::MAX),
        rejects: request.rejects.as_ref().map(ToString::to_string),
        expected_items: expected_items.unwrap_or(0),
        started_at: Timestamp::now().to_string(),
    }
}

/// Why an unfinished import is not the one that was asked for, or `None` if it is.
fn difference(before: &BeginImport, now: &BeginImport) -> Option<String> {
    if before.table != now.table || differ(before.table_id.as_deref(), now.table_id.as_deref()) {
        return Some(format!("into another table, {}", before.table.escape_debug()));
    }
    if before.mode != now.mode {
        return Some(format!("with --mode {}, not {}", before.mode.name(), now.mode.name()));
    }
    if before.source != now.source {
        return Some(format!("of another folder, {}", before.source.escape_debug()));
    }
    if before.fingerprint != now.fingerprint || before.splits != now.splits {
        let splits = display::count_of(u64::from(before.splits), "split");
        return Some(format!("of a backup that has changed since (it had {splits})"));
    }
    None
}

/// A fingerprint of everything that positions in splits depend on. A local file counts by its length and modification
/// time, not its inode number: an import resumes from a copy of the backup that has the same times, and so do imports
/// that earlier versions began.
fn fingerprint(splits: &[Split]) -> String {
    let mut hash = Xxh3::new();
    for split in splits {
        let Split { split, object, etag, object_bytes, stored, text_start, cut, codec, format, .. } = split;
        let codec = codec.name();
        let format = format.name();
        let (etag, modified) = match object {
            Object::S3 { .. } => (etag.as_str(), None),
            Object::File { .. } => ("", etag.parse::<Fingerprint>().ok().and_then(|file| file.modified())),
        };
        let text = format!(
            "{split} {object} {etag} {object_bytes} {stored:?} {text_start} {cut} {codec} {format} {modified:?}\n"
        );
        hash.update(text.as_bytes());
    }
    format!("{:032x}", hash.digest128())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use job::{
        ids::SplitId,
        split::{Codec, InputFormat},
    };

    use super::*;

    fn split(etag: &str) -> Split {
        Split {
            split: SplitId(3),
            object: Object::File { path: "/backup/x".into() },
            etag: etag.into(),
            object_bytes: 100,
            stored: 10..90,
            text_start: 10,
            cut: true,
            codec: Codec::Plain,
            format: InputFormat::Emr,
            checksum: None,
        }
    }

    /// Earlier versions hashed the modification time from the file system here, and no entity tag.
    #[test]
    fn an_import_that_an_earlier_version_began_is_the_same_import() {
        let modified: Option<SystemTime> = UNIX_EPOCH.checked_add(Duration::new(1_700_000_000, 7));
        let text = format!("3 file:///backup/x  100 10..90 10 true plain EMR lines {modified:?}\n");
        let mut hash = Xxh3::new();
        hash.update(text.as_bytes());
        let now = fingerprint(&[split("100:1700000000.000000007:42")]);
        assert_eq!(now, format!("{:032x}", hash.digest128()));
    }

    #[test]
    fn a_file_that_was_changed_makes_another_import_and_a_copy_with_its_time_does_not() {
        let of = |etag: &str| fingerprint(&[split(etag)]);
        assert_eq!(of("100:1.000000000:42"), of("100:1.000000000:43"));
        assert_ne!(of("100:1.000000000:42"), of("100:2.000000000:42"));
        let s3 = |etag: &str| {
            let object = Object::S3 { bucket: "b".into(), key: "x".into() };
            fingerprint(&[Split { object, ..split(etag) }])
        };
        assert_ne!(s3("a"), s3("b"));
    }
}

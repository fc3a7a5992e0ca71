use std::path::Path;

use engine::{
    export::ExportState,
    replay::{Replay, State},
};
use job::{
    control::{Sealed, SealedPart},
    ids::{Attempt, FileId, JobId, Segment},
    journal::{self, Begin, Header, OpenedFile, Stopped, Writer},
    layout,
    schema::{KeyAttribute, KeyKind, KeySchema},
    spec::{AwsAccess, Compression, FileOptions, FixedOptions},
    target::Target,
    task::{Mark, Position, Step, TotalSegments},
};

use super::*;

mod faults;

fn header(number: u64, run: &str) -> Header {
    Header {
        tablehaul_journal: journal::VERSION,
        number,
        run: run.into(),
        host: "h".into(),
        pid: 7,
        at: "2026-01-02T00:00:00Z".into(),
        machine: None,
    }
}

pub(crate) fn object(number: u64, facts: &[Fact]) -> Vec<u8> {
    let mut writer = Writer::new(&header(number, "r"));
    for fact in facts {
        writer.fact(fact);
    }
    writer.finish()
}

fn job() -> JobId {
    JobId::from_u128(7)
}

pub(crate) fn begin() -> Fact {
    let partition = KeyAttribute { name: "id".into(), kind: KeyKind::S };
    Fact::Begin(Box::new(Begin {
        job: job(),
        table: "Forum".into(),
        arn: None,
        table_id: None,
        keys: KeySchema { partition, sort: None },
        options: FixedOptions {
            files: FileOptions::default(),
            consistent: false,
            segments: TotalSegments::try_from(3).unwrap(),
        },
        started_at: "2026-01-01T00:00:00Z".into(),
        expected_items: 100,
        description: serde_json::Value::Null,
        table_settings: None,
    }))
}

pub(crate) fn store(folder: &Path) -> Store {
    Store::reading(&Target::File { dir: folder.into() }, None).unwrap()
}

/// The first object of an export.
pub(crate) fn begun() -> Vec<u8> {
    object(1, &[begin(), Fact::Run(Run::default())])
}

/// The first object of an export that has begun to complete its one file of 15 bytes.
pub(crate) fn committed() -> Vec<u8> {
    let part = |number, segment| sealed(0, number, segment, 0, Position::Done);
    let commit = Fact::Commit { at: "2026-01-03T00:00:00Z".into() };
    let run = Fact::Run(Run::default());
    object(1, &[begin(), run, opened(0), part(1, 0), part(2, 1), part(3, 2), commit])
}

fn opened(file: u32) -> Fact {
    let name = layout::part_file(&job(), FileId(file), Compression::None);
    Fact::File(OpenedFile { file: FileId(file), name, upload_id: "u".parse().unwrap() })
}

fn sealed(file: u32, number: u32, segment: u32, from_page: u64, position: Position) -> Fact {
    let step = Step {
        segment: Segment(segment),
        attempt: Attempt(1),
        from_page,
        to_page: from_page + 1,
        items: 10,
        position,
    };
    let part = SealedPart {
        file: FileId(file),
        number,
        etag: "e".into(),
        crc32c: 1,
        bytes: 5,
        items: 10,
        line_bytes: 5,
        last: false,
    };
    Fact::Sealed(Sealed { part: Some(part), steps: vec![step] })
}

/// The replayed journal; else the number of the object that can't be used, and the message about it.
fn replayed(objects: &[(u64, Vec<u8>)]) -> Result<Option<Journaled>, (u64, String)> {
    let mut replay = Replay::new(true);
    for (number, bytes) in objects {
        replay.object(*number, bytes);
    }
    replay.finish().map_err(|(number, why)| (number, why.to_string()))
}

fn export(journaled: &Journaled) -> &ExportState {
    let State::Export(state) = &journaled.state else { panic!("an import") };
    state
}

fn a_few() -> Vec<(u64, Vec<u8>)> {
    vec![
        (1, begun()),
        (2, object(2, &[opened(0), sealed(0, 1, 2, 0, Position::After("k".into()))])),
        (3, object(3, &[])),
        (4, object(4, &[sealed(0, 2, 2, 1, Position::Done), Fact::Stopped(Stopped { why: "w".into() })])),
    ]
}

#[test]
fn nothing_is_said_by_no_object() {
    assert!(replayed(&[]).unwrap().is_none());
}

#[test]
fn a_job_is_what_its_objects_say_one_after_the_other() {
    let journaled = replayed(&a_few()).unwrap().unwrap();
    let state = export(&journaled);
    assert_eq!((state.tasks(), state.sealed_items(), state.percent()), ((1, 3), 20, 33));
    assert_eq!(state.files()[0].parts.len(), 2);
    assert!(state.files()[0].needs_fence());
    assert_eq!((journaled.last.number, journaled.objects), (4, 4));
    assert_eq!(journaled.stopped.as_deref(), Some("w"));
    let mut goes_on = a_few();
    goes_on.push((5, object(5, &[Fact::Run(Run::default())])));
    assert_eq!(replayed(&goes_on).unwrap().unwrap().stopped, None, "whoever takes over runs");
}

#[test]
fn the_facts_of_a_state_make_the_same_state() {
    let journaled = replayed(&a_few()).unwrap().unwrap();
    let facts = export(&journaled).facts();
    let again = replayed(&[(9, object(9, &facts))]).unwrap().unwrap();
    assert_eq!(export(&again).facts(), facts);
    assert_eq!(again.last.number, 9);
}

#[test]
fn objects_before_one_that_says_everything_do_not_count_and_may_be_missing_or_damaged() {
    let journaled = replayed(&a_few()).unwrap().unwrap();
    let all = object(5, &export(&journaled).facts());
    for before in [vec![], vec![a_few()[3].clone()], vec![a_few()[1].clone(), (4, b"x".to_vec())]] {
        let mut objects = before;
        objects.push((5, all.clone()));
        objects.push((6, object(6, &[sealed(0, 3, 1, 0, Position::Done)])));
        let journaled = replayed(&objects).unwrap().unwrap();
        assert_eq!((export(&journaled).sealed_items(), journaled.objects), (30, 2));
    }
}

#[test]
fn a_journal_with_a_hole_a_damaged_object_or_one_of_another_number_is_refused_by_the_object() {
    let broken =
        |number: u64, why: &str| Some((number, format!("{why}; restore that object, or use another folder")));
    let mut without_second = a_few();
    without_second.remove(1);
    assert_eq!(replayed(&without_second).err(), broken(2, "is missing, but 00000003.jsonl is there"));
    let mut without_first = a_few();
    without_first.remove(0);
    assert_eq!(replayed(&without_first).err(), broken(1, "is missing, but 00000002.jsonl is there"));
    let mut cut_off = a_few();
    cut_off[3].1.pop();
    assert_eq!(replayed(&cut_off).err(), broken(4, "is damaged: it is cut off"));
    let mut renamed = a_few();
    renamed[2].1 = object(7, &[]);
    assert_eq!(replayed(&renamed).err(), broken(3, "has number 7 in its header"));
    // The first one of all, and one that begins with a snapshot.
    for (place, number) in [(0, u64::MAX), (2, 7)] {
        let mut renamed = a_few();
        renamed[place].1 = object(number, &[begin(), Fact::Run(Run::default())]);
        let why = format!("has number {number} in its header");
        let found = replayed(&renamed).err().unwrap();
        assert!(found.1.contains(&why), "{found:?}");
    }
    let mut of_later_version = a_few();
    let text = String::from_utf8(of_later_version[0].1.clone()).unwrap();
    of_later_version[0].1 = text.replace("\"tablehaul_journal\":1", "\"tablehaul_journal\":2").into_bytes();
    let (number, why) = replayed(&of_later_version).err().unwrap();
    assert!(number == 1 && why.ends_with("use the version that wrote it"), "{why}");
}

#[test]
fn a_file_that_was_put_beside_a_journal_is_named_and_not_what_seems_to_be_missing_before_it() {
    for (planted, why) in
        [(b"planted".to_vec(), "is not an object of a journal"), (object(3, &[]), "has number 3")]
    {
        let mut objects = a_few();
        objects.push((99_999_999, planted));
        let (number, said) = replayed(&objects).err().unwrap();
        assert!(number == 99_999_999 && said.starts_with(why), "{number} {said}");
        assert!(said.contains("and 00000005.jsonl before it is missing; move it elsewhere"), "{said}");
    }
}

#[test]
fn only_who_knows_that_the_process_has_ended_says_that_it_was_interrupted() {
    let mut journaled = replayed(&[(1, begun())]).unwrap().unwrap();
    assert!(
        journaled.text().ends_with(", interrupted") && journaled.progress_text().ends_with(", interrupted")
    );
    assert!(journaled.text_as_found().ends_with(", then interrupted, or still running"));
    journaled.stopped = Some("stopped by a signal".into());
    assert!(journaled.text_as_found().ends_with(", stopped by a signal"));
}

#[test]
fn facts_that_contradict_each_other_are_refused() {
    for (wrong, why) in [
        (sealed(0, 2, 2, 3, Position::Done), "stands at page 1"),
        (sealed(0, 3, 2, 1, Position::Done), "part 3 where part 2 is due"),
        (sealed(1, 1, 2, 1, Position::Done), "file 1 is not this worker's"),
        (sealed(0, 2, 7, 0, Position::Done), "segment 7 does not exist"),
        (opened(0), "opened twice"),
        (begin(), "lacks its first entries"),
    ] {
        let mut objects = a_few();
        objects[2].1 = object(3, &[Fact::Totals(Totals::default()), wrong]);
        let (number, said) = replayed(&objects).err().unwrap();
        assert!(number == 3 && said.contains(why), "{number} {said}");
    }
}

/// An object in which the text `from` is replaced by `to`, with a valid checksum.
fn forged(number: u64, facts: &[Fact], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(object(number, facts)).unwrap();
    let (body, _) = text.trim_end().rsplit_once('\n').unwrap();
    assert!(body.contains(from), "{body}");
    let body = body.replace(from, to) + "\n";
    let crc32c = format!("{:08x}", crc32c::crc32c(body.as_bytes()));
    format!("{body}{{\"crc32c\":\"{crc32c}\"}}\n").into_bytes()
}

#[test]
fn what_the_job_can_not_have_written_is_refused() {
    let name = layout::part_file(&job(), FileId(0), Compression::None);
    let file = opened(0);
    for (from, to, why) in [
        (&*name, "../victim/passwd", "not the name of a part file"),
        (&*name, "/etc/passwd", "not the name of a part file"),
        (&*name, "manifest", "not the name of a part file"),
        (&*name, "00000000-0000-0000-0000-000000000008_000000", "has a name that this job gives no file"),
        (&*name, "00000000-0000-0000-0000-000000000007_000001", "has a name that this job gives no file"),
        (&*name, "00000000-0000-0000-0000-000000000007_000000.gz", "has a name that this job gives no file"),
        ("\"upload_id\":\"u\"", "\"upload_id\":\"../x\"", "can't be part of a hidden name"),
        ("\"upload_id\":\"u\"", "\"upload_id\":\"\"", "not the id of a multipart upload"),
        ("\"file\":0", "\"file\":4294967295", "no job has that many files"),
    ] {
        let objects = [(1, begun()), (2, forged(2, std::slice::from_ref(&file), from, to))];
        let (number, said) = replayed(&objects).err().unwrap();
        assert!(number == 2 && said.contains(why) && !said.contains('\n'), "{number} {said}");
    }
    let begun = forged(1, &[begin()], &job(), "../victim");
    let (_, said) = replayed(&[(1, begun)]).err().unwrap();
    assert!(said.contains("not the UUID of a job"), "{said}");
}

#[test]
fn numbers_that_no_job_gets_to_are_refused_and_none_overflows() {
    let most = u64::MAX.to_string();
    let part = || [opened(0), sealed(0, 1, 2, 0, Position::After("k".into()))];
    for (from, to, why) in [
        ("\"bytes\":5", format!("\"bytes\":{most}"), "larger than any part"),
        ("\"line_bytes\":5", format!("\"line_bytes\":{most}"), "larger than any part"),
        (
            "\"line_bytes\":5",
            "\"line_bytes\":6".into(),
            "is not compressed, but states 6 bytes of lines in 5",
        ),
        ("\"items\":10", format!("\"items\":{most}"), "larger than any part"),
        (
            "\"from_page\":0,\"to_page\":1",
            "\"from_page\":0,\"to_page\":0".into(),
            "a mark that no segment gets to",
        ),
        ("{\"after\":\"k\"}", "\"start\"".into(), "a mark that no segment gets to"),
    ] {
        let (number, said) = replayed(&[(1, begun()), (2, forged(2, &part(), from, &to))]).err().unwrap();
        assert!(number == 2 && said.contains(why), "{number} {said}");
    }
    let mark = Fact::Mark(Segment(1), Mark { position: Position::Done, pages: 1, items: u64::MAX });
    let (_, said) = replayed(&[(1, begun()), (2, object(2, &[mark]))]).err().unwrap();
    assert!(said.contains("a mark that no segment gets to"), "{said}");
}

#[test]
fn files_that_hold_other_items_than_segments_gave_are_refused() {
    let Fact::Sealed(Sealed { part, .. }) = sealed(0, 1, 2, 0, Position::Done) else { unreachable!() };
    let without_steps = Fact::Sealed(Sealed { part, steps: Vec::new() });
    let (number, said) =
        replayed(&[(1, begun()), (2, object(2, &[opened(0), without_steps]))]).err().unwrap();
    assert!(number == 2 && said.contains("files hold 10 items, and segments gave 0"), "{number} {said}");
}

#[test]
fn once_only_completing_is_left_another_run_changes_nothing_of_what_will_be_written() {
    let first = Run { workers: 3, ..Run::default() };
    let objects = [
        (1, object(1, &[begin(), Fact::Run(first.clone())])),
        (2, object(2, &[Fact::Commit { at: "t".into() }])),
        (3, object(3, &[Fact::Run(Run { workers: 9, ..Run::default() }), Fact::Commit { at: "u".into() }])),
    ];
    let journaled = replayed(&objects).unwrap().unwrap();
    assert_eq!((journaled.run, journaled.committed_at.as_deref()), (Some(first), Some("t")));
}

#[tokio::test]
async fn a_journal_that_is_being_written_is_removed_after_that() {
    let folder = tempfile::tempdir().unwrap();
    let target = Target::File { dir: folder.path().join("backup") };
    let store = Store::to_read(&target, &AwsAccess::default()).await.unwrap();
    let mut journal = Journal::acquire(&store, None, vec![begin()], Run::default()).await.unwrap();
    journal.note([opened(0)]);
    tokio::time::sleep(Duration::from_millis(600)).await;
    journal.write_if_due(Vec::new);
    assert!(journal.writer.is_none(), "it is being written");
    journal.remove(&[begin(), Fact::Abandoned]).await.unwrap();
    assert!(!folder.path().join("backup").join(layout::JOURNAL).exists());
}

#[tokio::test]
async fn after_facts_could_not_be_written_the_last_words_say_everything() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut journal = Journal::acquire(&store, None, vec![begin()], Run::default()).await.unwrap();
    let Fact::Begin(begin) = begin() else { unreachable!() };
    let mut state = ExportState::new(*begin, true);
    let mut happens = |facts: [Fact; 2]| {
        for fact in &facts {
            state.replay(fact.clone()).unwrap();
        }
        facts
    };
    let limit = Duration::from_secs(5);
    journal.note(happens([opened(0), sealed(0, 1, 2, 0, Position::After("k".into()))]));
    // Nothing can be written to what is no folder.
    let (place, aside) = (folder.path().join(layout::JOURNAL), folder.path().join("aside"));
    std::fs::rename(&place, &aside).unwrap();
    std::fs::write(&place, "").unwrap();
    journal.append(Fact::Stopped(Stopped { why: "w".into() }), limit).await.unwrap_err();
    std::fs::remove_file(&place).unwrap();
    std::fs::rename(&aside, &place).unwrap();
    // Alone these facts would contradict what is journaled.
    journal.note(happens([sealed(0, 2, 2, 1, Position::Done), opened(1)]));
    let refused = journal.append(Fact::Commit { at: "t".into() }, limit).await.unwrap_err().to_string();
    assert!(refused.contains("lacks facts"), "{refused}");
    journal.stop(Stopped { why: "w".into() }, || state.facts(), limit).await.unwrap();
    let journaled = read(&store).await.unwrap().unwrap();
    assert_eq!((export(&journaled).sealed_items(), journaled.stopped.as_deref()), (20, Some("w")));
    assert!(journaled.committed_at.is_none());
}

#[tokio::test]
async fn a_folder_whose_journal_takes_no_more_is_acquired_by_its_lock_to_remove_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    drop(Journal::acquire(&store, None, vec![begin()], Run::default()).await.unwrap());
    let journaled = read(&store).await.unwrap().unwrap();
    // The next object can't be written.
    std::fs::create_dir(folder.path().join(layout::JOURNAL).join(layout::journal_object(2))).unwrap();
    let resumed = Journal::acquire(&store, Some(&journaled), vec![Fact::Run(Run::default())], Run::default());
    assert!(resumed.await.is_err_and(|failure| failure.to_string().contains("can't be written")));
    let acquire = || Journal::acquire_to_remove(&store, &journaled, Run::default());
    let mut journal = acquire().await.unwrap();
    assert!(journal.is_locked());
    assert!(acquire().await.is_err_and(|failure| failure.to_string().contains("is in use by")));
    journal.remove(&[begin(), Fact::Abandoned]).await.unwrap();
    assert!(read(&store).await.unwrap().is_none());
    let late = acquire().await.err().map(|failure| failure.to_string()).unwrap_or_default();
    assert!(late.ends_with("the job there has just ended or continued; run the command again"), "{late}");
}

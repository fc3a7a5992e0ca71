//! `facts.jsonl` and `verification.jsonl`: objects of journals that together have every fact.

use std::collections::BTreeSet;

use job::{
    capacity::{Rate, Units},
    control::Sealed,
    ids::{FileId, Segment, SplitId},
    journal::{
        self, Begin, BeginImport, BeginVerify, Checked, Fact, Header, JournalError, OpenedFile, RejectedLine,
        Run, Settled, Stopped, Totals, VERSION, VerifiedFile, Writer,
    },
    schema::{KeyKind, KeySchema},
    spec::{Compression, NullSpelling, WriteMode},
    split::Counts,
    task::{Mark, Position},
    verify::FileFound,
};
use serde_json::json;

use super::{assert_same_lines, job, key, keys, options, part, part_name, step, table_settings};

const GOLDEN: &str = include_str!("facts.jsonl");
/// A journal of a verification.
const VERIFICATION: &str = include_str!("verification.jsonl");

fn header() -> Header {
    Header {
        tablehaul_journal: VERSION,
        number: 3,
        run: "6f0cf41e-77f8-4c36-a0d8-5c1b7b1d9a55".into(),
        host: "ip-10-0-0-7".into(),
        pid: 4711,
        at: "2026-01-01T00:00:00Z".into(),
        machine: Some("0f0e0d0c 4026531836".into()),
    }
}

/// The name of a fact on disk. A fact that is new does not compile until it has one.
fn name(fact: &Fact) -> &'static str {
    match fact {
        Fact::Begin(_) => "begin",
        Fact::BeginImport(_) => "begin_import",
        Fact::BeginVerify(_) => "begin_verify",
        Fact::Run(_) => "run",
        Fact::File(_) => "file",
        Fact::Sealed(_) => "sealed",
        Fact::Fenced(_) => "fenced",
        Fact::Mark(..) => "mark",
        Fact::Checked(_) => "checked",
        Fact::Settled(_) => "settled",
        Fact::Verified(_) => "verified",
        Fact::Totals(_) => "totals",
        Fact::Stopped(_) => "stopped",
        Fact::Commit { .. } => "commit",
        Fact::Abandoned => "abandoned",
    }
}

/// Every fact, with every field set, and with every one absent that may be.
fn facts() -> Vec<Fact> {
    let mut facts: Vec<Fact> =
        Compression::ALL.into_iter().map(|kind| Fact::Begin(Box::new(begin(kind)))).collect();
    facts.push(Fact::Begin(Box::new(Begin {
        arn: None,
        table_id: None,
        keys: KeySchema { partition: key("Id", KeyKind::B), sort: None },
        options: options(Compression::None, NullSpelling::Both),
        table_settings: None,
        ..begin(Compression::None)
    })));
    for mode in [WriteMode::Check, WriteMode::Put, WriteMode::PutIfAbsent, WriteMode::Delete] {
        facts.push(Fact::BeginImport(Box::new(begin_import(mode))));
    }
    facts.push(Fact::BeginImport(Box::new(BeginImport {
        table_id: None,
        rejects: None,
        ..begin_import(WriteMode::Put)
    })));
    let run = Run {
        workers: 8,
        rate: Rate::from_milli_per_second(1_234_567),
        rate_source: "25 % of 4000 provisioned read units/s".into(),
        tool: "tablehaul 0.1.0".into(),
        account: Some("123456789012".into()),
        caller: Some("arn:aws:iam::123456789012:user/alice".into()),
    };
    facts.push(Fact::Run(run.clone()));
    facts.push(Fact::Run(Run { account: None, caller: None, ..run }));
    let upload_id = "l0123456789abcdef0123456789abcdef".parse().unwrap();
    facts.push(Fact::File(OpenedFile { file: FileId(2), name: part_name(2), upload_id }));
    facts.extend(sealed().map(Fact::Sealed));
    facts.push(Fact::Fenced(FileId(2)));
    for position in [Position::Start, Position::After("eyJwIjp7IlMiOiJhIn19".into()), Position::Done] {
        facts.push(Fact::Mark(Segment(7), Mark { position, pages: 12, items: 345 }));
    }
    facts.push(Fact::Checked(Checked { counts: counts(), rejected: 4 }));
    let settled = Settled {
        split: SplitId(5),
        from: 100,
        to: 2_000,
        done: true,
        counts: counts(),
        rejects: vec![RejectedLine { offset: 300, reason: "no \"key\"".into() }],
    };
    facts.push(Fact::Settled(settled.clone()));
    facts.push(Fact::Settled(Settled { done: false, rejects: Vec::new(), ..settled }));
    facts.push(Fact::Totals(Totals {
        consumed: Units::from_milli(1_234_500),
        requests: 11,
        items: 12,
        bytes: 13,
        throttles: 14,
        retries: 15,
        workers_lost: 16,
        elapsed_ms: 17,
    }));
    facts.push(Fact::Stopped(Stopped { why: "by a\nsignal".into() }));
    facts.push(Fact::Commit { at: "2026-01-01T00:00:00Z".into() });
    facts.push(Fact::Abandoned);
    facts
}

fn begin(compression: Compression) -> Begin {
    Begin {
        job: job(),
        table: "Forum".into(),
        arn: Some("arn:aws:dynamodb:us-east-1:123456789012:table/Forum".into()),
        table_id: Some("12345678-0123-4567-0123-123456789abc".into()),
        keys: keys(),
        options: options(compression, NullSpelling::Single),
        started_at: "2026-01-01T00:00:00Z".into(),
        expected_items: 2_000_000,
        description: json!({"TableName": "Forum", "ItemCount": 2_000_000}),
        table_settings: Some(table_settings()),
    }
}

fn begin_import(mode: WriteMode) -> BeginImport {
    BeginImport {
        job: job(),
        table: "Forum".into(),
        table_id: Some("12345678-0123-4567-0123-123456789abc".into()),
        source: "s3://bucket/backup".into(),
        mode,
        fingerprint: "0123456789abcdef0123456789abcdef".into(),
        cut_for: 8,
        splits: 96,
        rejects: Some("s3://bucket/rejects".into()),
        expected_items: 2_000_000,
        started_at: "2026-01-01T00:00:00Z".into(),
    }
}

/// A part with a step of each kind, and a segment that ended without items.
fn sealed() -> [Sealed; 2] {
    let part = part("\"0123456789abcdef\"");
    [
        Sealed { part: Some(part), steps: vec![step(Position::After("eyJwIjp7IlMiOiJhIn19".into()))] },
        Sealed { part: None, steps: vec![step(Position::Done)] },
    ]
}

fn counts() -> Counts {
    Counts { items: 1, removed: 2, kept: 3, item_bytes: 4, units: Units::from_milli(5) }
}

/// Every fact of a verification.
fn verification() -> Vec<Fact> {
    let begin = BeginVerify {
        job: job(),
        table: "Forum".into(),
        source: "s3://bucket/backup".into(),
        tool: "tablehaul 0.1.0".into(),
        stored: "0123456789abcdef0123456789abcdef".into(),
        recorded: "fedcba9876543210fedcba9876543210".into(),
        files: 3,
        expected_items: 2_000_000,
        started_at: "2026-01-01T00:00:00Z".into(),
    };
    let defects = vec!["x_000002: 7 lines instead of 8".into(), "x_000002 line 3: no \"key\"".into()];
    let found = |items, defects| FileFound { items, bytes: 12, defects };
    let verified = |file, found| Fact::Verified(VerifiedFile { file: FileId(file), found });
    vec![
        Fact::BeginVerify(Box::new(begin)),
        verified(0, found(8, Vec::new())),
        verified(2, found(7, defects)),
    ]
}

/// Both directions of an object with these facts.
#[track_caller]
fn is_read_and_written(name: &str, golden: &str, facts: &[Fact]) {
    let mut writer = Writer::new(&header());
    for fact in facts {
        writer.fact(fact);
    }
    let written = writer.finish();
    assert_same_lines(name, golden, &String::from_utf8(written.clone()).unwrap());
    assert_eq!(golden.as_bytes(), written);

    let mut read = Vec::new();
    let header_read = journal::read(golden.as_bytes(), |_, fact| {
        read.push(fact);
        Ok::<_, JournalError>(())
    });
    assert_eq!(header_read.unwrap(), header());
    assert_eq!(read, facts);
}

#[test]
fn an_object_of_a_journal_is_read_and_written_back_to_the_same_bytes() {
    is_read_and_written("facts.jsonl", GOLDEN, &facts());
    is_read_and_written("verification.jsonl", VERIFICATION, &verification());
}

#[test]
fn every_fact_is_in_the_golden_object() {
    let all = [facts(), verification()].concat();
    let named: BTreeSet<&str> = all.iter().map(name).collect();
    // serde names all variants in the message of an unknown one.
    let message = serde_json::from_str::<Fact>(r#"{"?":0}"#).unwrap_err().to_string();
    let expected = message.split_once("expected one of ").unwrap().1;
    let known: BTreeSet<&str> = expected.split('`').skip(1).step_by(2).collect();
    assert_eq!(named, known, "job/tests/golden/facts.rs lacks facts");
    // An object has a line before its facts, and one after them.
    let lines = |golden: &'static str| golden.lines().skip(1).filter(|line| !line.contains("crc32c\":\""));
    for (fact, line) in all.iter().zip(lines(GOLDEN).chain(lines(VERIFICATION))) {
        let on_disk: serde_json::Value = serde_json::from_str(line).unwrap();
        let key = on_disk.as_str().or_else(|| on_disk.as_object()?.keys().next().map(String::as_str));
        assert_eq!(key, Some(name(fact)));
    }
}

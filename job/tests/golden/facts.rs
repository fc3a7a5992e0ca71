//! `facts.jsonl`: one object of a journal with every fact.

use std::collections::BTreeSet;

use job::{
    capacity::{Rate, Units},
    control::Sealed,
    ids::{FileId, Segment, SplitId},
    journal::{
        self, Begin, BeginImport, Checked, Fact, Header, JournalError, OpenedFile, RejectedLine, Run,
        Settled, Stopped, Totals, VERSION, Writer,
    },
    schema::{KeyKind, KeySchema},
    spec::{Compression, NullSpelling, WriteMode},
    split::Counts,
    task::{Mark, Position},
};
use serde_json::json;

use super::{assert_same_lines, job, key, keys, options, part, part_name, step, table_settings};

const GOLDEN: &str = include_str!("facts.jsonl");

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
        Fact::Run(_) => "run",
        Fact::File(_) => "file",
        Fact::Sealed(_) => "sealed",
        Fact::Fenced(_) => "fenced",
        Fact::Mark(..) => "mark",
        Fact::Checked(_) => "checked",
        Fact::Settled(_) => "settled",
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

#[test]
fn an_object_of_a_journal_is_read_and_written_back_to_the_same_bytes() {
    let mut writer = Writer::new(&header());
    for fact in &facts() {
        writer.fact(fact);
    }
    let written = writer.finish();
    assert_same_lines("facts.jsonl", GOLDEN, &String::from_utf8(written.clone()).unwrap());
    assert_eq!(GOLDEN.as_bytes(), written);

    let mut read = Vec::new();
    let golden = journal::read(GOLDEN.as_bytes(), |_, fact| {
        read.push(fact);
        Ok::<_, JournalError>(())
    });
    assert_eq!(golden.unwrap(), header());
    assert_eq!(read, facts());
}

#[test]
fn every_fact_is_in_the_golden_object() {
    let named: BTreeSet<&str> = facts().iter().map(name).collect();
    // serde names all variants in the message of an unknown one.
    let message = serde_json::from_str::<Fact>(r#"{"?":0}"#).unwrap_err().to_string();
    let expected = message.split_once("expected one of ").unwrap().1;
    let known: BTreeSet<&str> = expected.split('`').skip(1).step_by(2).collect();
    assert_eq!(named, known, "job/tests/golden/facts.rs lacks facts");
    for (fact, line) in facts().iter().zip(GOLDEN.lines().skip(1)) {
        let on_disk: serde_json::Value = serde_json::from_str(line).unwrap();
        let key = on_disk.as_str().or_else(|| on_disk.as_object()?.keys().next().map(String::as_str));
        assert_eq!(key, Some(name(fact)));
    }
}

//! What is on disk and on the wire, byte for byte: facts of a journal, control messages and `export.json`.
//!
//! The files in `golden/` are never generated: they hold what an earlier build wrote. The values here are the same in
//! the code's words, so a type or field that is renamed in the code changes nothing there, and one that is renamed on
//! disk fails. A new fact, message or field does not compile until it is named here. Then add its line to the golden
//! file; do not change the lines that are there.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its values has failed")]

#[path = "golden/control.rs"]
mod control;
#[path = "golden/export_json.rs"]
mod export_json;
#[path = "golden/facts.rs"]
mod facts;

use job::{
    control::SealedPart,
    ids::{Attempt, FileId, JobId, Segment},
    layout::{PartName, part_file},
    schema::{KeyAttribute, KeyKind, KeySchema},
    spec::{Compression, FileOptions, FixedOptions, NullSpelling, OutputFormat},
    table_settings::{AutoScaling, TableSettings},
    task::{Position, Step, TotalSegments},
};
use serde_json::json;

/// The job of all values.
fn job() -> JobId {
    JobId::from_u128(0x9b1d_6f3a_0000_4abc_8def_0000_0000_002a)
}

fn part_name(file: u32) -> PartName {
    part_file(&job(), FileId(file), Compression::None)
}

fn key(name: &str, kind: KeyKind) -> KeyAttribute {
    KeyAttribute { name: name.into(), kind }
}

fn keys() -> KeySchema {
    KeySchema { partition: key("ForumName", KeyKind::S), sort: Some(key("Posted", KeyKind::N)) }
}

/// The options of an export, none at its default except the format, of which there is one.
fn options(compression: Compression, null: NullSpelling) -> FixedOptions {
    let files = FileOptions { format: OutputFormat::EmrLines, compression, null };
    FixedOptions { files, consistent: true, segments: TotalSegments::try_from(96).unwrap() }
}

/// A part with this entity tag.
fn part(etag: &str) -> SealedPart {
    SealedPart {
        file: FileId(2),
        number: 1,
        etag: etag.into(),
        crc32c: 0xfeed_c0de,
        bytes: 5_242_880,
        items: 678,
        line_bytes: 9_000_000,
        last: true,
    }
}

/// A step to this position.
fn step(position: Position) -> Step {
    Step { segment: Segment(7), attempt: Attempt(2), from_page: 3, to_page: 4, items: 678, position }
}

fn table_settings() -> TableSettings {
    TableSettings {
        time_to_live: Some(json!({"TimeToLiveStatus": "DISABLED"})),
        tags: Some(vec![json!({"Key": "team", "Value": "forum"})]),
        continuous_backups: Some(json!({"ContinuousBackupsStatus": "ENABLED"})),
        kinesis_streams: Some(Vec::new()),
        resource_policy: None,
        auto_scaling: Some(AutoScaling {
            targets: vec![json!({"MinCapacity": 5})],
            policies: vec![json!({"PolicyName": "half"})],
        }),
        unknown: [("resource_policy".to_owned(), "AccessDeniedException".to_owned())].into(),
    }
}

/// The lines of a golden file that are not the same as those of this build.
#[track_caller]
fn assert_same_lines(file: &str, golden: &str, written: &str) {
    let (golden, written): (Vec<&str>, Vec<&str>) = (golden.lines().collect(), written.lines().collect());
    for (number, line) in written.iter().enumerate() {
        let there = golden.get(number).copied().unwrap_or("nothing");
        assert_eq!(there, *line, "line {} of job/tests/golden/{file}", number + 1);
    }
    assert_eq!(golden.len(), written.len(), "job/tests/golden/{file} holds lines that no value here has");
}

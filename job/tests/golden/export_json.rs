//! `export.json` of a backup.

use job::{
    export_json::{self, ExportJson, PartFile, Settings, UploadPart, VERSION},
    spec::FileOptions,
};
use serde_json::json;

use super::{assert_same_lines, job, keys, part_name, table_settings};

const GOLDEN: &str = include_str!("export.json");

fn export() -> ExportJson {
    ExportJson {
        version: VERSION,
        tool: "tablehaul 0.1.0".into(),
        job: job(),
        started_at: "2026-01-01T00:00:00Z".into(),
        finished_at: "2026-01-01T00:01:00Z".into(),
        keys: keys(),
        options: FileOptions::default(),
        settings: Settings {
            consistent: true,
            segments: 96,
            workers: 8,
            read_units_per_second: 1234.567,
            rate_source: "as asked".into(),
        },
        account: Some("123456789012".into()),
        caller: Some("arn:aws:iam::123456789012:user/alice".into()),
        items: 3,
        bytes: 90,
        line_bytes: 91,
        read_units: 12.5,
        files: vec![PartFile {
            name: part_name(0),
            items: 3,
            bytes: 90,
            crc32c: "00c0ffee".into(),
            parts: vec![UploadPart { bytes: 90, line_bytes: 91, items: 3, crc32c: "00c0ffee".into() }],
        }],
        table: json!({"TableName": "Forum", "ItemCount": 3}),
        table_settings: Some(table_settings()),
    }
}

#[test]
fn export_json_is_read_and_written_back_to_the_same_bytes() {
    let written = serde_json::to_string_pretty(&export()).unwrap();
    assert_same_lines("export.json", GOLDEN, &written);
    assert_eq!(export_json::read(GOLDEN.as_bytes()).unwrap(), export());
}

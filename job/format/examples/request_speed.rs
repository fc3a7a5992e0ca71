//! Measures the speed of the request encoder and of the checker on one core, next to the same work with intermediate
//! values.
//!
//! `cargo run --release -p tablehaul-format --example request_speed`

mod speed;

use std::hint::black_box;

use format::{
    dynamodb_json::ExportLine,
    request::{Checker, Encoder, Wanted, read_emr_line},
};
use job::{
    schema::{KeyAttribute, KeyKind, KeySchema},
    split::Write,
};

/// About the lines in 1 MiB of a backup.
const LINES: usize = 2000;

/// A request is sent when it has this size.
const BATCH_BYTES: usize = 1024 * 1024;

/// An item as a backup line, with the shape of `transcode_speed`'s items.
fn emr_line(index: usize) -> String {
    format!(
        concat!(
            r#"{{"pk":{{"s":"customer#{index:08}"}},"sk":{{"n":"{sort}"}},"#,
            r#""name":{{"s":"Name of the customer number {index} with some text \"quoted\" and more text to get to a size"}},"#,
            r#""active":{{"bOOL":true}},"nothing":{{"nULL":true}},"#,
            r#""tags":{{"sS":["alpha","beta","gamma"]}},"scores":{{"nS":["1","2.5","300"]}},"#,
            r#""blob":{{"b":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}},"#,
            r#""address":{{"m":{{"street":{{"s":"{index} Long Street"}},"zip":{{"n":"9{zip:05}"}},"#,
            r#""geo":{{"l":[{{"n":"12.345"}},{{"n":"-98.765"}}]}}}}}}}}"#,
        ),
        index = index,
        sort = index * 7,
        zip = index % 100_000,
    )
}

fn json_line(index: usize) -> String {
    let item = read_emr_line(emr_line(index).as_bytes()).expect("the line is one");
    format!(r#"{{"Item":{}}}"#, item.to_dynamodb_json())
}

fn report(name: &str, lines: &[String], mut encode: impl FnMut(&[u8], &mut Vec<u8>)) {
    let bytes: usize = lines.iter().map(String::len).sum();
    let mut out = Vec::new();
    speed::report(name, (lines.len(), "lines"), bytes, || {
        for line in black_box(lines) {
            if out.len() > BATCH_BYTES {
                out.clear();
            }
            encode(line.as_bytes(), &mut out);
        }
    });
}

fn main() {
    let attribute = |name: &str, kind| KeyAttribute { name: name.into(), kind };
    let keys = KeySchema { partition: attribute("pk", KeyKind::S), sort: Some(attribute("sk", KeyKind::N)) };
    let mut encoder = Encoder::new(&keys, Wanted::Items);
    let emr: Vec<String> = (0..LINES).map(emr_line).collect();
    let json: Vec<String> = (0..LINES).map(json_line).collect();
    let old: Vec<String> = emr.iter().map(|line| line.replace("nULL", "nULLValue")).collect();

    let good = "the line is an item of the table";
    report("EMR lines, fast", &emr, |line, out| {
        encoder.emr_line(line, out).expect(good);
    });
    report("of connector 4, fast", &old, |line, out| {
        encoder.emr_line(line, out).expect(good);
    });
    let mut checker = Checker::new(Some(&keys));
    report("EMR lines, check", &emr, |line, _| {
        checker.emr_line(line).expect(good);
    });
    report("EMR lines, slow", &emr, |line, out| {
        encoder.item(&read_emr_line(line).expect(good), Write::Put, out).expect(good);
    });
    report("DynamoDB JSON, fast", &json, |line, out| {
        encoder.json_line(line, out).expect(good);
    });
    report("DynamoDB JSON, check", &json, |line, _| {
        checker.json_line(line).expect(good);
    });
    report("DynamoDB JSON, slow", &json, |line, out| {
        encoder.export_line(&ExportLine::read_json(line).expect(good), out).expect(good);
    });
}

//! Measures the speed of the transcoder on one core, next to the same work with `serde_json::Value`.
//!
//! `cargo run --release -p tablehaul-format --example transcode_speed`

mod speed;

use std::hint::black_box;

use format::emr::{KeyNames, check_line, scan_page};
use job::{
    schema::{KeyAttribute, KeyKind, KeySchema},
    spec::NullSpelling,
};
use serde_json::Value;

/// About the items in a Scan reply of 1 MiB.
const ITEMS: usize = 2000;

fn item(index: usize) -> String {
    format!(
        concat!(
            r#"{{"pk":{{"S":"customer#{index:08}"}},"sk":{{"N":"{sort}"}},"#,
            r#""name":{{"S":"Name of the customer number {index} with some text \"quoted\" and more text to get to a size"}},"#,
            r#""active":{{"BOOL":true}},"nothing":{{"NULL":true}},"#,
            r#""tags":{{"SS":["alpha","beta","gamma"]}},"scores":{{"NS":["1","2.5","300"]}},"#,
            r#""blob":{{"B":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}},"#,
            r#""address":{{"M":{{"street":{{"S":"{index} Long Street"}},"zip":{{"N":"9{zip:05}"}},"#,
            r#""geo":{{"L":[{{"N":"12.345"}},{{"N":"-98.765"}}]}}}}}}}}"#,
        ),
        index = index,
        sort = index * 7,
        zip = index % 100_000,
    )
}

fn page() -> Vec<u8> {
    let items: Vec<String> = (0..ITEMS).map(item).collect();
    format!(
        r#"{{"Count":{ITEMS},"ScannedCount":{ITEMS},"ConsumedCapacity":{{"TableName":"t","CapacityUnits":128.5}},"Items":[{}]}}"#,
        items.join(",")
    )
    .into_bytes()
}

/// Renames the type keys of all values in place. It is wrong if an attribute is named like a type.
fn rename_types(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            *fields = std::mem::take(fields)
                .into_iter()
                .map(|(mut name, mut value)| {
                    rename_types(&mut value);
                    if matches!(
                        name.as_str(),
                        "S" | "N" | "B" | "BOOL" | "NULL" | "SS" | "NS" | "BS" | "L" | "M"
                    ) {
                        name[..1].make_ascii_lowercase();
                    }
                    (name, value)
                })
                .collect();
        }
        Value::Array(values) => values.iter_mut().for_each(rename_types),
        _ => {}
    }
}

fn by_values(body: &[u8], lines: &mut Vec<u8>) {
    let mut reply: Value = serde_json::from_slice(body).expect("the page is JSON");
    for item in reply["Items"].as_array_mut().expect("the page has items") {
        rename_types(item);
        serde_json::to_writer(&mut *lines, item).expect("a Vec takes any line");
        lines.push(b'\n');
    }
}

fn report(name: &str, bytes: usize, work: impl FnMut()) {
    speed::report(name, (ITEMS, "items"), bytes, work);
}

fn main() {
    let body = page();
    let mut lines = Vec::new();
    scan_page(&body, NullSpelling::Single, &mut lines).expect("the page is a Scan reply");

    let written = lines.clone();
    report("scan_page", body.len(), || {
        lines.clear();
        scan_page(black_box(&body), NullSpelling::Single, &mut lines).expect("the page is a Scan reply");
    });
    report("scan_page, both NULLs", body.len(), || {
        lines.clear();
        scan_page(black_box(&body), NullSpelling::Both, &mut lines).expect("the page is a Scan reply");
    });
    let attribute = |name: &str, kind| KeyAttribute { name: name.into(), kind };
    let schema =
        KeySchema { partition: attribute("pk", KeyKind::S), sort: Some(attribute("sk", KeyKind::N)) };
    let keys = KeyNames::from(&schema);
    report("check_line", written.len(), || {
        for line in black_box(&written).split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            check_line(line, &keys, NullSpelling::Single).expect("the line was written by scan_page");
        }
    });
    report("serde_json::Value", body.len(), || {
        lines.clear();
        by_values(black_box(&body), &mut lines);
    });
}

//! Takes out of a text what differs from run to run and from machine to machine.

use regex::Regex;

/// What is replaced, in this order: a pattern, and what stands in its place.
const REPLACED: [(&str, &str); 10] = [
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"tablehaul \d+\.\d+\.\d+", "tablehaul VERSION"),
    // Durations.
    (r"\b\d+(\.\d+)? (ms|s)\b", "SECONDS"),
    // What was reached, as opposed to what was asked for.
    (r"\d+(\.\d+)?/s average", "RATE/s average"),
    (r"(?P<what>items|[kM]?B) \(\d+(\.\d+)? (items|[kM]?B)/s\)", "$what (RATE)"),
    (r#""crc32c": "[0-9a-f]{8}""#, r#""crc32c": "CRC""#),
    (r#"(?P<name>"[a-z_]*seconds?[a-z_]*"): \d+(\.\d+)?"#, "$name: NUMBER"),
    // Which segment is the slowest is chance.
    (
        r#"(?P<items>"slowest_segment": \{\s*"items": )\d+(?P<segment>,\s*"seconds": NUMBER,\s*"segment": )\d+"#,
        "${items}N${segment}N",
    ),
    (r"slowest was \d+ with \d+ items?", "slowest was N with N items"),
];

/// The text with names of what varies in its place.
pub(crate) fn redacted(text: &str) -> String {
    REPLACED.iter().fold(text.to_owned(), |text, (pattern, instead)| {
        Regex::new(pattern).expect("a pattern").replace_all(&text, *instead).into_owned()
    })
}

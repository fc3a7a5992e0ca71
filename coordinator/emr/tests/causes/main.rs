//! Messages of AWS and what we say. `messages.txt` has four lines for each: the code (`-` for none), the message, the
//! kind and our line. To accept changes, run the test with `GOLDEN=write` and read the difference.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use emr::causes::{Kind, cause};

/// Code and message of each block, and the text before the first.
fn blocks(text: &str) -> (String, Vec<(String, String)>) {
    let mut parts = text.split("\n\n");
    let head = parts.next().unwrap_or_default().to_owned();
    let field = |block: &str, name: &str| {
        let line = block
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_else(|| panic!("{name}: {block}"));
        line.trim().to_owned()
    };
    let blocks = parts.filter(|part| !part.trim().is_empty());
    (head, blocks.map(|block| (field(block, "code"), field(block, "they"))).collect())
}

fn given(code: &str) -> Option<&str> {
    (code != "-").then_some(code)
}

#[test]
fn every_known_message_has_its_line() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/causes/messages.txt");
    let expected = fs::read_to_string(&path).unwrap();
    let (head, messages) = blocks(&expected);
    let mut blocks = vec![head];
    for (code, message) in &messages {
        let cause = cause(given(code), message);
        let (kind, line) = (cause.kind, cause.line);
        let they = format!("they {message}");
        blocks.push(format!("code {code}\n{}\nkind {kind:?}\nours {line}", they.trim_end()));
    }
    let found = format!("{}\n", blocks.join("\n\n"));
    if std::env::var("GOLDEN").is_ok_and(|golden| golden == "write") {
        fs::write(&path, &found).unwrap();
    }
    for (found, expected) in found.split("\n\n").zip(expected.split("\n\n")) {
        assert_eq!(found.trim_end(), expected.trim_end());
    }
}

#[test]
fn our_lines_are_single_lines_without_gaps() {
    let text =
        fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/causes/messages.txt"))
            .unwrap();
    for (code, message) in blocks(&text).1 {
        let line = cause(given(&code), &message).line;
        assert!(!line.contains(['\n', '{', '}']) && !line.ends_with('.') && !line.contains("  "), "{line}");
    }
}

#[test]
fn a_code_decides_whatever_the_message_says() {
    for (code, kind) in [
        ("ThrottlingException", Kind::Throttled),
        ("AccessDeniedException", Kind::Permission),
        ("BOOTSTRAP_FAILURE", Kind::Bootstrap),
        ("STEP_FAILURE", Kind::Step),
        ("VALIDATION_ERROR_INSTANCE_TYPE_NOT_SUPPORTED", Kind::InstanceType),
        ("VcpuLimitExceeded", Kind::Quota),
    ] {
        for message in
            ["", "words of tomorrow", "Cluster id 'j-1' is not valid.", "An internal error occurred."]
        {
            assert_eq!(cause(Some(code), message).kind, kind, "{code} {message}");
        }
    }
}

#[test]
fn codes_that_say_nothing_leave_it_to_the_message() {
    let message = "The supplied release label is invalid: emr-5.3.1.";
    let kinds: BTreeSet<_> =
        [None, Some("ValidationException"), Some("VALIDATION_ERROR"), Some("INTERNAL_ERROR")]
            .into_iter()
            .map(|code| format!("{:?}", cause(code, message)))
            .collect();
    assert_eq!(kinds.len(), 1, "{kinds:?}");
}

#[test]
fn what_is_not_known_is_quoted_in_one_line_and_cut() {
    let cause = cause(None, &format!("new\nwords \u{1b}[2J{}", "x".repeat(1000)));
    assert_eq!(cause.kind, Kind::Unknown);
    assert!(cause.line.starts_with("AWS says \"new\\nwords \\u{1b}[2Jxxx"), "{}", cause.line);
    assert!(cause.line.ends_with(" …\" (cut)") && cause.line.chars().count() < 400);
    let known = emr::causes::cause(None, "Cluster id 'j\u{1b}[2J' is not valid");
    assert!(!known.line.contains('\u{1b}'), "{}", known.line);
}

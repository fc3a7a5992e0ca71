//! Every byte outside of what is reported as changed stays, however a definition is written.

use serde_json::Value;

use super::{NAMES, definition, forms};
use emr::convert::{Change, convert};

/// A small generator of numbers (Numerical Recipes, "quick and dirty"), so that a failure can be repeated.
struct Random(u32);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) % limit
    }
}

/// A way to write the definition: blanks, order of fields, escapes, fields that nobody knows.
fn rewritten(value: &Value, random: &mut Random) -> String {
    let blank = |random: &mut Random| ["", " ", "\n\t", "\r\n    ", ""][random.below(5) as usize];
    match value {
        Value::Object(members) => {
            let is_ref = members.contains_key("ref");
            let mut members: Vec<_> = members.iter().collect();
            for at in (1..members.len()).rev() {
                members.swap(at, random.below(u32::try_from(at).unwrap() + 1) as usize);
            }
            let mut texts = Vec::new();
            for (key, value) in members {
                let (before, colon) = (blank(random), [":", ": ", " : "][random.below(3) as usize]);
                let text = if key == "id" { value.to_string() } else { rewritten(value, random) };
                texts.push(format!("{before}\"{key}\"{colon}{text}{}", blank(random)));
                if random.below(8) == 0 && !is_ref {
                    texts.push(format!(
                        "\"x-{}\": [1, {{\"ref\" : null}}, \"\\u00e9\\/\", -1.50e+3 ]",
                        random.below(99)
                    ));
                }
            }
            format!("{{{}}}", texts.join(","))
        }
        Value::Array(list) => {
            let texts: Vec<_> =
                list.iter().map(|one| format!("{}{}", blank(random), rewritten(one, random))).collect();
            format!("[{}{}]", texts.join(","), blank(random))
        }
        Value::String(text) => {
            let json = value.to_string();
            match random.below(4) {
                0 if text.contains('/') => json.replacen('/', "\\/", 1),
                1 if text.contains('#') => json.replacen('#', "\\u0023", 1),
                _ => json,
            }
        }
        other => other.to_string(),
    }
}

/// The tokens of a JSON text, blanks included: together they are the text.
fn tokens(text: &str) -> Vec<&str> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let is_blank = |char: char| char.is_ascii_whitespace();
        let end = match first {
            '"' => {
                let mut escaped = false;
                let is_end = |(at, char): (usize, char)| {
                    let ends = at > 0 && char == '"' && !escaped;
                    escaped = char == '\\' && !escaped;
                    ends
                };
                rest.char_indices()
                    .position(is_end)
                    .map(|count| rest.chars().take(count + 1).map(char::len_utf8).sum())
            }
            '{' | '}' | '[' | ']' | ',' | ':' => Some(1),
            _ if is_blank(first) => rest.find(|char| !is_blank(char)),
            _ => rest.find(|char: char| is_blank(char) || "{}[],:\"".contains(char)),
        };
        let (token, after) = rest.split_at(end.unwrap_or(rest.len()));
        tokens.push(token);
        rest = after;
    }
    tokens
}

fn said(token: &str) -> Option<String> {
    match serde_json::from_str(token).ok()? {
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

/// Walks over both texts. Every token of the old one is in the new one, or a change names it; every token that is only
/// in the new one belongs to a bootstrap action. Returns how many changes were met.
fn explained(old: &str, new: &str, changes: &[Change]) -> usize {
    let mut new = tokens(new).into_iter();
    let mut met = 0;
    let added = |token: &str| {
        let is_new = |change: &Change| change.old.is_none() && said(token).as_deref() == Some(&change.new);
        changes.iter().filter(|change| is_new(change)).count()
    };
    let allowed = |token: &str| {
        matches!(token, "[" | "]" | "," | ":" | "\"bootstrapAction\"")
            || token.trim().is_empty()
            || added(token) > 0
    };
    for token in tokens(old) {
        loop {
            let Some(other) = new.next() else { panic!("lost: {token}") };
            if other == token {
                break;
            }
            let is_this = |change: &&Change| {
                change.old.is_some()
                    && change.old == said(token)
                    && said(other).as_deref() == Some(&change.new)
            };
            if changes.iter().any(|change| is_this(&change)) {
                met += 1;
                break;
            }
            assert!(allowed(other), "{other} in the place of {token}");
            met += added(other);
        }
    }
    for other in new {
        assert!(allowed(other), "{other} at the end");
        met += added(other);
    }
    met
}

#[test]
fn only_what_is_reported_changes_however_the_definition_is_written() {
    let mut random = Random(17);
    for _ in 0..100 {
        for name in NAMES {
            let value: Value = serde_json::from_str(&definition(name)).unwrap();
            let text = rewritten(&value, &mut random);
            assert_eq!(tokens(&text).concat(), text);
            for (form, options) in forms() {
                let converted =
                    convert(&text, &options).unwrap_or_else(|why| panic!("{name} {form}: {why}\n{text}"));
                serde_json::from_str::<Value>(&converted.text).unwrap();
                let met = explained(&text, &converted.text, &converted.changes);
                assert_eq!(met, converted.changes.len(), "{name} {form}: {}", converted.text);
            }
        }
    }
}

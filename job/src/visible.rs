//! Makes text safe to show in a terminal and a log.
//!
//! Names of files, object keys, hosts and tables, and messages of servers may contain anything: escape sequences that
//! paint over a terminal, line feeds that forge a line of a log, marks that change the direction of writing. Such
//! characters are escaped as in a Rust string (`\u{1b}`, `\n`). Both programs pass all their output through this
//! module. [`Line`] keeps a foreign name within its line of a longer text.

use std::{
    borrow::Cow,
    fmt::{self, Write},
};

/// A line with more characters is cut: the rest tells a reader no more.
pub const MAX_LINE_CHARS: usize = 4000;

/// Whether a character is always escaped: controls (Unicode's category Cc: C0, DEL and C1), marks that change the
/// direction of writing (Unicode Standard Annex #9, table 4), line and paragraph separators, the byte order mark, and
/// the invisible tag characters.
const fn is_harmful(char: char) -> bool {
    matches!(
        char,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// The text with `…` in the place of user names and passwords in URLs (`https://user:password@host`).
pub fn without_passwords(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + "://".len());
        let is_end =
            |char: char| char.is_whitespace() || matches!(char, '/' | '?' | '#' | '\'' | '"' | '`' | ',');
        let authority = &url[..url.find(is_end).unwrap_or(url.len())];
        out.push_str(before);
        rest = url;
        if let Some(at) = authority.rfind('@') {
            out.push('…');
            rest = &url[at..];
        }
    }
    if out.is_empty() {
        return text.into();
    }
    out.push_str(rest);
    out.into()
}

/// Scheme and server of a URL, such as `https://host/…`: its path may be secret, as that of a webhook. What is no URL
/// stays as it is.
pub fn server_of(url: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}/…").into()
}

/// Text for one line: line breaks and other harmful characters are escaped, and a long text is cut.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, false)
}

/// Text of one or more lines of our own: line feeds stay, and all else is as in [`line()`].
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, true)
}

/// JSON with the same meaning: harmful characters occur only in its strings, and are escaped as in JSON.
pub fn json(text: &str) -> Cow<'_, str> {
    let is_harmful = |char| is_harmful(char) && char != '\n';
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if is_harmful(char) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(char);
        }
    }
    Cow::Owned(out)
}

fn escaped(text: &str, keeps_lines: bool) -> Cow<'_, str> {
    let is_harmful = |char| is_harmful(char) && !(keeps_lines && char == '\n');
    // A text never has more characters than bytes.
    if text.len() <= MAX_LINE_CHARS && !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len().min(4 * MAX_LINE_CHARS));
    let mut chars = 0;
    for char in text.chars() {
        if keeps_lines && char == '\n' {
            chars = 0;
            out.push('\n');
            continue;
        }
        chars += 1;
        if chars > MAX_LINE_CHARS {
            if chars == MAX_LINE_CHARS + 1 {
                out.push_str(" … (cut)");
            }
        } else if is_harmful(char) {
            out.extend(char.escape_default());
        } else {
            out.push(char);
        }
    }
    Cow::Owned(out)
}

/// A foreign text within a text of several lines: it stays in its line.
#[derive(Clone, Copy, Debug)]
pub struct Line<T>(pub T);

impl<T: fmt::Display> fmt::Display for Line<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&line(&self.0.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_that_may_be_secret_only_the_server_is_told() {
        for (url, told) in [
            ("https://me:pw@hooks.example.com:8443/T0/SECRET?x=y", "https://hooks.example.com:8443/…"),
            ("http://[::1]:80?x", "http://[::1]:80/…"),
            ("arn:aws:sns:eu-west-1:111122223333:x", "arn:aws:sns:eu-west-1:111122223333:x"),
        ] {
            assert_eq!(server_of(url), told);
        }
    }

    #[test]
    fn passwords_in_urls_are_left_out_and_nothing_else() {
        for (text, told) in [
            ("at http://me:pw@host:80/x?a@b", "at http://…@host:80/x?a@b"),
            ("'https://me@host', http://a:b@c@d", "'https://…@host', http://…@d"),
            ("s3://bucket/a@b and file:///x@y", "s3://bucket/a@b and file:///x@y"),
            ("me@example.com: http://host", "me@example.com: http://host"),
            ("://", "://"),
        ] {
            assert_eq!(without_passwords(text), told);
        }
    }

    #[test]
    fn what_could_rule_a_terminal_or_forge_a_line_is_escaped() {
        for (text, shown) in [
            ("plain, ümläut, 漢字, 👩‍👩‍👧", "plain, ümläut, 漢字, 👩‍👩‍👧"),
            ("\u{1b}]0;owned\u{7}", r"\u{1b}]0;owned\u{7}"),
            ("a\nb\r\tc", r"a\nb\r\tc"),
            ("\u{9b}31m\u{7f}", r"\u{9b}31m\u{7f}"),
            ("abc\u{202e}fdp.exe", r"abc\u{202e}fdp.exe"),
            ("\u{2066}x\u{2069}\u{200f}\u{2028}", r"\u{2066}x\u{2069}\u{200f}\u{2028}"),
            ("\u{feff}\u{e0041}", r"\u{feff}\u{e0041}"),
            (r"C:\n stays", r"C:\n stays"),
        ] {
            assert_eq!(line(text), shown);
            assert_eq!(line(&line(text)), shown, "escaped once");
        }
    }

    #[test]
    fn texts_of_our_own_keep_their_lines_and_foreign_names_in_them_stay_in_one() {
        assert_eq!(lines("plan\nto  \u{1b}[2J\n"), "plan\nto  \\u{1b}[2J\n");
        let name = "x\nexported    all";
        assert_eq!(lines(&format!("to {}\nend", Line(name))), "to x\\nexported    all\nend");
    }

    #[test]
    fn json_means_the_same_afterwards() {
        let value = serde_json::json!({"a\u{202e}": "\u{1b}\u{9b}\u{2028}\u{e0041}ü\"\\\n"});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let shown = json(&text);
        assert!(shown.chars().all(|char| char == '\n' || !is_harmful(char)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn a_line_that_never_ends_is_cut() {
        let text = format!("{}\nnext", "ü".repeat(100_000));
        assert_eq!(line(&text).chars().count(), MAX_LINE_CHARS + " … (cut)".chars().count());
        assert!(lines(&text).ends_with("(cut)\nnext"));
    }
}

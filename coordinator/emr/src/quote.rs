//! Foreign text within a line of ours: it stays in its line, rules no terminal, and does not grow without bound.

/// Foreign text with more characters is cut.
const MOST_CHARS: usize = 300;

/// The text with control characters and marks of writing direction escaped as in a Rust string.
pub(crate) fn visible(text: &str) -> String {
    let escaped = |char: char| {
        let plain = matches!(char, '\'' | '"' | '\\');
        let escaped = (!plain).then(|| char.escape_debug());
        escaped.into_iter().flatten().chain(plain.then_some(char))
    };
    text.chars().flat_map(escaped).collect()
}

/// The text in quotes, [visible], without blanks around it, and cut after 300 characters.
pub(crate) fn quoted(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(MOST_CHARS) {
        None => format!("\"{}\"", visible(text)),
        Some((end, _)) => format!("\"{} …\" (cut)", visible(&text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_in_its_line() {
        assert_eq!(quoted("  it's \"a\" \\ ü 漢 \n"), "\"it's \"a\" \\ ü 漢\"");
        assert_eq!(quoted("a\nb\u{1b}[2J\u{202e}x"), "\"a\\nb\\u{1b}[2J\\u{202e}x\"");
    }

    #[test]
    fn long_text_is_cut() {
        let cut = quoted(&"ü".repeat(MOST_CHARS + 1));
        assert!(cut.ends_with("ü …\" (cut)"), "{cut}");
        assert_eq!(cut.matches('ü').count(), MOST_CHARS);
        assert!(!quoted(&"ü".repeat(MOST_CHARS)).contains("cut"));
    }
}

//! Finds words in a message.

/// The words that stand in the place of each `{}` of a pattern, if the pattern occurs in the message. `*` stands for
/// any text, `{}` for one word; `^` and `$` are the beginning and the end of the message. Upper and lower case are the
/// same.
pub(super) fn found(pattern: &str, message: &str) -> Option<Vec<String>> {
    let message = message.trim().trim_end_matches('.');
    let (pattern, at_end) = pattern.strip_suffix('$').map_or((pattern, false), |pattern| (pattern, true));
    let mut words = Vec::new();
    if let Some(pattern) = pattern.strip_prefix('^') {
        return matches(pattern, message, at_end, &mut words).then_some(words);
    }
    message.char_indices().find_map(|(at, _)| {
        // A word begins where no other character of it stands before.
        let inside = pattern.starts_with("{}") && message[..at].chars().next_back().is_some_and(is_of_word);
        words.clear();
        (!inside && matches(pattern, &message[at..], at_end, &mut words)).then(|| words.clone())
    })
}

/// Whether the message begins with the pattern.
fn matches(pattern: &str, message: &str, at_end: bool, words: &mut Vec<String>) -> bool {
    if pattern.is_empty() {
        return !at_end || message.is_empty();
    }
    if let Some(rest) = pattern.strip_prefix('*') {
        let kept = words.len();
        return ends(message).any(|end| {
            words.truncate(kept);
            matches(rest, &message[end..], at_end, words)
        });
    }
    if let Some(rest) = pattern.strip_prefix("{}") {
        let longest = message.find(|char| !is_of_word(char)).unwrap_or(message.len());
        let kept = words.len();
        let mut lengths: Vec<usize> = ends(&message[..longest]).skip(1).collect();
        // The longest word first; a full stop or comma may follow it.
        lengths.reverse();
        return lengths.into_iter().any(|end| {
            words.truncate(kept);
            words.push(message[..end].trim_end_matches(['.', ',', ':', ';']).to_owned());
            !words[kept].is_empty() && matches(rest, &message[end..], at_end, words)
        });
    }
    let end = pattern.find(['*', '{']).unwrap_or(pattern.len());
    let (literal, rest) = pattern.split_at(end);
    match message.get(..literal.len()) {
        Some(begin) if begin.eq_ignore_ascii_case(literal) => {
            matches(rest, &message[literal.len()..], at_end, words)
        }
        _ => false,
    }
}

/// All places between characters.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()])
}

fn is_of_word(char: char) -> bool {
    char.is_alphanumeric() || "_-./:*@+=#".contains(char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_where_the_pattern_has_them() {
        for (pattern, message, words) in [
            ("type '{}' is", "Instance TYPE 'm1.large' is not", Some(vec!["m1.large"])),
            ("invalid: {}", "label is invalid: emr-5.3.1.", Some(vec!["emr-5.3.1"])),
            ("^{} is invalid$", "EMR_DefaultRole is invalid.", Some(vec!["EMR_DefaultRole"])),
            ("^{} is invalid$", "The label is invalid", None),
            ("{} role is", "the service role is", Some(vec!["service"])),
            ("a*b {} c", "x a ü b 1 b 2 c", Some(vec!["2"])),
            ("({}), action {} r", "(i-1), action 1 r", Some(vec!["i-1", "1"])),
            ("ü", "", None),
            ("x {}", "x ", None),
        ] {
            let words = words.map(|words| words.into_iter().map(str::to_owned).collect());
            assert_eq!(found(pattern, message), words, "{pattern} in {message}");
        }
    }
}

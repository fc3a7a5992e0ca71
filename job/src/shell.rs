//! Words as a POSIX shell reads them.

/// A word that a shell reads as `word`.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_the_same_words_again() {
        let words = ["tablehaul", "export", "it's", "a b", "", "s3://b/x", "--tags=a=b&c=d"];
        let text = words.map(quoted).join(" ");
        assert_eq!(text, r"tablehaul export 'it'\''s' 'a b' '' s3://b/x '--tags=a=b&c=d'");
        let echoed = Command::new("sh").args(["-c", &format!("printf '%s\\n' {text}")]).output();
        let echoed = String::from_utf8(echoed.unwrap().stdout).unwrap();
        assert_eq!(echoed.lines().collect::<Vec<_>>(), words);
    }
}

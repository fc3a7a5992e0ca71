//! Which process tells, and how it was called.

use events::{Command, Plan};
use job::visible::without_passwords;

/// The plan of a command of this process.
pub(crate) fn plan_of(command: Command) -> Plan {
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let mut arguments: Vec<String> = arguments.collect();
    if let Some(program) = arguments.first_mut() {
        *program = program.rsplit('/').next().unwrap_or_default().to_owned();
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Plan {
        host: Some(host.trim().to_owned()).filter(|host| !host.is_empty()),
        process_id: Some(std::process::id()),
        command_line: Some(without_passwords(&quoted(&arguments)).into_owned()),
        ..Plan::of(command)
    }
}

/// The words as a shell reads them.
fn quoted(words: &[String]) -> String {
    let is_plain = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c))
    };
    let words = words
        .iter()
        .map(|word| if is_plain(word) { word.clone() } else { format!("'{}'", word.replace('\'', r"'\''")) });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_same_words_again() {
        let words = ["tablehaul", "export", "it's", "a b", "", "s3://b/x", "--tags=a=b&c=d"];
        let text = quoted(&words.map(str::to_owned));
        assert_eq!(text, r"tablehaul export 'it'\''s' 'a b' '' s3://b/x '--tags=a=b&c=d'");
        let echoed =
            std::process::Command::new("sh").args(["-c", &format!("printf '%s\\n' {text}")]).output();
        let echoed = String::from_utf8(echoed.unwrap().stdout).unwrap();
        assert_eq!(echoed.lines().collect::<Vec<_>>(), words);
    }

    #[test]
    fn a_plan_says_who_tells() {
        let plan = plan_of(Command::Status);
        assert_eq!(plan.process_id, Some(std::process::id()));
        assert!(plan.command_line.is_some_and(|line| !line.is_empty()));
    }
}

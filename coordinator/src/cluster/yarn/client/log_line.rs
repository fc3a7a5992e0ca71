//! A line that the `hadoop` command logs.

/// The message of a log line, after level and class. `None` if it is not a log line.
pub(super) fn message(line: &str) -> Option<&str> {
    let level = ["INFO", "WARN", "ERROR", "FATAL", "DEBUG"];
    let mut words = line.split_whitespace().take(5);
    if !words.any(|word| level.contains(&word.trim_matches(['[', ']']))) {
        return None;
    }
    // `2026-11-25 02:23:07,266 INFO mapreduce.Job: Task Id …`. The class may be missing.
    let start = level.iter().filter_map(|level| line.find(level).map(|at| at + level.len())).min()?;
    let rest = line[start..].trim_start_matches([']', ' ']);
    Some(match rest.split_once(": ") {
        Some((class, message)) if !class.contains(' ') => message,
        _ => rest,
    })
}

//! Files of a backup that S3 keeps in an archive. They must be restored before they can be read.

use std::collections::BTreeMap;

use crate::{output::display::count, store::Archived};

/// Why these files of a folder can't be read, or `None` if none of them is archived. `what` is what the files belong
/// to.
pub(crate) fn refusal<'a>(
    what: &str,
    files: impl Iterator<Item = &'a str>,
    archived: &BTreeMap<String, Archived>,
) -> Option<String> {
    if archived.is_empty() {
        return None;
    }
    let (mut all, mut some) = (0_usize, Vec::new());
    for name in files {
        all += 1;
        some.extend(archived.get(name).map(|archived| (name, archived)));
    }
    let (name, Archived { class, .. }) = some.first()?;
    let on_the_way = some.iter().filter(|(_, archived)| archived.is_being_restored).count();
    let advice = match on_the_way {
        0 => "restore them first, for example with aws s3api restore-object, and".to_owned(),
        number if number == some.len() => "they are being restored:".to_owned(),
        number => format!("{number} of them are being restored; restore the others, too, and"),
    };
    Some(format!(
        "{what}: {} of {} {} archived, such as {} ({class}): {advice} try again when that is done",
        some.len(),
        count(all, "file"),
        if some.len() == 1 { "is" } else { "are" },
        name.escape_debug()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(files: &[&str], archived: &[(&str, bool)]) -> Option<String> {
        let archived = archived.iter().map(|&(name, is_being_restored)| {
            (name.to_owned(), Archived { class: "GLACIER".into(), is_being_restored })
        });
        refusal("s3://b/x", files.iter().copied(), &archived.collect())
    }

    #[test]
    fn archived_files_are_counted_and_one_is_named() {
        let why = said(&["a", "b", "c"], &[("b", false), ("c", false), ("other", false)]).unwrap();
        assert!(
            why.starts_with("s3://b/x: 2 of 3 files are archived, such as b (GLACIER): restore them"),
            "{why}"
        );
        let why = said(&["a"], &[("a", false)]).unwrap();
        assert!(why.contains("1 of 1 file is archived"), "{why}");
        assert_eq!(said(&["a"], &[("b", false)]), None, "another's");
        assert_eq!(said(&["a"], &[]), None);
    }

    #[test]
    fn what_is_on_its_way_is_only_to_be_waited_for() {
        let why = said(&["a", "b"], &[("a", true), ("b", true)]).unwrap();
        assert!(why.ends_with("they are being restored: try again when that is done"), "{why}");
        let why = said(&["a", "b"], &[("a", true), ("b", false)]).unwrap();
        assert!(
            why.contains("1 of them are being restored; restore the others, too, and try again"),
            "{why}"
        );
    }
}

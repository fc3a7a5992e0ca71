//! Decides whether an unfinished export can be resumed, and words the result.

use engine::export::ExportState;
use job::{
    journal::Begin,
    layout,
    spec::{FileOptions, FixedOptions},
    table_settings::TableSettings,
};

use super::plan::ExportOptions;
use crate::{
    aws::{identity::differ, table::TableFacts},
    failure::{Failure, FailureKind},
    jobs::lifecycle,
};

/// The first fact of a new export.
pub(crate) fn begin(
    job: job::ids::JobId,
    facts: &TableFacts,
    options: ExportOptions,
    segments: job::task::TotalSegments,
    started_at: String,
    table_settings: Option<TableSettings>,
) -> Begin {
    Begin {
        job,
        table: facts.name.clone(),
        arn: facts.arn(),
        table_id: facts.id(),
        keys: facts.keys.clone(),
        options: options.fixed(segments),
        started_at,
        expected_items: facts.items,
        description: facts.description.clone(),
        table_settings,
    }
}

/// Why an unfinished export is not the one that was asked for, or `None` if it is.
pub(crate) fn difference(begin: &Begin, facts: &TableFacts, options: ExportOptions) -> Option<String> {
    if begin.table != facts.name || differ(begin.arn.as_deref(), facts.arn().as_deref()) {
        let arn = begin.arn.as_deref().unwrap_or(&begin.table);
        return Some(format!("of another table, {}", arn.escape_debug()));
    }
    if differ(begin.table_id.as_deref(), facts.id().as_deref()) || begin.keys != facts.keys {
        return Some("of that table before it was deleted and recreated".into());
    }
    let FixedOptions { files: FileOptions { format, compression, null }, consistent, segments } =
        begin.options;
    if format != options.format {
        return Some(format!("in the format {}, not {}", format.name(), options.format.name()));
    }
    if compression != options.compression {
        let (before, now) = (compression.name(), options.compression.name());
        return Some(format!("with compression {before}, not {now}"));
    }
    if consistent != options.consistent {
        return Some(if consistent { "with --consistent" } else { "without --consistent" }.into());
    }
    if let Some(wished) = options.null
        && wished != null
    {
        return Some(format!("with --null {}, not {}", null.name(), wished.name()));
    }
    options
        .segments
        .filter(|wished| *wished != segments)
        .map(|wished| format!("with --segments {}, not {}", segments.get(), wished.get()))
}

/// The message about an unfinished export that is kept. `unwritten` says why the last facts could not be journaled, so
/// that it is unknown how much is kept. `can_resume` is false if the table has changed.
pub(crate) fn kept_text(
    state: &ExportState,
    folder: &str,
    can_resume: bool,
    unwritten: Option<&Failure>,
) -> String {
    let next = if can_resume {
        "run the same command again to resume, or `tablehaul clean` to remove it"
    } else {
        "`tablehaul clean` removes it, --restart removes it and exports the table as it is now"
    };
    let (what, folder) =
        (format!("{} % of the export", state.percent()), format!("{folder}/{}", layout::OWN_FOLDER));
    lifecycle::kept_text(&what, &folder, next, unwritten)
}

/// The failure, with advice if stored data is gone and the export can't be completed. Parts hold items of many segments
/// and can't be read again one by one, so the whole table must be read again.
pub(crate) fn advised(failure: Failure, folder: &str) -> Failure {
    if !failure.is(FailureKind::Lost) {
        return failure;
    }
    failure.saying(&format!(
        "so this export can't be completed: run the same command with --restart to read the whole table again, or \
         `tablehaul clean {folder}` to remove the rest"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::table::tests::described;
    use job::{
        ids::JobId,
        spec::{Compression, NullSpelling},
        task::TotalSegments,
    };
    use serde_json::json;

    fn begun() -> Begin {
        let facts = described(&json!({"TableId": "a"}));
        let segments = TotalSegments::try_from(4).unwrap();
        begin(JobId::from_u128(7), &facts, ExportOptions::default(), segments, "t".into(), None)
    }

    #[test]
    fn how_much_is_kept_is_told_only_if_all_of_it_was_recorded() {
        let state = ExportState::new(begun(), true);
        assert!(
            kept_text(&state, "/x", true, None).starts_with("0 % of the export is kept in /x/_tablehaul: ")
        );
        let full = Failure::failed("the disk is full");
        let text = kept_text(&state, "/x", true, Some(&full));
        let expected = "the final state could not be recorded (the disk is full); the earlier state is kept \
                        in /x/_tablehaul: ";
        assert!(text.starts_with(expected) && !text.contains('%'), "{text}");
    }

    #[test]
    fn an_unfinished_export_keeps_its_spelling_of_null_unless_another_is_asked_for() {
        let facts = described(&json!({"TableId": "a"}));
        let wish = |null, null_default| ExportOptions { null, null_default, ..ExportOptions::default() };
        let (single, both) = (NullSpelling::Single, NullSpelling::Both);
        for (options, expected) in
            [(wish(None, single), single), (wish(None, both), both), (wish(Some(single), both), single)]
        {
            let segments = TotalSegments::try_from(4).unwrap();
            assert_eq!(
                begin(JobId::from_u128(7), &facts, options, segments, "t".into(), None).options.files.null,
                expected
            );
        }
        assert_eq!(difference(&begun(), &facts, wish(None, both)), None);
        assert_eq!(difference(&begun(), &facts, wish(Some(single), both)), None);
        assert!(difference(&begun(), &facts, wish(Some(both), both)).is_some());
    }

    #[test]
    fn the_same_export_with_another_budget_or_without_a_word_on_segments_goes_on() {
        let facts = described(&json!({"TableId": "a", "ItemCount": 7}));
        let mut options = ExportOptions { workers: Some(9), ..ExportOptions::default() };
        assert_eq!(difference(&begun(), &facts, options), None);
        options.segments = TotalSegments::try_from(4).ok();
        assert_eq!(difference(&begun(), &facts, options), None);
        let without_id = described(&json!({}));
        assert_eq!(difference(&begun(), &without_id, options), None, "not every server gives ids");
    }

    #[test]
    fn what_changes_the_data_is_named() {
        let facts = described(&json!({"TableId": "a"}));
        let options = ExportOptions::default();
        let other = described(&json!({"TableId": "a", "TableName": "Thread"}));
        let again = described(&json!({"TableId": "b"}));
        for (facts, options, why) in [
            (&other, options, "of another table, arn:aws:dynamodb:us-east-1:123456789012:table/Forum"),
            (&again, options, "of that table before it was deleted and recreated"),
            (
                &facts,
                ExportOptions { compression: Compression::Zstd, ..options },
                "with compression none, not zstd",
            ),
            (
                &facts,
                ExportOptions { null: Some(NullSpelling::Both), ..options },
                "with --null single, not both",
            ),
            (&facts, ExportOptions { consistent: true, ..options }, "without --consistent"),
            (
                &facts,
                ExportOptions { segments: TotalSegments::try_from(5).ok(), ..options },
                "with --segments 4, not 5",
            ),
        ] {
            assert_eq!(difference(&begun(), facts, options).as_deref(), Some(why));
        }
    }
}

//! What is known of a table after a failed import.
//!
//! Workers report writes after they are done, and a worker that fails reports nothing more. So the reported counts are
//! a lower bound of what was written.

use job::{spec::WriteMode, split::Counts};

use crate::{
    failure::{Failure, FailureKind},
    output::display::count_of,
};

/// Appended to the failure of an import that failed after its last line.
pub(super) const ALL_IMPORTED: &str = "every line of the backup was imported before that";

/// What a pass that writes has done.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrittenSoFar {
    pub(super) mode: WriteMode,
    /// The backup itself says which items are removed.
    pub(super) is_incremental: bool,
    /// What workers have reported, in all runs.
    pub(super) counts: Counts,
    /// A worker may have written items that it has not reported.
    pub(super) may_be_more: bool,
    /// There is a state folder, so the same command resumes.
    pub(super) is_kept: bool,
}

impl WrittenSoFar {
    /// The failure, with what was done before it. If something may have been written, the failure is not
    /// `FailureKind::Refused`.
    pub(super) fn after(self, failure: Failure) -> Failure {
        let failure = if self.may_be_more {
            failure.instead(FailureKind::Refused, FailureKind::Failed)
        } else {
            failure
        };
        let is_other_table = failure.is(FailureKind::OtherTable);
        failure.saying(&self.text(is_other_table))
    }

    fn text(self, is_other_table: bool) -> String {
        let verbs = match self.mode {
            WriteMode::Delete => "removed",
            _ if self.is_incremental => "written or removed",
            _ => "written",
        };
        if !self.may_be_more {
            return format!("nothing was {verbs}");
        }
        let counted = |number: u64, thing: &str, verb: &str| {
            format!(
                "at least {}{} {verb}",
                count_of(number, thing),
                if number == 1 { " was" } else { " were" }
            )
        };
        let Counts { items, removed, .. } = self.counts;
        let done = match (items, removed) {
            (0, 0) => {
                format!("some items may have been {verbs} before that")
            }
            (items, 0) => format!("{} before that", counted(items, "item", "written")),
            (0, removed) => format!("{} before that", counted(removed, "item", "removed")),
            (items, removed) => {
                let (written, verb) =
                    (counted(items, "item", "written"), if removed == 1 { "was" } else { "were" });
                format!("{written} and at least {removed} {verb} removed before that")
            }
        };
        if is_other_table {
            let nowhere = items == 0 && removed == 0;
            let places = ", some perhaps in the deleted table, some in the new one";
            return format!("{done}{}", if nowhere { "" } else { places });
        }
        if self.is_kept {
            return done;
        }
        format!("{done}; run the same command again; repeating it does no harm")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(items: u64, removed: u64) -> WrittenSoFar {
        WrittenSoFar {
            mode: WriteMode::Put,
            is_incremental: false,
            counts: Counts { items, removed, ..Counts::default() },
            may_be_more: true,
            is_kept: true,
        }
    }

    #[test]
    fn what_workers_have_told_is_the_least_that_was_done() {
        assert_eq!(done(7, 0).text(false), "at least 7 items were written before that");
        assert_eq!(done(1, 0).text(false), "at least 1 item was written before that");
        assert_eq!(done(0, 3).text(false), "at least 3 items were removed before that");
        assert_eq!(
            done(1, 4).text(false),
            "at least 1 item was written and at least 4 were removed before that"
        );
        assert_eq!(
            done(2, 1).text(false),
            "at least 2 items were written and at least 1 was removed before that"
        );
    }

    #[test]
    fn nothing_was_written_only_if_nothing_can_have_been() {
        let none = WrittenSoFar { may_be_more: false, ..done(0, 0) };
        assert_eq!(none.text(false), "nothing was written");
        assert_eq!(WrittenSoFar { mode: WriteMode::Delete, ..none }.text(false), "nothing was removed");
        assert_eq!(
            WrittenSoFar { is_incremental: true, ..none }.text(false),
            "nothing was written or removed"
        );
        let text = done(0, 0).text(false);
        assert_eq!(text, "some items may have been written before that");
        let text = WrittenSoFar { mode: WriteMode::Delete, is_kept: false, ..done(0, 0) }.text(false);
        assert!(text.starts_with("some items may have been removed before that"), "{text}");
        assert!(text.ends_with("run the same command again; repeating it does no harm"), "{text}");
    }

    #[test]
    fn of_a_table_that_was_made_again_it_is_said_where_the_items_may_be_and_nothing_is_called_harmless() {
        let said = |done: WrittenSoFar| done.after(Failure::other_table("it is another")).to_string();
        let written = said(WrittenSoFar { is_kept: false, ..done(7, 0) });
        assert!(written.contains("at least 7 items were written before that, some perhaps in"), "{written}");
        let unknown = said(WrittenSoFar { is_kept: false, ..done(0, 0) });
        assert!(unknown.ends_with("some items may have been written before that"), "{unknown}");
    }

    #[test]
    fn no_failure_is_called_refused_once_something_may_have_been_written() {
        let refused = || Failure::refused("no place");
        assert_eq!(done(0, 0).after(refused()).kind().exit_code(), 1);
        assert_eq!(WrittenSoFar { may_be_more: false, ..done(0, 0) }.after(refused()).kind().exit_code(), 2);
        assert_eq!(done(5, 0).after(Failure::stopped("by a signal")).kind().exit_code(), 3);
    }
}

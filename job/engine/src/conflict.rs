//! What it means that an object of a journal is there already, or that others are.

use job::journal;

/// Whose the object is that stands where one was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// The very same: the reply to an earlier try was lost.
    Identical,
    /// This coordinator's, with other facts, by a try that was not waited for.
    OwnEarlier,
    /// Another coordinator's: this one has been superseded.
    Foreign,
}

/// Judges the object that is `there` in the place of `mine`, which the coordinator called `run` was to create.
pub fn claim(there: &[u8], mine: &[u8], run: &str) -> Existing {
    if there == mine {
        Existing::Identical
    } else if journal::header(there).is_ok_and(|header| header.run == run) {
        Existing::OwnEarlier
    } else {
        Existing::Foreign
    }
}

/// Whether a journal that has just been begun, and has got to number `mine`, is the only one in its place, where these
/// `numbers` are. One that was begun before may have been replaced by a later object, so that the first number was free.
pub fn stands_alone(numbers: impl IntoIterator<Item = u64>, mine: u64) -> bool {
    numbers.into_iter().all(|number| number <= mine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use job::journal::{Fact, Header, VERSION, Writer};

    fn object(run: &str, fact: &Fact) -> Vec<u8> {
        let header = Header {
            tablehaul_journal: VERSION,
            number: 1,
            run: run.into(),
            host: String::new(),
            pid: 1,
            at: String::new(),
            machine: None,
        };
        let mut writer = Writer::new(&header);
        writer.fact(fact);
        writer.finish()
    }

    #[test]
    fn only_what_another_run_has_written_supersedes() {
        let mine = object("a", &Fact::Abandoned);
        assert_eq!(claim(&mine, &mine, "a"), Existing::Identical);
        assert_eq!(
            claim(&object("a", &Fact::Commit { at: String::new() }), &mine, "a"),
            Existing::OwnEarlier
        );
        assert_eq!(claim(&object("b", &Fact::Abandoned), &mine, "a"), Existing::Foreign);
        assert_eq!(claim(b"torn", &mine, "a"), Existing::Foreign);
    }
}

//! Who owns a journal, judged from the objects found in it.

use job::journal;

/// The owner of an object that already exists where one was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is identical: the reply to an earlier attempt was lost.
    Identical,
    /// This coordinator created it, with other facts, in an attempt whose reply it did not wait for.
    OwnEarlier,
    /// Another coordinator created it: this one has been superseded.
    Foreign,
}

/// Judges the object `there`, which exists where the coordinator `run` was to create `mine`.
pub fn claim(there: &[u8], mine: &[u8], run: &str) -> Existing {
    if there == mine {
        Existing::Identical
    } else if journal::header(there).is_ok_and(|header| header.run == run) {
        Existing::OwnEarlier
    } else {
        Existing::Foreign
    }
}

/// Whether a new journal whose last object has number `mine` is alone in its place, where objects with these `numbers`
/// exist. An older journal may have been compacted into a later object, which leaves the first number free.
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

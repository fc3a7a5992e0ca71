//! The journals of an export and of an import, as an earlier build wrote them: each was killed, resumed, stopped and
//! resumed again. They are read and replayed, and every object is written back to the same bytes.
//!
//! The files in `golden/` are never generated, and none of them changes: a journal of an older version must stay
//! readable. (Only host names, paths and process ids were replaced, and checksums with them.)

use std::{fs, path::Path};

use engine::replay::{Journaled, Replay, State};
use job::journal::{self, Fact, JournalError, Writer};

/// The objects of a journal, in their order.
fn objects(name: &str) -> Vec<(u64, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let mut objects: Vec<(u64, Vec<u8>)> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            (job::layout::journal_number(name).unwrap(), fs::read(&path).unwrap())
        })
        .collect();
    objects.sort();
    objects
}

fn replay(name: &str) -> Journaled {
    let mut replay = Replay::new(true);
    for (number, bytes) in objects(name) {
        replay.object(number, &bytes);
    }
    replay.finish().unwrap().unwrap()
}

/// The facts of an object; it is written back to the same bytes.
fn facts(bytes: &[u8]) -> Vec<Fact> {
    let mut facts = Vec::new();
    let header = journal::read(bytes, |_, fact| {
        facts.push(fact);
        Ok::<_, JournalError>(())
    });
    let mut writer = Writer::new(&header.unwrap());
    facts.iter().for_each(|fact| writer.fact(fact));
    assert_eq!(String::from_utf8(writer.finish()), String::from_utf8(bytes.to_vec()));
    facts
}

#[test]
fn every_object_is_written_back_to_the_same_bytes() {
    for name in ["export", "import"] {
        let objects = objects(name);
        assert!(objects.len() > 5, "{name}: {} objects", objects.len());
        for (_, bytes) in objects {
            assert!(!facts(&bytes).is_empty());
        }
    }
}

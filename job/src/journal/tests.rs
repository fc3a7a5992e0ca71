use super::*;
use crate::{
    control::{Sealed, SealedPart},
    ids::{Attempt, FileId, JobId, Segment, SplitId},
    layout::part_file,
    spec::Compression,
    split::Counts,
    task::{Mark, Position, Step},
};
use proptest::prelude::*;

fn a_header(number: u64) -> Header {
    Header {
        tablehaul_journal: VERSION,
        number,
        run: "r".into(),
        host: "h".into(),
        pid: 7,
        at: "2026-01-01T00:00:00Z".into(),
        machine: None,
    }
}

fn print(header: &Header, facts: &[Fact]) -> Vec<u8> {
    let mut writer = Writer::new(header);
    for fact in facts {
        writer.fact(fact);
    }
    writer.finish()
}

fn parse(bytes: &[u8]) -> Result<(Header, Vec<Fact>), JournalError> {
    let mut facts = Vec::new();
    let header = read(bytes, |_, fact| {
        facts.push(fact);
        Ok::<_, JournalError>(())
    })?;
    Ok((header, facts))
}

fn position() -> impl Strategy<Value = Position> {
    prop_oneof![Just(Position::Done), ".{0,40}".prop_map(Position::After)]
}

fn sealed() -> impl Strategy<Value = Fact> {
    let step = (any::<u32>(), any::<u32>(), any::<u32>(), position()).prop_map(
        |(segment, attempt, items, position)| Step {
            segment: Segment(segment),
            attempt: Attempt(attempt),
            from_page: 1,
            to_page: 2,
            items: u64::from(items),
            position,
        },
    );
    let part =
        (any::<u32>(), any::<u64>(), "[ -~]{0,40}", any::<bool>()).prop_map(|(crc32c, bytes, etag, last)| {
            SealedPart { file: FileId(3), number: 1, etag, crc32c, bytes, items: 9, line_bytes: bytes, last }
        });
    (proptest::option::of(part), proptest::collection::vec(step, 0..4))
        .prop_map(|(part, steps)| Fact::Sealed(Sealed { part, steps }))
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        sealed(),
        (any::<u32>(), any::<u128>(), "[!-~]{1,20}").prop_map(|(file, job, upload_id)| {
            let name = part_file(&JobId::from_u128(job), FileId(file), Compression::Gzip);
            Fact::File(OpenedFile { file: FileId(file), name, upload_id: upload_id.parse().unwrap() })
        }),
        any::<u32>().prop_map(|file| Fact::Fenced(FileId(file))),
        (any::<u32>(), position(), any::<u64>()).prop_map(|(segment, position, pages)| {
            Fact::Mark(Segment(segment), Mark { position, pages, items: 3 })
        }),
        ".{0,40}".prop_map(|why| Fact::Stopped(Stopped { why })),
        any::<u64>().prop_map(|items| Fact::Totals(Totals { items, ..Totals::default() })),
        (any::<u64>(), any::<bool>(), ".{0,40}").prop_map(|(to, done, reason)| {
            let rejects = vec![RejectedLine { offset: 4, reason }];
            Fact::Settled(Settled {
                split: SplitId(1),
                from: 0,
                to,
                done,
                counts: Counts::default(),
                rejects,
            })
        }),
        Just(Fact::Commit { at: "t".into() }),
        Just(Fact::Abandoned),
    ]
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(facts in proptest::collection::vec(fact(), 0..12), number: u64) {
        let header = a_header(number);
        let bytes = print(&header, &facts);
        prop_assert_eq!(memchr::memchr_iter(b'\n', &bytes).count(), facts.len() + 2);
        prop_assert_eq!(parse(&bytes).unwrap(), (header, facts));
    }

    #[test]
    fn no_damaged_byte_goes_unnoticed(
        facts in proptest::collection::vec(fact(), 1..5), at: prop::sample::Index, flip in 1u8..,
    ) {
        let mut bytes = print(&a_header(1), &facts);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(parse(&bytes).is_err());
    }
}

#[test]
fn an_object_that_is_cut_off_anywhere_is_refused_and_none_of_its_facts_is_taken() {
    let facts = [Fact::Abandoned, Fact::Stopped(Stopped { why: "by a\nsignal".into() })];
    let bytes = print(&a_header(1), &facts);
    for length in 0..bytes.len() {
        let taken = read(&bytes[..length], |_, _| -> Result<(), JournalError> { panic!("a fact is taken") });
        assert!(matches!(taken, Err(JournalError::Damaged(_))), "{length}");
    }
}

#[test]
fn an_object_of_another_version_is_named_as_one_however_it_ends() {
    let bytes = b"{\"tablehaul_journal\":2,\"blocks\":7}\nbinary\n";
    assert!(matches!(parse(bytes), Err(JournalError::Version(2))));
}

#[test]
fn a_fact_that_is_unknown_is_refused() {
    let mut bytes = print(&a_header(1), &[]);
    let cut = memchr::memchr(b'\n', &bytes).unwrap() + 1;
    bytes.truncate(cut);
    bytes.extend_from_slice(b"{\"moved\":{}}\n");
    let crc32c = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(format!("{{\"crc32c\":\"{crc32c:08x}\"}}\n").as_bytes());
    let why = parse(&bytes).unwrap_err().to_string();
    assert_eq!(why, "is damaged: line 2 is not an entry that this version of tablehaul knows");
}

#[test]
fn who_wrote_an_object_is_known_even_if_the_rest_is_not() {
    let bytes = print(&a_header(5), &[Fact::Abandoned]);
    assert_eq!(header(&bytes[..bytes.len() - 10]).unwrap(), a_header(5));
    assert!(header(b"x").is_err());
}

#[test]
fn what_older_versions_did_not_journal_has_the_value_that_they_meant() {
    let begin = r#"{"job":"00000000-0000-0000-0000-000000000007","table":"t","arn":null,"table_id":null,"keys":{"partition":{"name":"k","type":"S"}},
        "compression":"none","consistent":false,"segments":1,"started_at":"","expected_items":0,"description":null}"#;
    let begin: Begin = serde_json::from_str(begin).unwrap();
    assert_eq!(begin.options.files.null, crate::spec::NullSpelling::Single);
    assert_eq!(begin.options.files.format, crate::spec::OutputFormat::EmrLines);
    let written = serde_json::to_value(&begin).unwrap();
    assert_eq!(written.get("format"), None, "the format of older versions is not named");
    let counts: Counts = serde_json::from_str(r#"{"items":7,"kept":1,"item_bytes":9,"units":8000}"#).unwrap();
    assert_eq!((counts.removed, counts.lines()), (0, 8));
    let mut both = begin;
    both.options.files.null = crate::spec::NullSpelling::Both;
    let both = serde_json::to_value(both).unwrap();
    assert_eq!(both["null"], "both");
}

/// As versions wrote it that did not record the settings of the table.
#[test]
fn a_beginning_without_the_settings_of_the_table_is_read() {
    let begin = r#"{"job":"00000000-0000-0000-0000-000000000007","table":"Forum","arn":null,"table_id":null,"keys":{"partition":{"name":"pk","type":"S"}},
        "compression":"none","consistent":false,"segments":4,"started_at":"t","expected_items":7,
        "description":{"TableName":"Forum"}}"#;
    let begin: Begin = serde_json::from_str(begin).unwrap();
    assert_eq!(begin.table_settings, None);
    assert!(!serde_json::to_string(&begin).unwrap().contains("table_settings"));
    let settings =
        Some(crate::table_settings::TableSettings { tags: Some(Vec::new()), ..Default::default() });
    let fact = Fact::Begin(Box::new(Begin { table_settings: settings, ..begin }));
    let bytes = print(&a_header(1), std::slice::from_ref(&fact));
    assert_eq!(parse(&bytes).unwrap(), (a_header(1), vec![fact]));
}

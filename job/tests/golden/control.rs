//! `control.txt`: every control message, a line each: its name in `control.proto`, and its bytes in hexadecimal.

use std::{collections::BTreeSet, fmt::Write};

use job::{
    capacity::Units,
    control::{FromWorker, LentKeys, Sealed, Stats, ToWorker, wire},
    export_json::{PartFile, UploadPart},
    ids::{Attempt, FileId, PassNumber, Segment, SplitId, WorkerId},
    schema::{IndexKeys, KeyKind, KeySchema},
    spec::{
        AwsAccess, Compression, ExportSettings, ImportSettings, NullSpelling, S3Settings, Sse, WriteMode,
    },
    split::{Advance, Checksum, Codec, Counts, InputFormat, Reject, Split, SplitLease},
    task::{Lease, Mark, Position},
    verify::{
        FileFound, FileLease, FileRecord, FileRules, FileVerified, ListedFile, StoredFile, VerifySettings,
    },
};
use prost::Message;

use super::{assert_same_lines, key, keys, options, part, part_name, step};

const GOLDEN: &str = include_str!("control.txt");
const PROTO: &str = include_str!("../../proto/control.proto");

/// The name of a message in `control.proto`. One that is new does not compile until it has one.
fn name_from_worker(message: &FromWorker) -> &'static str {
    match message {
        FromWorker::Hello { .. } => "hello",
        FromWorker::Need(_) => "need",
        FromWorker::Want(_) => "want",
        FromWorker::WantFile => "want_file",
        FromWorker::Sealed(_) => "sealed",
        FromWorker::Advance(_) => "advance",
        FromWorker::Heartbeat(_) => "heartbeat",
        FromWorker::Throttled(_) => "throttled",
        FromWorker::Failed(_) => "failed",
        FromWorker::Log(_) => "log",
        FromWorker::FileVerified(_) => "file_verified",
    }
}

fn name_to_worker(message: &ToWorker) -> &'static str {
    match message {
        ToWorker::Export(_) => "export",
        ToWorker::Import(_) => "import",
        ToWorker::Grant { .. } => "grant",
        ToWorker::Lease(_) => "lease",
        ToWorker::Split(_) => "split",
        ToWorker::File { .. } => "file",
        ToWorker::Drain => "drain",
        ToWorker::Finish => "finish",
        ToWorker::Keys(_) => "keys",
        ToWorker::Pass(_) => "pass",
        ToWorker::SendLog => "send_log",
        ToWorker::Verify(_) => "verify",
        ToWorker::VerifyFile(_) => "file_lease",
    }
}

/// Every message of a worker, with no field at its default.
fn from_worker() -> Vec<FromWorker> {
    let part = part("\"0123\"");
    let advance = Advance {
        split: SplitId(5),
        attempt: Attempt(1),
        from: 100,
        to: 2_000,
        done: true,
        counts: Counts { items: 1, removed: 2, kept: 3, item_bytes: 4, units: Units::from_milli(5) },
        rejects: vec![Reject { offset: 300, reason: "not JSON".into(), line: b"\xff{".to_vec() }],
    };
    let stats = Stats {
        consumed: Units::from_milli(1_234_500),
        indexes: [("by-date".to_owned(), Units::from_milli(8_500))].into(),
        requests: 11,
        items: 12,
        removed: 13,
        bytes: 14,
        throttles: 15,
        retries: 16,
        streams: 17,
        last_error: "ThrottlingException".into(),
        waits_for_units: true,
        store_wait_ms: 0,
    };
    vec![
        FromWorker::Hello {
            version: "1".into(),
            worker: Some(WorkerId(3)),
            pid: 4711,
            host: "ip-10-0-0-7".into(),
            place: "attempt_1_0001_m_000003_0".into(),
        },
        FromWorker::Need(Units::from_milli(1_500)),
        FromWorker::Want(4),
        FromWorker::WantFile,
        FromWorker::Sealed(Sealed {
            part: Some(part),
            steps: vec![step(Position::After("eyJwIjp7IlMiOiJhIn19".into()))],
        }),
        FromWorker::Sealed(Sealed { part: None, steps: vec![step(Position::Done)] }),
        FromWorker::Advance(advance),
        FromWorker::Heartbeat(stats),
        FromWorker::Throttled(9),
        FromWorker::Failed("no such bucket".into()),
        FromWorker::Heartbeat(Stats { store_wait_ms: 1_234, ..Stats::default() }),
        FromWorker::Log(vec!["one".into(), "two".into()]),
        FromWorker::FileVerified(FileVerified {
            number: FileId(5),
            attempt: Attempt(2),
            found: FileFound {
                items: 345,
                bytes: 6_789,
                defects: vec!["x: 344 lines instead of 345".into()],
            },
        }),
    ]
}

/// Every message to a worker, with no field at its default, and with every name of a setting.
fn to_worker() -> Vec<ToWorker> {
    let mut messages = Vec::new();
    for (compression, null) in
        Compression::ALL.into_iter().zip([NullSpelling::Both, NullSpelling::Single, NullSpelling::Single])
    {
        messages.push(ToWorker::Export(Box::new(export_settings(compression, null))));
    }
    for mode in [WriteMode::Check, WriteMode::Put, WriteMode::PutIfAbsent, WriteMode::Delete] {
        messages.push(ToWorker::Import(Box::new(import_settings(mode))));
    }
    let lease = |position| Lease {
        segment: Segment(7),
        attempt: Attempt(2),
        mark: Mark { position, pages: 12, items: 345 },
    };
    let upload_id = "l0123456789abcdef0123456789abcdef".parse().unwrap();
    messages.extend([
        ToWorker::Grant { units: Units::from_milli(1_500), page: Units::from_milli(500) },
        ToWorker::Lease(lease(Position::Start)),
        ToWorker::Lease(lease(Position::After("eyJwIjp7IlMiOiJhIn19".into()))),
        ToWorker::File { file: FileId(2), name: part_name(2), upload_id },
    ]);
    for (codec, format, checksum) in [
        (Codec::Plain, InputFormat::Emr, Some(Checksum::Crc32c(0xfeed_c0de))),
        (Codec::Gzip, InputFormat::Json, Some(Checksum::Md5([7; 16]))),
        (Codec::Zlib, InputFormat::Ion, None),
        (Codec::Bzip2, InputFormat::Emr, None),
        (Codec::Zstd, InputFormat::Emr, None),
        (Codec::Snappy, InputFormat::Emr, None),
        (Codec::Lz4, InputFormat::Emr, None),
    ] {
        messages.push(ToWorker::Split(Box::new(split(codec, format, checksum))));
    }
    messages.extend([ToWorker::Drain, ToWorker::Finish]);
    let lent = |session_token, expires_at| {
        let (access_key_id, secret_access_key) = ("AKIDEXAMPLE".to_owned(), "wJalrXUtnFEMI".to_owned());
        ToWorker::Keys(LentKeys { access_key_id, secret_access_key, session_token, expires_at })
    };
    messages.extend([lent(None, None), lent(Some("token".to_owned()), Some(1_795_000_000))]);
    messages.push(ToWorker::Pass(PassNumber(2)));
    messages.push(ToWorker::SendLog);
    messages.extend([ToWorker::Verify(Box::new(verify_settings())), ToWorker::VerifyFile(Box::new(file()))]);
    let rules = FileRules::Listed { is_incremental: true };
    messages.push(ToWorker::Verify(Box::new(VerifySettings { rules, ..verify_settings() })));
    for (items, checksum, codec, format) in [
        (Some(345), Some(Checksum::Md5([7; 16])), Codec::Gzip, Some(InputFormat::Ion)),
        (None, Some(Checksum::Crc32c(0xfeed_c0de)), Codec::Bzip2, Some(InputFormat::Emr)),
        (Some(0), None, Codec::Plain, None),
    ] {
        let listed = ListedFile { name: "000000_0".into(), items, checksum, codec, format };
        let file = StoredFile { record: FileRecord::Listed(listed), ..file().file };
        let lease = FileLease { number: FileId(5), attempt: Attempt(2), file };
        messages.push(ToWorker::VerifyFile(Box::new(lease)));
    }
    messages
}

fn export_settings(compression: Compression, null: NullSpelling) -> ExportSettings {
    ExportSettings {
        table: "Forum".into(),
        options: options(compression, null),
        target: "s3://bucket/backup".parse().unwrap(),
        upload_part_bytes: 16_777_216,
        part_file_bytes: 1_073_741_824,
        mean_item_bytes: 512,
        aws: access(Sse::KmsDsse),
    }
}

fn import_settings(mode: WriteMode) -> ImportSettings {
    let keys = keys();
    ImportSettings {
        table: "Forum".into(),
        keys: KeySchema { partition: keys.partition, sort: keys.sort },
        indexes: vec![IndexKeys {
            name: "by-date".into(),
            partition: vec![key("Day", KeyKind::B)],
            sort: vec![key("Hour", KeyKind::N)],
        }],
        is_incremental: true,
        mode,
        open_splits: 8,
        aws: access(if mode == WriteMode::Check { Sse::Aes256 } else { Sse::Kms }),
    }
}

fn verify_settings() -> VerifySettings {
    let keys = keys();
    VerifySettings {
        folder: "s3://bucket/backup".parse().unwrap(),
        rules: FileRules::Export {
            options: options(Compression::Gzip, NullSpelling::Both).files,
            keys: KeySchema { partition: keys.partition, sort: keys.sort },
        },
        seed: 0x0123_4567_89ab_cdef,
        open_files: 2,
        key_bytes: 67_108_864,
        aws: access(Sse::Kms),
    }
}

fn file() -> FileLease {
    let part = UploadPart { bytes: 6_789, line_bytes: 12_345, items: 345, crc32c: "00c0ffee".into() };
    let record = PartFile {
        name: part_name(2),
        items: 345,
        bytes: 6_789,
        crc32c: "feedc0de".into(),
        parts: vec![part],
    };
    let file = StoredFile { record: FileRecord::Part(record), bytes: 6_788, etag: Some("\"0123\"".into()) };
    FileLease { number: FileId(5), attempt: Attempt(2), file }
}

fn access(sse: Sse) -> AwsAccess {
    AwsAccess {
        region: Some("us-east-1".into()),
        s3_region: Some("eu-west-1".into()),
        dynamodb_endpoint: Some("http://127.0.0.1:8000".into()),
        s3_endpoint: Some("http://127.0.0.1:9000".into()),
        profile: Some("forum".into()),
        assume_role: Some("arn:aws:iam::123456789012:role/reader".into()),
        external_id: Some("x-1".into()),
        account: Some("123456789012".into()),
        s3: S3Settings {
            bucket_owner: Some("210987654321".into()),
            requester_pays: true,
            acl: Some("private".into()),
            sse: Some(sse),
            sse_kms_key_id: Some("alias/forum".into()),
            storage_class: Some("STANDARD_IA".into()),
            tags: "team=forum,kind=backup".parse().unwrap(),
        },
        lent: false,
    }
}

fn split(codec: Codec, format: InputFormat, checksum: Option<Checksum>) -> SplitLease {
    let split = Split {
        split: SplitId(5),
        object: "s3://bucket/backup/part".parse().unwrap(),
        etag: "\"0123\"".into(),
        object_bytes: 1_000,
        stored: 10..900,
        text_start: 20,
        cut: true,
        codec,
        format,
        checksum,
    };
    SplitLease { split, attempt: Attempt(2), mark: 40 }
}

fn line(name: &str, bytes: &[u8]) -> String {
    let mut line = format!("{name} ");
    for byte in bytes {
        write!(line, "{byte:02x}").unwrap();
    }
    line + "\n"
}

fn bytes(line: &str) -> Vec<u8> {
    let hex = line.split_once(' ').unwrap().1;
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn every_control_message_is_read_and_written_back_to_the_same_bytes() {
    let mut written = String::new();
    for message in from_worker() {
        let wire = wire::FromWorker::from(message.clone());
        written += &line(name_from_worker(&message), &wire.encode_to_vec());
    }
    for message in to_worker() {
        let wire = wire::ToWorker::from(message.clone());
        written += &line(name_to_worker(&message), &wire.encode_to_vec());
    }
    assert_same_lines("control.txt", GOLDEN, &written);

    let mut lines = GOLDEN.lines();
    for message in from_worker() {
        let wire = wire::FromWorker::decode(&*bytes(lines.next().unwrap())).unwrap();
        assert_eq!(FromWorker::try_from(wire), Ok(message));
    }
    for message in to_worker() {
        let wire = wire::ToWorker::decode(&*bytes(lines.next().unwrap())).unwrap();
        assert_eq!(ToWorker::try_from(wire), Ok(message));
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn a_message_of_a_worker_says_to_which_pass_it_belongs_and_before_the_first_says_nothing() {
    let before = wire::FromWorker::from(FromWorker::Want(4)).encode_to_vec();
    let within = wire::FromWorker::in_pass(PassNumber(2), FromWorker::Want(4));
    assert_eq!(within.encode_to_vec(), [&before[..], &[15 << 3, 2]].concat());
    assert_eq!(wire::FromWorker::decode(&*before).unwrap().pass, 0);
}

/// A message of the protocol that nothing here sends would not be held to its bytes.
#[test]
fn every_event_of_the_protocol_is_in_the_golden_file() {
    let events: BTreeSet<&str> = PROTO
        .split("oneof event {")
        .skip(1)
        .flat_map(|body| body.split('}').next().unwrap().lines())
        .filter_map(|line| line.split(" = ").next()?.split_whitespace().nth(1))
        .collect();
    let named: BTreeSet<&str> = GOLDEN.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(named, events);
}

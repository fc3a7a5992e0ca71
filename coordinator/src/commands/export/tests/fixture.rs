//! An export of three files, as its workers leave it, among files of others.

use std::{collections::BTreeMap, fs, path::PathBuf};

use ::events::{Command, Event, JobState, Plan};
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use job::{
    control::{Sealed, SealedPart},
    ids::{Attempt, FileId, JobId, Segment, UploadId},
    journal::{Fact, OpenedFile},
    layout::{self, PartName},
    spec::{AwsAccess, Compression},
    target::Target,
    task::{Position, Step},
};
use job_aws::{Buckets, Clients, Identity, SdkConfig};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    aws::{
        identity::TableIdentity,
        table::{TableFacts, tests::described},
    },
    cluster::{ClusterChoice, ClusterKind, ClusterOptions},
    store::Store,
};

const FILES: u32 = 3;
/// The file whose worker has written more than it reported.
const LONGER: u32 = 2;

fn job() -> JobId {
    JobId::from_u128(7)
}

fn name(file: u32) -> PartName {
    layout::part_file(&job(), FileId(file), Compression::None)
}

fn text(file: u32) -> String {
    format!("{{\"id\":{{\"s\":\"{}\"}}}}\n", "x".repeat(file as usize + 1))
}

fn upload_id(file: u32) -> UploadId {
    UploadId::of_locked_file(file.into())
}

/// The facts that say that the files are open.
pub(super) fn opened() -> Vec<Fact> {
    let open = |file| OpenedFile { file: FileId(file), name: name(file), upload_id: upload_id(file) };
    (0..FILES).map(open).map(Fact::File).collect()
}

/// The facts that say that each file holds all items of a segment.
pub(super) fn parts() -> Vec<Fact> {
    let sealed = |file: u32| {
        let bytes = text(file).len() as u64;
        let part = SealedPart {
            file: FileId(file),
            number: 1,
            etag: String::new(),
            crc32c: crc32c::crc32c(text(file).as_bytes()),
            bytes,
            items: 1,
            line_bytes: bytes,
            last: file != LONGER,
        };
        let step = Step {
            segment: Segment(file),
            attempt: Attempt(1),
            from_page: 0,
            to_page: 1,
            items: 1,
            position: Position::Done,
        };
        Fact::Sealed(Sealed { part: Some(part), steps: vec![step] })
    };
    (0..FILES).map(sealed).collect()
}

/// The store of a backup in a temporary folder.
pub(super) fn store(folder: &tempfile::TempDir) -> Store {
    Store::reading(&Target::File { dir: folder.path().join("backup") }, None).unwrap()
}

fn path(store: &Store) -> PathBuf {
    let Target::File { dir } = store.target() else { panic!("a folder") };
    dir
}

/// Writes the files as their workers do.
pub(super) fn write_hidden(store: &Store) {
    for file in 0..FILES {
        let more = if file == LONGER { "{\"not" } else { "" };
        let hidden = layout::hidden(&name(file), &upload_id(file)).unwrap();
        fs::write(path(store).join(hidden), text(file) + more).unwrap();
    }
}

/// Every file in the folder and below it.
pub(super) fn everything(store: &Store) -> BTreeMap<String, Vec<u8>> {
    fn visit(folder: &PathBuf, under: &str, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            let name = format!("{under}{}", entry.file_name().to_string_lossy());
            if entry.file_type().unwrap().is_dir() {
                visit(&entry.path(), &format!("{name}/"), found);
            } else {
                found.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    visit(&path(store), "", &mut found);
    found
}

/// The same, without the file that is locked: it may stay.
pub(super) fn left(store: &Store) -> BTreeMap<String, Vec<u8>> {
    let mut files = everything(store);
    files.remove(layout::LOCK);
    files
}

/// Whether the folder tells people of the job: with both files or with none.
pub(super) fn has_report(store: &Store) -> bool {
    let files = everything(store);
    let [history, report] = [layout::HISTORY, layout::REPORT].map(|name| files.get(name));
    if let Some(report) = report {
        assert_eq!(::page::job_of(report), Some(&*job()), "a report of the job");
    }
    if let Some(history) = history {
        let state = JobState::found(history, &job()).unwrap();
        assert!(state.completed.is_some(), "a history of a complete job");
    }
    history.is_some() && report.is_some()
}

/// What the command tells first.
pub(super) fn plan() -> Event {
    Event::Plan(Box::new(Plan { job: Some(job().to_string()), ..Plan::of(Command::Export) }))
}

/// Every file of the backup, without what differs between two runs: when the export was completed.
pub(super) fn without_times(mut files: BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    for name in [layout::HISTORY, layout::REPORT] {
        files.remove(name);
    }
    if let Some(json) = files.get_mut(layout::EXPORT_JSON) {
        let mut export: Value = serde_json::from_slice(json).unwrap();
        export["finished_at"] = Value::Null;
        *json = serde_json::to_vec(&export).unwrap();
    }
    // The folder's own path is in it.
    if let Some(manifest) = files.get_mut(layout::MANIFEST) {
        let text = String::from_utf8(manifest.clone()).unwrap();
        let names = (0..FILES).filter(|&file| text.contains(&*name(file)));
        *manifest = format!("{:?}", names.collect::<Vec<_>>()).into_bytes();
    }
    files
}

pub(super) fn export_json(store: &Store) -> Option<Vec<u8>> {
    everything(store).remove(layout::EXPORT_JSON)
}

/// What a reader of backups sees: part files and marks.
pub(super) fn visible(store: &Store) -> Vec<String> {
    let all = everything(store).into_keys();
    let is_mark = |name: &str| [layout::EXPORT_JSON, layout::MANIFEST, layout::SUCCESS].contains(&name);
    all.filter(|seen| is_mark(seen) || (0..FILES).any(|file| *seen == *name(file))).collect()
}

/// Whether the folder holds the complete backup. Makes sure that what is visible of one is whole.
pub(super) fn is_whole(store: &Store) -> bool {
    let files = everything(store);
    let mut complete = 0;
    for file in 0..FILES {
        if let Some(bytes) = files.get(&*name(file)) {
            assert_eq!(*bytes, text(file).into_bytes(), "a visible file has all of its bytes and no more");
            complete += 1;
        }
    }
    let has = |mark: &str| files.contains_key(mark);
    assert!(!has(layout::EXPORT_JSON) || complete == FILES, "export.json comes after the files");
    assert!(!has(layout::MANIFEST) || has(layout::EXPORT_JSON), "the manifest comes after export.json");
    assert!(!has(layout::SUCCESS) || has(layout::MANIFEST), "_SUCCESS comes after the manifest");
    has(layout::SUCCESS)
}

/// Files of others in the folder.
pub(super) mod foreign {
    use super::*;

    /// Files of others in the folder of a job: beside its files, with a name like those of another job, and beside its
    /// journal.
    pub(in super::super) fn all() -> BTreeMap<String, Vec<u8>> {
        let other = JobId::from_u128(8);
        let theirs = layout::part_file(&other, FileId(0), Compression::None);
        let hidden = layout::hidden(&theirs, &upload_id(0)).unwrap();
        let names = ["notes.txt".to_owned(), hidden, format!("{}/notes.txt", layout::JOURNAL)];
        names.into_iter().map(|name| (name, b"not of this job".to_vec())).collect()
    }

    pub(in super::super) fn write(store: &Store) {
        for (name, bytes) in all() {
            let path = path(store).join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    /// Makes sure that they are as they were.
    pub(in super::super) fn check(store: &Store, at: &str) {
        let found = everything(store);
        for (name, bytes) in all() {
            assert_eq!(found.get(&name), Some(&bytes), "{at}: {name}");
        }
    }
}

/// A DynamoDB that describes a table.
pub(super) struct Table {
    pub(super) clients: Clients,
    pub(super) facts: TableFacts,
    pub(super) identity: TableIdentity,
    /// Not used: nothing is read.
    pub(super) cluster: ClusterChoice,
    _server: JoinSet<()>,
}

impl Table {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let facts = described(&json!({"TableId": "a"}));
        let reply = json!({"Table": facts.description}).to_string();
        let mut server = JoinSet::new();
        server.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                answer(stream, &reply).await;
            }
        });
        let options = ClusterOptions { kind: ClusterKind::Local, ..ClusterOptions::default() };
        let files = Target::File { dir: PathBuf::new() };
        let cluster = ClusterChoice::choose(&options, PathBuf::new(), &files).await.unwrap();
        let identity = TableIdentity::new("Forum", &facts);
        Self { clients: clients(&address), facts, identity, cluster, _server: server }
    }
}

/// Reads a request, whose body is short, and answers it.
async fn answer(mut stream: TcpStream, reply: &str) {
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        let mut more = [0; 4096];
        let length = stream.read(&mut more).await.unwrap();
        assert!(length > 0, "it ends early");
        request.extend_from_slice(&more[..length]);
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\nconnection: close";
    let reply = format!("{head}\r\ncontent-length: {}\r\n\r\n{reply}", reply.len());
    stream.write_all(reply.as_bytes()).await.unwrap();
}

fn clients(address: &str) -> Clients {
    let credentials = Credentials::new("test", "test", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(address)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    Clients {
        dynamodb: aws_sdk_dynamodb::Client::new(&config),
        s3: aws_sdk_s3::Client::new(&config),
        region: "us-east-1".into(),
        dynamodb_address: address.into(),
        s3_address: address.into(),
        access: AwsAccess::default(),
        buckets: Buckets::default(),
        sts: None,
        identity: Identity::Unasked,
        config,
    }
}

use std::{collections::HashMap, fs, path::Path};

use job::{
    ids::{FileId, JobId},
    manifest,
    spec::Compression,
};

use super::*;
use crate::{
    jobs::commit::{self, Marks},
    journal::{
        OwnerStatus,
        tests::{begun, committed, store},
    },
};

const JOURNAL_OBJECT: &str = "_tablehaul/journal/00000001.jsonl";

/// What folders with each combination hold. In the columns of the marks, `o` is what the job of the journal writes, `f`
/// is something else, `-` is nothing. Every tool's empty `_SUCCESS` is like the job's own. The columns of results say
/// what the folder is without a journal, what it is with one of a job that has begun to complete its files, and which
/// marks then keep that job from going on.
const TABLE: &str = "
    manifest export.json _SUCCESS | without   with       in the way
    -        -           -        | foreign   unfinished
    -        -           o        | damaged   unfinished
    -        -           f        | damaged   unfinished _SUCCESS
    -        o           -        | damaged   unfinished
    -        o           o        | damaged   unfinished
    -        o           f        | damaged   unfinished _SUCCESS
    -        f           -        | damaged   unfinished export.json
    -        f           o        | damaged   unfinished export.json
    -        f           f        | damaged   unfinished export.json _SUCCESS
    o        -           -        | complete  unfinished
    o        -           o        | complete  unfinished
    o        -           f        | complete  unfinished _SUCCESS
    o        o           -        | damaged   unfinished
    o        o           o        | complete  complete
    o        o           f        | complete  unfinished _SUCCESS
    o        f           -        | damaged   unfinished export.json
    o        f           o        | damaged   unfinished export.json
    o        f           f        | damaged   unfinished export.json _SUCCESS
    f        -           -        | complete  unfinished manifest
    f        -           o        | complete  unfinished manifest
    f        -           f        | complete  unfinished manifest _SUCCESS
    f        o           -        | damaged   unfinished manifest
    f        o           o        | damaged   unfinished manifest
    f        o           f        | damaged   unfinished manifest _SUCCESS
    f        f           -        | damaged   unfinished export.json manifest
    f        f           o        | complete  unfinished export.json manifest
    f        f           f        | complete  unfinished export.json manifest _SUCCESS
";

/// The contents of each mark, as the job of the journal and as another would write it.
struct Contents {
    ours: HashMap<&'static str, Vec<u8>>,
    foreign: HashMap<&'static str, Vec<u8>>,
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

async fn marks_of(store: &Store) -> Marks {
    Marks::journaled(store, &journal::read(store).await.unwrap().unwrap()).unwrap()
}

impl Contents {
    /// Those of the export of [`committed`] in this folder. The manifest names the folder.
    async fn new(folder: &Path) -> Self {
        let store = store(folder);
        write(folder, JOURNAL_OBJECT, &committed());
        commit::publish(&store, &marks_of(&store).await).await.unwrap();
        let names = [layout::MANIFEST, layout::EXPORT_JSON, layout::SUCCESS];
        let ours: HashMap<_, _> = names.map(|name| (name, fs::read(folder.join(name)).unwrap())).into();
        let (old, new) = (JobId::from_u128(7), JobId::from_u128(8));
        let other = String::from_utf8(ours[layout::EXPORT_JSON].clone()).unwrap();
        let other = other.replace(&old.to_string(), &new.to_string());
        let url = format!("s3://elsewhere/{}", part(8));
        let foreign = [
            (layout::MANIFEST, manifest::write(&[url]).into_bytes()),
            (layout::EXPORT_JSON, other.into_bytes()),
            (layout::SUCCESS, b"done".to_vec()),
        ];
        Self { ours, foreign: foreign.into() }
    }

    fn put(&self, folder: &Path, name: &'static str, whose: &str) {
        match whose {
            "o" => write(folder, name, &self.ours[name]),
            "f" => write(folder, name, &self.foreign[name]),
            _ => {}
        }
    }
}

fn part(job: u128) -> String {
    layout::part_file(&JobId::from_u128(job), FileId(0), Compression::None).to_string()
}

fn word(contents: &FolderContents) -> &'static str {
    match contents {
        FolderContents::Empty => "empty",
        FolderContents::Complete(_) => "complete",
        FolderContents::Damaged(_) => "damaged",
        FolderContents::Unfinished(_) => "unfinished",
        FolderContents::Foreign(..) => "foreign",
    }
}

#[tokio::test]
async fn no_mark_of_another_hides_an_unfinished_job_and_its_own_marks_complete_it() {
    let parent = tempfile::tempdir().unwrap();
    let path = &parent.path().join("export");
    let contents = Contents::new(path).await;
    let mut number = 0;
    for row in TABLE.trim().lines().skip(1) {
        let fields: Vec<&str> = row.split_whitespace().filter(|field| *field != "|").collect();
        let [manifest, export_json, success, without, with, in_the_way @ ..] = fields.as_slice() else {
            panic!("{row}")
        };
        for journal in ["none", "dead", "running"] {
            fs::remove_dir_all(path).unwrap();
            let store = store(path);
            contents.put(path, layout::MANIFEST, manifest);
            contents.put(path, layout::EXPORT_JSON, export_json);
            contents.put(path, layout::SUCCESS, success);
            write(path, &part(7), &[b'x'; 15]);
            write(path, &part(8), &[b'x'; 15]);
            if journal != "none" {
                write(path, JOURNAL_OBJECT, &committed());
            }
            let lock = if journal == "running" { Some(store.lock().await.unwrap()) } else { None };
            let found = FolderContents::of(&store).await.unwrap();
            let expected = if journal == "none" { without } else { with };
            assert_eq!(word(&found), *expected, "{journal}: {row}");
            if let FolderContents::Unfinished(journaled) = found {
                let life = crate::journal::owner_status(&store, &journaled).await.unwrap();
                let expected = if lock.is_some() { OwnerStatus::Alive } else { OwnerStatus::Gone };
                assert_eq!(life, expected, "{row}");
                let marks = Marks::journaled(&store, &journaled);
                let foreign = commit::in_the_way(&store, marks.as_ref()).await.unwrap();
                let foreign: Vec<&str> =
                    foreign.iter().map(|name| name.rsplit('/').next().unwrap()).collect();
                assert_eq!(foreign, in_the_way, "{row}");
                if foreign.is_empty() {
                    commit::publish(&store, &marks.unwrap()).await.unwrap();
                    assert_eq!(word(&FolderContents::of(&store).await.unwrap()), "complete", "{row}");
                }
            }
            drop(lock);
            number += 1;
        }
    }
    assert_eq!(number, 81);
}

#[tokio::test]
async fn a_whole_backup_of_another_beside_a_journal_is_not_what_its_job_has_written() {
    let made = tempfile::tempdir().unwrap();
    let contents = Contents::new(made.path()).await;
    for whose in ["o", "f"] {
        let folder = tempfile::tempdir().unwrap();
        let (path, store) = (folder.path(), store(folder.path()));
        // A journal of that job that does not say that it completes its files, as after the end is journaled.
        write(path, JOURNAL_OBJECT, &begun());
        write(path, &part(7), &[b'x'; 15]);
        write(path, &part(8), &[b'x'; 15]);
        for name in [layout::MANIFEST, layout::EXPORT_JSON, layout::SUCCESS] {
            contents.put(path, name, whose);
        }
        let expected = if whose == "o" { "complete" } else { "unfinished" };
        assert_eq!(word(&FolderContents::of(&store).await.unwrap()), expected);
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_used_matters_unless_the_export_is_published() {
    let made = tempfile::tempdir().unwrap();
    let contents = Contents::new(made.path()).await;
    for (success, is_published) in [("o", true), ("-", false), ("f", false)] {
        let folder = tempfile::tempdir().unwrap();
        let (path, store) = (folder.path(), store(folder.path()));
        write(path, JOURNAL_OBJECT, b"not a journal");
        write(path, &part(7), &[b'x'; 15]);
        contents.put(path, layout::MANIFEST, "o");
        contents.put(path, layout::EXPORT_JSON, "o");
        contents.put(path, layout::SUCCESS, success);
        match FolderContents::of(&store).await {
            Ok(found) => assert!(is_published && word(&found) == "complete", "{success}"),
            Err(why) => assert!(!is_published && why.to_string().contains("is unusable"), "{why}"),
        }
    }
}

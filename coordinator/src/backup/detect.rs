//! Reads the first bytes of every file of a backup and detects its format.
//!
//! Reads sixteen files at a time, and at most 8 MiB of each. Of an item, only whether it is valid is kept.

use std::{convert::Infallible, sync::Arc};

use format::head::{self, FirstLine, Head, HeadError};
use job::{schema::KeySchema, split::MAX_LINE_BYTES};
use job_aws::{Fault, Policy};
use tokio::task::JoinSet;

use super::{
    consistency::{self, Detected},
    folder::Folder,
    listing::BackupEntry,
};
use crate::{
    failure::Failure,
    store::{Entry, Store},
};

/// Files read at once.
const FILES_AT_ONCE: usize = 16;
/// How many bytes of a file are read, one after the other, until they show its format. The first is more than a block
/// of most codecs, the second more than a block of bzip2, the last the maximum length of a line.
const HEAD_BYTES: [u64; 3] = [64 * 1024, 1024 * 1024, MAX_LINE_BYTES as u64];

/// Why the format of a file is unknown.
#[derive(Debug)]
pub(super) enum Unknown {
    /// It can't be read.
    Fault(Fault),
    /// It is not a file of a backup, or its beginning is damaged. Without its name.
    Bad(String),
}

/// Detects the format of each file, in the same order. Their first items must have `keys`, if given. If `may_reject` is
/// set, an invalid first line is skipped like any other, as long as some file has a valid one among its first lines.
pub(super) async fn detect(
    place: &Folder,
    files: &[BackupEntry],
    keys: Option<&KeySchema>,
    may_reject: bool,
) -> Result<Vec<Detected>, Failure> {
    let refuse = |entry: &Entry, unknown| match unknown {
        Unknown::Fault(fault) => Err::<Infallible, _>(Failure::refused(fault)),
        Unknown::Bad(why) => Err(Failure::refused(format!("{}: {why}", place.target.url(&entry.name)))),
    };
    let detected = detect_each(place, files, keys, may_reject, refuse).await?;
    let mut detected: Vec<Detected> = detected.into_iter().filter_map(Result::ok).collect();
    consistency::tolerate(&mut detected).map_err(|(number, why)| {
        Failure::refused(format!("{}: {why}", place.target.url(&files[number].entry.name)))
    })?;
    Ok(detected)
}

/// The same, where `judge` decides about each file whose format is unknown: what to return for it, or that all fails.
pub(super) async fn detect_each<T>(
    place: &Folder,
    files: &[BackupEntry],
    keys: Option<&KeySchema>,
    may_reject: bool,
    judge: impl Fn(&Entry, Unknown) -> Result<T, Failure>,
) -> Result<Vec<Result<Detected, T>>, Failure> {
    let keys = keys.cloned().map(Arc::new);
    let mut detected: Vec<Option<Result<Detected, T>>> = files.iter().map(|_| None).collect();
    let mut under_way = JoinSet::new();
    let mut files = files.iter().enumerate();
    loop {
        while under_way.len() < FILES_AT_ONCE
            && let Some((number, file)) = files.next()
        {
            let (store, entry, keys) = (place.store.clone(), file.entry.clone(), keys.clone());
            under_way.spawn(async move {
                let found = detect_one(&store, &entry, keys.as_deref(), may_reject).await;
                (number, entry, found)
            });
        }
        let Some(done) = under_way.join_next().await else { break };
        let ended = |error| Failure::refused(format!("the check of a file ended abruptly: {error}"));
        let (number, entry, found) = done.map_err(ended)?;
        detected[number] = Some(match found {
            Ok(found) => Ok(found),
            Err(unknown) => Err(judge(&entry, unknown)?),
        });
    }
    Ok(detected.into_iter().flatten().collect())
}

async fn detect_one(
    store: &Store,
    entry: &Entry,
    keys: Option<&KeySchema>,
    may_reject: bool,
) -> Result<Detected, Unknown> {
    let head = head(store, entry, keys.filter(|_| may_reject)).await?;
    match consistency::summary(head, keys) {
        Detected { bad: Some(why), .. } if !may_reject => Err(Unknown::Bad(why)),
        found => Ok(found),
    }
}

/// The head of a file. Its first line is one that has `keys`, if they are given and one of the first lines has them.
async fn head(store: &Store, entry: &Entry, keys: Option<&KeySchema>) -> Result<Head, Unknown> {
    let suits = |first: &FirstLine| keys.is_none_or(|keys| consistency::has_keys(first, keys).is_ok());
    let mut without_keys = None;
    for limit in HEAD_BYTES {
        let bytes = Policy::Patient.retry(|| store.head(entry, limit)).await.map_err(Unknown::Fault)?;
        let is_all = bytes.len() as u64 == entry.bytes;
        match head::detect(&bytes, is_all, suits) {
            Ok(head) if is_all || head.first.as_ref().is_none_or(suits) => return Ok(head),
            Ok(head) => without_keys = Some(head),
            Err(HeadError::Bad(why)) => return Err(Unknown::Bad(why.to_string())),
            Err(HeadError::NeedMore) if is_all => break,
            Err(HeadError::NeedMore) => {}
        }
    }
    let none = || format!("no complete line in its first {} MiB", MAX_LINE_BYTES >> 20);
    without_keys.ok_or_else(|| Unknown::Bad(none()))
}

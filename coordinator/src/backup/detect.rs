//! Reads the first bytes of every file of a backup and detects its format.
//!
//! Reads sixteen files at a time, and at most 8 MiB of each. Of an item, only whether it is valid is kept.

use std::sync::Arc;

use format::head::{self, FirstLine, Head, HeadError};
use job::{schema::KeySchema, split::MAX_LINE_BYTES};
use tokio::task::JoinSet;

use super::{
    consistency::{self, Detected},
    folder::Folder,
    named::NamedFile,
};
use crate::{
    failure::Failure,
    retry::retry,
    store::{Entry, Store},
};

/// Files read at once.
const AT_ONCE: usize = 16;
/// How many bytes of a file are read, one after the other, until they show its format. The first is more than a block
/// of most codecs, the second more than a block of bzip2, the last the maximum length of a line.
const HEAD_BYTES: [u64; 3] = [64 * 1024, 1024 * 1024, MAX_LINE_BYTES as u64];

/// Detects the format of each file, in the same order. Their first items must have `keys`, if given. If `may_reject` is
/// set, an invalid first line is skipped like any other, as long as some file has a valid one among its first lines.
pub(super) async fn look(
    place: &Folder,
    files: &[NamedFile],
    keys: Option<&KeySchema>,
    may_reject: bool,
) -> Result<Vec<Detected>, Failure> {
    let keys = keys.cloned().map(Arc::new);
    let mut looks = vec![None; files.len()];
    let mut under_way = JoinSet::new();
    for (number, file) in files.iter().enumerate() {
        if under_way.len() >= AT_ONCE {
            join(&mut under_way, &mut looks).await?;
        }
        let (store, entry, keys) = (place.store.clone(), file.entry.clone(), keys.clone());
        let url = place.target.url(&entry.name);
        under_way.spawn(async move {
            let keys = keys.as_deref();
            let head = head(&store, &entry, &url, keys.filter(|_| may_reject)).await?;
            match consistency::look(head, keys) {
                Detected { bad: Some(why), .. } if !may_reject => {
                    Err(Failure::refused(format!("{url}: {why}")))
                }
                look => Ok((number, look)),
            }
        });
    }
    while !under_way.is_empty() {
        join(&mut under_way, &mut looks).await?;
    }
    let mut looks: Vec<Detected> = looks.into_iter().flatten().collect();
    consistency::tolerate(&mut looks).map_err(|(number, why)| {
        Failure::refused(format!("{}: {why}", place.target.url(&files[number].entry.name)))
    })?;
    Ok(looks)
}

async fn join(
    under_way: &mut JoinSet<Result<(usize, Detected), Failure>>,
    looks: &mut [Option<Detected>],
) -> Result<(), Failure> {
    match under_way.join_next().await {
        None => Ok(()),
        Some(Ok(Ok((number, look)))) => {
            looks[number] = Some(look);
            Ok(())
        }
        Some(Ok(Err(failure))) => Err(failure),
        Some(Err(error)) => Err(Failure::refused(format!("the check of a file ended abruptly: {error}"))),
    }
}

/// The head of a file. Its first line is one that has `keys`, if they are given and one of the first lines has them.
async fn head(store: &Store, entry: &Entry, url: &str, keys: Option<&KeySchema>) -> Result<Head, Failure> {
    let suits = |first: &FirstLine| keys.is_none_or(|keys| consistency::has_keys(first, keys).is_ok());
    let mut without_keys = None;
    for limit in HEAD_BYTES {
        let bytes = retry(|| store.head(entry, limit)).await;
        let bytes = bytes.map_err(|fault| Failure::refused(fault))?;
        let is_all = bytes.len() as u64 == entry.bytes;
        match head::look(&bytes, is_all, suits) {
            Ok(head) if is_all || head.first.as_ref().is_none_or(suits) => return Ok(head),
            Ok(head) => without_keys = Some(head),
            Err(HeadError::Bad(why)) => return Err(Failure::refused(format!("{url}: {why}"))),
            Err(HeadError::NeedMore) if is_all => break,
            Err(HeadError::NeedMore) => {}
        }
    }
    let none = || format!("{url}: no complete line in its first {} MiB", MAX_LINE_BYTES >> 20);
    without_keys.ok_or_else(|| Failure::refused(none()))
}

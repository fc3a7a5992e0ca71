//! Reads the first bytes of every file of a backup and has them recognised. A shell.
//!
//! Sixteen files at a time, 8 MiB of each at most; of an item no more is kept than that it is good.

use std::sync::Arc;

use job::{schema::KeySchema, split::MAX_LINE_BYTES};
use job_aws::Fault;
use source::head::{self, Head, HeadError};
use tokio::task::JoinSet;

use super::{
    agree::{self, Look},
    folder::Folder,
    named::NamedFile,
};
use crate::{
    failure::Failure,
    retry::retried,
    store::{Entry, Store},
};

/// Files looked at at once.
const AT_ONCE: usize = 16;
/// How much of a file is read, if less does not tell what it is. The first is more than a block of most
/// codecs, the second than a block of bzip2, the last as long as a line may be.
const HEAD_BYTES: [u64; 3] = [64 * 1024, 1024 * 1024, MAX_LINE_BYTES as u64];

/// What each file is, in the same order; their first items must have `keys`, if they are given.
pub(super) async fn look(
    place: &Folder,
    files: &[NamedFile],
    keys: Option<&KeySchema>,
) -> Result<Vec<Look>, Failure> {
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
            let head = head(&store, &entry, &url).await?;
            let look = agree::look(head, keys.as_deref());
            look.map(|look| (number, look)).map_err(|why| format!("{url}: {why}"))
        });
    }
    while !under_way.is_empty() {
        join(&mut under_way, &mut looks).await?;
    }
    Ok(looks.into_iter().flatten().collect())
}

async fn join(
    under_way: &mut JoinSet<Result<(usize, Look), String>>,
    looks: &mut [Option<Look>],
) -> Result<(), Failure> {
    match under_way.join_next().await {
        None => Ok(()),
        Some(Ok(Ok((number, look)))) => {
            looks[number] = Some(look);
            Ok(())
        }
        Some(Ok(Err(why))) => Err(Failure::Refused(why)),
        Some(Err(error)) => Err(Failure::Refused(format!("looking at a file ended abruptly: {error}"))),
    }
}

async fn head(store: &Store, entry: &Entry, url: &str) -> Result<Head, String> {
    for limit in HEAD_BYTES {
        let bytes = retried(|| store.head(entry, limit)).await;
        let bytes = bytes.map_err(|Fault { message, .. }| message)?;
        let is_all = bytes.len() as u64 == entry.bytes;
        match head::look(&bytes, is_all) {
            Ok(head) => return Ok(head),
            Err(HeadError::Bad(why)) => return Err(format!("{url}: {why}")),
            Err(HeadError::NeedMore) if is_all => break,
            Err(HeadError::NeedMore) => {}
        }
    }
    Err(format!("{url}: no whole line in its first {} MiB", MAX_LINE_BYTES >> 20))
}

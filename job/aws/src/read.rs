//! Reads bytes of objects in S3.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::{Fault, FaultKind};

/// Reads bytes of an object as it was listed, from the S3 at `address`. If its entity tag is given and the object has
/// another one now, that is a [`FaultKind::PreconditionFailed`].
///
/// # Errors
/// Fails if S3 refuses the request, and if the reply is not as long as the range.
pub async fn get_range(
    s3: &aws_sdk_s3::Client,
    address: &str,
    bucket: &str,
    key: &str,
    etag: Option<&str>,
    range: Range<u64>,
) -> Result<Bytes, Fault> {
    let url = format!("s3://{bucket}/{key}");
    let request = s3.get_object().bucket(bucket).key(key).set_if_match(etag.map(str::to_owned));
    let request = request.range(format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
    let reply = request.send().await;
    let reply = reply.map_err(|error| changed(Fault::of("s3:GetObject", &url, address, error), &url))?;
    let expected = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let mut bytes = BytesMut::with_capacity(expected);
    let mut body = reply.body;
    let waiting = crate::waits::waiting(format!("{address} (s3:GetObject of {url})"));
    while let Some(piece) = body.next().await {
        waiting.heard();
        bytes.extend_from_slice(&piece.map_err(|error| Fault::torn(&url, address, error))?);
        if bytes.len() > expected {
            break;
        }
    }
    if bytes.len() != expected {
        let why = format!("reading {url}: the reply of {address} has {} bytes, not {expected}", bytes.len());
        return Err(Fault::new(FaultKind::Transient, why));
    }
    Ok(bytes.freeze())
}

/// The fault for an object that has changed since it was listed.
fn changed(fault: Fault, url: &str) -> Fault {
    if fault.kind != FaultKind::PreconditionFailed {
        return fault;
    }
    let why = format!(
        "{url} was changed after tablehaul listed it (its ETag differs): run the command again when no \
         program writes to it any more"
    );
    Fault::new(FaultKind::PreconditionFailed, why)
}

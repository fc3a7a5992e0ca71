//! Small objects of S3 that are not of a backup: logs and what clusters install.

use std::io::Read;

use aws_smithy_types::DateTime;
use flate2::read::MultiGzDecoder;
use job_aws::{Clients, Fault, FaultKind, Policy};

/// The longest object that is read, in bytes.
const LONGEST_OBJECT: u64 = 64 * 1024 * 1024;

/// Bucket and key of `s3://bucket/key`.
fn split(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("s3://")?.split_once('/')
}

/// An object as it is now.
struct Object {
    bytes: Vec<u8>,
    /// When it was written, in seconds since 1970, by the clock of S3. 0 if S3 does not say so.
    written_at: i64,
}

/// An object, or `None` if it does not exist.
///
/// # Errors
/// Fails if S3 refuses.
pub(super) async fn get(clients: &Clients, url: &str) -> Result<Option<Vec<u8>>, Fault> {
    Ok(read(clients, url).await?.map(|object| object.bytes))
}

async fn read(clients: &Clients, url: &str) -> Result<Option<Object>, Fault> {
    let Some((bucket, key)) = split(url) else {
        return Err(Fault::new(FaultKind::Refused, format!("{url} is not an object in S3")));
    };
    Policy::Brief.retry(|| clients.locate(bucket)).await?;
    let (s3, address) = clients.s3_of(bucket);
    let read = || async {
        let reply = Box::pin(s3.get_object().bucket(bucket).key(key).send()).await;
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => {
                let fault = Fault::of("s3:GetObject", url, &address, error);
                return if fault.kind == FaultKind::NotFound { Ok(None) } else { Err(fault) };
            }
        };
        if reply
            .content_length()
            .is_some_and(|length| u64::try_from(length).is_ok_and(|length| length > LONGEST_OBJECT))
        {
            return Err(Fault::new(
                FaultKind::Refused,
                format!("{url} is longer than {LONGEST_OBJECT} bytes"),
            ));
        }
        let written_at = reply.last_modified().map(DateTime::secs).unwrap_or_default();
        let read = reply.body.collect().await;
        let read = read.map_err(|error| Fault::torn(url, &address, error))?;
        Ok(Some(Object { bytes: read.into_bytes().to_vec(), written_at }))
    };
    Policy::Brief.retry(read).await
}

/// A log as EMR has delivered it so far.
#[derive(Clone, Debug)]
pub(super) struct Delivered {
    pub(super) text: String,
    /// In seconds since 1970, by the clock of S3.
    pub(super) at: i64,
}

/// A log, which EMR has compressed, or `None` if it does not exist.
///
/// # Errors
/// Fails if S3 refuses, or if it is damaged.
pub(super) async fn log(clients: &Clients, url: &str) -> Result<Option<Delivered>, Fault> {
    let Some(Object { bytes, written_at }) = read(clients, url).await? else { return Ok(None) };
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(&bytes[..]).take(LONGEST_OBJECT).read_to_end(&mut text);
    read.map_err(|error| {
        Fault::new(FaultKind::Refused, format!("{url} is not a gzip file: {error}")).caused_by(error)
    })?;
    Ok(Some(Delivered { text: String::from_utf8_lossy(&text).into_owned(), at: written_at }))
}

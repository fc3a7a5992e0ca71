//! The body of a successful reply, taken before the SDK collects it.

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, LengthLimitError};
use job_aws::{FaultKind, MAX_REPLY_BYTES};

/// A reply that stalls for this long is abandoned.
const STALLED_AFTER: Duration = Duration::from_secs(20);

/// A reply that is incomplete or was damaged in transit, and is worth a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Torn(pub(crate) &'static str);

impl Torn {
    const TOO_LONG: Self = Self("longer than possible");

    /// The kind of the fault. A reply that is too long would be so again.
    pub(crate) fn kind(self) -> FaultKind {
        if self == Self::TOO_LONG { FaultKind::Refused } else { FaultKind::Transient }
    }
}

/// A body that has not been read yet.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    body: SdkBody,
    length: Option<usize>,
    /// From the header `x-amz-crc32`.
    crc32: Option<u32>,
}

impl ReplyBody {
    /// Takes the body of a successful reply. Other replies are left to the SDK, so that errors keep their types.
    pub(crate) fn take(response: &mut HttpResponse) -> Option<Self> {
        if !response.status().is_success() {
            return None;
        }
        let crc32 = response.headers().get("x-amz-crc32").and_then(|crc32| crc32.parse().ok());
        Some(Self { crc32, ..Self::of_error(response) })
    }

    /// Takes the body of an error reply. Its checksum is ignored, as the SDK ignores it.
    pub(crate) fn of_error(response: &mut HttpResponse) -> Self {
        let length = response.headers().get("content-length").and_then(|length| length.parse().ok());
        let body = std::mem::replace(response.body_mut(), SdkBody::taken());
        Self { body, length, crc32: None }
    }

    /// Reads the body into `into`, replacing its content.
    pub(crate) async fn read(mut self, into: &mut Vec<u8>) -> Result<(), Torn> {
        into.clear();
        into.reserve(self.length.unwrap_or(0).min(MAX_REPLY_BYTES));
        let mut crc32 = crc32fast::Hasher::new();
        loop {
            let frame = match tokio::time::timeout(STALLED_AFTER, self.body.frame()).await {
                Err(_) => return Err(Torn("stalled before its end")),
                Ok(None) => break,
                Ok(Some(Err(error))) if error.is::<LengthLimitError>() => return Err(Torn::TOO_LONG),
                Ok(Some(Err(_))) => return Err(Torn("broke off before its end")),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(bytes) = frame.into_data() else { continue };
            if into.len() + bytes.len() > MAX_REPLY_BYTES {
                return Err(Torn::TOO_LONG);
            }
            if self.crc32.is_some() {
                crc32.update(&bytes);
            }
            into.extend_from_slice(&bytes);
        }
        if self.length.is_some_and(|length| length != into.len()) {
            return Err(Torn("shorter than announced"));
        }
        if self.crc32.is_some_and(|expected| expected != crc32.finalize()) {
            return Err(Torn("with a wrong x-amz-crc32"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &'static str, crc32: Option<u32>) -> ReplyBody {
        ReplyBody { body: SdkBody::from(text), length: Some(5), crc32 }
    }

    #[tokio::test]
    async fn a_reply_that_is_not_what_was_sent_is_torn() {
        let mut read = b"former page".to_vec();
        assert_eq!(body("hello", Some(0x3610_a686)).read(&mut read).await, Ok(()));
        assert_eq!(read, b"hello");
        let torn = body("hallo", Some(0x3610_a686)).read(&mut read).await;
        assert_eq!(torn, Err(Torn("with a wrong x-amz-crc32")));
        let endless = SdkBody::from(vec![b' '; MAX_REPLY_BYTES + 1]);
        let endless = ReplyBody { body: endless, length: None, crc32: None };
        let torn = endless.read(&mut read).await.unwrap_err();
        assert_eq!((torn, torn.kind()), (Torn("longer than possible"), FaultKind::Refused));
        assert_eq!(body("hell", None).read(&mut read).await, Err(Torn("shorter than announced")));
    }
}

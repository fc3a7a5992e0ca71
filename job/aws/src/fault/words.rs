//! What only the words of an error say: the one place that decides by text. Each function says why there is no type or
//! code to go by. If a library or service words it otherwise one day, the error gets a more general kind.

use std::error::Error;

use super::text::{causes, chain};

/// Why no connection came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unconnected {
    /// The proxy does not lead to the server.
    Proxy,
    /// The server's name has no address.
    Name,
    /// No address of the server takes connections.
    Address,
}

/// Why no connection came about, if that is known. The types of these errors are private: `ConnectError` and
/// `TunnelError` of hyper-util, `HttpTimeoutError` of aws-smithy-http-client.
pub(super) fn unconnected(error: &(dyn Error + 'static)) -> Option<Unconnected> {
    let text = chain(error);
    let says = |words: [&str; 2]| words.iter().any(|word| text.contains(word));
    if says(["tunnel error", "proxy authorization required"]) {
        Some(Unconnected::Proxy)
    } else if text.contains("dns error") {
        Some(Unconnected::Name)
    } else if says(["tcp connect", "connect timeout"]) {
        Some(Unconnected::Address)
    } else {
        None
    }
}

/// Whether an answer began with something else than a version of HTTP, as one of a server that speaks TLS does.
/// `hyper::Error` tells this apart from other errors of its parser only by its words.
pub(super) fn is_no_http(error: &(dyn Error + 'static)) -> bool {
    let is_parse = |cause: &&(dyn Error + 'static)| cause.downcast_ref().is_some_and(hyper::Error::is_parse);
    causes(error).filter(is_parse).any(|cause| cause.to_string().contains("invalid HTTP version"))
}

/// What ended a reply midway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The other side closed the connection.
    Closed,
    /// The bytes are not those of the checksum.
    Checksum,
    /// Nothing more came for too long.
    Stalled,
}

/// What ended a reply midway, if that is known. The types of these errors are private: `ChecksumMismatch` and
/// `ThroughputBelowMinimum` of the SDK, and a body of hyper that ends early.
pub(super) fn broken(error: &(dyn Error + 'static)) -> Option<Broken> {
    let text = chain(error);
    if text.contains("connection closed") {
        Some(Broken::Closed)
    } else if text.contains("checksum mismatch") {
        Some(Broken::Checksum)
    } else if text.contains("minimum throughput") {
        Some(Broken::Stalled)
    } else {
        None
    }
}

/// Whether a certificate is refused because it is that of an authority (RFC 5280, 4.2.1.9). rustls passes this error of
/// webpki on as [`CertificateError::Other`](rustls::CertificateError::Other), whose content is opaque.
pub(super) fn is_of_authority(error: &rustls::OtherError) -> bool {
    error.to_string().contains("CaUsedAsEndEntity")
}

/// Whether the message of a reply is about a KMS key. `DynamoDB` has no code of its own for a key that it can't use.
/// Names of tables and keys of items do not contain these words.
pub(super) fn is_about_key(message: &str) -> bool {
    message.contains("KMS key") || message.contains("KMS Key")
}

/// The permission on a KMS key, such as `kms:Decrypt`, that a message says is missing. The code says only that one is.
pub(super) fn kms_action(message: &str) -> Option<&str> {
    let at = message.find(" kms:")? + 1;
    let action =
        message[at..].split(|letter: char| !letter.is_ascii_alphanumeric() && letter != ':').next()?;
    (action.len() > "kms:".len()).then_some(action)
}

/// Whether a signature is refused because of the time in it. The code is the same as for a wrong key.
pub(super) fn is_about_time(message: &str) -> bool {
    message.starts_with("Signature expired") || message.starts_with("Signature not yet current")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_libraries_say_of_connections_is_understood() {
        for (said, why) in [
            ("tunnel error: unsuccessful", Some(Unconnected::Proxy)),
            ("dns error", Some(Unconnected::Name)),
            ("tcp connect error", Some(Unconnected::Address)),
            ("HTTP connect timeout occurred after 4s", Some(Unconnected::Address)),
            ("connection reset", None),
        ] {
            assert_eq!(unconnected(&io::Error::other(said)), why, "{said}");
        }
    }

    #[test]
    fn what_libraries_say_of_replies_that_end_midway_is_understood() {
        for (said, why) in [
            ("connection closed before message completed", Some(Broken::Closed)),
            ("body checksum mismatch. expected body checksum to be 00 but it was 01", Some(Broken::Checksum)),
            (
                "minimum throughput was specified at 1 B/s, but throughput of 0 B/s was observed",
                Some(Broken::Stalled),
            ),
            ("invalid chunk size", None),
        ] {
            assert_eq!(broken(&io::Error::other(said)), why, "{said}");
        }
    }

    #[test]
    fn the_permission_on_a_key_is_found_in_a_message() {
        let message = "User: arn:aws:iam::1:user/x is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:a";
        assert_eq!(kms_action(message), Some("kms:Decrypt"));
        assert_eq!(kms_action("not authorized to perform: s3:GetObject on arn:aws:kms:x"), None);
        assert_eq!(kms_action("Access Denied"), None);
    }
}

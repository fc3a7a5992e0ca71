//! Who gets notifications.

use std::{fmt, str::FromStr};

use aws_smithy_types::base64;
use job::visible;

/// A receiver. Its text never holds a user, a password, a path or a query: paths of webhooks are often secret.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Receiver {
    /// An HTTP server, which gets JSON with `POST`.
    Web(Address),
    /// A topic of Amazon SNS.
    Topic {
        /// Its ARN.
        arn: String,
        /// The region in it.
        region: String,
    },
}

/// The address of an HTTP server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Without user and password.
    url: String,
    /// `user:password`, decoded.
    login: Option<String>,
}

/// A text that names no receiver. The message does not repeat it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReceiverError {
    #[error("give https://HOST/PATH, http://HOST/PATH or the ARN of an SNS topic")]
    Other,
    #[error("the ARN names no topic: give arn:aws:sns:REGION:ACCOUNT:TOPIC")]
    Arn,
}

impl FromStr for Receiver {
    type Err = ReceiverError;

    fn from_str(text: &str) -> Result<Self, ReceiverError> {
        let text = text.trim();
        if text.starts_with("arn:") {
            return topic(text).ok_or(ReceiverError::Arn);
        }
        address(text).map(Self::Web).ok_or(ReceiverError::Other)
    }
}

fn topic(arn: &str) -> Option<Receiver> {
    let parts: Vec<&str> = arn.split(':').collect();
    let [_, partition, "sns", region, account, topic] = parts.as_slice() else { return None };
    let is_word = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_topic = is_word(partition) && is_word(region) && is_account && is_word(topic);
    is_topic.then(|| Receiver::Topic { arn: arn.to_owned(), region: (*region).to_owned() })
}

fn address(text: &str) -> Option<Address> {
    let (scheme, rest) = text.split_once("://")?;
    if !matches!(scheme, "http" | "https") {
        return None;
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (login, host) = match authority.rsplit_once('@') {
        Some((login, host)) => (Some(decoded(login)?), host),
        None => (None, authority),
    };
    let slash = if path.starts_with('/') { "" } else { "/" };
    let url = format!("{scheme}://{host}{slash}{path}");
    let is_valid = !host.is_empty()
        && !host.starts_with(':')
        && url.bytes().all(|byte| byte.is_ascii_graphic())
        && url.parse::<hyper::Uri>().is_ok_and(|uri| uri.host().is_some());
    is_valid.then_some(Address { url, login })
}

/// Without percent-encoding.
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok())?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}

impl Address {
    /// The URL to send to.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The value of the header for user and password, if there are any (RFC 7617).
    pub(super) fn authorization(&self) -> Option<String> {
        self.login.as_ref().map(|login| format!("Basic {}", base64::encode(login)))
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic { arn, .. } => write!(out, "{arn}"),
            Self::Web(address) => write!(out, "{}", visible::server_of(&address.url)),
        }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receiver(text: &str) -> Result<Receiver, ReceiverError> {
        text.parse()
    }

    #[test]
    fn an_address_is_told_without_what_may_be_secret() {
        let web = receiver("https://me:p%40ss@hooks.example.com:8443/services/T0/B0/SECRET?x=y").unwrap();
        assert_eq!(web.to_string(), "https://hooks.example.com:8443/…");
        assert_eq!(format!("{web:?}"), "https://hooks.example.com:8443/…");
        let Receiver::Web(address) = web else { panic!() };
        assert_eq!(address.url(), "https://hooks.example.com:8443/services/T0/B0/SECRET?x=y");
        assert_eq!(address.authorization().as_deref(), Some("Basic bWU6cEBzcw=="));
        let Receiver::Web(address) = receiver("http://[::1]:80?x").unwrap() else { panic!() };
        assert_eq!((address.url(), address.authorization()), ("http://[::1]:80/?x", None));
    }

    #[test]
    fn a_topic_is_asked_in_its_own_region() {
        for (arn, of) in [
            ("arn:aws:sns:eu-west-1:111122223333:nightly", "eu-west-1"),
            ("arn:aws-cn:sns:cn-north-1:111122223333:x.fifo", "cn-north-1"),
        ] {
            let Receiver::Topic { region, .. } = receiver(arn).unwrap() else { panic!() };
            assert_eq!(region, of);
        }
    }

    #[test]
    fn what_names_no_receiver_is_refused_without_repeating_it() {
        for (text, why) in [
            ("", ReceiverError::Other),
            ("hooks.example.com", ReceiverError::Other),
            ("ftp://host/x", ReceiverError::Other),
            ("https://", ReceiverError::Other),
            ("https://me:pw@/x", ReceiverError::Other),
            ("https://ho st/x", ReceiverError::Other),
            ("https://host/\u{e9}", ReceiverError::Other),
            ("https://me:%zz@host/", ReceiverError::Other),
            ("arn:aws:sqs:eu-west-1:111122223333:x", ReceiverError::Arn),
            ("arn:aws:sns:eu-west-1:1111:x", ReceiverError::Arn),
            ("arn:aws:sns::111122223333:x", ReceiverError::Arn),
            ("arn:aws:sns:eu-west-1:111122223333:x:8f3a", ReceiverError::Arn),
        ] {
            assert_eq!(receiver(text), Err(why), "{text}");
        }
    }
}

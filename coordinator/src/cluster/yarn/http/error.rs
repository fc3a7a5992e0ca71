//! Why a request failed, in one line without secrets.

use hyper::StatusCode;

/// Why a request failed. Each message is one line that names the URL.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The server's certificate is not trusted, or there is no TLS with it. In the words of `tls::complaint`.
    #[error("{0}")]
    Tls(String),
    /// The server requires a Kerberos ticket.
    #[error("{0} requires Kerberos, which tablehaul does not support here")]
    Kerberos(String),
    /// The daemon is on standby and does not name the active one.
    #[error("{0} is on standby")]
    Standby(String),
    /// Nothing answers there, or not in time.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// The URL.
        url: String,
        /// The reason.
        why: String,
    },
    /// A response with an error status.
    #[error("{url} answered {status}: {message}")]
    Status {
        /// The URL.
        url: String,
        /// The HTTP status.
        status: StatusCode,
        /// The simple name of the Java exception. Empty if the server names none.
        exception: String,
        /// The first line of the server's message.
        message: String,
    },
    /// A malformed response.
    #[error("{url} gave an invalid reply: {why}")]
    Malformed {
        /// The URL.
        url: String,
        /// The reason.
        why: String,
    },
}

impl HttpError {
    /// Whether the daemon runs but tablehaul cannot talk to it. The commands of Hadoop may be able to.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Self::Tls(_) | Self::Kerberos(_))
    }

    /// The status of an error response.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

pub(super) fn malformed(url: &str, why: &str) -> HttpError {
    HttpError::Malformed { url: bare(url), why: why.to_owned() }
}

pub(super) fn unreachable(url: &str, why: &str) -> HttpError {
    HttpError::Unreachable { url: bare(url), why: why.to_owned() }
}

/// A URL without its query and without user and password, for messages.
pub(super) fn bare(url: &str) -> String {
    let url = url.split('?').next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority = rest.find('/').unwrap_or(rest.len());
    let host = rest[..authority].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[host..])
}

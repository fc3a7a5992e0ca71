//! Decides which requests may see the page.

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{
    HeaderMap,
    header::{AUTHORIZATION, HOST},
};
use subtle::ConstantTimeEq;

/// A request may see the page if it has the token and calls this server by one of its own names.
pub struct Access {
    token: String,
}

impl Access {
    /// Access with a token of [`new_token`].
    pub fn new(token: String) -> Self {
        Self { token }
    }

    /// Whether the request has the token: as a bearer token, or as the password of Basic authentication, which browsers
    /// without scripts can send.
    pub(super) fn has_token(&self, headers: &HeaderMap) -> bool {
        let Some(given) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) else {
            return false;
        };
        let Some((scheme, rest)) = given.split_once(' ') else { return false };
        let token = if scheme.eq_ignore_ascii_case("bearer") {
            rest.trim().as_bytes().to_vec()
        } else if scheme.eq_ignore_ascii_case("basic") {
            let Ok(pair) = STANDARD.decode(rest.trim()) else { return false };
            let Some(colon) = pair.iter().position(|byte| *byte == b':') else { return false };
            pair[colon + 1..].to_vec()
        } else {
            return false;
        };
        token.ct_eq(self.token.as_bytes()).into()
    }

    /// Whether the request names this server. A request by the page of another site, whose name was made to lead here,
    /// does not. Tunnels change the port, so any port will do.
    pub(super) fn is_for_us(headers: &HeaderMap) -> bool {
        let Some(host) = headers.get(HOST).and_then(|value| value.to_str().ok()) else { return false };
        let name = without_port(host).to_ascii_lowercase();
        matches!(name.as_str(), "localhost" | "127.0.0.1" | "[::1]")
    }
}

/// `name:1` → `name`, `[::1]:1` → `[::1]`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}

/// A random token of 244 bits.
pub fn new_token() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        let value = HeaderValue::from_str(value).unwrap_or_else(|error| panic!("{error}"));
        HeaderMap::from_iter([(name, value)])
    }

    #[test]
    fn the_token_counts_in_two_forms_and_nothing_else_does() {
        let access = Access::new("secret".to_owned());
        for (given, counts) in [
            ("Bearer secret", true),
            ("bearer  secret ", true),
            ("Basic dXNlcjpzZWNyZXQ=", true),
            ("Basic OnNlY3JldA==", true),
            ("Basic dXNlcjpzZWNyZXRz", false),
            ("Basic c2VjcmV0", false),
            ("Basic ???", false),
            ("Bearer secre", false),
            ("Bearer ", false),
            ("Bearer", false),
            ("secret", false),
            ("Digest secret", false),
        ] {
            assert_eq!(access.has_token(&headers(AUTHORIZATION, given)), counts, "{given}");
        }
        assert!(!access.has_token(&HeaderMap::new()));
    }

    #[test]
    fn only_our_own_names_are_answered() {
        for (host, is_ours) in [
            ("localhost:8157", true),
            ("127.0.0.1", true),
            ("[::1]:80", true),
            ("[::1]", true),
            ("LOCALHOST", true),
            ("example.com", false),
            ("localhost.example.com:80", false),
            ("10.0.0.7", false),
            ("", false),
        ] {
            assert_eq!(Access::is_for_us(&headers(HOST, host)), is_ours, "{host}");
        }
        assert!(!Access::is_for_us(&HeaderMap::new()));
    }
}

//! Makes requests like one that the SDK sent.
//!
//! A template exists only if the signature that this code computes for the SDK's request is the one that the SDK
//! computed. So whatever a later version of the SDK signs in another way, there is no template for.

use std::{
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::{
    auth::AuthSchemeId,
    http::{HttpClient, SharedHttpConnector},
    identity::{Identity, IdentityCacheLocation, ResolveCachedIdentity, ResolveIdentity},
    orchestrator::HttpRequest,
    runtime_components::{GetIdentityResolver, RuntimeComponents},
};
use aws_smithy_types::{DateTime, body::SdkBody, config_bag::ConfigBag, date_time::Format};
use bytes::Bytes;

use super::{
    sign::{self, ALGORITHM, Key},
    spy::Seen,
};

/// Headers that are the same in all requests.
const SAME: [&str; 6] = [
    "amz-sdk-request",
    "content-type",
    "user-agent",
    "x-amz-security-token",
    "x-amz-target",
    "x-amz-user-agent",
];
/// Headers that differ in each request.
const OWN: [&str; 4] = ["amz-sdk-invocation-id", "authorization", "content-length", "x-amz-date"];

/// Makes requests, and signs them.
pub(super) struct Template {
    components: RuntimeComponents,
    http: SharedHttpConnector,
    uri: String,
    path: String,
    host: String,
    /// The headers of [`SAME`].
    headers: Vec<(String, String)>,
    /// The names of the headers to sign, in their order; those and the semicolons between them.
    signed: String,
    credentials: Credentials,
    region: String,
    service: String,
    /// The seconds to add to this machine's clock, as the SDK does after it has seen the server's.
    skew: i64,
    moment: Mutex<Option<Arc<Moment>>>,
}

/// What all requests of a second share.
struct Moment {
    /// In seconds since 1970.
    time: i64,
    /// `YYYYMMDDThhmmssZ`.
    date: String,
    key: Key,
}

impl Template {
    /// A template for requests like `seen`; `None` if something about it is not understood.
    pub(super) async fn new(seen: Seen) -> Option<Self> {
        let identity = identity(&seen.components).await?;
        let credentials = identity.data::<Credentials>()?.clone();
        Self::of(&seen, credentials)
    }

    fn of(seen: &Seen, credentials: Credentials) -> Option<Self> {
        let header = |name: &str| {
            let mut values =
                seen.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| &**value);
            values.next().filter(|_| values.next().is_none())
        };
        let is_known = |(name, _): &(String, String)| {
            (SAME.contains(&&**name) || OWN.contains(&&**name)) && header(name).is_some()
        };
        if seen.method != "POST" || !seen.headers.iter().all(is_known) {
            return None;
        }
        let (host, path) = host_and_path(&seen.uri)?;
        let authorization = header("authorization")?;
        let rest = authorization.strip_prefix(ALGORITHM)?.strip_prefix(" Credential=")?;
        let (credential, rest) = rest.split_once(", SignedHeaders=")?;
        let (signed, _signature) = rest.split_once(", Signature=")?;
        let mut scope = credential.rsplit('/');
        let (_, service, region) = (scope.next()?, scope.next()?.to_owned(), scope.next()?.to_owned());
        let date = header("x-amz-date")?;
        let time = seconds(date)?;
        let length = header("content-length")?.to_owned();
        let http = seen.components.http_client()?.http_connector(&seen.settings, &seen.components);
        let template = Self {
            http,
            signed: signed.to_owned(),
            credentials,
            region,
            service,
            skew: time - since_1970(seen.local_time)?,
            moment: Mutex::default(),
            headers: seen.headers.iter().filter(|(name, _)| SAME.contains(&&**name)).cloned().collect(),
            components: seen.components.clone(),
            uri: seen.uri.clone(),
            host,
            path,
        };
        let moment = template.moment(time)?;
        let ours = template.authorization(&moment, &length, &seen.payload_hash)?;
        (ours == authorization).then_some(template)
    }

    /// The connector to send requests with.
    pub(super) fn http(&self) -> &SharedHttpConnector {
        &self.http
    }

    /// Where requests go.
    pub(super) fn uri(&self) -> &str {
        &self.uri
    }

    /// A signed request with this body; `None` if the credentials have changed, or there are none now.
    pub(super) async fn request(&self, body: Bytes) -> Option<HttpRequest> {
        let identity = identity(&self.components).await?;
        if identity.data::<Credentials>()? != &self.credentials {
            return None;
        }
        let now = since_1970(self.components.time_source()?.now())?;
        let moment = self.moment(now.checked_add(self.skew)?)?;
        let length = body.len().to_string();
        let authorization = self.authorization(&moment, &length, &sign::hash(&body))?;
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").ok()?;
        request.set_uri(self.uri.as_str()).ok()?;
        let headers = request.headers_mut();
        for (name, value) in &self.headers {
            headers.try_insert(name.clone(), value.clone()).ok()?;
        }
        headers.try_insert("content-length", length).ok()?;
        headers.try_insert("x-amz-date", moment.date.clone()).ok()?;
        headers.try_insert("authorization", authorization).ok()?;
        let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
        headers.try_insert("amz-sdk-invocation-id", id.to_string()).ok()?;
        Some(request)
    }

    /// The header `authorization`. `length` is the header `content-length`.
    fn authorization(&self, moment: &Moment, length: &str, payload_hash: &str) -> Option<String> {
        let mut is_complete = true;
        let headers = self.signed.split(';').map(|name| {
            let value = match name {
                "content-length" => Some(length),
                "x-amz-date" => Some(&*moment.date),
                "host" => Some(&*self.host),
                name => self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| &**value),
            };
            is_complete &= value.is_some();
            (name, value.unwrap_or_default())
        });
        let canonical = sign::canonical("POST", &self.path, headers, &self.signed, payload_hash);
        let (id, scope) = (self.credentials.access_key_id(), moment.key.scope());
        let mut text = String::with_capacity(ALGORITHM.len() + self.signed.len() + 256);
        write!(text, "{ALGORITHM} Credential={id}/{scope}, SignedHeaders={}, Signature=", self.signed)
            .ok()?;
        text.push_str(&moment.key.signature(&moment.date, &canonical));
        is_complete.then_some(text)
    }

    /// The moment `time`, in seconds since 1970.
    fn moment(&self, time: i64) -> Option<Arc<Moment>> {
        let mut kept = self.moment.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(moment) = kept.as_ref().filter(|moment| moment.time == time) {
            return Some(moment.clone());
        }
        let date = date(time)?;
        let secret = self.credentials.secret_access_key();
        let key = Key::new(secret, date.get(..8)?, &self.region, &self.service);
        let moment = Arc::new(Moment { time, date, key });
        *kept = Some(moment.clone());
        Some(moment)
    }
}

/// The identity that the SDK would sign with now, from its cache, which also renews it.
async fn identity(components: &RuntimeComponents) -> Option<Identity> {
    let resolver = components.identity_resolver(AuthSchemeId::new("sigv4"))?;
    let config = ConfigBag::base();
    let found = match resolver.cache_location() {
        IdentityCacheLocation::RuntimeComponents => {
            components.identity_cache().resolve_cached_identity(resolver, components, &config).await
        }
        _ => resolver.resolve_identity(components, &config).await,
    };
    found.ok()
}

/// The header `host` and the path of a URL; `None` if it has a query. The port that belongs to the scheme is not sent
/// (RFC 9110, section 4.2.1).
fn host_and_path(uri: &str) -> Option<(String, String)> {
    let (scheme, rest) = uri.split_once("://")?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    if path.contains(['?', '#']) || authority.contains(['?', '#']) {
        return None;
    }
    let port = match scheme {
        "https" => ":443",
        _ => ":80",
    };
    Some((authority.strip_suffix(port).unwrap_or(authority).to_owned(), path.to_owned()))
}

fn since_1970(time: SystemTime) -> Option<i64> {
    let since: Duration = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// `YYYYMMDDThhmmssZ` of a time in seconds since 1970.
fn date(time: i64) -> Option<String> {
    let date = DateTime::from_secs(time).fmt(Format::DateTime).ok()?;
    Some(date.replace(['-', ':'], ""))
}

/// The reverse of [`date`].
fn seconds(date: &str) -> Option<i64> {
    let part = |range| date.get(range);
    let text =
        format!("{}-{}-{}:{}:{}", part(0..4)?, part(4..6)?, part(6..11)?, part(11..13)?, part(13..16)?);
    Some(DateTime::from_str(&text, Format::DateTime).ok()?.secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_signature() {
        for (time, text) in
            [(0, "19700101T000000Z"), (1_440_938_160, "20150830T123600Z"), (951_868_799, "20000229T235959Z")]
        {
            assert_eq!(date(time).as_deref(), Some(text));
            assert_eq!(seconds(text), Some(time));
        }
        for wrong in ["", "20150830", "20150830T1236000", "2015083üT123600Z"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hosts_are_sent_without_the_port_of_the_scheme() {
        for (uri, host, path) in [
            ("https://dynamodb.eu-west-1.amazonaws.com/", "dynamodb.eu-west-1.amazonaws.com", "/"),
            ("https://there:443/", "there", "/"),
            ("http://there:443/a", "there:443", "/a"),
            ("http://there:80", "there", "/"),
            ("http://[::1]:8000/", "[::1]:8000", "/"),
        ] {
            assert_eq!(host_and_path(uri), Some((host.to_owned(), path.to_owned())), "{uri}");
        }
        assert_eq!(host_and_path("https://there/?a=b"), None);
        assert_eq!(host_and_path("there"), None);
    }
}

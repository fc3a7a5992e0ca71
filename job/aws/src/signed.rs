//! Signed requests to services that are asked a few things only, without a client of their own: the SDK's clients of
//! IAM, EC2 and `CloudFormation` would take longer to compile than the rest of tablehaul.
//!
//! These services take a form (AWS Query protocol) and answer in XML, or take and give JSON.

use std::{
    fmt::Write,
    time::{Duration, SystemTime},
};

use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningError, SigningSettings, sign},
    sign::v4::{self, signing_params::BuildError},
};

use crate::{
    clients::{Clients, address},
    endpoint::endpoint_of,
    fault::why,
    post::{PostError, exchange, request},
    waits,
};

/// How long a request may take with its reply.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest reply.
const LONGEST_AWS_REPLY: usize = 16 * 1024 * 1024;

/// A service.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// The id of its API model, such as `IAM`, by which its endpoint is set.
    pub id: &'static str,
    /// Its name in signatures, and in the names of its actions.
    pub name: &'static str,
    /// The version of its API, for forms.
    pub version: &'static str,
    /// The region that signatures name and the host, if the partition `aws` has only one of it.
    pub only_in: Option<(&'static str, &'static str)>,
}

/// What a service is asked.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    /// An action with its parameters, as a form.
    Form(&'a [(String, String)]),
    /// The value of `x-amz-target` up to the action, and the parameters.
    Json(&'a str, &'a str),
}

/// There is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{service}:{action}: {message}")]
pub struct NoAnswer {
    service: &'static str,
    action: String,
    code: Option<String>,
    message: String,
    /// Why no reply came, if that is known.
    source: Option<Box<AskError>>,
}

/// Why a question was not asked, or no reply came.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("there are no credentials")]
    NoCredentials,
    #[error("{}", why(.0))]
    Credentials(#[from] CredentialsError),
    #[error("{0}")]
    Parameters(#[from] BuildError),
    #[error("{0}")]
    Signing(#[from] SigningError),
    #[error(transparent)]
    Post(#[from] PostError),
}

impl NoAnswer {
    /// The action, such as `iam:GetRole`.
    pub fn action(&self) -> String {
        format!("{}:{}", self.service, self.action)
    }

    /// The code of the service, if it refused.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The words of the service, or why it was not reached.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the right to ask is missing.
    pub fn is_denied(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        code.contains("AccessDenied")
            || code.contains("UnauthorizedOperation")
            || code.contains("NotAuthorized")
    }
}

impl Service {
    /// Asks once. A lost answer to an action that changes something may mean that it was done.
    ///
    /// # Errors
    /// Fails if the service refuses or does not answer within 10 s.
    pub async fn ask(
        &self,
        clients: &Clients,
        action: &str,
        question: Question<'_>,
    ) -> Result<String, NoAnswer> {
        let no = |code, message, source: Option<AskError>| NoAnswer {
            service: self.name,
            action: action.to_owned(),
            code,
            message,
            source: source.map(Box::new),
        };
        let asked = tokio::time::timeout(LIMIT, self.send(clients, action, question)).await;
        match asked {
            Err(_) => Err(no(None, format!("no answer from {}", self.url(clients)), None)),
            Ok(Err(why)) => Err(no(None, why.to_string(), Some(why))),
            Ok(Ok((200..300, text))) => Ok(text),
            Ok(Ok((status, text))) => {
                let (code, message) = refusal(&text);
                Err(no(code, message.unwrap_or_else(|| format!("HTTP status {status}")), None))
            }
        }
    }

    fn url(&self, clients: &Clients) -> String {
        if let Some(endpoint) = endpoint_of(&clients.config, self.id) {
            return endpoint;
        }
        match self.only_in {
            // In other partitions its name does not exist, so it counts as not reached.
            Some((_, host)) => format!("https://{host}"),
            None => address(None, self.name, &clients.region),
        }
    }

    async fn send(
        &self,
        clients: &Clients,
        action: &str,
        question: Question<'_>,
    ) -> Result<(u16, String), AskError> {
        let url = self.url(clients);
        let _waiting = waits::waiting(format!("{url} ({}:{action})", self.name));
        let (kind, target, body) = match question {
            Question::Form(parameters) => {
                let own = [("Action", action), ("Version", self.version)];
                let given = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                let pairs = own.into_iter().chain(given);
                let form: Vec<String> =
                    pairs.map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
                ("application/x-www-form-urlencoded", None, form.join("&"))
            }
            Question::Json(prefix, body) => {
                ("application/x-amz-json-1.1", Some(format!("{prefix}.{action}")), body.to_owned())
            }
        };
        let host = url.split("://").nth(1).unwrap_or_default();
        let host = host.split('/').next().unwrap_or_default().to_owned();
        let mut headers = vec![("host", host), ("content-type", kind.to_owned())];
        headers.extend(target.map(|target| ("x-amz-target", target)));
        let provider = clients.config.credentials_provider().ok_or(AskError::NoCredentials)?;
        let identity = provider.provide_credentials().await?.into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.only_in.map_or(clients.region.as_str(), |(region, _)| region))
            .name(self.name)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()?;
        let signed = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let signable = SignableRequest::new("POST", &url, signed, SignableBody::Bytes(body.as_bytes()));
        let (instructions, _) = sign(signable?, &parameters.into())?.into_parts();
        let own = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let request = request(&url, own.chain(instructions.headers()), body)?;
        Ok(exchange(request, clients.access.profile.as_deref(), LONGEST_AWS_REPLY).await?)
    }
}

/// As in a form of the Query protocol: what RFC 3986 does not reserve stays.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// Code and message of a refusal, in XML or JSON.
fn refusal(text: &str) -> (Option<String>, Option<String>) {
    if let Ok(document) = roxmltree::Document::parse(text) {
        let of = |name: &str| {
            let element = document
                .descendants()
                .find(|node| node.has_tag_name(name) || node.tag_name().name() == name)?;
            element.text().map(|text| text.trim().to_owned())
        };
        return (of("Code"), of("Message"));
    }
    let of = |name: &str| {
        let (_, rest) = text.split_once(&format!("\"{name}\""))?;
        let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
        Some(rest.split('"').next()?.to_owned())
    };
    let code = of("__type").map(|kind| kind.rsplit('#').next().unwrap_or_default().to_owned());
    (code, of("message").or_else(|| of("Message")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_in_each_form() {
        let iam = "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type>\
                   <Code>NoSuchEntity</Code><Message>Role &lt;x&gt; cannot be found</Message></Error></ErrorResponse>";
        assert_eq!(refusal(iam), (Some("NoSuchEntity".into()), Some("Role <x> cannot be found".into())));
        let ec2 = "<?xml version=\"1.0\"?><Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no\
                   </Message></Error></Errors></Response>";
        assert_eq!(refusal(ec2), (Some("UnauthorizedOperation".into()), Some("no".into())));
        let json = r#"{"__type":"com.amazonaws.x#AccessDeniedException","Message":"User is not authorized"}"#;
        assert_eq!(
            refusal(json),
            (Some("AccessDeniedException".into()), Some("User is not authorized".into()))
        );
        assert_eq!(refusal("<html>"), (None, None));
    }

    #[test]
    fn a_form_escapes_what_would_cut_it() {
        assert_eq!(escaped("a b&c=d/é~"), "a%20b%26c%3Dd%2F%C3%A9~");
    }
}

//! Hot calls around the SDK's orchestrator, not around the SDK.
//!
//! The orchestrator costs several times what the rest of a small request does. So most requests of an operation are
//! made directly: with the SDK's own HTTP connector (its pool, proxies, certificates and timeouts), and with the
//! credentials of its identity cache. What else a request needs is copied from one that the SDK sent and the service
//! accepted, which a [`Spy`] saw: endpoint, region, user agent, clock skew. There is another such request every few
//! minutes, and after each change of the credentials.
//!
//! Only a whole reply with status 200 counts as success here. After anything else, the caller sends the same lines once
//! more through the SDK:
//!
//! - The service is busy or failed, or its reply broke off. The caller gets the error that the SDK would have returned,
//!   because the SDK's deserializer reads the reply. The next attempt is an ordinary retry: it waits, takes units from
//!   the budget again, and goes through the SDK.
//! - Any other error. Nothing was executed and nothing is charged, so the caller sends the same body at once through
//!   the SDK, with the units that it holds. The outcome is that of the SDK's request alone.
//!
//! That is safe only for operations that may be executed twice with the same outcome. `BatchWriteItem` puts and deletes
//! whole items without conditions, and no other request in flight has the same keys. `PutItem` under a condition is not
//! such an operation: it must not be called directly.

mod sign;
mod spy;
mod template;

use std::{
    error::Error as StdError,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aws_smithy_runtime_api::client::{
    connection::CaptureSmithyConnection, http::HttpConnector, orchestrator::HttpResponse, result::SdkError,
};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use job_aws::waits::waiting;
use tracing::{debug, trace};

pub(crate) use spy::Spy;
use template::Template;

use super::{
    raw::{Operation, error_of},
    reply::{ReplyBody, Torn},
};

/// How long a template is used.
const LEARN_EVERY: Duration = Duration::from_mins(5);
/// The time from an attempt to get a template to the next.
const LEARN_AGAIN: Duration = Duration::from_secs(1);
/// The longest time without direct requests after they failed.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// How to send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallPath {
    /// Directly, if possible.
    Direct,
    /// Through the SDK's orchestrator.
    Sdk,
}

/// Makes requests of one operation to one table.
pub(crate) struct Direct {
    operation: Operation,
    state: Mutex<State>,
}

struct State {
    /// `None` while no request can be made directly.
    template: Option<Arc<Template>>,
    /// When a request through the SDK is to be watched for the next template.
    learn_at: Instant,
    /// How often in a row direct requests were given up for a time.
    doubts: u32,
}

impl std::fmt::Debug for Direct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Direct")
    }
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Sent<E> {
    /// Nothing was sent.
    Not,
    /// The body of the reply with status 200.
    Replied(Vec<u8>),
    /// The reply can't be used. The request may have been executed.
    Torn(Torn),
    /// There is no reply, or it is an error: just what the SDK's request would have returned.
    Failed(Box<SdkError<E, HttpResponse>>),
}

impl Direct {
    pub(crate) fn new(operation: Operation) -> Self {
        let state = State { template: None, learn_at: Instant::now(), doubts: 0 };
        Self { operation, state: Mutex::new(state) }
    }

    /// The interceptor for a request through the SDK, if that is to be watched.
    pub(crate) fn spy(&self) -> Option<Spy> {
        let mut state = self.lock();
        let now = Instant::now();
        let is_due = state.learn_at <= now;
        if is_due {
            state.learn_at = now + LEARN_AGAIN;
        }
        is_due.then(Spy::default)
    }

    /// Makes the next requests like the one that was watched. The service must have accepted it.
    pub(crate) async fn learn(&self, spy: &Spy) {
        let Some(seen) = spy.take() else { return };
        let template = Template::new(seen).await;
        let mut state = self.lock();
        if let Some(template) = template {
            state.template = Some(Arc::new(template));
            state.learn_at = Instant::now() + LEARN_EVERY;
        } else {
            state.doubt("the SDK's request is not understood");
        }
    }

    /// Sends a request with this body. `E` is the operation's error.
    pub(crate) async fn send<E: StdError + Send + Sync + 'static>(&self, body: Bytes) -> Sent<E> {
        let Some(template) = self.template() else { return Sent::Not };
        let Some(mut request) = template.request(body).await else {
            let mut state = self.lock();
            (state.template, state.learn_at) = (None, Instant::now());
            return Sent::Not;
        };
        let connection = CaptureSmithyConnection::new();
        request.add_extension(connection.clone());
        let sent_at = Instant::now();
        let wait =
            waiting(format!("{} (dynamodb:{})", job_aws::server(template.uri()), self.operation.name()));
        let called = template.http().call(request).await;
        trace!(
            action = self.operation.name(),
            status = called.as_ref().ok().map(|reply| reply.status().as_u16()),
            took_ms = sent_at.elapsed().as_millis(),
            "direct attempt of a call"
        );
        // A refused connection is an answer, too. A connection that times out is not.
        match &called {
            Err(error) if error.is_timeout() => wait.late(),
            _ => wait.answered(),
        }
        let is_broken = match &called {
            Ok(reply) => reply.status().is_server_error(),
            Err(_) => true,
        };
        if is_broken && let Some(connection) = connection.get() {
            // As the SDK does it: the next request must not meet the same server.
            connection.poison();
        }
        match called {
            Err(error) => Sent::Failed(Box::new(SdkError::dispatch_failure(error))),
            Ok(reply) => self.read(reply).await,
        }
    }

    async fn read<E: StdError + Send + Sync + 'static>(&self, mut reply: HttpResponse) -> Sent<E> {
        let mut body = Vec::new();
        if reply.status().as_u16() == 200 {
            let Some(whole) = ReplyBody::take(&mut reply) else { return Sent::Torn(Torn("without a body")) };
            return match whole.read(&mut body).await {
                Ok(()) => {
                    self.lock().doubts = 0;
                    Sent::Replied(body)
                }
                Err(torn) => Sent::Torn(torn),
            };
        }
        if reply.status().is_success() {
            return Sent::Torn(Torn("with a status that it never has"));
        }
        match ReplyBody::of_error(&mut reply).read(&mut body).await {
            Ok(()) => {
                *reply.body_mut() = SdkBody::from(body);
                Sent::Failed(Box::new(error_of(self.operation, reply)))
            }
            Err(torn) => Sent::Torn(torn),
        }
    }

    /// Records that a request failed in a way that might lie in how it was sent. For a time, all go through the SDK.
    pub(crate) fn doubt(&self) {
        let mut state = self.lock();
        // Others that were in flight with the same template don't count.
        if state.template.take().is_some() {
            state.doubt("a direct request failed");
        }
    }

    /// The template, unless a request through the SDK is due.
    fn template(&self) -> Option<Arc<Template>> {
        let state = self.lock();
        state.template.clone().filter(|_| Instant::now() < state.learn_at)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn doubt(&mut self, why: &'static str) {
        let pause = pause(self.doubts);
        debug!(pause_s = pause.as_secs(), why, "no direct requests for a time");
        (self.template, self.learn_at) = (None, Instant::now() + pause);
        self.doubts = self.doubts.saturating_add(1);
    }
}

/// The time without direct requests after this many such times.
fn pause(doubts: u32) -> Duration {
    (LEARN_AGAIN * (1 << doubts.min(16))).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests;

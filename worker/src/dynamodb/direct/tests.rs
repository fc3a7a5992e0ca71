//! Tests of direct requests beside those of the SDK, against a connector that records them.

use std::collections::VecDeque;

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, future},
};
use aws_sdk_dynamodb::{
    Client,
    client::customize::CustomizableOperation,
    config::{BehaviorVersion, Builder, IdentityCache, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::ProvideErrorMetadata,
    operation::batch_write_item::BatchWriteItemError,
};
use aws_smithy_async::time::StaticTimeSource;
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        http::{HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector, http_client_fn},
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextMut, dyn_dispatch_hint},
        orchestrator::HttpRequest,
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use job_aws::{Fault, FaultKind};

use super::*;
use crate::dynamodb::raw;

/// 2015-08-30T12:36:00Z.
const NOW: u64 = 1_440_938_160;
const BODY: &str = r#"{"RequestItems":{"t":[]}}"#;

/// A request as the connector gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Recorded {
    method: String,
    uri: String,
    /// In the order of their names.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// To connect, and to wait for a reply.
    timeouts: [Option<Duration>; 2],
}

impl Recorded {
    fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| &**value);
        let first = values.next();
        assert_eq!(values.next(), None, "{name} is there twice");
        first
    }

    /// All but the random id of the request.
    fn without_id(mut self) -> Self {
        assert_eq!(self.header("amz-sdk-invocation-id").map(str::len), Some(36));
        self.headers.retain(|(name, _)| name != "amz-sdk-invocation-id");
        self
    }
}

/// A reply: status, headers, body. `None` is a broken connection.
type Canned = Option<(u16, &'static [(&'static str, &'static str)], &'static str)>;

/// Replies with the errors that it was given, then with success.
#[derive(Clone, Debug, Default)]
struct Recorder {
    requests: Arc<Mutex<Vec<Recorded>>>,
    replies: Arc<Mutex<VecDeque<Canned>>>,
}

#[derive(Debug)]
struct Connector(Recorder, HttpConnectorSettings);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let headers = request.headers().iter();
        let mut headers: Vec<_> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        headers.sort_unstable();
        self.0.requests.lock().unwrap().push(Recorded {
            method: request.method().to_owned(),
            uri: request.uri().to_owned(),
            headers,
            body: request.body().bytes().unwrap().to_vec(),
            timeouts: [self.1.connect_timeout(), self.1.read_timeout()],
        });
        let reply = self.0.replies.lock().unwrap().pop_front().unwrap_or(Some((200, &[], "{}")));
        HttpConnectorFuture::ready(match reply {
            None => Err(ConnectorError::io("broken".into())),
            Some((status, headers, body)) => {
                let mut reply = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
                for (name, value) in headers {
                    reply.headers_mut().insert(*name, *value);
                }
                Ok(reply)
            }
        })
    }
}

/// A client, and the direct requests beside it.
struct Scene {
    recorder: Recorder,
    client: Client,
    direct: Direct,
}

fn credentials(token: Option<&str>) -> Credentials {
    Credentials::new("AKIDEXAMPLE", "secret", token.map(str::to_owned), None, "test")
}

fn base() -> Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(4))
        .read_timeout(Duration::from_mins(1))
        .build();
    aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials(None))
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .time_source(StaticTimeSource::from_secs(NOW))
}

impl Scene {
    fn new(config: Builder) -> Self {
        let recorder = Recorder::default();
        let of = recorder.clone();
        let http = http_client_fn(move |settings, _| {
            SharedHttpConnector::new(Connector(of.clone(), settings.clone()))
        });
        let client = raw::client(config.http_client(http));
        Self { recorder, client, direct: Direct::new(Operation::BatchWriteItem) }
    }

    fn reply(&self, reply: Canned) {
        self.recorder.replies.lock().unwrap().push_back(reply);
    }

    /// Sends a request through the SDK, and learns from it if that is due.
    async fn by_sdk(&self) -> Result<(), Box<SdkError<BatchWriteItemError, HttpResponse>>> {
        let request = self.client.batch_write_item().request_items("t", Vec::new());
        let spy = self.direct.spy();
        let request = request.customize();
        let request = spy.iter().cloned().fold(request, CustomizableOperation::interceptor);
        let body = Some(Bytes::from(BODY));
        raw::exchange(Operation::BatchWriteItem, body, request.send()).await?.unwrap();
        if let Some(spy) = spy {
            self.direct.learn(&spy).await;
        }
        Ok(())
    }

    async fn directly(&self) -> Sent<BatchWriteItemError> {
        self.direct.send(Bytes::from(BODY)).await
    }

    async fn replied(&self) -> bool {
        matches!(self.directly().await, Sent::Replied(body) if body == b"{}")
    }

    /// The requests since the last call.
    fn requests(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.recorder.requests.lock().unwrap())
    }

    /// Makes the next request due to be watched.
    fn forget_pause(&self) {
        self.direct.lock().learn_at = Instant::now();
    }
}

#[tokio::test]
async fn both_ways_send_the_same_headers_and_signature() {
    let with_account = Credentials::builder()
        .access_key_id("AKIDEXAMPLE")
        .secret_access_key("secret")
        .account_id("123456789012")
        .provider_name("test")
        .build();
    for (config, uri) in [
        (base(), "https://dynamodb.us-east-1.amazonaws.com/"),
        (base().use_fips(true), "https://dynamodb-fips.us-east-1.amazonaws.com/"),
        (base().use_dual_stack(true), "https://dynamodb.us-east-1.api.aws/"),
        (base().region(Region::new("cn-north-1")), "https://dynamodb.cn-north-1.amazonaws.com.cn/"),
        (base().credentials_provider(with_account), "https://123456789012.ddb.us-east-1.amazonaws.com/"),
        (base().endpoint_url("http://127.0.0.1:8000"), "http://127.0.0.1:8000/"),
        (base().endpoint_url("https://there:443/a~b/"), "https://there:443/a~b/"),
        (
            base().credentials_provider(credentials(Some("a+token/=="))),
            "https://dynamodb.us-east-1.amazonaws.com/",
        ),
    ] {
        let scene = Scene::new(config);
        scene.by_sdk().await.unwrap();
        assert!(scene.replied().await, "{uri}");
        let [theirs, ours] = <[Recorded; 2]>::try_from(scene.requests()).unwrap();
        assert_eq!(ours.uri, uri);
        assert_eq!(ours.timeouts, [4, 60].map(|seconds| Some(Duration::from_secs(seconds))));
        assert_eq!(ours.header("x-amz-date"), Some("20150830T123600Z"));
        assert!(
            ours.header("authorization").unwrap().contains("content-length;content-type;host;x-amz-date;")
        );
        assert_ne!(theirs.header("amz-sdk-invocation-id"), ours.header("amz-sdk-invocation-id"));
        assert_eq!(ours.without_id(), theirs.without_id());
    }
}

#[tokio::test]
async fn the_clock_is_the_one_that_the_sdk_corrected() {
    let scene = Scene::new(base());
    // The server is an hour ahead, and says so.
    scene.reply(Some((200, &[("date", "Sun, 30 Aug 2015 13:36:00 GMT")], "{}")));
    for (sdk, direct) in [("20150830T123600Z", "20150830T123600Z"), ("20150830T133600Z", "20150830T133600Z")]
    {
        scene.forget_pause();
        scene.by_sdk().await.unwrap();
        assert!(scene.replied().await);
        let dates: Vec<_> =
            scene.requests().iter().map(|request| request.header("x-amz-date").unwrap().to_owned()).collect();
        assert_eq!(dates, [sdk, direct]);
    }
}

#[derive(Clone, Debug)]
struct Changing(Arc<Mutex<Credentials>>);

impl ProvideCredentials for Changing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Ok(self.0.lock().unwrap().clone()))
    }
}

#[tokio::test]
async fn credentials_that_change_are_used_at_once() {
    let changing = Changing(Arc::new(Mutex::new(credentials(Some("first")))));
    let config = base().credentials_provider(changing.clone()).identity_cache(IdentityCache::no_cache());
    let scene = Scene::new(config);
    scene.by_sdk().await.unwrap();
    assert!(scene.replied().await);
    *changing.0.lock().unwrap() = credentials(Some("second"));
    assert!(matches!(scene.directly().await, Sent::Not), "the old ones are not used any more");
    scene.by_sdk().await.unwrap();
    assert!(scene.replied().await);
    let tokens: Vec<_> = scene
        .requests()
        .iter()
        .map(|request| request.header("x-amz-security-token").unwrap().to_owned())
        .collect();
    assert_eq!(tokens, ["first", "first", "second", "second"]);
}

/// Changes a request after it was signed, or before.
#[derive(Debug)]
struct Adds(&'static str, &'static str, bool);

#[dyn_dispatch_hint]
impl Intercept for Adds {
    fn name(&self) -> &'static str {
        "Adds"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if self.2 {
            context.request_mut().headers_mut().insert(self.0, self.1);
        }
        Ok(())
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !self.2 {
            context.request_mut().headers_mut().insert(self.0, self.1);
        }
        Ok(())
    }
}

#[tokio::test]
async fn what_is_not_understood_goes_through_the_sdk() {
    for adds in [
        // A signed header, and one that is not, which may depend on the body.
        Adds("x-amz-content-sha256", "0123", true),
        Adds("x-checksum", "0123", false),
        // A signature that is not ours.
        Adds("content-type", "application/json", false),
        Adds("x-amz-date", "20150830T123601Z", false),
        Adds("authorization", "AWS4-ECDSA-P256-SHA256 Credential=x", false),
    ] {
        let name = format!("{adds:?}");
        let scene = Scene::new(base().interceptor(adds));
        for doubts in 1..4 {
            scene.forget_pause();
            scene.by_sdk().await.unwrap();
            assert!(matches!(scene.directly().await, Sent::Not), "{name}");
            assert_eq!(scene.direct.lock().doubts, doubts, "{name}");
        }
        assert_eq!(scene.requests().len(), 3);
    }
    assert_eq!([0, 1, 2, 40].map(pause).map(|pause| pause.as_secs()), [1, 2, 4, 300]);
}

#[tokio::test]
async fn nothing_is_learned_from_a_request_that_failed() {
    let scene = Scene::new(base());
    scene.reply(Some((500, &[], "{}")));
    scene.by_sdk().await.unwrap_err();
    assert!(matches!(scene.directly().await, Sent::Not));
    scene.by_sdk().await.unwrap();
    assert!(matches!(scene.directly().await, Sent::Not), "the next try is a second later");
    scene.forget_pause();
    scene.by_sdk().await.unwrap();
    assert!(scene.replied().await);
}

const THROTTLED: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slower"}"#;
const EXPIRED: &str = r#"{"__type":"com.amazon.coral.service#ExpiredTokenException","message":"The security token included in the request is expired"}"#;

#[tokio::test]
async fn errors_are_just_those_of_the_sdk() {
    let scene = Scene::new(base());
    scene.by_sdk().await.unwrap();
    let mut kinds = Vec::new();
    for reply in [
        Some((400, &[][..], THROTTLED)),
        Some((400, &[], EXPIRED)),
        Some((400, &[], r#"{"__type":"x#ValidationException","message":"no"}"#)),
        Some((400, &[], r#"{"__type":"x#AccessDeniedException","Message":"no"}"#)),
        Some((500, &[], r#"{"__type":"x#InternalServerError","message":"oh"}"#)),
        Some((503, &[], "")),
        Some((502, &[("content-type", "text/html")], "<html>")),
        Some((403, &[("content-type", "text/html")], "<html>")),
        Some((400, &[], "{")),
        Some((302, &[], "")),
        None,
    ] {
        scene.reply(reply);
        scene.reply(reply);
        let theirs = scene.by_sdk().await.unwrap_err();
        let Sent::Failed(ours) = scene.directly().await else { panic!("{reply:?}") };
        let of = |error: &SdkError<_, _>| {
            let code = error.as_service_error().and_then(ProvideErrorMetadata::code).map(str::to_owned);
            (code, std::mem::discriminant(error))
        };
        assert_eq!(of(&ours), of(&theirs), "{reply:?}");
        let fault = |error| Fault::of("dynamodb:BatchWriteItem", "table t", "there", error);
        let (ours_is, theirs_is) = (fault(*ours), fault(*theirs));
        assert_eq!((ours_is.kind, ours_is.message), (theirs_is.kind, theirs_is.message), "{reply:?}");
        kinds.push(ours_is.kind);
    }
    let expected =
        [FaultKind::Throttled, FaultKind::ExpiredCredentials, FaultKind::Invalid, FaultKind::Denied];
    assert_eq!(kinds[..4], expected);
}

#[tokio::test]
async fn a_reply_that_is_not_whole_is_no_success() {
    let scene = Scene::new(base());
    scene.by_sdk().await.unwrap();
    for (reply, torn) in [
        ((200, &[("x-amz-crc32", "1")][..], "{}"), "with a wrong x-amz-crc32"),
        ((200, &[("content-length", "3")], "{}"), "shorter than announced"),
        ((500, &[("content-length", "3")], "{}"), "shorter than announced"),
        ((204, &[], ""), "with a status that it never has"),
    ] {
        scene.reply(Some(reply));
        let sent = scene.directly().await;
        assert!(matches!(&sent, Sent::Torn(Torn(why)) if *why == torn), "{sent:?}");
    }
    // The checksum of `{}`.
    scene.reply(Some((200, &[("x-amz-crc32", "2745614147")], "{}")));
    assert!(scene.replied().await);
}

#[tokio::test]
async fn after_a_doubt_all_goes_through_the_sdk_for_a_time_that_grows() {
    let scene = Scene::new(base());
    scene.by_sdk().await.unwrap();
    for doubts in 1..4 {
        scene.direct.doubt();
        scene.direct.doubt();
        assert_eq!(scene.direct.lock().doubts, doubts, "what fails at the same time counts once");
        assert!(matches!(scene.directly().await, Sent::Not));
        assert!(scene.direct.spy().is_none());
        scene.forget_pause();
        scene.by_sdk().await.unwrap();
    }
    assert!(scene.replied().await);
    assert_eq!(scene.direct.lock().doubts, 0);
}

#[tokio::test]
async fn the_sdk_is_asked_again_every_few_minutes() {
    let scene = Scene::new(base());
    scene.by_sdk().await.unwrap();
    let left = scene.direct.lock().learn_at.saturating_duration_since(Instant::now());
    assert!(left > LEARN_EVERY / 2, "{left:?}");
    scene.forget_pause();
    assert!(matches!(scene.directly().await, Sent::Not));
    let first = scene.direct.spy();
    assert!(first.is_some() && scene.direct.spy().is_none(), "by one request only");
    assert!(scene.replied().await, "the others go on meanwhile");
}

//! Which answer a request gets.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{
        ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue,
        REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
};
use tokio_stream::{StreamExt, wrappers::WatchStream};

use super::{Access, PageService};
use crate::draw::{SCRIPT, SHELL, STYLE};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The page loads its own style and script, and asks its own server, and nothing else. Nobody may frame it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
/// The type of `OpenMetrics` (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// The answer to a request. Bodies of requests are not read: none matters.
///
/// A connection ends with its first answer if that request had no token. So clients without it hold none for long.
pub(super) fn answer(request: &Request<Incoming>, service: &PageService) -> Response<Body> {
    let has_token = service.access.has_token(request.headers());
    let mut response = answer_to(request, service, has_token);
    if !has_token {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn answer_to(request: &Request<Incoming>, service: &PageService, has_token: bool) -> Response<Body> {
    if !Access::is_for_us(request.headers()) {
        return short(StatusCode::MISDIRECTED_REQUEST, "this server has another name");
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = short(StatusCode::METHOD_NOT_ALLOWED, "this server only answers GET");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let path = request.uri().path();
    match path {
        "/" => return whole(HTML, SHELL.into()),
        "/page.css" => return whole("text/css; charset=utf-8", STYLE.into()),
        "/page.js" => return whole("text/javascript; charset=utf-8", SCRIPT.into()),
        "/healthz" => return whole(PLAIN, "ok\n".into()),
        "/body" | "/text" | "/status.json" | "/events" | "/metrics" => {}
        _ => return short(StatusCode::NOT_FOUND, "there is no such page"),
    }
    if !has_token {
        let mut response = short(StatusCode::UNAUTHORIZED, "the token is missing or wrong");
        // Browsers ask for a password if Basic is offered. The page's own requests must not cause that.
        let scheme = if path == "/text" { "Basic realm=\"tablehaul\"" } else { "Bearer" };
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        return response;
    }
    let jobs = service.jobs.borrow().clone();
    match path {
        "/body" => whole(HTML, jobs.body()),
        "/text" => whole(HTML, jobs.text()),
        "/status.json" => whole("application/json", jobs.json()),
        "/metrics" => match jobs.metrics() {
            Some(metrics) => whole(METRICS, metrics.into()),
            None => short(StatusCode::NOT_FOUND, "there are metrics for one readable job only"),
        },
        _ => events(service),
    }
}

/// Every state from now on, as server-sent events. A slow reader skips states.
fn events(service: &PageService) -> Response<Body> {
    let states = WatchStream::new(service.jobs.clone()).map(|jobs| {
        let json = jobs.json();
        let mut event = Vec::with_capacity(json.len() + 8);
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(&json);
        event.extend_from_slice(b"\n\n");
        Ok(Frame::data(event.into()))
    });
    response(StatusCode::OK, "text/event-stream", StreamBody::new(states).boxed_unsync())
}

fn whole(content_type: &'static str, content: Bytes) -> Response<Body> {
    response(StatusCode::OK, content_type, Full::new(content).boxed_unsync())
}

fn short(status: StatusCode, text: &'static str) -> Response<Body> {
    response(status, PLAIN, Full::new(Bytes::from_static(text.as_bytes())).boxed_unsync())
}

fn response(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

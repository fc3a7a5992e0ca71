//! A small table: segment `n` has `n` items with keys from 1, one to a page, each for half a unit.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};

/// The fault of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StubFault {
    None,
    /// The first attempt of each request is throttled.
    Throttled,
    /// Every request is denied.
    Denied,
    /// Every reply states more items than it has.
    Malformed,
}

pub(crate) struct Table {
    pub(crate) endpoint: String,
    pub(crate) requests: Arc<AtomicU32>,
    _serving: JoinSet<()>,
}

pub(crate) async fn serve(fault: StubFault) -> Table {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicU32::new(0));
    let counted = requests.clone();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let counted = counted.clone();
            connections.spawn(async move {
                let answer = service_fn(|request| answer(request, fault, counted.fetch_add(1, SeqCst)));
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    Table { endpoint, requests, _serving: serving }
}

async fn answer(
    request: Request<Incoming>,
    fault: StubFault,
    number: u32,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let asked: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let error = |kind: &str| {
        let text = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{kind}","message":"no"}}"#);
        Ok(Response::builder().status(400).body(Full::from(text)).unwrap())
    };
    match fault {
        StubFault::Denied => return error("AccessDeniedException"),
        StubFault::Throttled if number.is_multiple_of(2) => {
            return error("ProvisionedThroughputExceededException");
        }
        _ => {}
    }
    let after = asked["ExclusiveStartKey"]["k"]["N"].as_str().map_or(0, |key| key.parse().unwrap());
    let items = asked["Segment"].as_u64().unwrap();
    let (mut found, mut next) = (String::new(), String::new());
    if after < items {
        let key = after + 1;
        found = format!(r#"{{"k":{{"N":"{key}"}},"segment":{{"N":"{items}"}}}}"#);
        if key < items {
            next = format!(r#","LastEvaluatedKey":{{"k":{{"N":"{key}"}}}}"#);
        }
    }
    let count = if fault == StubFault::Malformed { 9 } else { u32::from(!found.is_empty()) };
    let text = format!(
        r#"{{"Count":{count},"ScannedCount":{count},"Items":[{found}],"ConsumedCapacity":{{"TableName":"t","CapacityUnits":0.5}}{next}}}"#
    );
    Ok(Response::new(Full::from(text)))
}

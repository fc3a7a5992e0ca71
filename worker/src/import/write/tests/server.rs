//! A table with the numeric key `k`, and a server that answers requests as a test wants.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Request, Response,
    body::{Frame, Incoming},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// What happens to a request. It is executed where the variant says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerFault {
    None,
    /// The first of every two items is written, the other is returned in another spelling.
    Unprocessed,
    /// All items are returned as unprocessed.
    AllUnprocessed,
    /// Executed, but the reply returns an item that was not sent.
    Foreign,
    Throttled,
    Internal,
    /// Executed, but the reply has a wrong checksum.
    WrongCrc,
    /// Executed, but the reply ends in its middle.
    CutOff,
    /// The same, and the connection breaks.
    BrokenOff,
    /// Executed, but the connection is closed without a reply.
    Closed,
    /// The credentials have expired.
    Expired,
    /// The reply takes a while.
    Slow,
    Denied,
}

/// The history of the table. A write costs two units, and one of the index `g`.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The values of `v` by the values of `k`.
    pub(super) items: BTreeMap<u64, String>,
    /// The number of lines of each request.
    pub(super) batches: Vec<usize>,
    pub(super) consumed: u64,
    /// Counts an error: a key that is written twice at once.
    pub(super) clashes: u32,
    under_way: BTreeSet<u64>,
}

pub(super) struct Server {
    pub(super) endpoint: String,
    pub(super) state: Arc<Mutex<State>>,
    pub(super) _serving: JoinSet<()>,
}

/// Starts a server. The requests meet the faults in turn.
pub(super) async fn serve(faults: &'static [ServerFault]) -> Server {
    let state = Arc::new(Mutex::new(State::default()));
    let served = state.clone();
    let (endpoint, serving) =
        crate::tests::serve(move |request| answer(request, faults, served.clone())).await;
    Server { endpoint, state, _serving: serving }
}

/// A requested write: its key, and its value unless it deletes.
struct Asked {
    key: u64,
    value: Option<String>,
    is_poison: bool,
    request: Value,
}

fn asked(request: &Value) -> Asked {
    let item = &request["PutRequest"]["Item"];
    let key = if item.is_null() { &request["DeleteRequest"]["Key"] } else { item };
    Asked {
        key: key["k"]["N"].as_str().unwrap().parse().unwrap(),
        value: item["v"]["S"].as_str().map(str::to_owned),
        is_poison: !item["poison"].is_null(),
        request: request.clone(),
    }
}

type Reply = Response<UnsyncBoxBody<Bytes, io::Error>>;

fn whole(text: String) -> UnsyncBoxBody<Bytes, io::Error> {
    Full::from(text).map_err(|never| match never {}).boxed_unsync()
}

fn broken(text: &str) -> UnsyncBoxBody<Bytes, io::Error> {
    let half = Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]);
    let frames = [Ok(Frame::data(half)), Err(io::Error::other("broken off"))];
    StreamBody::new(tokio_stream::iter(frames)).boxed_unsync()
}

async fn answer(
    request: Request<Incoming>,
    faults: &'static [ServerFault],
    state: Arc<Mutex<State>>,
) -> io::Result<Reply> {
    let target = request.headers()["x-amz-target"].to_str().unwrap().to_owned();
    assert!(request.headers()["authorization"].to_str().unwrap().contains("content-length;"));
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["ReturnConsumedCapacity"], "INDEXES");
    if target == "DynamoDB_20120810.PutItem" {
        return Ok(put_if_absent(&body, &mut state.lock().unwrap()));
    }
    let all: Vec<Asked> = body["RequestItems"]["t"].as_array().unwrap().iter().map(asked).collect();
    let fault = {
        let mut state = state.lock().unwrap();
        for asked in &all {
            state.clashes += u32::from(!state.under_way.insert(asked.key));
        }
        state.batches.push(all.len());
        faults[(state.batches.len() - 1) % faults.len()]
    };
    // Other requests may arrive meanwhile.
    let pause = if fault == ServerFault::Slow { 50 } else { 2 };
    tokio::time::sleep(Duration::from_millis(pause)).await;
    let mut state = state.lock().unwrap();
    for asked in &all {
        state.under_way.remove(&asked.key);
    }
    if all.iter().any(|asked| asked.is_poison) {
        return Ok(error(400, "ValidationException", "poison: numeric value: secret"));
    }
    let reply = write(all, fault, &mut state);
    if fault == ServerFault::Closed {
        return Err(io::Error::other("closed"));
    }
    Ok(reply)
}

fn write(all: Vec<Asked>, fault: ServerFault, state: &mut State) -> Reply {
    let mut unprocessed = Vec::new();
    let mut num_done = 0;
    for (number, mut asked) in all.into_iter().enumerate() {
        match fault {
            ServerFault::Denied => return error(400, "AccessDeniedException", "no"),
            ServerFault::Throttled => return error(400, "ProvisionedThroughputExceededException", "slower"),
            ServerFault::Expired => return error(400, "ExpiredTokenException", "expired"),
            ServerFault::Internal => return error(500, "InternalServerError", "oh"),
            ServerFault::AllUnprocessed => unprocessed.push(asked.request),
            ServerFault::Unprocessed if number % 2 == 1 => {
                let kind =
                    if asked.value.is_some() { ["PutRequest", "Item"] } else { ["DeleteRequest", "Key"] };
                asked.request[kind[0]][kind[1]]["k"]["N"] = format!("{}.0E+0", asked.key).into();
                unprocessed.push(asked.request);
            }
            _ => {
                match asked.value {
                    Some(value) => drop(state.items.insert(asked.key, value)),
                    None => drop(state.items.remove(&asked.key)),
                }
                num_done += 1;
            }
        }
    }
    if fault == ServerFault::Foreign {
        unprocessed.push(json!({"PutRequest": {"Item": {"k": {"N": "-1"}}}}));
    }
    state.consumed += 2 * num_done;
    let capacity = json!([{
        "TableName": "t",
        "CapacityUnits": 3 * num_done,
        "Table": { "CapacityUnits": 2 * num_done },
        "GlobalSecondaryIndexes": { "g": { "CapacityUnits": num_done } },
    }]);
    let left = if unprocessed.is_empty() { json!({}) } else { json!({ "t": unprocessed }) };
    let text = json!({ "UnprocessedItems": left, "ConsumedCapacity": capacity }).to_string();
    let crc32 = crc32fast::hash(text.as_bytes());
    let reply = Response::builder();
    match fault {
        ServerFault::WrongCrc => reply.header("x-amz-crc32", crc32 ^ 1).body(whole(text)).unwrap(),
        ServerFault::CutOff => reply.body(whole(text[..text.len() / 2].to_owned())).unwrap(),
        ServerFault::BrokenOff => reply.body(broken(&text)).unwrap(),
        _ => reply.header("x-amz-crc32", crc32).body(whole(text)).unwrap(),
    }
}

fn put_if_absent(body: &Value, state: &mut State) -> Reply {
    assert_eq!(body["ConditionExpression"], "attribute_not_exists(#k)");
    assert_eq!(body["ExpressionAttributeNames"]["#k"], "k");
    assert_eq!(body["TableName"], "t");
    let asked = asked(&json!({ "PutRequest": { "Item": body["Item"] } }));
    state.consumed += 2;
    if state.items.contains_key(&asked.key) {
        return error(400, "ConditionalCheckFailedException", "The conditional request failed");
    }
    state.items.insert(asked.key, asked.value.unwrap());
    let capacity = json!({ "TableName": "t", "CapacityUnits": 2.0, "Table": { "CapacityUnits": 2.0 } });
    Response::new(whole(json!({ "ConsumedCapacity": capacity }).to_string()))
}

fn error(status: u16, kind: &str, message: &str) -> Reply {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{kind}");
    let text = json!({ "__type": kind, "message": message }).to_string();
    Response::builder().status(status).body(whole(text)).unwrap()
}

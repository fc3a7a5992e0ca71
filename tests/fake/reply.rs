//! Replies on the wire: up to three pieces without a copy, their checksum, and the faults of
//! the connection. Replies to writes are in `reply/write.rs`.

mod write;

use crate::api::{ApiError, Report, Scan};
use crate::fast::Ready;
use crate::faults::Fault;
use crate::page::Page;
use crate::tally::units;
use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// An injected error of a connection; hyper closes the connection.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped on purpose")]
pub(crate) struct Dropped;

/// The contents of a reply.
#[derive(Debug)]
pub(crate) struct Content {
    status: u16,
    pieces: VecDeque<Bytes>,
    crc: u32,
}

impl Content {
    fn whole(status: u16, body: String) -> Self {
        let crc = crc32fast::hash(body.as_bytes());
        Self { status, pieces: VecDeque::from([Bytes::from(body)]), crc }
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::whole(200, value.to_string())
    }

    pub(crate) fn error(error: &ApiError) -> Self {
        Self::whole(error.status, error.to_json())
    }

    /// A page in the order of the real service: capacity and counts, items, key, scanned count.
    pub(crate) fn page(scan: &Scan, page: Page, half_units: u64) -> Self {
        let num_items = page.num_items;
        let capacity = consumed(scan, half_units).map(|it| format!(r#""ConsumedCapacity":{it},"#));
        let head = format!(r#"{{{}"Count":{num_items},"Items":["#, capacity.unwrap_or_default());
        let last_key = page
            .last_key
            .as_ref()
            .map(|(pk, sk)| format!(r#","LastEvaluatedKey":{}"#, json!({"pk": {"S": pk}, "sk": {"N": sk}})));
        let tail = format!(r#"]{},"ScannedCount":{num_items}}}"#, last_key.unwrap_or_default());
        let mut crc = crc32fast::Hasher::new();
        crc.update(head.as_bytes());
        match &page.crc {
            Some(known) => crc.combine(known),
            None => crc.update(&page.json),
        }
        crc.update(tail.as_bytes());
        let pieces = VecDeque::from([Bytes::from(head), page.json, Bytes::from(tail)]);
        Self { status: 200, pieces, crc: crc.finalize() }
    }

    pub(crate) fn ready(ready: Ready) -> Self {
        Self { status: 200, pieces: VecDeque::from([ready.json]), crc: ready.crc }
    }

    fn len(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }

    fn cut(&mut self, mut keep_bytes: u64) {
        for piece in &mut self.pieces {
            let keep = piece.len().min(usize::try_from(keep_bytes).unwrap_or(usize::MAX));
            piece.truncate(keep);
            keep_bytes -= keep as u64;
        }
    }

    fn recompute_crc(&mut self) {
        let mut crc = crc32fast::Hasher::new();
        self.pieces.iter().for_each(|piece| crc.update(piece));
        self.crc = crc.finalize();
    }

    /// The HTTP reply, with its fault.
    pub(crate) fn into_response(
        mut self,
        request_id: u64,
        fault: Option<Fault>,
        running: InFlight,
    ) -> Result<Response<ReplyBody>, Dropped> {
        let mut declared_bytes = self.len();
        let mut breaks = false;
        match fault {
            Some(Fault::DropBefore) => return Err(Dropped),
            Some(Fault::DropAfter) => {
                self.cut(0);
                breaks = true;
            }
            Some(Fault::Torn) => {
                self.cut(declared_bytes / 2);
                breaks = true;
            }
            Some(Fault::Truncated) => {
                self.cut(declared_bytes / 2);
                declared_bytes = self.len();
                self.recompute_crc();
            }
            Some(Fault::BadCrc) => self.crc ^= 1,
            Some(Fault::Error | Fault::Throttle) | None => {}
        }
        let body = ReplyBody { pieces: self.pieces, declared_bytes, breaks, pause: None, _running: running };
        Response::builder()
            .status(self.status)
            .header("content-type", "application/x-amz-json-1.0")
            .header("content-length", declared_bytes)
            .header("x-amz-crc32", self.crc)
            .header("x-amzn-requestid", format!("FAKE{request_id:048X}"))
            .body(body)
            .map_err(|_| Dropped)
    }
}

/// A plain reply of an admin endpoint.
pub(crate) fn admin(status: u16, body: String, running: InFlight) -> Result<Response<ReplyBody>, Dropped> {
    let declared_bytes = body.len() as u64;
    let pieces = VecDeque::from([Bytes::from(body)]);
    let body = ReplyBody { pieces, declared_bytes, breaks: false, pause: None, _running: running };
    Response::builder().status(status).body(body).map_err(|_| Dropped)
}

fn consumed(scan: &Scan, half_units: u64) -> Option<Value> {
    let units = units(half_units);
    match scan.report {
        Report::None => None,
        Report::Total => Some(json!({"CapacityUnits": units, "TableName": scan.table})),
        Report::Indexes => {
            Some(json!({"CapacityUnits": units, "Table": {"CapacityUnits": units}, "TableName": scan.table}))
        }
    }
}

/// The body of a reply. One with a fault returns its pieces, waits until they must have been sent, and fails.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    pieces: VecDeque<Bytes>,
    declared_bytes: u64,
    breaks: bool,
    pause: Option<Pin<Box<Sleep>>>,
    _running: InFlight,
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        while let Some(piece) = self.pieces.pop_front() {
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
        }
        if !self.breaks {
            return Poll::Ready(None);
        }
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::from_millis(20))));
        pause.as_mut().poll(context).map(|()| Some(Err(Dropped)))
    }

    fn is_end_stream(&self) -> bool {
        !self.breaks && self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.declared_bytes)
    }
}

/// The number of requests being answered, and the most so far.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    running: AtomicU64,
    most: AtomicU64,
}

impl Gauge {
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(running, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    pub(crate) fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }

    pub(crate) fn reset(&self) {
        self.most.store(0, Ordering::Relaxed);
    }
}

/// A request that is being answered, until its body is handed over.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Gauge>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

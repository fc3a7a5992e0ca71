//! First stage of an export: a stream, which reads one segment page by page.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use aws_sdk_dynamodb::{
    Client,
    operation::scan::builders::ScanFluentBuilder,
    types::{AttributeValue, ReturnConsumedCapacity},
};
use engine::worker::{
    page_planner::{Costs, Plan, Reads},
    streams::Times,
};
use job::{
    capacity::Units,
    paging::{SeenTokens, TokenRepeats},
    spec::{ExportSettings, FixedOptions},
    task::{Lease, Mark, Position},
};
use job_aws::{Fault, FaultKind, Policy, wait};
use tracing::{debug, trace};

use super::{
    ExportError,
    encode::{EncodeError, Encoded, Encoder, Fetched, KEEP_BYTES},
    fetch::{FetchError, fetch},
    key::{self, NoKey},
};
use crate::{limiter::CapacityLimiter, report::Report};

/// The job fails after this many malformed replies in a row for a page.
const MALFORMED_REPLIES: u32 = 5;

/// The state that all streams of a worker share.
pub(crate) struct Scanner {
    pub(crate) settings: Arc<ExportSettings>,
    /// A client of [`raw`](crate::dynamodb::raw).
    pub(crate) client: Client,
    /// Where DynamoDB is, for messages.
    pub(crate) address: String,
    pub(crate) limiter: Arc<CapacityLimiter>,
    pub(crate) report: Arc<Report>,
    pub(crate) encoder: Encoder,
    pub(crate) typical: Mutex<Costs>,
    pub(crate) spent: Times,
}

/// Why no page can be read from a key on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    #[error(transparent)]
    NoKey(#[from] NoKey),
    #[error(transparent)]
    Repeats(#[from] TokenRepeats),
}

/// A segment that is being read.
struct Reading {
    lease: Lease,
    mark: Mark,
    costs: Costs,
    body: Vec<u8>,
    failures: u32,
    malformed: u32,
    /// The keys after which pages began.
    tokens: SeenTokens<HashMap<String, AttributeValue>>,
}

impl Reading {
    /// The key after which the next page begins, if there is one. A repeated key is an error.
    fn start(&mut self) -> Result<Option<HashMap<String, AttributeValue>>, KeyError> {
        let Position::After(key) = &self.mark.position else { return Ok(None) };
        let key = key::exclusive_start_key(key)?;
        self.tokens.next(&key)?;
        Ok(Some(key))
    }
}

impl Scanner {
    /// Reads a segment from its mark to its end.
    pub(crate) async fn read(&self, lease: Lease) -> Result<(), ExportError> {
        let mark = lease.mark.clone();
        let (body, costs, tokens) = (Vec::new(), Costs::default(), SeenTokens::default());
        let mut segment = Reading { lease, mark, costs, body, failures: 0, malformed: 0, tokens };
        let Lease { segment: number, attempt, .. } = segment.lease;
        debug!(segment = %number, %attempt, pages = segment.mark.pages, "segment begun");
        let mut start = segment.start().map_err(ExportError::Mark)?;
        while segment.mark.position != Position::Done {
            let plan = self.plan(&segment.costs).await;
            let waiting_since = Instant::now();
            self.limiter.acquire(plan.estimate).await;
            self.spent.units.add(waiting_since.elapsed());
            let request = self.request(&segment, plan, start.clone());
            let sent_at = Instant::now();
            let fetched = fetch(request, &mut segment.body).await;
            self.spent.requests.add(sent_at.elapsed());
            match fetched {
                Ok(()) => {
                    let page = segment.mark.pages;
                    self.encode(&mut segment, plan).await?;
                    if segment.mark.pages > page {
                        let next = segment.start();
                        start = next.map_err(|source| ExportError::Key {
                            page: self.page(&segment, segment.mark.pages),
                            source,
                        })?;
                    }
                }
                Err(error) => {
                    let charged = if error.is_charged() { plan.estimate } else { Units::ZERO };
                    self.settle(plan, charged);
                    self.retry(&mut segment, error).await?;
                }
            }
        }
        let Mark { pages, items, .. } = segment.mark;
        debug!(segment = %number, %attempt, pages, items, "segment read");
        Ok(())
    }

    async fn plan(&self, own: &Costs) -> Plan {
        let cap = self.limiter.page_cap().await;
        let typical = *self.typical.lock().unwrap_or_else(PoisonError::into_inner);
        let ExportSettings { options: FixedOptions { consistent, .. }, mean_item_bytes, .. } = *self.settings;
        Reads { consistent, mean_item_bytes }.plan(cap, own, &typical)
    }

    /// The name of a page, for messages. Pages of a segment are counted from 1.
    fn page(&self, segment: &Reading, page: u64) -> String {
        let (table, number) = (&self.settings.table, segment.lease.segment);
        format!("Scan of table {table}, segment {number}, page {page}")
    }

    fn request(
        &self,
        segment: &Reading,
        plan: Plan,
        start: Option<HashMap<String, AttributeValue>>,
    ) -> ScanFluentBuilder {
        let integer = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        self.client
            .scan()
            .table_name(&self.settings.table)
            .consistent_read(self.settings.options.consistent)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .segment(integer(segment.lease.segment.0))
            .total_segments(integer(self.settings.options.segments.get()))
            .set_limit(plan.limit.map(integer))
            .set_exclusive_start_key(start)
    }

    async fn encode(&self, segment: &mut Reading, plan: Plan) -> Result<(), ExportError> {
        let waiting_since = Instant::now();
        let turn = self.encoder.turn().await;
        self.spent.pipeline.add(waiting_since.elapsed());
        let body = mem::take(&mut segment.body);
        let body_bytes = body.len() as u64;
        let Lease { segment: number, attempt, .. } = segment.lease;
        let fetched = Fetched { body, segment: number, attempt, pages: segment.mark.pages + 1 };
        match self.encoder.encode(turn, fetched).await {
            Ok(encoded) => {
                // Some emulators of DynamoDB do not report the consumption.
                let reported = encoded.consumed;
                let consumed = reported
                    .unwrap_or_else(|| Units::of_scan_page(body_bytes, self.settings.options.consistent));
                self.settle(plan, consumed);
                self.advance(segment, encoded, consumed);
                Ok(())
            }
            Err((body, error)) => {
                self.settle(plan, plan.estimate);
                segment.body = body;
                self.ask_again(segment, error)
            }
        }
    }

    fn settle(&self, plan: Plan, consumed: Units) {
        self.limiter.settle(plan.estimate, consumed);
        self.report.consumed(consumed);
    }

    fn advance(&self, segment: &mut Reading, encoded: Encoded, consumed: Units) {
        let Encoded { body, bytes, items, position, .. } = encoded;
        trace!(
            segment = %segment.lease.segment,
            page = segment.mark.pages + 1,
            items,
            bytes,
            units = consumed.as_f64(),
            "page read"
        );
        self.report.answered(items, bytes);
        segment.costs.learn(items, consumed);
        self.typical.lock().unwrap_or_else(PoisonError::into_inner).learn(items, consumed);
        segment.mark.pages += 1;
        segment.mark.items += items;
        segment.mark.position = position;
        (segment.failures, segment.malformed) = (0, 0);
        segment.body = body;
        if segment.body.capacity() > KEEP_BYTES {
            segment.body = Vec::new();
        }
    }

    fn ask_again(&self, segment: &mut Reading, source: EncodeError) -> Result<(), ExportError> {
        segment.malformed += 1;
        let page = self.page(segment, segment.mark.pages + 1);
        if segment.malformed >= MALFORMED_REPLIES {
            return Err(ExportError::Page { page, times: MALFORMED_REPLIES, source });
        }
        let fault = Fault::new(FaultKind::Transient, format!("{page}: {source}"));
        self.report.retry(&fault.caused_by(source));
        Ok(())
    }

    async fn retry(&self, segment: &mut Reading, error: FetchError) -> Result<(), ExportError> {
        let fault = match error {
            FetchError::Sdk(error) => {
                let resource = format!("table {}", self.settings.table);
                Fault::of("dynamodb:Scan", &resource, &self.address, *error)
            }
            FetchError::Torn(torn) => Fault::new(
                torn.kind(),
                format!("Scan of table {}, segment {}: {error}", self.settings.table, segment.lease.segment),
            ),
        };
        segment.failures += 1;
        let pause = Policy::Endless.pause(&fault, segment.failures, rand::random());
        let Some(pause) = pause else { return Err(fault.into()) };
        self.report.retry(&fault);
        wait(segment.failures, pause).await;
        Ok(())
    }
}

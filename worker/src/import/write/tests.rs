//! Tests of the stage against a small table.

mod server;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::BeforeTransmitInterceptorContextRef, dyn_dispatch_hint},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use engine::worker::line::{Outcome, Ticket};
use format::request::{Encoder, Wanted};
use job::{
    capacity::Units,
    ids::PassNumber,
    schema::{KeyAttribute, KeyKind, KeySchema},
    spec::{AwsAccess, WriteMode},
    split::Write,
};

use self::server::{Server, ServerFault, serve};
use super::*;
use crate::{report::Reports, tests::clients_of};

const MANY_UNITS: Units = Units::from_units(1_000_000);

fn keys() -> KeySchema {
    KeySchema { partition: KeyAttribute { name: "k".into(), kind: KeyKind::N }, sort: None }
}

fn line(number: u64, key: u64, rest: &str) -> Line {
    let text = format!(r#"{{"k":{{"n":"{key}"}},"v":{{"s":"{number}"}}{rest}}}"#);
    let mut out = Vec::new();
    let encoded = Encoder::new(&keys(), Wanted::Items).emr_line(text.as_bytes(), &mut out).unwrap();
    Line {
        ticket: Ticket { slot: 1, line: number },
        write: encoded.write,
        key: out.split_off(encoded.json_bytes).into(),
        json: out.into(),
        units: Units::of_write(encoded.item_bytes),
    }
}

/// Counts the requests that the SDK sends.
#[derive(Clone, Debug, Default)]
struct BySdk(Arc<AtomicUsize>);

#[dyn_dispatch_hint]
impl Intercept for BySdk {
    fn name(&self) -> &'static str {
        "BySdk"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Relaxed);
        Ok(())
    }
}

/// A running stage.
struct Test {
    limiter: Arc<CapacityLimiter>,
    report: Arc<Report>,
    by_sdk: BySdk,
    lines: Option<mpsc::Sender<Vec<Line>>>,
    settled: Arc<Mutex<BTreeMap<u64, Outcome>>>,
    stage: JoinSet<Result<(), ImportError>>,
}

impl Test {
    fn start(server: &Server, mode: WriteMode) -> Self {
        Self::start_with(server, mode, CallPath::Direct)
    }

    fn start_with(server: &Server, mode: WriteMode, call_path: CallPath) -> Self {
        let aws = AwsAccess::default();
        let settings = ImportSettings {
            table: "t".into(),
            keys: keys(),
            indexes: Vec::new(),
            is_incremental: false,
            mode,
            open_splits: 1,
            aws,
        };
        let (reports, mut messages) = Reports::new();
        let (limiter, report) = (Arc::new(CapacityLimiter::new()), reports.begin(PassNumber(1), false));
        let by_sdk = BySdk::default();
        let clients = clients_of(&server.endpoint, |dynamodb| dynamodb.interceptor(by_sdk.clone()));
        let (budget, cores) = (limiter.clone(), Cores::all());
        let writer = Writer::new(settings.into(), clients, budget, report.clone(), cores, call_path);
        let settled = Arc::new(Mutex::new(BTreeMap::new()));
        let outcomes = settled.clone();
        let settle: Settle = Arc::new(move |all| {
            for (ticket, outcome) in all {
                let before = outcomes.lock().unwrap().insert(ticket.line, outcome);
                assert_eq!(before, None, "line {} was settled twice", ticket.line);
            }
        });
        let (lines, input) = mpsc::channel(2);
        let mut stage = JoinSet::new();
        stage.spawn(async move {
            let heard = async { while messages.recv().await.is_some() {} };
            tokio::select! {
                ended = writer.run(input, settle) => ended,
                () = heard => panic!("the report is gone"),
            }
        });
        Self { limiter, report, by_sdk, lines: Some(lines), settled, stage }
    }

    async fn send(&self, lines: Vec<Line>) {
        self.lines.as_ref().unwrap().send(lines).await.unwrap();
    }

    /// Ends the input, and waits until all lines are written.
    async fn end(&mut self) -> Result<BTreeMap<u64, Outcome>, ImportError> {
        self.lines = None;
        let ended = tokio::time::timeout(Duration::from_mins(1), self.stage.join_next()).await;
        ended.expect("the stage goes on").unwrap().unwrap()?;
        Ok(std::mem::take(&mut self.settled.lock().unwrap()))
    }
}

#[tokio::test]
async fn every_line_arrives_once_and_in_order_whatever_goes_wrong() {
    every_line_arrives_once_and_in_order(CallPath::Direct).await;
}

#[tokio::test]
async fn every_line_arrives_once_and_in_order_through_the_sdk() {
    every_line_arrives_once_and_in_order(CallPath::Sdk).await;
}

async fn every_line_arrives_once_and_in_order(call_path: CallPath) {
    use ServerFault::{
        AllUnprocessed, BrokenOff, Closed, CutOff, Expired, Internal, None, Slow, Throttled, Unprocessed,
        WrongCrc,
    };
    let server = serve(&[
        None,
        Unprocessed,
        Internal,
        None,
        WrongCrc,
        Throttled,
        CutOff,
        Unprocessed,
        AllUnprocessed,
        Closed,
        BrokenOff,
        Expired,
        Slow,
    ])
    .await;
    let mut test = Test::start_with(&server, WriteMode::Put, call_path);
    test.limiter.grant(MANY_UNITS, MANY_UNITS);
    let mut expected = BTreeMap::new();
    let is_poison = |number: u64| number % 200 == 123;
    for chunk in (0..600).collect::<Vec<u64>>().chunks(37) {
        let lines = chunk.iter().map(|&number| {
            // Keys recur after 200 lines, and some at once.
            let key = if number % 50 == 1 { (number - 1) % 200 } else { number % 200 };
            if is_poison(number) {
                return line(number, 1000 + number, r#","poison":{"s":"secret"}"#);
            }
            expected.insert(key, number.to_string());
            line(number, key, "")
        });
        test.send(lines.collect()).await;
    }
    let outcomes = test.end().await.unwrap();
    assert_eq!(outcomes.len(), 600);
    for (number, outcome) in &outcomes {
        match outcome {
            Outcome::Rejected { reason, json } => {
                assert!(json.ends_with(br#""poison":{"S":"secret"}}"#));
                assert!(is_poison(*number) && reason.contains("ValidationException"), "{number} {reason}");
                assert!(!reason.contains("secret"), "{reason}");
            }
            outcome => assert!(!is_poison(*number) && *outcome == Outcome::Written, "{number} {outcome:?}"),
        }
    }
    let table = server.state.lock().unwrap();
    assert_eq!(table.items, expected);
    assert_eq!(table.clashes, 0);
    assert!(table.batches.iter().all(|&lines| (1..=25).contains(&lines)));
    let stats = test.report.stats();
    assert_eq!(stats.items, 597);
    assert!(stats.throttles > 0 && stats.retries > stats.throttles);
}

/// What is reported of 300 batches of 25 lines, while the service answers with the `faults` in turn.
async fn reported(
    faults: &'static [ServerFault],
    call_path: CallPath,
) -> (job::control::Stats, usize, usize) {
    let server = serve(faults).await;
    let mut test = Test::start_with(&server, WriteMode::Put, call_path);
    test.limiter.grant(MANY_UNITS, MANY_UNITS);
    // Batches one after the other, so that each run meets the same faults.
    for first in (0..600).step_by(25) {
        test.send((first..first + 25).map(|number| line(number, number, "")).collect()).await;
        let is_done = || test.settled.lock().unwrap().len() as u64 == first + 25;
        while !is_done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let outcomes = test.end().await.unwrap();
    assert!(outcomes.values().all(|outcome| *outcome == Outcome::Written));
    let table = server.state.lock().unwrap();
    let expected: BTreeMap<u64, String> = (0..600).map(|number| (number, number.to_string())).collect();
    assert_eq!((&table.items, table.clashes), (&expected, 0));
    let mut stats = test.report.stats();
    stats.last_error.clear();
    (stats, table.batches.len(), test.by_sdk.0.load(Relaxed))
}

#[tokio::test]
async fn both_ways_report_the_same() {
    use ServerFault::{
        AllUnprocessed, BrokenOff, Closed, Foreign, Internal, None, Slow, Throttled, Unprocessed, WrongCrc,
    };
    for faults in [
        &[None][..],
        &[None, None, None, Throttled],
        &[None, None, None, Internal],
        &[None, None, None, WrongCrc],
        &[None, None, None, Closed],
        &[None, None, None, BrokenOff],
        &[None, None, None, Slow],
        &[None, None, None, Foreign],
        &[None, None, None, Unprocessed, None, AllUnprocessed],
    ] {
        let (direct, batches, _) = reported(faults, CallPath::Direct).await;
        let (sdk, batches_of_sdk, by_sdk) = reported(faults, CallPath::Sdk).await;
        assert_eq!((direct, batches), (sdk, batches_of_sdk), "{faults:?}");
        assert_eq!(batches_of_sdk, by_sdk);
    }
}

#[tokio::test]
async fn almost_all_batches_are_sent_directly_and_none_if_that_is_switched_off() {
    let (_, batches, by_sdk) = reported(&[ServerFault::None], CallPath::Direct).await;
    assert_eq!((batches, by_sdk), (24, 1));
    let (_, batches, by_sdk) = reported(&[ServerFault::None], CallPath::Sdk).await;
    assert_eq!((batches, by_sdk), (24, 24));
}

#[tokio::test]
async fn what_the_service_refuses_directly_is_sent_once_more_and_charged_once() {
    use ServerFault::{Expired, None};
    // The second request is the first direct one.
    let (stats, batches, by_sdk) =
        reported(&[None, Expired, None, None, None, None, None], CallPath::Direct).await;
    assert_eq!(stats.consumed, Units::from_units(1200));
    assert_eq!((stats.items, stats.throttles), (600, 0));
    // After the refusal of a direct request, the SDK's request was accepted: that is no retry.
    assert!(batches as u64 > 24 + stats.retries && by_sdk < batches, "{batches} {by_sdk} {}", stats.retries);
}

#[tokio::test]
async fn what_is_charged_is_what_the_service_says() {
    let server = serve(&[ServerFault::None, ServerFault::Unprocessed, ServerFault::Throttled]).await;
    let mut test = Test::start(&server, WriteMode::Put);
    test.limiter.grant(MANY_UNITS, MANY_UNITS);
    test.send((0..500).map(|number| line(number, number, "")).collect()).await;
    test.end().await.unwrap();
    let stats = test.report.stats();
    assert_eq!(server.state.lock().unwrap().consumed, 1000);
    assert_eq!(stats.consumed, Units::from_units(1000));
    assert_eq!(stats.indexes, BTreeMap::from([("g".into(), Units::from_units(500))]));
    assert_eq!(stats.streams, 0);
}

#[tokio::test]
async fn a_reply_about_items_that_were_not_sent_is_an_error_and_no_throttle() {
    let server = serve(&[ServerFault::None, ServerFault::Foreign]).await;
    let mut test = Test::start(&server, WriteMode::Put);
    test.limiter.grant(MANY_UNITS, MANY_UNITS);
    test.send((0..50).map(|number| line(number, number, "")).collect()).await;
    test.end().await.unwrap();
    let stats = test.report.stats();
    assert_eq!((stats.items, stats.throttles), (50, 0));
    assert!(stats.retries > 0);
    assert_eq!(server.state.lock().unwrap().items.len(), 50);
}

#[tokio::test]
async fn nothing_is_sent_without_units_and_a_small_budget_makes_small_batches() {
    let server = serve(&[ServerFault::None]).await;
    let mut test = Test::start(&server, WriteMode::Put);
    test.send((0..60).map(|number| line(number, number, "")).collect()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.state.lock().unwrap().batches.len(), 0);
    let grant = |units| test.limiter.grant(Units::from_units(units), Units::from_units(4));
    grant(20);
    tokio::time::sleep(Duration::from_millis(400)).await;
    let (consumed, most) = {
        let state = server.state.lock().unwrap();
        (state.consumed, state.batches.iter().copied().max())
    };
    // Only requests in flight can cost more than estimated: 4 requests of 4 lines.
    assert!((20..=20 + 16).contains(&consumed), "{consumed}");
    assert_eq!(most, Some(4));
    grant(1000);
    assert_eq!(test.end().await.unwrap().len(), 60);
    assert_eq!(server.state.lock().unwrap().items.len(), 60);
    assert_eq!(test.report.stats().consumed, Units::from_units(120));
}

#[tokio::test]
async fn items_that_are_there_are_kept_when_they_must_not_be_replaced() {
    let server = serve(&[ServerFault::None]).await;
    server.state.lock().unwrap().items = (0..10).map(|key| (key, "old".to_owned())).collect();
    let mut test = Test::start(&server, WriteMode::PutIfAbsent);
    test.limiter.grant(MANY_UNITS, MANY_UNITS);
    let delete = Line { write: Write::Delete, json: r#"{"k":{"N":"3"}}"#.into(), ..line(20, 3, "") };
    test.send((0..20).map(|number| line(number, number, "")).chain([delete]).collect()).await;
    let outcomes = test.end().await.unwrap();
    for (number, outcome) in outcomes {
        assert_eq!(outcome, if number < 10 { Outcome::Kept } else { Outcome::Written }, "{number}");
    }
    let state = server.state.lock().unwrap();
    let value = |key: u64| if key < 10 { "old".to_owned() } else { key.to_string() };
    assert_eq!(state.items, (0..20).filter(|&key| key != 3).map(|key| (key, value(key))).collect());
    assert_eq!(test.report.stats().items, 11);
}

#[tokio::test]
async fn items_are_deleted_by_their_keys() {
    let server = serve(&[ServerFault::Unprocessed, ServerFault::None]).await;
    server.state.lock().unwrap().items = (0..60).map(|key| (key, "old".to_owned())).collect();
    let mut test = Test::start(&server, WriteMode::Delete);
    test.limiter.grant(MANY_UNITS, MANY_UNITS);
    let delete = |number: u64| {
        let json = format!(r#"{{"k":{{"N":"{number}"}}}}"#).into();
        Line { write: Write::Delete, json, ..line(number, number, "") }
    };
    test.send((0..55).map(delete).collect()).await;
    assert_eq!(test.end().await.unwrap().len(), 55);
    assert_eq!(server.state.lock().unwrap().items.keys().copied().collect::<Vec<_>>(), [55, 56, 57, 58, 59]);
}

#[tokio::test]
async fn what_no_further_try_can_help_ends_the_stage() {
    let server = serve(&[ServerFault::Denied]).await;
    let mut test = Test::start(&server, WriteMode::Put);
    test.limiter.grant(MANY_UNITS, MANY_UNITS);
    test.send(vec![line(0, 0, "")]).await;
    let error = test.end().await.unwrap_err().to_string();
    assert!(error.contains("no permission for dynamodb:BatchWriteItem on table t"), "{error}");
    assert!(test.settled.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_stage_without_lines_ends_with_its_sender() {
    let server = serve(&[ServerFault::None]).await;
    let mut test = Test::start(&server, WriteMode::Put);
    assert!(test.end().await.unwrap().is_empty());
}

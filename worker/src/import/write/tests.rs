//! Tests of the stage against a small table.

mod server;

use std::collections::BTreeMap;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use engine::worker::line::{Outcome, Ticket};
use format::request::{Encoder, Wanted};
use job::{
    capacity::Units,
    schema::{KeyAttribute, KeyKind, KeySchema},
    spec::{AwsAccess, WriteMode},
    split::Write,
};
use job_aws::{Buckets, Identity, SdkConfig};

use self::server::{Server, ServerFault, serve};
use super::*;

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

fn clients(server: &Server) -> Clients {
    let credentials = Credentials::new("id", "secret", None, None, "test");
    let dynamodb = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .endpoint_url(&server.endpoint)
        .build();
    let s3 = aws_sdk_s3::Config::builder().behavior_version(BehaviorVersion::latest()).build();
    Clients {
        dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
        s3: aws_sdk_s3::Client::from_conf(s3),
        region: "us-east-1".into(),
        dynamodb_address: server.endpoint.clone(),
        s3_address: String::new(),
        access: AwsAccess::default(),
        buckets: Buckets::default(),
        sts: None,
        identity: Identity::default(),
        config: SdkConfig::builder().build(),
    }
}

/// A running stage.
struct Test {
    limiter: Arc<CapacityLimiter>,
    report: Arc<Report>,
    lines: Option<mpsc::Sender<Vec<Line>>>,
    settled: Arc<Mutex<BTreeMap<u64, Outcome>>>,
    stage: JoinSet<anyhow::Result<()>>,
}

impl Test {
    fn start(server: &Server, mode: WriteMode) -> Self {
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
        let (report, mut messages) = Report::new();
        let (limiter, report) = (Arc::new(CapacityLimiter::new()), Arc::new(report));
        let writer =
            Writer::new(settings.into(), clients(server), limiter.clone(), report.clone(), Cores::all());
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
        Self { limiter, report, lines: Some(lines), settled, stage }
    }

    async fn send(&self, lines: Vec<Line>) {
        self.lines.as_ref().unwrap().send(lines).await.unwrap();
    }

    /// Ends the input, and waits until all lines are written.
    async fn end(&mut self) -> anyhow::Result<BTreeMap<u64, Outcome>> {
        self.lines = None;
        let ended = tokio::time::timeout(Duration::from_mins(1), self.stage.join_next()).await;
        ended.expect("the stage goes on").unwrap().unwrap()?;
        Ok(std::mem::take(&mut self.settled.lock().unwrap()))
    }
}

#[tokio::test]
async fn every_line_arrives_once_and_in_order_whatever_goes_wrong() {
    use ServerFault::{AllUnprocessed, CutOff, Internal, None, Throttled, Unprocessed, WrongCrc};
    let server =
        serve(&[None, Unprocessed, Internal, None, WrongCrc, Throttled, CutOff, Unprocessed, AllUnprocessed])
            .await;
    let mut test = Test::start(&server, WriteMode::Put);
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

//! The golden event files: small jobs as they would tell of themselves.

use events::{
    CapacityChanged, Command, Completed, Event, Failed, File, Late, Limit, LimitedBy, Line, Phase, Plan,
    Rejected, Resource, Resumed, SCHEMA, Status, Summary, Takeover, Task, TaskKind, Tasks, Throttled, Worker,
    WorkerJoined, WorkerLost, Workers, rounded,
};
use serde_json::json;

/// The name of each file, and its events.
pub(crate) fn files() -> Vec<(&'static str, Vec<Line>)> {
    vec![("export", export()), ("resumed", resumed()), ("import", import())]
}

/// One run of a command, which begins at a minute of an hour.
struct Told {
    minute: u64,
    lines: Vec<Line>,
}

impl Told {
    fn at(minute: u64) -> Self {
        Self { minute, lines: Vec::new() }
    }

    fn tell(&mut self, seconds: u64, event: Event) {
        let is_first = self.lines.is_empty();
        let (minute, second) = (self.minute + seconds / 60, seconds % 60);
        self.lines.push(Line {
            schema: is_first.then_some(SCHEMA),
            tool: is_first.then(|| "tablehaul 0.1.0".to_owned()),
            at: format!("2026-03-01T10:{minute:02}:{second:02}.250Z"),
            elapsed_seconds: float(seconds) + 0.25,
            lost_events: 0,
            event,
        });
    }

    fn workers(&mut self, seconds: u64, number: u32) {
        for worker in 1..=number {
            let (host, place) = (host(worker), String::new());
            self.tell(
                seconds,
                Event::WorkerJoined(WorkerJoined { worker, host, place, workers: worker.into() }),
            );
        }
    }
}

/// How a sample of a status comes about.
#[derive(Clone)]
struct Pace {
    phase: Phase,
    /// Seconds since the phase began.
    seconds: u64,
    items: u64,
    expected: u64,
    earlier: u64,
    rate: u64,
    units_per_second: f64,
    budget: f64,
    tasks: u64,
    tasks_done: u64,
    workers: u32,
    lost: u64,
    throttles: u64,
    throttles_per_second: f64,
    by: LimitedBy,
    text: String,
}

fn host(worker: u32) -> String {
    format!("ip-10-0-0-{}.ec2.internal", 10 + worker)
}

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn float(number: u64) -> f64 {
    number as f64
}

fn status(pace: &Pace) -> Event {
    let seconds = float(pace.seconds);
    let is_import = pace.phase != Phase::Reading;
    let percent = (float(pace.items) * 1000.0 / float(pace.expected)).floor() / 10.0;
    let running = (pace.tasks - pace.tasks_done).min(u64::from(pace.workers) * 2);
    let worker = |number: u32| Worker {
        worker: number,
        host: host(number),
        items: pace.items / u64::from(pace.workers),
        items_per_second: float(pace.rate / u64::from(pace.workers)),
        units_per_second: rounded(pace.units_per_second / f64::from(pace.workers)),
        tasks: running / u64::from(pace.workers),
        streams: running / u64::from(pace.workers),
        is_waiting_for_units: pace.by == LimitedBy::Budget,
        last_heard_seconds: 0.4,
        place: String::new(),
    };
    let task = |number: u64| Task {
        number: (number * 5 + 2) % pace.tasks,
        seconds: rounded(seconds / float(number + 1)),
        items: Some(pace.items / (number + 3)),
        worker: (number < running).then_some(1),
        is_done: number >= running,
    };
    let table = Resource {
        index: None,
        units: rounded(pace.units_per_second * seconds),
        units_per_second: pace.units_per_second,
        limit_units_per_second: pace.budget,
        is_binding: !is_import,
    };
    let index = Resource {
        index: Some("ByAuthor".into()),
        units: rounded(pace.units_per_second * seconds * 2.0),
        units_per_second: pace.units_per_second * 2.0,
        limit_units_per_second: pace.budget * 2.0,
        is_binding: true,
    };
    let left = float(pace.expected.saturating_sub(pace.items)) / float(pace.rate.max(1));
    Event::Status(Box::new(Status {
        table: "Forum".into(),
        phase: pace.phase,
        phase_seconds: seconds + 0.1,
        percent: Some(percent.min(99.9)),
        is_estimate: !is_import,
        seconds_left: (pace.seconds >= 10).then(|| rounded(left)),
        limit: Some(Limit { by: pace.by, text: pace.text.clone() }),
        tasks: Tasks {
            kind: if is_import { TaskKind::Splits } else { TaskKind::Segments },
            done: pace.tasks_done,
            running,
            all: pace.tasks,
            mean_seconds: (pace.tasks_done > 0).then_some(18.5),
            slowest: (0..pace.tasks.min(4)).map(task).collect(),
        },
        items: pace.items,
        earlier_items: pace.earlier,
        expected_items: Some(pace.expected),
        items_per_second: float(pace.rate),
        bytes: pace.items * 180,
        bytes_per_second: float(pace.rate * 180),
        units: rounded(pace.units_per_second * seconds),
        units_per_second: pace.units_per_second,
        budget_units_per_second: pace.budget,
        granted_units: rounded(pace.units_per_second * seconds + 3.5),
        requests: pace.items / 80,
        throttles: pace.throttles,
        throttles_per_second: pace.throttles_per_second,
        retries: pace.throttles + 1,
        retries_per_second: pace.throttles_per_second,
        workers: Workers {
            connected: pace.workers.into(),
            planned: 2,
            lost: pace.lost,
            shown: (1..=pace.workers).map(worker).collect(),
        },
        resources: if is_import { vec![table, index] } else { vec![table] },
        ..Status::default()
    }))
}

fn export_plan(command_line: &str) -> Plan {
    Plan {
        table: Some("Forum".into()),
        table_number: Some(1),
        table_count: Some(1),
        folder: Some("s3://mybucket/exports".into()),
        account: Some("123456789012".into()),
        job: Some("3f1c8a52-6a0e-4b62-9d3a-0c5b7d1e2f40".into()),
        host: Some("ip-10-0-0-4.ec2.internal".into()),
        process_id: Some(4711),
        command_line: Some(command_line.into()),
        items: Some(50_000),
        is_estimate: true,
        bytes: Some(9_000_000),
        tasks: Some(8),
        workers: Some(2),
        cluster: Some("this machine".into()),
        budget_units_per_second: Some(25.0),
        budget_source: Some("25 % of 100 provisioned".into()),
        expected_units: Some(1_099.0),
        expected_seconds: Some(43.96),
        text: "export      Forum (about 50000 items, 9.0 MB)\nto          s3://mybucket/exports, compression none"
            .into(),
        ..Plan::of(Command::Export)
    }
}

fn report(items: u64, seconds: f64) -> serde_json::Map<String, serde_json::Value> {
    let report = json!({
        "table": "Forum",
        "destination": "s3://mybucket/exports",
        "account": "123456789012",
        "items": items,
        "bytes": items * 180,
        "line_bytes": items * 180,
        "files": 2,
        "read_units": 1_099.0,
        "mean_read_units_per_second": rounded(1_099.0 / seconds),
        "budget_read_units_per_second": 25.0,
        "budget_source": "25 % of 100 provisioned",
        "throttles": 4,
        "retries": 5,
        "segments": 8,
        "slowest_segment": {"segment": 2, "seconds": 31.5, "items": 9_100},
        "workers": 2,
        "workers_lost": 0,
        "seconds_reading": seconds,
        "seconds": seconds + 0.5,
    });
    report.as_object().cloned().unwrap_or_default()
}

fn completed(items: u64, seconds: f64) -> Event {
    let file = |number: u64| File {
        name: format!("3f1c8a52-6a0e-4b62-9d3a-0c5b7d1e2f40_{number:06}"),
        items: items / 2,
        bytes: items / 2 * 180,
        crc32c: format!("{:08x}", 0x9a3b_0c01_u64 + number),
    };
    Event::Completed(Box::new(Completed {
        table: "Forum".into(),
        folder: "s3://mybucket/exports".into(),
        report: report(items, seconds),
        files: vec![file(0), file(1)],
        file_count: 2,
    }))
}

fn summary(command: Command, result: serde_json::Value) -> Event {
    Event::Summary(Summary { command, exit_code: 0, result: Some(result), text: String::new() })
}

fn reading(seconds: u64) -> Pace {
    Pace {
        phase: Phase::Reading,
        seconds,
        items: seconds * 1_000,
        expected: 50_000,
        earlier: 0,
        rate: 1_000,
        units_per_second: 24.5,
        budget: 25.0,
        tasks: 8,
        tasks_done: seconds / 7,
        workers: 2,
        lost: 0,
        throttles: 0,
        throttles_per_second: 0.0,
        by: LimitedBy::Budget,
        text: "24.5 of 25 units/s are used".into(),
    }
}

/// A whole export, throttled for a while, with a change of capacity.
fn export() -> Vec<Line> {
    let mut told = Told::at(0);
    let plan = export_plan("tablehaul export Forum s3://mybucket/exports --events /var/log/forum.ndjson");
    told.tell(0, Event::Plan(Box::new(plan)));
    told.workers(1, 2);
    for seconds in (5..50).step_by(5) {
        let mut pace = reading(seconds);
        if seconds == 15 {
            told.tell(14, Event::Throttled(Throttled { requests: 4, throttles: 4 }));
            (pace.rate, pace.units_per_second, pace.by) = (610, 15.0, LimitedBy::Throttling);
            (pace.throttles_per_second, pace.text) =
                (0.8, "15 of 25 units/s are used; 0.8 throttles/s".into());
        }
        if seconds == 40 {
            told.tell(36, Event::Late(Late { expected_seconds: 36.0 }));
        }
        if seconds == 30 {
            let changed = CapacityChanged { from_units_per_second: 25.0, to_units_per_second: 50.0 };
            told.tell(28, Event::CapacityChanged(changed));
        }
        if seconds >= 30 {
            (pace.rate, pace.units_per_second, pace.budget) = (1_990, 48.7, 50.0);
            pace.items = 28_000 + (seconds - 28) * 1_990;
            pace.text = "48.7 of 50 units/s are used".into();
        }
        if seconds >= 40 {
            (pace.by, pace.tasks_done) = (LimitedBy::Tasks, 7);
            (pace.items, pace.rate, pace.units_per_second) = (49_000 + seconds, 300, 7.2);
            pace.text = "1 segment is left, for 2 workers".into();
        }
        pace.throttles = if seconds >= 15 { 4 } else { 0 };
        told.tell(seconds, status(&pace));
    }
    let completing = Pace { phase: Phase::Reading, tasks_done: 8, items: 50_123, ..reading(48) };
    let Event::Status(mut last) = status(&completing) else { unreachable!() };
    (last.phase, last.limit, last.seconds_left, last.percent) = (Phase::Completing, None, None, Some(99.9));
    told.tell(48, Event::Status(last));
    told.tell(49, completed(50_123, 48.1));
    told.tell(49, summary(Command::Export, json!([report(50_123, 48.1)])));
    told.lines
}

/// An export that lost its workers and failed; the second run takes it over and completes it.
fn resumed() -> Vec<Line> {
    let mut told = Told::at(0);
    let command_line = "tablehaul export Forum s3://mybucket/exports --events /var/log/forum.ndjson";
    told.tell(0, Event::Plan(Box::new(export_plan(command_line))));
    told.workers(1, 2);
    for seconds in [5, 10, 15] {
        told.tell(seconds, status(&reading(seconds)));
    }
    for (worker, workers) in [(2, 1), (1, 0)] {
        let why = "killed by signal 9".to_owned();
        let lost = WorkerLost { worker, host: host(worker), why, returned_tasks: Some(2), workers };
        told.tell(17, Event::WorkerLost(lost));
    }
    let message = "no worker is left; the last one: killed by signal 9; 30 % of the export is kept in \
                   s3://mybucket/exports; run the same command again to resume";
    told.tell(18, Event::Error(Failed { exit_code: 1, kind: "failed".into(), message: message.into() }));
    let mut lines = told.lines;

    let mut told = Told::at(5);
    told.tell(0, Event::Plan(Box::new(export_plan(command_line))));
    let takeover = Takeover {
        host: "ip-10-0-0-4.ec2.internal".into(),
        process_id: 4711,
        last_word_at: "2026-03-01T10:00:17.9Z".into(),
    };
    told.tell(0, Event::Takeover(takeover));
    let resumed = Resumed {
        started_at: "2026-03-01T10:00:00.250Z".into(),
        items: 15_000,
        tasks_done: 2,
        tasks: 8,
        units: 367.5,
        seconds: 15.0,
        why: Some("no worker is left; the last one: killed by signal 9".into()),
    };
    told.tell(0, Event::Resumed(resumed));
    told.workers(2, 2);
    for seconds in (5..40).step_by(5) {
        let pace = Pace {
            earlier: 15_000,
            expected: 35_000,
            tasks_done: (2 + seconds / 6).min(8),
            ..reading(seconds)
        };
        told.tell(seconds, status(&pace));
    }
    told.tell(38, completed(50_123, 53.0));
    told.tell(38, summary(Command::Export, json!([report(50_123, 53.0)])));
    lines.append(&mut told.lines);
    lines
}

/// An import that checks first, and is held back by an index. Three lines are invalid.
fn import() -> Vec<Line> {
    let mut told = Told::at(20);
    let plan = Plan {
        command: Command::Import,
        is_estimate: false,
        job: None,
        expected_units: Some(50_123.0),
        dollars_per_million_units: Some(0.625),
        budget_units_per_second: Some(1_000.0),
        budget_source: Some("25 % of 4000 on-demand".into()),
        text: "import      s3://mybucket/exports (50123 items, 9.0 MB in 2 files)\nto          Forum".into(),
        ..export_plan("tablehaul import s3://mybucket/exports Forum --max-rejects 10 --rejects rejects.jsonl")
    };
    told.tell(0, Event::Plan(Box::new(plan)));
    let splits = |seconds| Pace { tasks: 4, tasks_done: 1, expected: 50_123, ..reading(seconds) };
    told.workers(1, 2);
    let rejected = |object: &str| Rejected {
        lines: 3,
        rejected_lines: 3,
        object: format!("s3://mybucket/exports/{object}"),
        offset_bytes: 81_920,
        reason: "not JSON".into(),
    };
    told.tell(3, Event::Rejected(rejected("3f1c8a52-6a0e-4b62-9d3a-0c5b7d1e2f40_000001")));
    let checking = Pace {
        phase: Phase::Checking,
        rate: 9_800,
        items: 49_000,
        units_per_second: 0.0,
        by: LimitedBy::Workers,
        text: "2 workers work on 3 splits".into(),
        ..splits(5)
    };
    told.tell(6, status(&checking));
    told.workers(8, 2);
    for seconds in (5..55).step_by(5) {
        let pace = Pace {
            phase: Phase::Writing,
            budget: 1_000.0,
            units_per_second: 990.0,
            tasks_done: seconds / 15,
            text: "990 of 1000 units/s are used; the index ByAuthor sets the limit".into(),
            ..splits(seconds)
        };
        told.tell(8 + seconds, status(&pace));
    }
    let report = json!({
        "table": "Forum",
        "source": "s3://mybucket/exports",
        "mode": "put",
        "items": 50_120,
        "rejected": 3,
        "write_units": 50_120.0,
        "index_write_units": {"ByAuthor": 100_240.0},
        "seconds_checking": 6.5,
        "seconds_writing": 51.2,
    });
    told.tell(
        59,
        Event::Completed(Box::new(Completed {
            table: "Forum".into(),
            folder: "s3://mybucket/exports".into(),
            report: report.as_object().cloned().unwrap_or_default(),
            files: Vec::new(),
            file_count: 0,
        })),
    );
    told.tell(59, summary(Command::Import, report));
    told.lines
}

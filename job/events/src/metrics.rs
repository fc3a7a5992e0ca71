//! The state of a job as metrics for Prometheus. No label names a worker, segment or split: there may be a million.

use std::fmt::Write;

use crate::{Command, JobState, Plan, Resource, Status};

/// The form of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// `OpenMetrics` 1.0, for a server that answers scrapes.
    OpenMetrics,
    /// The text format 0.0.4 of Prometheus, for the textfile collector of `node_exporter`.
    Prometheus,
}

/// A job and what its metrics need.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// Its state; `None` if nothing is known but when it succeeded.
    pub state: Option<&'a JobState>,
    /// Its table, if the state does not name it.
    pub table: &'a str,
    /// Its [direction], if the state does not tell it.
    pub direction: &'a str,
    /// When a job of the table was last complete, in seconds since 1970.
    pub succeeded_at: Option<f64>,
}

impl Measured<'_> {
    fn table(&self) -> &str {
        let state = self.state;
        let of_plan = state.and_then(|state| state.plan.as_deref()).and_then(|plan| plan.table.as_deref());
        let of_status = state.and_then(|state| state.status.as_deref()).map(|status| status.table.as_str());
        of_plan.or(of_status).unwrap_or(self.table)
    }

    fn direction(&self) -> &str {
        self.plan().map_or(self.direction, |plan| direction(plan.command))
    }

    fn plan(&self) -> Option<&Plan> {
        self.state.and_then(|state| state.plan.as_deref())
    }

    fn status(&self) -> Option<&Status> {
        self.state.and_then(|state| state.status.as_deref())
    }
}

/// When a job of this table and [direction] was last complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Success {
    /// The table.
    pub table: String,
    /// The direction.
    pub direction: String,
    /// In seconds since 1970.
    pub at: f64,
}

/// What a command does with a table, as a label says it. Jobs of several directions may run on one table.
pub fn direction(command: Command) -> &'static str {
    match command {
        Command::Import => "import",
        Command::Verify => "verify",
        _ => "export",
    }
}

/// The metrics of jobs, each of another table or direction.
pub fn metrics(jobs: &[Measured<'_>], exposition: Exposition) -> String {
    let mut out = Text { exposition, jobs, lines: String::new() };
    out.info();
    let of = |get: fn(&Status) -> f64| move |job: &Measured<'_>| job.status().map(get);
    #[allow(clippy::cast_precision_loss, reason = "metrics are floating point numbers")]
    {
        out.counter(
            "tablehaul_items",
            "Items read, checked, written or removed in this phase.",
            of(|status| status.items as f64),
        );
        out.counter(
            "tablehaul_bytes",
            "Bytes of lines before compression.",
            of(|status| status.bytes as f64),
        );
        out.units();
        out.gauge(
            "tablehaul_budget_units_per_second",
            "The rate that the job may use.",
            of(|status| status.budget_units_per_second),
        );
        out.counter("tablehaul_throttles", "Throttled requests.", of(|status| status.throttles as f64));
        out.counter("tablehaul_retries", "Retried requests.", of(|status| status.retries as f64));
        out.counter("tablehaul_rejected_items", "Invalid lines.", of(|status| status.rejected_lines as f64));
        out.gauge("tablehaul_workers", "Connected workers.", of(|status| status.workers.connected as f64));
    }
    out.tasks();
    out.gauge("tablehaul_progress_ratio", "How much is done, 0 to 1; 1 if it is committed.", |job| {
        let is_complete = job.state.is_some_and(|state| state.completed.is_some());
        let percent = if is_complete { Some(100.0) } else { job.status()?.percent };
        percent.map(|percent| percent / 100.0)
    });
    out.gauge("tablehaul_last_success_timestamp_seconds", "When a job was last complete.", |job| {
        job.succeeded_at
    });
    if exposition == Exposition::OpenMetrics {
        out.lines.push_str("# EOF\n");
    }
    out.lines
}

struct Text<'a> {
    exposition: Exposition,
    jobs: &'a [Measured<'a>],
    lines: String,
}

impl Text<'_> {
    fn info(&mut self) {
        self.family("tablehaul_job_info", "gauge", "What the job is.", |job| {
            let Some(plan) = job.plan() else { return Vec::new() };
            let tool = job.state.map(|state| state.tool.as_str()).unwrap_or_default();
            let labels = [
                ("job", plan.job.as_deref().unwrap_or_default()),
                ("version", tool.strip_prefix("tablehaul ").unwrap_or(tool)),
                ("cluster", plan.cluster.as_deref().unwrap_or_default()),
            ];
            vec![(labels.map(|(name, value)| (name, value.to_owned())).into(), 1.0)]
        });
    }

    fn units(&mut self) {
        self.counter_family("tablehaul_capacity_units", "Capacity units consumed.", |job| {
            let resources = job.status().into_iter().flat_map(|status| &status.resources);
            let sample = |resource: &Resource| {
                let name = resource.index.as_deref().unwrap_or("table");
                (vec![("resource", name.to_owned())], resource.units)
            };
            resources.map(sample).collect()
        });
    }

    fn tasks(&mut self) {
        self.family("tablehaul_tasks", "gauge", "Segments or splits.", |job| {
            let Some(status) = job.status() else { return Vec::new() };
            let tasks = &status.tasks;
            let pending = tasks.all.saturating_sub(tasks.done.saturating_add(tasks.running));
            let numbers = [("pending", pending), ("leased", tasks.running), ("done", tasks.done)];
            #[allow(clippy::cast_precision_loss, reason = "a million at most")]
            numbers.map(|(name, number)| (vec![("state", name.to_owned())], number as f64)).into()
        });
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Fn(&Measured<'_>) -> Option<f64>) {
        self.family(name, "gauge", help, |job| {
            value(job).map(|value| (Vec::new(), value)).into_iter().collect()
        });
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Fn(&Measured<'_>) -> Option<f64>) {
        self.counter_family(name, help, |job| {
            value(job).map(|value| (Vec::new(), value)).into_iter().collect()
        });
    }

    /// The samples of a counter. In `OpenMetrics` its family has the name without `_total`.
    fn counter_family(&mut self, name: &str, help: &str, samples: impl Fn(&Measured<'_>) -> Vec<Sample>) {
        let whole = format!("{name}_total");
        let family = if self.exposition == Exposition::OpenMetrics { name } else { &whole };
        self.samples((family, "counter", help), &whole, samples);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str, samples: impl Fn(&Measured<'_>) -> Vec<Sample>) {
        self.samples((name, kind, help), name, samples);
    }

    /// The samples of all jobs below one head, which may stand once only. No head without samples.
    fn samples(
        &mut self,
        (family, kind, help): (&str, &str, &str),
        name: &str,
        samples: impl Fn(&Measured<'_>) -> Vec<Sample>,
    ) {
        let mut has_head = false;
        for job in self.jobs {
            for (labels, value) in samples(job) {
                if !std::mem::replace(&mut has_head, true) {
                    let _ = writeln!(self.lines, "# HELP {family} {help}\n# TYPE {family} {kind}");
                }
                let (table, direction) = (escaped(job.table()), escaped(job.direction()));
                let _ = write!(self.lines, "{name}{{table=\"{table}\",direction=\"{direction}\"");
                for (label, of) in &labels {
                    let _ = write!(self.lines, ",{label}=\"{}\"", escaped(of));
                }
                let _ = writeln!(self.lines, "}} {value}");
            }
        }
    }
}

/// The labels beside those of all metrics, and the value.
type Sample = (Vec<(&'static str, String)>, f64);

/// The times of success that a text of [`metrics`] holds. What is malformed is left out.
pub fn successes(text: &str) -> Vec<Success> {
    let of_line = |line: &str| {
        let rest = line.strip_prefix("tablehaul_last_success_timestamp_seconds{table=\"")?;
        let (labels, value) = rest.rsplit_once("\"} ")?;
        // Quotes in a name are escaped.
        let (table, direction) = labels.split_once("\",direction=\"")?;
        let at = value.trim().parse::<f64>().ok().filter(|value| value.is_finite())?;
        Some(Success { table: unescaped(table), direction: unescaped(direction), at })
    };
    text.lines().filter_map(of_line).collect()
}

/// A label's value, as both formats escape it, without control characters and marks of direction.
fn escaped(value: &str) -> String {
    let is_odd = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let value = value.replace(is_odd, "\u{fffd}");
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

fn unescaped(value: &str) -> String {
    let (mut out, mut characters) = (String::with_capacity(value.len()), value.chars());
    while let Some(char) = characters.next() {
        match (char, char == '\\') {
            (_, true) => match characters.next() {
                Some('n') => out.push('\n'),
                other => out.extend(other),
            },
            (char, false) => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Line, Tasks};

    fn state() -> JobState {
        let plan =
            Plan { table: Some("Fo\"rum\n".into()), job: Some("j".into()), ..Plan::of(Command::Import) };
        let index = Resource { index: Some("By\\Author".into()), units: 2.5, ..Resource::default() };
        let status = Status {
            items: 7,
            percent: Some(63.5),
            tasks: Tasks { done: 1, running: 2, all: 8, ..Tasks::default() },
            resources: vec![Resource { units: 5.0, ..Resource::default() }, index],
            ..Status::default()
        };
        let mut state = JobState::default();
        for event in [Event::Plan(Box::new(plan)), Event::Status(Box::new(status))] {
            state.apply(&Line {
                schema: None,
                tool: Some("tablehaul 1.2.3".into()),
                at: String::new(),
                elapsed_seconds: 0.0,
                lost_events: 0,
                event,
            });
        }
        state
    }

    fn of(state: &JobState, succeeded_at: Option<f64>, exposition: Exposition) -> String {
        metrics(&[Measured { state: Some(state), table: "", direction: "", succeeded_at }], exposition)
    }

    #[test]
    fn every_sample_has_the_table_and_names_are_escaped() {
        let text = of(&state(), Some(1.5e9), Exposition::OpenMetrics);
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(
            samples.iter().all(|line| line.contains(r#"{table="Fo\"rum\n",direction="import""#)),
            "{text}"
        );
        for sample in [
            r#"tablehaul_job_info{table="Fo\"rum\n",direction="import",job="j",version="1.2.3",cluster=""} 1"#,
            r#"tablehaul_items_total{table="Fo\"rum\n",direction="import"} 7"#,
            r#"tablehaul_capacity_units_total{table="Fo\"rum\n",direction="import",resource="table"} 5"#,
            r#"tablehaul_capacity_units_total{table="Fo\"rum\n",direction="import",resource="By\\Author"} 2.5"#,
            r#"tablehaul_tasks{table="Fo\"rum\n",direction="import",state="pending"} 5"#,
            r#"tablehaul_progress_ratio{table="Fo\"rum\n",direction="import"} 0.635"#,
            r#"tablehaul_last_success_timestamp_seconds{table="Fo\"rum\n",direction="import"} 1500000000"#,
        ] {
            assert!(samples.contains(&sample), "{sample} is not in {text}");
        }
    }

    #[test]
    fn jobs_of_several_tables_share_the_heads_and_times_of_success_are_read_back() {
        let state = state();
        let jobs = [
            Measured { state: Some(&state), table: "", direction: "", succeeded_at: Some(1.5e9) },
            Measured {
                state: None,
                table: "\",direction=\"\\n\n",
                direction: "verify",
                succeeded_at: Some(1_500_000_000.25),
            },
        ];
        let text = metrics(&jobs, Exposition::Prometheus);
        let of = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        assert_eq!(of("tablehaul_last_success_timestamp_seconds{"), 2);
        assert_eq!(of("# TYPE tablehaul_last_success_timestamp_seconds "), 1);
        let success = |table: &str, direction: &str, at| Success {
            table: table.to_owned(),
            direction: direction.to_owned(),
            at,
        };
        let times = [
            success("Fo\"rum\n", "import", 1.5e9),
            success("\",direction=\"\\n\n", "verify", 1_500_000_000.25),
        ];
        assert_eq!(successes(&text), times);
        for none in ["", "tablehaul_last_success_timestamp_seconds{table=\"a\"} x", "\u{0}"] {
            assert_eq!(successes(none), []);
        }
    }

    #[test]
    fn the_formats_differ_in_the_names_of_counters_and_in_the_end() {
        let open = of(&state(), None, Exposition::OpenMetrics);
        assert!(open.contains("# TYPE tablehaul_items counter\n") && open.ends_with("# EOF\n"), "{open}");
        let old = of(&state(), None, Exposition::Prometheus);
        assert!(old.contains("# TYPE tablehaul_items_total counter\n") && !old.contains("EOF"), "{old}");
        assert_eq!(of(&JobState::default(), None, Exposition::Prometheus), "");
    }
}

//! The state of a job as metrics for Prometheus. No label names a worker, segment or split: there may be a million.

use std::fmt::{Display, Write};

use crate::{Command, JobState};

/// The form of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// `OpenMetrics` 1.0, for a server that answers scrapes.
    OpenMetrics,
    /// The text format 0.0.4 of Prometheus, for the textfile collector of `node_exporter`.
    Prometheus,
}

/// The metrics of a job. `succeeded_at` is the time at which the last job was complete, in seconds since 1970.
pub fn metrics(state: &JobState, succeeded_at: Option<f64>, exposition: Exposition) -> String {
    let (plan, status) = (state.plan.as_deref(), state.status.as_deref());
    let table = plan.and_then(|plan| plan.table.as_deref());
    let table = table.or(status.map(|status| status.table.as_str())).unwrap_or_default();
    let mut out = Text { exposition, table, lines: String::new() };
    if let Some(plan) = plan {
        let direction = match plan.command {
            Command::Import => "import",
            _ => "export",
        };
        let labels = [
            ("direction", direction),
            ("job", plan.job.as_deref().unwrap_or_default()),
            ("version", state.tool.strip_prefix("tablehaul ").unwrap_or(&state.tool)),
            ("cluster", plan.cluster.as_deref().unwrap_or_default()),
        ];
        out.head("tablehaul_job_info", "gauge", "What the job is.");
        out.sample("tablehaul_job_info", &labels, 1);
    }
    if let Some(status) = status {
        out.counter(
            "tablehaul_items",
            "Items read, checked, written or removed in this phase.",
            status.items,
        );
        out.counter("tablehaul_bytes", "Bytes of lines before compression.", status.bytes);
        out.counter_head("tablehaul_capacity_units", "Capacity units consumed.");
        for resource in &status.resources {
            let name = resource.index.as_deref().unwrap_or("table");
            out.sample("tablehaul_capacity_units_total", &[("resource", name)], resource.units);
        }
        let budget = status.budget_units_per_second;
        out.gauge("tablehaul_budget_units_per_second", "The rate that the job may use.", budget);
        out.counter("tablehaul_throttles", "Throttled requests.", status.throttles);
        out.counter("tablehaul_retries", "Retried requests.", status.retries);
        out.counter("tablehaul_rejected_items", "Invalid lines.", status.rejected_lines);
        out.gauge("tablehaul_workers", "Connected workers.", status.workers.connected);
        let tasks = &status.tasks;
        let pending = tasks.all.saturating_sub(tasks.done.saturating_add(tasks.running));
        out.head("tablehaul_tasks", "gauge", "Segments or splits.");
        for (name, number) in [("pending", pending), ("leased", tasks.running), ("done", tasks.done)] {
            out.sample("tablehaul_tasks", &[("state", name)], number);
        }
        if let Some(percent) = if state.completed.is_some() { Some(100.0) } else { status.percent } {
            out.gauge(
                "tablehaul_progress_ratio",
                "How much is done, 0 to 1; 1 if it is committed.",
                percent / 100.0,
            );
        }
    }
    if let Some(at) = succeeded_at {
        out.gauge("tablehaul_last_success_timestamp_seconds", "When a job was last complete.", at);
    }
    if exposition == Exposition::OpenMetrics {
        out.lines.push_str("# EOF\n");
    }
    out.lines
}

struct Text<'a> {
    exposition: Exposition,
    table: &'a str,
    lines: String,
}

impl Text<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.counter_head(name, help);
        self.sample(&format!("{name}_total"), &[], value);
    }

    /// In `OpenMetrics` the family of a counter has its name without `_total`.
    fn counter_head(&mut self, name: &str, help: &str) {
        match self.exposition {
            Exposition::OpenMetrics => self.head(name, "counter", help),
            Exposition::Prometheus => self.head(&format!("{name}_total"), "counter", help),
        }
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.lines, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.lines, "{name}{{table=\"{}\"", escaped(self.table));
        for (label, of) in labels {
            let _ = write!(self.lines, ",{label}=\"{}\"", escaped(of));
        }
        let _ = writeln!(self.lines, "}} {value}");
    }
}

/// A label's value, as both formats escape it.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Line, Plan, Resource, Status, Tasks};

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

    #[test]
    fn every_sample_has_the_table_and_names_are_escaped() {
        let text = metrics(&state(), Some(1.5e9), Exposition::OpenMetrics);
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(samples.iter().all(|line| line.contains(r#"{table="Fo\"rum\n""#)), "{text}");
        for sample in [
            r#"tablehaul_job_info{table="Fo\"rum\n",direction="import",job="j",version="1.2.3",cluster=""} 1"#,
            r#"tablehaul_items_total{table="Fo\"rum\n"} 7"#,
            r#"tablehaul_capacity_units_total{table="Fo\"rum\n",resource="table"} 5"#,
            r#"tablehaul_capacity_units_total{table="Fo\"rum\n",resource="By\\Author"} 2.5"#,
            r#"tablehaul_tasks{table="Fo\"rum\n",state="pending"} 5"#,
            r#"tablehaul_progress_ratio{table="Fo\"rum\n"} 0.635"#,
            r#"tablehaul_last_success_timestamp_seconds{table="Fo\"rum\n"} 1500000000"#,
        ] {
            assert!(samples.contains(&sample), "{sample} is not in {text}");
        }
    }

    #[test]
    fn the_formats_differ_in_the_names_of_counters_and_in_the_end() {
        let open = metrics(&state(), None, Exposition::OpenMetrics);
        assert!(open.contains("# TYPE tablehaul_items counter\n") && open.ends_with("# EOF\n"), "{open}");
        let old = metrics(&state(), None, Exposition::Prometheus);
        assert!(old.contains("# TYPE tablehaul_items_total counter\n") && !old.contains("EOF"), "{old}");
        assert_eq!(metrics(&JobState::default(), None, Exposition::Prometheus), "");
    }
}

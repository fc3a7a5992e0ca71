//! The tables of a job: slowest tasks, workers, indexes, events; in the report also the plan and the files.

use events::{Command, Event, JobState};
use job::quantity;

use super::{
    head::seconds,
    html::{Escaped, Table},
};

/// A task that takes this many times as long as the mean is called slow.
const SLOW: f64 = 5.0;

/// The tables of page and report.
pub(super) fn tables(state: &JobState) -> String {
    [resources(state), slowest_tasks(state), workers(state), latest_events(state)].concat()
}

fn resources(state: &JobState) -> String {
    let resources = state.status.iter().flat_map(|status| &status.resources);
    let rows = resources.map(|resource| {
        vec![
            resource
                .index
                .as_deref()
                .map_or_else(|| "the table".to_owned(), |name| Escaped(name).to_string()),
            quantity::rate(resource.units),
            quantity::rate(resource.units_per_second),
            quantity::rate(resource.limit_units_per_second),
            if resource.is_binding { "sets the budget" } else { "" }.to_owned(),
        ]
    });
    let columns = &["Resource", "Units", "Units a second", "Allowed a second", ""];
    Table { title: "Table and indexes", columns, rows: rows.collect() }.section()
}

fn slowest_tasks(state: &JobState) -> String {
    let Some(tasks) = state.status.as_deref().map(|status| &status.tasks) else { return String::new() };
    let rows = tasks.slowest.iter().map(|task| {
        let ratio = tasks.mean_seconds.filter(|mean| *mean > 0.0).map(|mean| task.seconds / mean);
        let slow = if ratio.is_some_and(|ratio| ratio >= SLOW) { " class=\"slow\"" } else { "" };
        vec![
            task.number.to_string(),
            seconds(task.seconds),
            ratio.map_or(String::new(), |ratio| format!("<span{slow}>{ratio:.1} ×</span>")),
            task.items.map_or(String::new(), quantity::grouped),
            match (task.is_done, task.worker) {
                (true, _) => "done".to_owned(),
                (false, Some(worker)) => format!("worker {worker}"),
                (false, None) => "waits for a worker".to_owned(),
            },
        ]
    });
    let title = format!("Slowest {}", tasks.kind.nouns());
    let columns = &[&*capitalized(tasks.kind.noun()), "Time", "Of the mean", "Items", "State"];
    Table { title: &title, columns, rows: rows.collect() }.section()
}

/// The word with a capital letter.
fn capitalized(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_ascii_uppercase() + rest
}

fn workers(state: &JobState) -> String {
    let Some(workers) = state.status.as_deref().map(|status| &status.workers) else { return String::new() };
    let rows = workers.shown.iter().map(|worker| {
        vec![
            worker.worker.to_string(),
            Escaped(&worker.host).to_string(),
            Escaped(&worker.place).to_string(),
            quantity::rate(worker.items_per_second),
            quantity::rate(worker.units_per_second),
            worker.tasks.to_string(),
            if worker.is_waiting_for_units { "waits for units" } else { "" }.to_owned(),
            seconds(worker.last_heard_seconds),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let all = workers.connected;
    let title = match rows.len() as u64 {
        shown if shown < all => format!("Workers ({shown} of {all})"),
        _ => "Workers".to_owned(),
    };
    let columns =
        &["Worker", "Machine", "Place", "Items a second", "Units a second", "Tasks", "", "Last heard"];
    Table { title: &title, columns, rows }.section()
}

fn latest_events(state: &JobState) -> String {
    let rows = state.events.iter().rev().map(|line| {
        vec![
            seconds(line.elapsed_seconds),
            Escaped(&line.at).to_string(),
            Escaped(&text_of(&line.event)).to_string(),
        ]
    });
    Table { title: "Latest events", columns: &["After", "At", "What happened"], rows: rows.collect() }
        .section()
}

/// An event as a sentence.
fn text_of(event: &Event) -> String {
    match event {
        Event::Resumed(resumed) => {
            format!("the job resumed with {} of {} tasks done", resumed.tasks_done, resumed.tasks)
        }
        Event::Takeover(takeover) => format!(
            "this process took over from process {} on {}, last heard of at {}",
            takeover.process_id, takeover.host, takeover.last_word_at
        ),
        Event::WorkerJoined(joined) => {
            format!("worker {} joined on {}; {} connected", joined.worker, joined.host, joined.workers)
        }
        Event::WorkerLost(lost) => {
            format!("worker {} was lost: {}; {} connected", lost.worker, lost.why, lost.workers)
        }
        Event::CapacityChanged(changed) => format!(
            "the budget changed from {} to {} units a second",
            quantity::rate(changed.from_units_per_second),
            quantity::rate(changed.to_units_per_second)
        ),
        Event::Throttled(throttled) => {
            format!("DynamoDB throttled {} requests, {} in all", throttled.requests, throttled.throttles)
        }
        Event::Late(late) => {
            format!("the command takes longer than {}", seconds(late.expected_seconds))
        }
        Event::Rejected(rejected) => format!(
            "{} invalid lines, {} in all; the first in {} at byte {}: {}",
            rejected.lines, rejected.rejected_lines, rejected.object, rejected.offset_bytes, rejected.reason
        ),
        Event::Error(failed) => failed.message.clone(),
        other => other.name().to_owned(),
    }
}

/// What was planned, and what came out.
pub(super) fn plan_and_outcome(state: &JobState) -> String {
    let Some(plan) = state.plan.as_deref() else { return String::new() };
    let status = state.status.as_deref();
    let mut rows = Vec::new();
    let mut row = |name: &str, planned: Option<String>, outcome: Option<String>| {
        if planned.is_some() || outcome.is_some() {
            rows.push(vec![name.to_owned(), planned.unwrap_or_default(), outcome.unwrap_or_default()]);
        }
    };
    let about = if plan.is_estimate { "≈ " } else { "" };
    let of_status = status.map(|status| status.items.saturating_add(status.earlier_items));
    // The last status of a process that was killed may be older than the end of its job.
    let of_export = state.completed.as_deref().filter(|_| plan.command == Command::Export);
    let of_export = of_export.and_then(|completed| completed.report.get("items")?.as_u64());
    let all_items = of_export.or(of_status);
    row(
        "Items",
        plan.items.map(|items| format!("{about}{}", quantity::grouped(items))),
        all_items.map(quantity::grouped),
    );
    row(
        "Bytes",
        plan.bytes.map(|bytes| format!("{about}{}", quantity::bytes(bytes))),
        status.map(|status| quantity::bytes(status.bytes)),
    );
    row("Time", plan.expected_seconds.map(seconds), Some(seconds(state.elapsed_seconds)));
    row(
        "Capacity units",
        plan.expected_units.map(quantity::rate),
        status.map(|status| quantity::rate(status.units)),
    );
    row(
        "Budget, units a second",
        plan.budget_units_per_second.map(quantity::rate),
        status.map(|status| quantity::rate(status.budget_units_per_second)),
    );
    row(
        "Tasks",
        plan.tasks.map(quantity::grouped),
        status.map(|status| quantity::grouped(status.tasks.done)),
    );
    row(
        "Workers",
        plan.workers.map(quantity::grouped),
        status.map(|status| quantity::grouped(status.workers.planned)),
    );
    row("Version", None, Some(Escaped(&state.tool).to_string()));
    let table = Table { title: "Plan and outcome", columns: &["", "Plan", "Outcome"], rows }.section();
    if plan.text.is_empty() {
        return table;
    }
    format!(
        "{table}<details><summary>The plan as printed</summary><pre>{}</pre></details>\n",
        Escaped(&plan.text)
    )
}

/// The part files of a complete export, and the report with all its fields.
pub(super) fn files(state: &JobState) -> String {
    let Some(completed) = state.completed.as_deref() else { return String::new() };
    let rows: Vec<_> = completed
        .files
        .iter()
        .map(|file| {
            vec![
                Escaped(&file.name).to_string(),
                quantity::grouped(file.items),
                quantity::grouped(file.bytes),
                format!("<code>{}</code>", Escaped(&file.crc32c)),
            ]
        })
        .collect();
    let title = match rows.len() as u64 {
        shown if shown < completed.file_count => {
            format!("Files (the first {shown} of {})", completed.file_count)
        }
        _ => "Files".to_owned(),
    };
    let table = Table { title: &title, columns: &["Name", "Items", "Bytes", "CRC-32C"], rows }.section();
    let report = serde_json::to_string_pretty(&completed.report).unwrap_or_default();
    format!(
        "{table}<details><summary>All fields of the report</summary><pre>{}</pre></details>\n",
        Escaped(&report)
    )
}

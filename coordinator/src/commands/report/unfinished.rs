//! The state of an export that is complete, though its process was killed before it could tell so.
//!
//! `export.json` says what the export holds. What only the killed process knew is left out, and a note says so.

use ::events::{Command, JobState, Plan, rounded};
use jiff::Timestamp;
use job::export_json::ExportJson;
use serde_json::{Map, Value, json};

use crate::output::stream::completed_export;

/// What the report says of what it lacks.
const NOTE_OF_STATUS: &str = "The export is complete, but its process ended before it could write the report. Items \
                              and files are those of export.json; all other figures are of the last status, some \
                              seconds before the end.";
const NOTE_OF_EXPORT_JSON: &str = "The export is complete, but nothing else in its folder tells of its course. This \
                                   report holds what export.json says. The time is that from the beginning of the \
                                   export to its end, with pauses between runs. Throttled and retried requests, lost \
                                   workers and rates are not known.";

/// The state of a complete export, and a note that says what it lacks. `told` is the newest state in its folder, if it
/// has one; `None` if that is of another job.
pub(super) fn completed(
    recorded: Option<JobState>,
    export: &ExportJson,
    folder: &str,
) -> Option<(JobState, &'static str)> {
    let (mut state, note) = match recorded {
        Some(state) if state.is_of(&export.job) => (state, NOTE_OF_STATUS),
        Some(_) => return None,
        None => (of_export(export, folder), NOTE_OF_EXPORT_JSON),
    };
    // It may be that of a run before the one that completed the export.
    state.error = None;
    state.completed = Some(Box::new(completed_export(export, folder.to_owned(), report(export))));
    Some((state, note))
}

/// What `export.json` knows of the course of an export.
fn of_export(export: &ExportJson, folder: &str) -> JobState {
    let plan = Plan {
        table: export.table["TableName"].as_str().map(str::to_owned),
        folder: Some(folder.to_owned()),
        account: export.account.clone(),
        job: Some(export.job.to_string()),
        tasks: Some(export.settings.segments.into()),
        workers: Some(export.settings.workers.into()),
        budget_units_per_second: Some(rounded(export.settings.read_units_per_second)),
        budget_source: Some(export.settings.rate_source.clone()),
        ..Plan::of(Command::Export)
    };
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let took = time(&export.started_at).zip(time(&export.finished_at));
    let took = took.map(|(from, to)| to.duration_since(from).as_secs_f64().max(0.0));
    let mut state = JobState::default();
    state.tool.clone_from(&export.tool);
    state.at.clone_from(&export.finished_at);
    state.elapsed_seconds = rounded(took.unwrap_or_default());
    state.plan = Some(Box::new(plan));
    state
}

/// The fields of the report of an export that `export.json` has, by the same names.
fn report(export: &ExportJson) -> Map<String, Value> {
    let known = json!({
        "table": export.table["TableName"],
        "account": export.account,
        "caller": export.caller,
        "items": export.items,
        "bytes": export.bytes,
        "line_bytes": export.line_bytes,
        "files": export.files.len(),
        "read_units": export.read_units,
        "budget_source": export.settings.rate_source,
        "segments": export.settings.segments,
        "workers": export.settings.workers,
    });
    let known = known.as_object().cloned().unwrap_or_default();
    known.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

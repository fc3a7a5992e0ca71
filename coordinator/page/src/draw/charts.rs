//! The four charts of a job over its whole time.

use events::{Event, JobState, Point as Rates};
use job::quantity;

use super::{
    chart::{Chart, Curve, Mark, Point},
    tiles::whole,
};

/// Units, items and bytes, throttles and retries, workers; nothing before there are two points.
pub(super) fn charts(state: &JobState) -> String {
    if state.history.len() < 2 {
        return String::new();
    }
    let marks = marks(state);
    let curve = |name, class, value: fn(&Rates) -> f64| Curve {
        name,
        class,
        pieces: vec![
            state
                .history
                .iter()
                .map(|rates| Point { seconds: rates.elapsed_seconds, value: value(rates) })
                .collect(),
        ],
    };
    let chart = |title, label, curves| {
        Chart { title, span_seconds: state.elapsed_seconds, curves, marks: &marks, label }.figure()
    };
    let mut html = String::from("<section class=\"charts\">\n");
    html += &chart(
        "Capacity units a second",
        quantity::rate,
        vec![
            curve("allowed", "limit", |rates| rates.budget_units_per_second),
            curve("used", "one", |rates| rates.units_per_second),
        ],
    );
    html +=
        &chart("Items a second", quantity::rate, vec![curve("items", "one", |rates| rates.items_per_second)]);
    html += &chart(
        "Bytes a second",
        |value| quantity::bytes(whole(value)),
        vec![curve("bytes", "one", |rates| rates.bytes_per_second)],
    );
    html += &chart(
        "Throttled and retried requests a second",
        quantity::rate,
        vec![
            curve("retried", "two", |rates| rates.retries_per_second),
            curve("throttled", "one", |rates| rates.throttles_per_second),
        ],
    );
    html += &chart("Workers", quantity::rate, vec![curve("connected", "one", |rates| rates.workers)]);
    html + "</section>\n"
}

/// What changes a curve. Workers that join are no marks: every job begins with them.
fn marks(state: &JobState) -> Vec<Mark> {
    let text = |event: &Event| match event {
        Event::Resumed(_) => Some("resumed".to_owned()),
        Event::Takeover(takeover) => Some(format!("taken over from {}", takeover.host)),
        Event::WorkerLost(lost) => Some(format!("worker {} lost: {}", lost.worker, lost.why)),
        Event::CapacityChanged(changed) => Some(format!(
            "{} units a second allowed instead of {}",
            quantity::rate(changed.to_units_per_second),
            quantity::rate(changed.from_units_per_second)
        )),
        _ => None,
    };
    let mark =
        |line: &events::Line| text(&line.event).map(|text| Mark { seconds: line.elapsed_seconds, text });
    state.events.iter().filter_map(mark).collect()
}

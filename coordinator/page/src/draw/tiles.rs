//! The numbers of a job that are looked at first.

use std::fmt::Write;

use events::{JobState, Plan, Status};
use job::quantity;

use super::html::Escaped;

struct Tile {
    name: &'static str,
    value: String,
    /// A second, smaller line.
    more: String,
}

/// The tiles; nothing before the first status.
pub(super) fn tiles(state: &JobState) -> String {
    let Some(status) = state.status.as_deref() else { return String::new() };
    let mut html = String::from("<dl class=\"tiles\">\n");
    for tile in all(status, state.plan.as_deref()) {
        let _ = writeln!(
            html,
            "<div><dt>{}</dt><dd>{}</dd><dd class=\"more\">{}</dd></div>",
            tile.name,
            Escaped(&tile.value),
            Escaped(&tile.more)
        );
    }
    html.push_str("</dl>\n");
    html
}

fn all(status: &Status, plan: Option<&Plan>) -> Vec<Tile> {
    let tile = |name, value: String, more: String| Tile { name, value, more };
    let earlier = match status.earlier_items {
        0 => String::new(),
        items => format!(", and {} in earlier runs", quantity::grouped(items)),
    };
    let mut tiles = vec![
        tile(
            "Items",
            quantity::grouped(status.items),
            format!("{} a second{earlier}", quantity::rate(status.items_per_second)),
        ),
        tile(
            "Bytes",
            quantity::bytes(status.bytes),
            format!("{} a second", quantity::bytes(whole(status.bytes_per_second))),
        ),
        tile(
            "Units a second",
            quantity::rate(status.units_per_second),
            format!("of {} allowed", quantity::rate(status.budget_units_per_second)),
        ),
        tile(
            "Throttled requests",
            quantity::grouped(status.throttles),
            format!("of {} requests", quantity::grouped(status.requests.saturating_add(status.throttles))),
        ),
        tile("Retries", quantity::grouped(status.retries), String::new()),
        tile("Invalid lines", quantity::grouped(status.rejected_lines), String::new()),
        tile(
            "Workers",
            format!("{} of {}", status.workers.connected, status.workers.planned),
            format!("{} lost", status.workers.lost),
        ),
    ];
    if let Some(price) = plan.and_then(|plan| plan.dollars_per_million_units) {
        let planned = plan.and_then(|plan| plan.expected_units).map_or(String::new(), |units| {
            let dollars = units / 1e6 * price;
            format!("the plan: {}", quantity::price(dollars, dollars))
        });
        let dollars = status.units / 1e6 * price;
        tiles.push(tile("Cost of units so far", quantity::price(dollars, dollars), planned));
    }
    tiles
}

/// A rate as a whole number, for units that have names for large numbers only.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
pub(super) fn whole(number: f64) -> u64 {
    number as u64
}

//! The words that users read, held by snapshots: help, plans, reports and JSON. A change of words changes a
//! file of `tests/snapshots`, so you see it in review. CONTRIBUTING.md says how to accept a change.

mod help;
mod json;
mod redacted;
mod reports;
mod scene;

/// Compares a text with `tests/snapshots/NAME.snap`.
#[track_caller]
fn holds(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

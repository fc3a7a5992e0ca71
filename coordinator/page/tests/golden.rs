//! Golden events give golden reports. `GOLDEN=write cargo test -p tablehaul-page --test golden` writes them again.

use std::{fs, path::Path};

use events::{JobState, Line};

fn report_of(events: &Path) -> String {
    let mut state = JobState::default();
    let text = fs::read_to_string(events).unwrap_or_else(|error| panic!("{}: {error}", events.display()));
    for line in text.lines() {
        let line: Line = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        state.apply(&line);
    }
    page::report(&state)
}

#[test]
fn golden_events_give_golden_reports() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["export", "resumed", "import"] {
        let report = report_of(&here.join(format!("../../job/events/tests/golden/{name}.ndjson")));
        let golden = here.join(format!("tests/golden/{name}.html"));
        if std::env::var_os("GOLDEN").is_some_and(|what| what == "write") {
            fs::write(&golden, &report).unwrap_or_else(|error| panic!("{}: {error}", golden.display()));
        }
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        assert_eq!(report, expected, "{} differs", golden.display());
    }
}

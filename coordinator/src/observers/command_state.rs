//! What the events of this command say of each table so far.

use std::collections::BTreeMap;

use events::{Command, Event, JobState, Line, Summary};
use jiff::Timestamp;

use crate::output::TOOL;

/// The jobs of this command, one for each table.
#[derive(Debug, Default)]
pub(super) struct CommandState {
    /// The table of the newest plan.
    table: String,
    jobs: BTreeMap<String, JobState>,
    /// When the job of each table was complete, in seconds since 1970.
    succeeded_at: BTreeMap<String, f64>,
}

impl CommandState {
    /// Notes an event.
    pub(super) fn apply(&mut self, line: &Line) {
        if let Event::Plan(plan) = &line.event {
            self.table = plan.table.clone().unwrap_or_default();
        }
        if let Some(table) = verified_table(line) {
            let mut state = self.jobs.remove(&self.table).unwrap_or_default();
            if let Some(plan) = &mut state.plan {
                plan.table = Some(table.clone());
            }
            self.jobs.insert(table.clone(), state);
            self.table = table;
        }
        let state = self.jobs.entry(self.table.clone()).or_default();
        state.apply(line);
        TOOL.clone_into(&mut state.tool);
        // Neither metrics nor notifications show it.
        state.history.clear();
        let is_success = match &line.event {
            Event::Completed(_) => true,
            // It has no event of its own for that.
            Event::Summary(summary) => summary.command == Command::Verify && summary.exit_code == 0,
            _ => false,
        };
        if is_success {
            #[allow(clippy::cast_precision_loss, reason = "milliseconds of a date are far below 2^53")]
            let seconds = Timestamp::now().as_millisecond() as f64 / 1000.0;
            self.succeeded_at.insert(self.table.clone(), seconds);
        }
    }

    /// The job of the newest plan.
    pub(super) fn newest(&self) -> Option<&JobState> {
        self.jobs.get(&self.table)
    }

    /// All jobs by their table.
    pub(super) fn jobs(&self) -> &BTreeMap<String, JobState> {
        &self.jobs
    }

    /// When each table's job was complete.
    pub(super) fn succeeded_at(&self) -> &BTreeMap<String, f64> {
        &self.succeeded_at
    }
}

/// The table that `verify` has found in the folder, which its plan can't know.
fn verified_table(line: &Line) -> Option<String> {
    match &line.event {
        Event::Summary(Summary { command: Command::Verify, result: Some(result), .. }) => {
            result["table"].as_str().map(str::to_owned)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use events::{Completed, Plan};
    use serde_json::{Map, json};

    use super::*;
    use crate::output::events::stamped;

    fn seen(events: impl IntoIterator<Item = Event>) -> CommandState {
        let mut seen = CommandState::default();
        for event in events {
            seen.apply(&stamped(event));
        }
        seen
    }

    fn plan(command: Command, table: Option<&str>) -> Event {
        Event::Plan(Box::new(Plan { table: table.map(str::to_owned), ..Plan::of(command) }))
    }

    #[test]
    fn each_table_of_a_command_has_a_job_and_a_time_of_success() {
        let completed = Event::Completed(Box::new(Completed {
            table: "Forum".into(),
            folder: "/x".into(),
            report: Map::new(),
            files: Vec::new(),
            file_count: 0,
        }));
        let (forum, thread) = (plan(Command::Export, Some("Forum")), plan(Command::Export, Some("Thread")));
        let seen = seen([forum, completed, thread]);
        assert_eq!(seen.jobs().keys().collect::<Vec<_>>(), ["Forum", "Thread"]);
        assert_eq!(seen.succeeded_at().keys().collect::<Vec<_>>(), ["Forum"]);
        let newest = seen.newest().and_then(|state| state.plan.as_ref()).unwrap();
        assert_eq!(newest.table.as_deref(), Some("Thread"));
    }

    #[test]
    fn verify_succeeds_with_its_summary_which_names_the_table() {
        for (exit_code, succeeds) in [(0, true), (1, false)] {
            let result = Some(json!({"table": "Forum"}));
            let summary =
                Event::Summary(Summary { command: Command::Verify, exit_code, result, text: String::new() });
            let seen = seen([plan(Command::Verify, None), summary]);
            assert_eq!(seen.jobs().keys().collect::<Vec<_>>(), ["Forum"]);
            assert_eq!(seen.succeeded_at().contains_key("Forum"), succeeds);
        }
    }
}

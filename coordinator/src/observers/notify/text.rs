//! What a notification says.

use events::{Command, Event, JobState, Line, Plan, SCHEMA, Status};
use job::quantity;
use serde_json::{Map, Value, json};

use crate::{failure::FailureKind, observers::command_state::CommandState, output::TOOL};

/// The longest JSON. SNS takes messages of 256 KiB (API reference of `Publish`).
const LONGEST_JSON: usize = 200_000;
/// The longest subject that SNS takes, in characters. Source: the same.
const LONGEST_SUBJECT: usize = 99;

/// A notification.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::observers) struct Notification {
    subject: String,
    /// What a person reads, of several lines.
    text: String,
    /// The event, with what belongs to it.
    fields: Map<String, Value>,
}

impl Notification {
    /// That of an event, if there is one for it.
    pub(in crate::observers) fn of(line: &Line, seen: &CommandState) -> Option<Self> {
        let none = JobState::default();
        let state = seen.newest().unwrap_or(&none);
        let (plan, status) = (state.plan.as_deref(), state.status.as_deref());
        let job = what(plan);
        let (subject, more) = match &line.event {
            Event::Late(late) => {
                let text = format!("{job} is late: it takes longer than {}", time(late.expected_seconds));
                (text, status.map(progress))
            }
            Event::Summary(summary) if summary.exit_code == 0 => {
                (format!("{job} is done"), Some(summary.text.clone()))
            }
            // Only `verify` ends so.
            Event::Summary(summary) => (format!("{job} found defects"), Some(summary.text.clone())),
            Event::Error(failed) if failed.kind == FailureKind::Stopped.name() => {
                (format!("{job} was stopped"), Some(failed.message.clone()))
            }
            Event::Error(failed) => (format!("{job} failed"), Some(failed.message.clone())),
            _ => return None,
        };
        let took = format!("time        {}", time(line.elapsed_seconds));
        let parts = [Some(subject.clone()), more, plan.and_then(place), Some(took)];
        let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        let text = parts.join("\n");
        let mut fields = match serde_json::to_value(line) {
            Ok(Value::Object(fields)) => fields,
            _ => Map::new(),
        };
        let plan = plan.map(|plan| Plan { text: String::new(), ..plan.clone() });
        fields.extend([
            ("schema".to_owned(), json!(SCHEMA)),
            ("tool".to_owned(), json!(TOOL)),
            ("subject".to_owned(), json!(subject)),
            ("text".to_owned(), json!(text)),
            ("plan".to_owned(), json!(plan)),
            ("status".to_owned(), json!(status)),
        ]);
        Some(Self { subject, text, fields })
    }

    /// The event as JSON, with `subject`, `text`, `plan` and `status`. Of a long one, `status` and `result` are `null`.
    pub(super) fn json(&self) -> String {
        let mut fields = self.fields.clone();
        let mut text = Value::Object(fields.clone()).to_string();
        for name in ["status", "result"] {
            if text.len() > LONGEST_JSON && fields.contains_key(name) {
                fields.insert(name.to_owned(), Value::Null);
                text = Value::Object(fields.clone()).to_string();
            }
        }
        text
    }

    /// As SNS takes it: one line of ASCII.
    pub(super) fn subject_for_sns(&self) -> String {
        let plain = |char: char| if char.is_ascii_graphic() || char == ' ' { char } else { '?' };
        self.subject.chars().map(plain).take(LONGEST_SUBJECT).collect()
    }

    /// The text, and the JSON below it.
    pub(super) fn message_for_sns(&self) -> String {
        format!("{}\n\n{}\n", self.text, self.json())
    }
}

/// Such as `tablehaul: export of Forum`.
fn what(plan: Option<&Plan>) -> String {
    let command = match plan.map(|plan| plan.command) {
        Some(Command::Export) => "export",
        Some(Command::Import) => "import",
        Some(Command::Verify) => "verification",
        _ => "job",
    };
    let all = plan.and_then(|plan| plan.table_count).unwrap_or(1);
    let table = plan.and_then(|plan| plan.table.as_deref()).unwrap_or_default();
    match (all, command, table) {
        (2.., ..) => format!("tablehaul: {command} of {all} tables"),
        (_, _, "") => format!("tablehaul: {command}"),
        (_, "import", _) => format!("tablehaul: import into {table}"),
        _ => format!("tablehaul: {command} of {table}"),
    }
}

fn place(plan: &Plan) -> Option<String> {
    let host = plan.host.as_ref().map(|host| format!("host        {host}"));
    let folder = plan.folder.as_ref().map(|folder| format!("folder      {folder}"));
    let lines: Vec<String> = [folder, host].into_iter().flatten().collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// How far the job is.
fn progress(status: &Status) -> String {
    let about = if status.is_estimate { "≈ " } else { "" };
    let percent = status.percent.map(|percent| format!(", {about}{percent} %")).unwrap_or_default();
    let left = status.seconds_left.filter(|seconds| *seconds > 0.0);
    let left = left.map(|seconds| format!(", {} left", time(seconds))).unwrap_or_default();
    format!("so far      {} items{percent}{left}", status.items)
}

fn time(seconds: f64) -> String {
    quantity::duration(std::time::Duration::try_from_secs_f64(seconds.min(1e12)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use events::{Failed, Late, Summary};

    use super::*;
    use crate::output::events::stamped;

    fn notification(before: Vec<Event>, event: Event) -> Option<Notification> {
        let mut seen = CommandState::default();
        for event in before {
            seen.apply(&stamped(event));
        }
        let line = Line { elapsed_seconds: 90.0, ..stamped(event) };
        seen.apply(&line);
        Notification::of(&line, &seen)
    }

    fn plan() -> Event {
        Event::Plan(Box::new(Plan {
            table: Some("Forum".into()),
            folder: Some("s3://b/x".into()),
            text: "a long text".into(),
            ..Plan::of(Command::Export)
        }))
    }

    fn failed(kind: &str) -> Event {
        Event::Error(Failed { exit_code: 1, kind: kind.into(), message: "no table Forum".into() })
    }

    #[test]
    fn ends_and_delays_are_told_and_nothing_else() {
        let summary = |exit_code, command| {
            Event::Summary(Summary { command, exit_code, result: None, text: String::new() })
        };
        for (event, subject) in [
            (summary(0, Command::Export), "tablehaul: export of Forum is done"),
            (summary(1, Command::Verify), "tablehaul: export of Forum found defects"),
            (failed("failed"), "tablehaul: export of Forum failed"),
            (failed("stopped"), "tablehaul: export of Forum was stopped"),
            (
                Event::Late(Late { expected_seconds: 60.0 }),
                "tablehaul: export of Forum is late: it takes longer than 1 min 00 s",
            ),
        ] {
            assert_eq!(notification(vec![plan()], event).unwrap().subject, subject);
        }
        assert_eq!(notification(vec![], plan()), None);
        assert_eq!(notification(vec![], failed("usage")).unwrap().subject, "tablehaul: job failed");
    }

    #[test]
    fn the_json_is_the_event_with_what_a_person_reads() {
        let told = notification(vec![plan()], failed("failed")).unwrap();
        let json: Value = serde_json::from_str(&told.json()).unwrap();
        assert_eq!(
            (&json["event"], &json["exit_code"], &json["schema"]),
            (&json!("error"), &json!(1), &json!(1))
        );
        assert_eq!((&json["message"], &json["kind"]), (&json!("no table Forum"), &json!("failed")));
        assert_eq!(json["plan"]["folder"], "s3://b/x");
        assert_eq!(json["plan"].get("text"), None);
        let text =
            "tablehaul: export of Forum failed\nno table Forum\nfolder      s3://b/x\ntime        1 min 30 s";
        assert_eq!(json["text"], text);
        assert!(told.message_for_sns().starts_with(&format!("{text}\n\n{{")));
    }

    #[test]
    fn what_is_too_long_for_sns_is_shortened() {
        let long = json!("x".repeat(300_000));
        let summary = Event::Summary(Summary {
            command: Command::Export,
            exit_code: 0,
            result: Some(long),
            text: String::new(),
        });
        let table =
            Event::Plan(Box::new(Plan { table: Some("\u{e9}".repeat(200)), ..Plan::of(Command::Import) }));
        let told = notification(vec![table], summary).unwrap();
        assert!(told.message_for_sns().len() < 256 * 1024);
        let subject = told.subject_for_sns();
        assert!(subject.is_ascii() && subject.len() < 100, "{subject}");
    }
}

//! What a job is, how far it is, and what to do next.

use std::{fmt::Write, time::Duration};

use events::{Command, JobState, Phase, Plan, Status};
use job::quantity;

use super::html::Escaped;

/// The kind of a failure that no event reports: the process was killed, so its exit code is not known.
pub const INTERRUPTED: &str = "interrupted";

/// `Export of Forum: 63 %`.
pub(super) fn title(state: &JobState) -> String {
    let mut title = heading(state.plan.as_deref());
    if state.has_ended() {
        let _ = write!(title, ": {}", class(state));
    } else if let Some(percent) = state.status.as_deref().and_then(percent) {
        let _ = write!(title, ": {percent}");
    }
    title
}

fn heading(plan: Option<&Plan>) -> String {
    let Some(plan) = plan else { return "A job".to_owned() };
    let noun = match plan.command {
        Command::Export => "Export of",
        Command::Import => "Import into",
        Command::Verify => "Check of",
        Command::Status => "Status of",
        Command::Clean => "Removal of",
        Command::Other => "Job on",
    };
    let of = plan.table.as_deref().or(plan.folder.as_deref()).unwrap_or("an unknown table");
    format!("{noun} {of}")
}

/// The state in one word, which is also the class of the article.
pub(super) fn class(state: &JobState) -> &'static str {
    match (&state.error, &state.completed) {
        (Some(error), _) if error.kind == "stopped" => "stopped",
        (Some(error), _) if error.kind == INTERRUPTED => INTERRUPTED,
        (Some(_), _) => "failed",
        (None, Some(_)) => "complete",
        (None, None) => "running",
    }
}

/// The head of the article: what, where, how far, and what limits it.
pub(super) fn head(state: &JobState) -> String {
    let mut html = format!(
        "<header><h1>{} <span class=\"state\">{}</span></h1>\n",
        Escaped(&heading(state.plan.as_deref())),
        class(state)
    );
    if let Some(plan) = &state.plan {
        let _ = writeln!(html, "<p class=\"where\">{}</p>", facts(plan).join(" · "));
    }
    if let Some(status) = &state.status
        && !state.has_ended()
    {
        html.push_str(&how_far(status));
    }
    if let Some(error) = &state.error {
        let _ = write!(html, "<p class=\"failed\">{}", Escaped(&error.message));
        if error.kind != INTERRUPTED {
            let _ = write!(html, " <span class=\"code\">exit code {}</span>", error.exit_code);
        }
        html.push_str("</p>\n");
    }
    if let Some(resumed) = &state.resumed {
        let _ = writeln!(
            html,
            "<p>Resumed: {} of {} tasks and {} items were already done. The job began at {}.</p>",
            quantity::grouped(resumed.tasks_done),
            quantity::grouped(resumed.tasks),
            quantity::grouped(resumed.items),
            Escaped(&resumed.started_at)
        );
    }
    let _ = writeln!(
        html,
        "<p class=\"time\">{} after {}. Last news: <time datetime=\"{at}\">{at}</time></p>\n</header>",
        if state.has_ended() { "Ended" } else { "Running" },
        seconds(state.elapsed_seconds),
        at = Escaped(&state.at),
    );
    html
}

fn facts(plan: &Plan) -> Vec<String> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            facts.push(format!("{name} <b>{}</b>", Escaped(value)));
        }
    };
    fact("folder", plan.folder.as_deref());
    fact("account", plan.account.as_deref());
    fact("cluster", plan.cluster.as_deref());
    fact("machine", plan.host.as_deref());
    fact("job", plan.job.as_deref());
    facts
}

fn how_far(status: &Status) -> String {
    let mut html = String::new();
    if let Some(percent) = status.percent {
        let _ = writeln!(html, "<progress max=\"100\" value=\"{percent}\">{percent} %</progress>");
    }
    let doing = match status.phase {
        Phase::Reading => "Reading the table",
        Phase::Checking => "Checking the backup",
        Phase::Writing => "Writing to the table",
        Phase::Completing => "Completing the files",
        Phase::Unknown => "Working",
    };
    let tasks = status.tasks.kind.nouns();
    let _ = write!(html, "<p>{doing}");
    if let Some(percent) = percent(status) {
        let _ = write!(html, " · <b>{percent}</b>");
    }
    let _ = write!(
        html,
        " · {} of {} {tasks}",
        quantity::grouped(status.tasks.done),
        quantity::grouped(status.tasks.all)
    );
    if let Some(left) = status.seconds_left {
        let _ = write!(html, " · about {} left", seconds(left));
    }
    html.push_str("</p>\n");
    if let Some(limit) = &status.limit {
        let _ = writeln!(html, "<p>Limited by: {}</p>", Escaped(&limit.text));
    }
    html
}

/// `≈ 63 %`.
fn percent(status: &Status) -> Option<String> {
    let about = if status.is_estimate { "≈ " } else { "" };
    status.percent.map(|percent| format!("{about}{percent:.0} %"))
}

/// A number of seconds as a duration for people.
pub(super) fn seconds(number: f64) -> String {
    quantity::duration(Duration::try_from_secs_f64(number).unwrap_or_default())
}

/// The command that resumes a job that did not complete.
pub(super) fn next_step(state: &JobState) -> String {
    let resumes = state
        .plan
        .as_deref()
        .filter(|plan| matches!(plan.command, Command::Export | Command::Import))
        .and_then(|plan| plan.command_line.as_deref());
    match resumes {
        Some(command) if state.completed.is_none() => {
            let when =
                if state.error.is_some() { "This command" } else { "Should the job end, this command" };
            format!(
                "<section><h2>Resume</h2><p>{when} resumes the job:</p><pre>{}</pre></section>\n",
                Escaped(command)
            )
        }
        _ => String::new(),
    }
}

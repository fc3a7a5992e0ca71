use super::*;
use events::{CapacityChanged, Command, Event, Failed, Line, Plan, Status, WorkerLost};

/// A running export with 600 statuses and two things that happened.
fn running() -> JobState {
    let mut state = JobState::default();
    let mut tell = |seconds: u32, event: Event| {
        state.apply(&Line {
            schema: (seconds == 0).then_some(1),
            tool: None,
            at: "2026-01-02T03:04:05Z".to_owned(),
            elapsed_seconds: f64::from(seconds),
            lost_events: 0,
            event,
        });
    };
    let mut plan = Plan::of(Command::Export);
    plan.table = Some("Forum".to_owned());
    plan.folder = Some("s3://mybucket/exports/Forum".to_owned());
    plan.command_line = Some("tablehaul export Forum s3://mybucket/exports".to_owned());
    tell(0, Event::Plan(Box::new(plan)));
    for at in 0..600 {
        let status = Status {
            table: "Forum".to_owned(),
            percent: Some(f64::from(at / 10)),
            is_estimate: true,
            units_per_second: f64::from(90 + at % 10),
            budget_units_per_second: 100.0,
            items: u64::from(at) * 1000,
            ..Status::default()
        };
        tell(at, Event::Status(Box::new(status)));
    }
    let lost = WorkerLost {
        worker: 3,
        host: "h".to_owned(),
        why: "<killed>".to_owned(),
        returned_tasks: Some(2),
        workers: 1,
    };
    tell(600, Event::WorkerLost(lost));
    tell(
        601,
        Event::CapacityChanged(CapacityChanged { from_units_per_second: 100.0, to_units_per_second: 50.0 }),
    );
    state
}

fn page(state: &JobState) -> String {
    body(&[Job { folder: "s3://mybucket/exports/Forum", state: Ok(state) }])
}

#[test]
fn a_running_job_tells_how_far_it_is_and_what_happened() {
    let html = page(&running());
    for text in [
        "Export of Forum",
        "<b>≈ 59 %</b>",
        "599,000",
        "worker 3 lost: &lt;killed&gt;",
        "the budget changed from 100 to 50 units a second",
        "tablehaul export Forum s3://mybucket/exports",
        "Should the job end, this command resumes the job",
    ] {
        assert!(html.contains(text), "{text} is missing in {html}");
    }
    assert_eq!(html.matches("<svg").count(), 5);
}

#[test]
fn a_failed_job_shows_its_cause_and_how_to_resume() {
    let mut state = running();
    let failed = Failed { exit_code: 1, kind: "failed".to_owned(), message: "the table is gone".to_owned() };
    let line = Line {
        schema: None,
        tool: None,
        at: String::new(),
        elapsed_seconds: 602.0,
        lost_events: 0,
        event: Event::Error(failed),
    };
    state.apply(&line);
    let html = report(&state);
    assert!(
        html.contains("<p class=\"failed\">the table is gone <span class=\"code\">exit code 1</span></p>"),
        "{html}"
    );
    assert!(html.contains("<p>This command resumes the job:</p>"), "{html}");
    assert!(!html.contains("<progress"), "a job that has ended shows no bar");
}

/// Names of machines and messages of servers come from outside.
#[test]
fn no_text_from_outside_becomes_markup() {
    let evil = "<img src=x onerror=alert(1)>\"'&";
    let mut state = running();
    let text = serde_json::to_string(&state).unwrap_or_default();
    let text =
        text.replace("Forum", &evil.replace('"', "\\\"")).replace("<killed>", &evil.replace('"', "\\\""));
    state = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
    for html in [page(&state), report(&state), document(&[Job { folder: evil, state: Err(evil) }])] {
        assert!(!html.contains("<img"), "{html}");
        assert!(html.contains("&lt;img"), "{html}");
    }
}

#[test]
fn report_and_page_ask_for_nothing_elsewhere() {
    let report = report(&running());
    for word in ["<script", "<link", "src=", "url(", "@import"] {
        assert!(!report.contains(word), "{word}");
    }
    assert!(report.contains("default-src 'none'"));
    for asset in [SHELL, STYLE, SCRIPT] {
        assert!(!asset.contains("//cdn") && !asset.contains("https:"), "{asset}");
    }
}

#[test]
fn a_report_says_of_which_job_it_is_and_nothing_else_does() {
    let mut state = running();
    assert_eq!(job_of(report(&state).as_bytes()), None);
    for (job, said) in [("3f1c8a52", "3f1c8a52"), ("\"><script>", "&quot;&gt;&lt;script&gt;")] {
        state.plan.as_mut().unwrap().job = Some(job.to_owned());
        let html = report(&state);
        assert_eq!(job_of(html.as_bytes()), Some(said));
        assert!(!html.contains("<script"), "{html}");
        let end = html.find(said).unwrap() + said.len();
        assert_eq!(job_of(&html.as_bytes()[..end]), None, "a part of one");
        assert_eq!(job_of(format!("\n{html}").as_bytes()), None);
    }
    assert_eq!(job_of(page(&state).as_bytes()), None);
    assert_eq!(job_of(b""), None);
}

#[test]
fn the_page_of_a_job_that_has_ended_shows_its_outcome() {
    let mut state = running();
    let section = tables::plan_and_outcome(&state);
    assert!(!section.is_empty() && !page(&state).contains(&section));
    state.error = Some(Failed { exit_code: 1, kind: "failed".into(), message: "no worker is left".into() });
    let section = tables::plan_and_outcome(&state);
    assert!(page(&state).contains(&section), "{section}");
}

#[test]
fn a_job_without_any_news_has_a_page() {
    let html = page(&JobState::default());
    assert!(html.contains("A job") && !html.contains("<svg"), "{html}");
}

#[test]
fn numbers_and_names_of_any_kind_are_drawn() {
    for number in [f64::MAX, 1.7e308, 5e-324, 1e15, -1.0] {
        let mut state = running();
        for point in &mut state.history {
            (point.elapsed_seconds, point.units_per_second, point.items_per_second) =
                (number, number, number);
        }
        state.elapsed_seconds = number;
        let plan = state.plan.as_mut().unwrap();
        plan.table = Some("a\u{1b}[2J\u{202e}b\u{7}".to_owned());
        let html = report(&state);
        assert!(html.len() < 200_000, "{number}: {} bytes", html.len());
        let is_drawn = !html.contains("NaN") && !html.contains("inf ");
        // Larger ones are refused where a state is read.
        assert!(is_drawn || number > 1e15, "{number}");
        assert!(!html.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{number}");
    }
}

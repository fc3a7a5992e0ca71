//! Watching a job: its status from the folder, again and again, until it ends. Needs only permission to read.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use events::{JobState, Phase, Status as JobStatus};
use job::{
    spec::AwsAccess,
    target::Target,
    visible::{self, Line},
};
use tokio_util::sync::CancellationToken;

use super::{FolderState, Status, status_of};
use crate::{
    failure::Failure,
    jobs::history,
    output::{display, waits::unless_silent},
    store::Store,
};

/// The time between two looks.
const REDRAW_FOLDER_EVERY: Duration = Duration::from_secs(3);
/// If the status has not changed for this long, the journal says whether the job still runs.
pub(in crate::commands) const STALE: Duration = Duration::from_secs(15);
/// If it can't be seen whether the job runs, it counts as ended once its status has not changed for this long.
pub(in crate::commands) const SILENT: Duration = Duration::from_mins(1);
/// The latest events that are shown.
const SHOWN_EVENTS: usize = 3;

/// How old the news of a job are, by the clock of this machine.
#[derive(Debug, Default)]
pub(in crate::commands) struct News {
    /// When the job last told its state, by its own clock, and when that was first seen.
    seen: Option<(String, Instant)>,
}

impl News {
    /// How long the state has been the one that was told `at`. `None` at the first look.
    pub(in crate::commands) fn unchanged_for(&mut self, at: &str) -> Option<Duration> {
        match &self.seen {
            Some((seen_at, since)) if seen_at == at => Some(since.elapsed()),
            seen => {
                let is_first = seen.is_none();
                self.seen = Some((at.to_owned(), Instant::now()));
                (!is_first).then_some(Duration::ZERO)
            }
        }
    }
}

/// Passes the state of a folder's job to `paint`, as a text of several lines, every few seconds until the job has
/// ended. Returns what the folder then holds.
///
/// # Errors
/// Fails with `FailureKind::Refused` if the folder can't be read, and with `FailureKind::Stopped`.
pub(crate) async fn watch(
    folder: &Target,
    access: &AwsAccess,
    stop: &CancellationToken,
    mut paint: impl FnMut(&str),
) -> Result<Status, Failure> {
    let watching = async {
        let opened = unless_silent(async {
            Store::to_read(folder, access).await.map_err(|fault| Failure::refused(&fault))
        });
        let store = opened.await?;
        let mut news = News::default();
        loop {
            let state = history::newest(&store).await;
            let has_ended = state.as_ref().is_none_or(JobState::has_ended);
            // At the first look the journal is looked at, too.
            let unchanged_for = state.as_ref().and_then(|state| news.unchanged_for(&state.at));
            if has_ended || unchanged_for.is_none_or(|time| time >= STALE) {
                let status = status_of(folder, &store).await?;
                match &status.state {
                    FolderState::Running(_) => {}
                    FolderState::Unfinished(_)
                        if !has_ended && unchanged_for.unwrap_or_default() < SILENT => {}
                    _ => return Ok(status),
                }
                if state.is_none() {
                    paint(&visible::line(&status.to_string()));
                }
            }
            if let Some(state) = &state {
                paint(&block(state));
            }
            tokio::time::sleep(REDRAW_FOLDER_EVERY).await;
        }
    };
    tokio::select! {
        status = watching => status,
        () = stop.cancelled() => Err(Failure::stopped("stopped by a signal")),
    }
}

/// The state of a job as a text of several lines. Everything in the state may be hostile.
fn block(state: &JobState) -> String {
    let mut out = String::new();
    if let Some(plan) = &state.plan {
        let place = plan.folder.as_deref().unwrap_or_default();
        let (host, process) = (plan.host.as_deref().unwrap_or("?"), plan.process_id.unwrap_or_default());
        let _ = writeln!(out, "folder      {}, by process {process} on {}", Line(place), Line(host));
    }
    if let Some(resumed) = &state.resumed {
        let (done, all) = (resumed.tasks_done, resumed.tasks);
        let _ = writeln!(
            out,
            "resumed     {} and {done} of {all} tasks were done",
            display::count_of(resumed.items, "item")
        );
    }
    if let Some(status) = &state.status {
        progress(&mut out, status);
    }
    for line in state.events.iter().rev().take(SHOWN_EVENTS).rev() {
        let _ = writeln!(out, "event       {} {}", Line(&line.at), line.event.name());
    }
    if let Some(error) = &state.error {
        let _ = writeln!(out, "ended       {}", Line(&error.message));
    }
    let _ = write!(out, "updated     {}", Line(&state.at));
    out
}

fn progress(out: &mut String, status: &JobStatus) {
    let things = status.tasks.kind.nouns();
    let phase = match status.phase {
        Phase::Reading => "reading",
        Phase::Checking => "checking",
        Phase::Writing => "writing",
        Phase::Completing => "completing files",
        Phase::Unknown => "running",
    };
    let about = if status.is_estimate { "≈ " } else { "" };
    let percent = status.percent.map_or_else(|| "? %".to_owned(), |percent| format!("{about}{percent:.1} %"));
    let left = status.seconds_left.and_then(|seconds| Duration::try_from_secs_f64(seconds.min(1e12)).ok());
    let left = left.map(|left| format!(", {} left", display::duration(left))).unwrap_or_default();
    let (done, all) = (status.tasks.done, status.tasks.all);
    let _ = writeln!(out, "{phase:<11} {}: {percent}, {done} of {all} {things}{left}", Line(&status.table));
    let items = display::count_of(status.items, "item");
    let (items_rate, bytes_rate) =
        (display::rate(status.items_per_second), display::rate(status.bytes_per_second / 1e6));
    let size = display::bytes(status.bytes);
    let _ = writeln!(out, "done        {items}, {size}; {items_rate} items/s, {bytes_rate} MB/s");
    if status.phase != Phase::Checking {
        let (used, budget) =
            (display::rate(status.units_per_second), display::rate(status.budget_units_per_second));
        let _ =
            writeln!(out, "units       {used} of {budget} units/s, {} in all", display::rate(status.units));
    }
    for resource in status.resources.iter().filter(|resource| resource.index.is_some()) {
        let (used, most) =
            (display::rate(resource.units_per_second), display::rate(resource.limit_units_per_second));
        let sets = if resource.is_binding { ", which sets the pace" } else { "" };
        let name = resource.index.as_deref().unwrap_or_default();
        let _ = writeln!(out, "index       {}: {used} of {most} units/s{sets}", Line(name));
    }
    if let Some(limit) = &status.limit {
        let _ = writeln!(out, "limited by  {}: {}", limit.by.name(), Line(&limit.text));
    }
    let workers = &status.workers;
    let (connected, planned, lost) = (workers.connected, workers.planned, workers.lost);
    let (throttles, retries, rejected) = (status.throttles, status.retries, status.rejected_lines);
    let _ = writeln!(out, "workers     {connected} of {planned}, {lost} lost");
    let _ = writeln!(out, "requests    {throttles} throttles, {retries} retries, {rejected} lines rejected");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What a golden event file adds up to at its last status.
    fn golden(name: &str) -> JobState {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../job/events/tests/golden/{name}.ndjson"));
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<events::Line> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let is_status = |line: &events::Line| matches!(line.event, events::Event::Status(_));
        let end = lines.iter().rposition(is_status).unwrap();
        let mut state = JobState::default();
        lines[..=end].iter().for_each(|line| state.apply(line));
        state
    }

    #[test]
    fn a_block_says_what_is_done_and_what_limits_the_job() {
        let text = block(&golden("resumed"));
        let expected = "\
            folder      s3://mybucket/exports, by process 4711 on ip-10-0-0-4.ec2.internal\n\
            resumed     15000 items and 2 of 8 tasks were done\n\
            reading     Forum: ≈ 99.9 %, 7 of 8 segments, 0.0 s left\n\
            done        35000 items, 6.3 MB; 1000 items/s, 0.18 MB/s\n\
            units       24.5 of 25 units/s, 858 in all\n\
            limited by  budget: 24.5 of 25 units/s are used\n\
            workers     2 of 2, 0 lost\n\
            requests    0 throttles, 1 retries, 0 lines rejected\n\
            event       2026-03-01T10:05:00.250Z resumed\n\
            event       2026-03-01T10:05:02.250Z worker_joined\n\
            event       2026-03-01T10:05:02.250Z worker_joined\n\
            updated     2026-03-01T10:05:35.250Z";
        assert_eq!(text, expected);
        assert!(
            block(&golden("import"))
                .contains("\nindex       ByAuthor: 1980 of 2000 units/s, which sets the pace\n")
        );
    }

    #[test]
    fn a_hostile_state_forges_no_line_and_fails_nothing() {
        let mut state = golden("import");
        let forged = "x\nended       all is well\u{1b}[2J";
        let status = state.status.as_mut().unwrap();
        (status.table, status.seconds_left, status.percent) = (forged.into(), Some(-1e300), Some(1e300));
        (status.items_per_second, status.units) = (-5.0, f64::MAX);
        state.at = forged.into();
        state.plan.as_mut().unwrap().folder = Some(forged.into());
        let text = block(&state);
        assert!(!text.lines().any(|line| line.starts_with("ended")), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}

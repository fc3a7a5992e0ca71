#![expect(clippy::unnecessary_wraps, reason = "answers stand in scripts beside errors")]

mod stopping;

use std::collections::VecDeque;

use super::*;
use crate::view::{Listed, StepState};

const ID: &str = "j-MINE";

/// A launch, and an EMR that plays a part.
struct Play {
    launch: Launch,
    now: Duration,
    calls: Vec<(Duration, Call)>,
}

fn wish() -> Wish {
    Wish {
        name: "tablehaul export Forum 0123456789abcdef".into(),
        run: "run1".into(),
        steps: vec![vec!["export".into(), "Forum".into()]],
        guest_of: None,
        keep: false,
        detach: false,
        poll: Duration::from_secs(30),
    }
}

fn view(state: &str) -> ClusterView {
    ClusterView {
        name: wish().full_name(),
        state: ClusterState::named(state),
        code: None,
        message: String::new(),
        logs: None,
        tags: Vec::new(),
    }
}

fn listed(id: &str, run: &str, state: &str, created_ms: i64) -> Listed {
    Listed {
        id: id.into(),
        name: format!("{} {run}", wish().name),
        state: ClusterState::named(state),
        created_ms,
    }
}

fn step(state: &str) -> StepView {
    StepView {
        id: "s-1".into(),
        name: "export Forum".into(),
        state: StepState::named(state),
        arguments: vec![crate::request::BINARY.into(), "export".into(), "Forum".into()],
        reason: None,
    }
}

fn error(failed: Failed) -> Result<Answer, CallError> {
    Err(CallError { failed, line: "words of EMR".into(), said: None })
}

fn cluster(state: &str) -> Result<Answer, CallError> {
    Ok(Answer::Cluster(view(state)))
}

fn steps(state: &str) -> Result<Answer, CallError> {
    Ok(Answer::Steps(vec![step(state)]))
}

fn clusters(listed: &[Listed]) -> Result<Answer, CallError> {
    Ok(Answer::Clusters(listed.to_vec()))
}

impl Play {
    fn of(wish: Wish) -> Self {
        Self { launch: Launch::new(wish), now: Duration::ZERO, calls: Vec::new() }
    }

    /// Goes on until it is over or `acts` has no answer. Agrees to everything.
    fn go(&mut self, mut act: impl FnMut(&Call, Duration) -> Option<Result<Answer, CallError>>) -> &mut Self {
        for _ in 0..10_000 {
            match self.launch.next(self.now) {
                Next::End => break,
                Next::Confirm => self.launch.confirmed(),
                Next::AskToDetach => self.launch.detached(true),
                Next::Wait(until) => {
                    assert!(until > self.now, "a wait that does not wait");
                    self.now = until;
                }
                Next::Call(call) => {
                    self.calls.push((self.now, call.clone()));
                    self.now += Duration::from_millis(100);
                    let Some(answer) = act(&call, self.now) else { break };
                    self.launch.answered(self.now, &call, answer);
                }
            }
        }
        self
    }

    /// Plays these answers one after the other, whatever is called.
    fn answers(&mut self, answers: Vec<Result<Answer, CallError>>) -> &mut Self {
        let mut answers = VecDeque::from(answers);
        self.go(|_, _| answers.pop_front())
    }

    fn number_of(&self, wanted: &Call) -> usize {
        self.calls.iter().filter(|(_, call)| call == wanted).count()
    }

    fn outcome(&self) -> &Outcome {
        self.launch.outcome().unwrap_or_else(|| panic!("not over after {:?}", self.calls))
    }
}

fn launched() -> Vec<Result<Answer, CallError>> {
    vec![clusters(&[]), Ok(Answer::Launched(ID.into())), clusters(&[listed(ID, "run1", "STARTING", 1)])]
}

#[test]
fn a_launch_goes_its_way() {
    let mut play = Play::of(wish());
    let mut script = launched();
    script.extend([cluster("STARTING"), cluster("BOOTSTRAPPING"), cluster("RUNNING"), steps("RUNNING")]);
    script.extend([cluster("RUNNING"), steps("COMPLETED"), cluster("TERMINATING"), steps("COMPLETED")]);
    script.extend([cluster("TERMINATED"), steps("COMPLETED")]);
    play.answers(script);
    assert_eq!(play.outcome(), &Outcome::Ended);
    assert_eq!(play.launch.verdict(), Verdict::Complete);
    assert_eq!(play.number_of(&Call::Launch), 1);
    assert_eq!(play.number_of(&Call::Terminate(ID.into())), 0, "it ends by itself");
}

#[test]
fn waiting_takes_four_calls_a_minute_at_most() {
    let mut play = Play::of(wish());
    let mut script = VecDeque::from(launched());
    play.go(|call, now| {
        if now > Duration::from_hours(3) {
            return None;
        }
        Some(script.pop_front().unwrap_or_else(|| match call {
            Call::ListSteps(_) => steps("RUNNING"),
            _ => cluster("RUNNING"),
        }))
    });
    let times: Vec<Duration> = play.calls.iter().map(|(at, _)| *at).collect();
    assert!(times.len() > 300);
    // The launch itself does not wait.
    assert!(times[3..].windows(5).all(|five| five[4] >= five[0] + Duration::from_mins(1)));
}

#[test]
fn an_active_cluster_of_the_same_command_is_watched() {
    let mut play = Play::of(wish());
    let others = [
        listed("j-OLD", "run0", "TERMINATED", 1),
        Listed { name: "tablehaul export Other 99 run".into(), ..listed("j-X", "x", "RUNNING", 2) },
        listed("j-NEW", "run0", "RUNNING", 9),
        listed("j-RUNS", "run0", "RUNNING", 5),
    ];
    play.answers(vec![clusters(&others), steps("COMPLETED"), cluster("TERMINATED"), steps("COMPLETED")]);
    assert_eq!(play.outcome(), &Outcome::Ended);
    assert_eq!(play.launch.cluster(), Some("j-RUNS"));
    assert_eq!(play.number_of(&Call::Launch), 0);
}

#[test]
fn a_cluster_that_has_the_name_but_other_work_is_left_alone() {
    let mut play = Play::of(wish());
    let other = StepView { arguments: vec!["x".into(), "export".into(), "Other".into()], ..step("RUNNING") };
    play.answers(vec![clusters(&[listed("j-RUNS", "run0", "RUNNING", 5)]), Ok(Answer::Steps(vec![other]))]);
    assert!(matches!(play.outcome(), Outcome::Refused(why) if why.contains("something else")));
}

#[test]
fn a_kept_cluster_without_work_is_named_and_nothing_is_launched() {
    let mut play = Play::of(wish());
    play.answers(vec![clusters(&[listed("j-KEPT", "run0", "WAITING", 5)])]);
    assert!(matches!(play.outcome(), Outcome::Refused(why) if why.contains("--cluster-id j-KEPT")));
}

#[test]
fn a_lost_answer_is_looked_for_and_never_sent_again() {
    let mut play = Play::of(wish());
    let mut script = vec![clusters(&[]), error(Failed::Lost), clusters(&[]), error(Failed::Throttled)];
    script.extend([clusters(&[listed("j-ELSE", "run9", "STARTING", 4), listed(ID, "run1", "STARTING", 3)])]);
    script.extend([
        clusters(&[listed(ID, "run1", "STARTING", 3)]),
        cluster("TERMINATED"),
        steps("COMPLETED"),
    ]);
    play.answers(script);
    assert_eq!(play.number_of(&Call::Launch), 1);
    assert_eq!(play.launch.cluster(), Some(ID));
    assert_eq!(play.outcome(), &Outcome::Ended);
}

#[test]
fn what_a_lost_call_did_may_stay_unknown() {
    let mut play = Play::of(wish());
    let mut script = VecDeque::from(vec![clusters(&[]), error(Failed::Lost)]);
    play.go(|_, _| Some(script.pop_front().unwrap_or_else(|| clusters(&[]))));
    assert_eq!(play.number_of(&Call::Launch), 1);
    assert!(
        matches!(play.outcome(), Outcome::Unknown(line) if line.contains("not known") && line.contains("run1"))
    );
    assert!(play.now >= Duration::from_mins(5), "{:?}", play.now);
    // The same if it cannot even be looked for.
    let mut play = Play::of(wish());
    let mut script = VecDeque::from(vec![clusters(&[]), error(Failed::Lost)]);
    play.go(|_, _| Some(script.pop_front().unwrap_or_else(|| error(Failed::Lost))));
    assert!(matches!(play.outcome(), Outcome::Unknown(_)));
    assert_eq!(play.number_of(&Call::Launch), 1);
}

#[test]
fn a_failed_cluster_of_a_lost_call_is_found_as_well() {
    let mut play = Play::of(wish());
    let ended = [listed(ID, "run1", "TERMINATED_WITH_ERRORS", 3)];
    let mut script = vec![clusters(&[]), error(Failed::Lost), clusters(&ended), clusters(&[])];
    script.extend([cluster("TERMINATED_WITH_ERRORS"), steps("PENDING")]);
    play.answers(script);
    assert_eq!((play.outcome(), play.launch.verdict()), (&Outcome::Ended, Verdict::Unfinished));
}

#[test]
fn a_refusal_launches_nothing_and_throttling_tries_again() {
    let mut play = Play::of(wish());
    play.answers(vec![clusters(&[]), error(Failed::Refused)]);
    assert_eq!(play.outcome(), &Outcome::Refused("words of EMR".into()));
    let mut play = Play::of(wish());
    let mut script = vec![error(Failed::Throttled), clusters(&[]), error(Failed::Throttled)];
    script.extend(launched().into_iter().skip(1));
    script.extend([cluster("TERMINATED"), steps("COMPLETED")]);
    play.answers(script);
    assert_eq!(play.outcome(), &Outcome::Ended);
    assert_eq!(play.number_of(&Call::Launch), 2, "what was throttled was not done");
}

#[test]
fn of_two_launchers_at_once_the_younger_yields() {
    let both = [listed("j-OTHER", "run2", "STARTING", 1), listed(ID, "run1", "STARTING", 2)];
    let mut play = Play::of(wish());
    let mut script = vec![clusters(&[]), Ok(Answer::Launched(ID.into())), clusters(&both), Ok(Answer::Done)];
    script.extend([steps("RUNNING"), cluster("TERMINATED"), steps("COMPLETED")]);
    play.answers(script);
    assert_eq!(play.launch.cluster(), Some("j-OTHER"));
    assert_eq!(play.number_of(&Call::Terminate(ID.into())), 1);
    // The older one sees the same list and stays.
    let mut play = Play::of(Wish { run: "run2".into(), ..wish() });
    let mut script = vec![clusters(&[]), Ok(Answer::Launched("j-OTHER".into())), clusters(&both)];
    script.extend([cluster("TERMINATED"), steps("COMPLETED")]);
    play.answers(script);
    assert_eq!(play.launch.cluster(), Some("j-OTHER"));
    assert_eq!(play.number_of(&Call::Terminate("j-OTHER".into())), 0);
}

#[test]
fn what_the_steps_did_decides_when_the_cluster_has_ended() {
    for (state, verdict) in [
        ("COMPLETED", Verdict::Complete),
        ("FAILED", Verdict::StepFailed(0)),
        ("CANCELLED", Verdict::Unfinished),
        ("INTERRUPTED", Verdict::Unfinished),
        ("PENDING", Verdict::Unfinished),
    ] {
        let mut play = Play::of(wish());
        let mut script = launched();
        script.extend([
            cluster("RUNNING"),
            steps("RUNNING"),
            cluster("TERMINATED_WITH_ERRORS"),
            steps(state),
        ]);
        play.answers(script);
        assert_eq!((play.outcome(), play.launch.verdict()), (&Outcome::Ended, verdict), "{state}");
    }
}

#[test]
fn throttled_and_lost_looks_are_repeated_with_pauses() {
    let mut play = Play::of(wish());
    let mut script = VecDeque::from(launched());
    script.extend((0..30).map(|n| error(if n % 2 == 0 { Failed::Throttled } else { Failed::Lost })));
    script.extend([cluster("RUNNING"), steps("RUNNING"), cluster("TERMINATED"), steps("COMPLETED")]);
    play.go(|_, _| script.pop_front());
    assert_eq!(play.outcome(), &Outcome::Ended);
    assert!(play.now > Duration::from_hours(1), "the pauses grow: {:?}", play.now);
    let notes = play.launch.take_notes();
    assert_eq!(notes.iter().filter(|note| note.contains("trying again")).count(), 1, "{notes:?}");
}

#[test]
fn a_fresh_cluster_may_not_be_known_yet_but_a_missing_permission_is_told() {
    let mut play = Play::of(wish());
    let mut script = launched();
    script.extend([error(Failed::Refused), cluster("RUNNING"), steps("RUNNING"), error(Failed::Refused)]);
    play.answers(script);
    assert!(matches!(play.outcome(), Outcome::Unknown(line) if line.contains("cannot be watched")));
    assert!(play.calls.len() >= 7);
}

#[test]
fn a_cluster_that_hangs_is_told_of_and_ended_after_an_hour() {
    let mut play = Play::of(wish());
    let mut script = VecDeque::from(launched());
    play.go(|call, _| {
        Some(script.pop_front().unwrap_or_else(|| match call {
            Call::Terminate(_) => Ok(Answer::Done),
            _ => cluster("STARTING"),
        }))
    });
    assert!(matches!(play.outcome(), Outcome::Unknown(line) if line.contains("may go on")));
    let mut play = Play::of(wish());
    let mut script = VecDeque::from(launched());
    let mut ends = false;
    play.go(|call, _| {
        Some(script.pop_front().unwrap_or_else(|| {
            ends |= matches!(call, Call::Terminate(_));
            if matches!(call, Call::Terminate(_)) {
                Ok(Answer::Done)
            } else {
                cluster(if ends { "TERMINATING" } else { "BOOTSTRAPPING" })
            }
        }))
    });
    assert_eq!(play.outcome(), &Outcome::NeverStarted);
    let notes = play.launch.take_notes();
    assert_eq!(notes.iter().filter(|note| note.contains("minutes and waits")).count(), 2, "{notes:?}");
}

#[test]
fn a_cluster_that_does_not_end_by_itself_is_ended() {
    let mut play = Play::of(wish());
    let mut script = VecDeque::from(launched());
    let mut ends = false;
    play.go(|call, _| {
        Some(script.pop_front().unwrap_or_else(|| match call {
            Call::Terminate(_) => {
                ends = true;
                Ok(Answer::Done)
            }
            Call::ListSteps(_) => steps("COMPLETED"),
            _ => cluster(if ends { "TERMINATING" } else { "WAITING" }),
        }))
    });
    assert_eq!((play.outcome(), play.launch.verdict()), (&Outcome::Ended, Verdict::Complete));
    assert_eq!(play.number_of(&Call::Terminate(ID.into())), 1);
}

/// A launch whose step runs.
fn running(wish: Wish) -> Play {
    let mut play = Play::of(wish);
    let mut script = launched();
    script.extend([cluster("RUNNING"), steps("RUNNING")]);
    play.answers(script);
    assert!(play.launch.outcome().is_none());
    play
}

fn guest_step(run: &str, state: &str) -> StepView {
    StepView { name: format!("{} {run}", wish().name), ..step(state) }
}

fn guest_steps(steps: &[StepView]) -> Result<Answer, CallError> {
    Ok(Answer::Steps(steps.to_vec()))
}

#[test]
fn a_running_cluster_takes_the_steps_and_is_never_ended() {
    let foreign = StepView { id: "s-0".into(), name: "theirs".into(), ..step("RUNNING") };
    let mut play = Play::of(Wish { guest_of: Some("j-THEIRS".into()), ..wish() });
    play.answers(vec![
        guest_steps(&[foreign.clone(), guest_step("run0", "COMPLETED")]),
        Ok(Answer::Done),
        guest_steps(&[guest_step("run1", "RUNNING"), foreign.clone()]),
        cluster("RUNNING"),
        guest_steps(&[guest_step("run1", "COMPLETED"), foreign]),
    ]);
    assert_eq!((play.outcome(), play.launch.verdict()), (&Outcome::Ended, Verdict::Complete));
    assert_eq!(play.number_of(&Call::AddSteps), 1);
    assert_eq!(play.number_of(&Call::Launch), 0);
    assert_eq!(play.number_of(&Call::Terminate("j-THEIRS".into())), 0);
}

#[test]
fn steps_that_were_added_without_an_answer_are_found_by_their_name() {
    let guest = Wish { guest_of: Some("j-THEIRS".into()), ..wish() };
    let mut play = Play::of(guest.clone());
    play.answers(vec![
        guest_steps(&[]),
        error(Failed::Lost),
        guest_steps(&[]),
        guest_steps(&[guest_step("run1", "PENDING")]),
        guest_steps(&[guest_step("run1", "FAILED")]),
    ]);
    assert_eq!(play.number_of(&Call::AddSteps), 1);
    assert_eq!(play.launch.verdict(), Verdict::StepFailed(0));
    // Those of another run are watched.
    let mut play = Play::of(guest);
    play.answers(vec![
        guest_steps(&[guest_step("run0", "RUNNING")]),
        guest_steps(&[guest_step("run0", "COMPLETED")]),
    ]);
    assert_eq!(play.number_of(&Call::AddSteps), 0);
    assert_eq!(play.launch.verdict(), Verdict::Complete);
}

#[test]
fn the_jobs_own_word_makes_the_next_look_come_sooner() {
    let mut play = running(wish());
    let now = play.now;
    play.launch.answered(now, &Call::ListSteps(ID.into()), steps("RUNNING"));
    let Next::Wait(before) = play.launch.next(now) else { panic!("it does not wait") };
    play.launch.job_has_ended(now);
    match play.launch.next(now) {
        Next::Call(call) => assert_eq!(call, Call::ListSteps(ID.into())),
        next => assert!(matches!(next, Next::Wait(after) if after < before), "{next:?}"),
    }
}

//! Ctrl-C, `--detach` and `--keep`.

use super::*;

#[test]
fn ctrl_c_cancels_the_steps_then_ends_the_cluster_and_looks() {
    let mut play = running(wish());
    play.launch.interrupted(play.now);
    let at = play.calls.len();
    play.answers(vec![
        steps("RUNNING"),
        Ok(Answer::Done),
        steps("RUNNING"),
        steps("CANCELLED"),
        Ok(Answer::Done),
        cluster("RUNNING"),
        cluster("TERMINATING"),
    ]);
    assert_eq!(play.outcome(), &Outcome::Stopped);
    let made: Vec<&Call> = play.calls[at..].iter().map(|(_, call)| call).collect();
    assert_eq!(made[1], &Call::CancelSteps(ID.into(), vec!["s-1".into()]));
    assert_eq!(made[4], &Call::Terminate(ID.into()));
}

#[test]
fn a_step_that_does_not_end_delays_the_end_of_the_cluster_only_for_a_while() {
    let mut play = running(wish());
    play.launch.interrupted(play.now);
    let began = play.now;
    let mut ends = None;
    play.go(|call, now| {
        Some(match call {
            Call::Terminate(_) => {
                ends = Some(now);
                Ok(Answer::Done)
            }
            Call::ListSteps(_) => steps("RUNNING"),
            Call::Describe(_) => cluster("TERMINATING"),
            _ => Ok(Answer::Done),
        })
    });
    assert_eq!(play.outcome(), &Outcome::Stopped);
    assert!(ends.unwrap() < began + Duration::from_mins(1));
}

#[test]
fn ctrl_c_twice_asks_and_leaves_the_cluster_alone() {
    let mut play = running(wish());
    play.launch.interrupted(play.now);
    play.launch.interrupted(play.now);
    assert_eq!(play.launch.next(play.now), Next::AskToDetach);
    play.launch.detached(false);
    assert!(matches!(play.launch.next(play.now), Next::Call(Call::ListSteps(_))), "it goes on ending");
    play.launch.interrupted(play.now);
    play.launch.detached(true);
    assert_eq!(play.outcome(), &Outcome::Detached);
}

#[test]
fn ctrl_c_before_a_launch_launches_nothing() {
    let mut play = Play::of(wish());
    play.answers(vec![]);
    play.launch.interrupted(play.now);
    assert_eq!(play.outcome(), &Outcome::Stopped);
    assert_eq!(play.number_of(&Call::Launch), 0);
}

#[test]
fn ctrl_c_while_the_answer_is_lost_ends_what_is_found() {
    let mut play = Play::of(wish());
    play.answers(vec![clusters(&[]), error(Failed::Lost), clusters(&[])]);
    play.launch.interrupted(play.now);
    play.answers(vec![
        clusters(&[listed(ID, "run1", "STARTING", 1)]),
        steps("PENDING"),
        Ok(Answer::Done),
        steps("CANCELLED"),
        Ok(Answer::Done),
        cluster("TERMINATING"),
    ]);
    assert_eq!(play.outcome(), &Outcome::Stopped);
    assert_eq!(play.number_of(&Call::Terminate(ID.into())), 1);
}

#[test]
fn ctrl_c_while_it_starts_ends_the_cluster_at_once() {
    let mut play = Play::of(wish());
    let mut script = launched();
    script.push(cluster("STARTING"));
    play.answers(script);
    play.launch.interrupted(play.now);
    play.answers(vec![error(Failed::Throttled), Ok(Answer::Done), cluster("TERMINATING")]);
    assert_eq!(play.outcome(), &Outcome::Stopped);
    assert_eq!(play.number_of(&Call::CancelSteps(ID.into(), vec!["s-1".into()])), 0);
}

#[test]
fn what_could_not_be_ended_is_named() {
    let mut play = running(wish());
    play.launch.interrupted(play.now);
    play.answers(vec![steps("RUNNING"), error(Failed::Refused), error(Failed::Refused)]);
    assert!(matches!(play.outcome(), Outcome::Unknown(line) if line.contains("emr stop j-MINE")));
}

#[test]
fn a_job_that_is_complete_before_the_stop_is_complete() {
    let mut play = running(wish());
    play.launch.interrupted(play.now);
    play.answers(vec![steps("COMPLETED"), Ok(Answer::Done), cluster("TERMINATING")]);
    assert_eq!((play.outcome(), play.launch.verdict()), (&Outcome::Ended, Verdict::Complete));
}

#[test]
fn detaching_leaves_after_the_launch() {
    let mut play = Play::of(Wish { detach: true, ..wish() });
    play.answers(launched());
    assert_eq!(play.outcome(), &Outcome::Detached);
    assert_eq!(play.launch.cluster(), Some(ID));
}

#[test]
fn a_kept_cluster_is_never_ended() {
    let mut play = Play::of(Wish { keep: true, ..wish() });
    let mut script = launched();
    script.extend([cluster("RUNNING"), steps("COMPLETED")]);
    play.answers(script);
    assert_eq!(play.outcome(), &Outcome::Ended);
    let mut play = running(Wish { keep: true, ..wish() });
    play.launch.interrupted(play.now);
    play.answers(vec![steps("RUNNING"), Ok(Answer::Done), steps("CANCELLED")]);
    assert_eq!(play.outcome(), &Outcome::Stopped);
    assert_eq!(play.number_of(&Call::Terminate(ID.into())), 0);
}

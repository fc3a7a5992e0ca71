//! Runs a seed, and makes the list of choices of one that fails as short as it gets.

use std::panic::{AssertUnwindSafe, catch_unwind};

use fastrand::Rng;

use crate::{
    choice::{Choice, choices, quiet},
    common::Job,
    export::Export,
    import::Import,
    world::World,
};

/// Rounds in which a job must end once nothing goes wrong any more.
const ROUNDS: u32 = 3000;
/// Lines of a trace that are printed.
const LINES: usize = 60;

/// What came of a run.
pub(crate) struct Outcome {
    pub(crate) steps: u64,
    /// What was violated.
    pub(crate) failure: Option<String>,
    pub(crate) trace: Vec<String>,
}

/// The choices of a seed.
pub(crate) fn choices_of(seed: u64) -> Vec<Choice> {
    choices(&mut Rng::with_seed(seed ^ 0x5eed))
}

/// Runs a seed with these choices.
pub(crate) fn run(seed: u64, choices: &[Choice], trace: bool) -> Outcome {
    let mut rng = Rng::with_seed(seed);
    if rng.u8(0..3) == 0 {
        let job = Import::new(&mut rng);
        run_world(World::new(job, &mut rng, trace), choices)
    } else {
        let job = Export::new(&mut rng);
        run_world(World::new(job, &mut rng, trace), choices)
    }
}

fn run_world<J: Job>(mut world: World<J>, choices: &[Choice]) -> Outcome {
    let mut steps = 0;
    let ran = catch_unwind(AssertUnwindSafe(|| {
        for &choice in choices {
            steps += 1;
            world.step(choice);
        }
        world.calm_down();
        for round in 0..ROUNDS {
            if world.is_over() {
                return;
            }
            for choice in quiet(round, world.many()) {
                steps += 1;
                world.step(choice);
            }
        }
        panic!("the job does not end");
    }));
    let failure =
        ran.err().map(|panic| match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(text), _) => text.clone(),
            (_, Some(text)) => (*text).to_owned(),
            _ => "a panic without words".into(),
        });
    Outcome { steps, failure, trace: world.take_trace() }
}

/// Prints what is wrong with a seed, after as few choices as it takes.
pub(crate) fn report(seed: u64) {
    let mut choices = choices_of(seed);
    let fails = |choices: &[Choice]| run(seed, choices, false).failure.is_some();
    let mut length = choices.len().next_power_of_two();
    while length > 0 {
        let mut at = 0;
        while at < choices.len() {
            let mut fewer = choices.clone();
            fewer.drain(at..(at + length).min(choices.len()));
            if fails(&fewer) { choices = fewer } else { at += length }
        }
        length /= 2;
    }
    let Outcome { failure, trace, .. } = run(seed, &choices, true);
    println!("simulation: SEED={seed} FAILED: {}", failure.unwrap_or_default());
    println!(
        "after {} choices: {:?}",
        choices.len(),
        choices.iter().map(|choice| choice.kind).collect::<Vec<_>>()
    );
    // Who does not end says the same over and over: there the beginning tells more.
    let skipped = if trace.len() > 20 * LINES { 0 } else { trace.len().saturating_sub(LINES) };
    if skipped > 0 {
        println!("… {skipped} lines before these");
    }
    for line in trace.iter().skip(skipped).take(LINES) {
        println!("{line}");
    }
    println!("again: SEED={seed} cargo test --workspace --test simulation");
}

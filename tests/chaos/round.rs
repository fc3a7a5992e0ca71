//! One round: the command is run until it succeeds, and struck meanwhile.

use crate::blow::{Blow, Victim};
use crate::plan::Plan;
use crate::whole;
use crate::world::World;
use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tests_support::Dice;
use tests_support::command::{Finished, children, finish};
use tests_support::process::{assert_gone, is_alive, send};

/// No run lasts longer, not even one that writes each item on its own beside other rounds, unless something hangs.
const PATIENCE: Duration = Duration::from_mins(10);
/// Of processes that have nobody left to work for.
const LEAVE: Duration = Duration::from_secs(20);
/// Longer than a coordinator in S3 that says nothing is believed in.
const TAKEN_FOR_DEAD: Duration = Duration::from_secs(29);

pub(crate) struct Round<'a> {
    plan: &'a Plan,
    world: World,
    dice: Dice,
    /// All processes that were ever seen at work.
    seen: BTreeSet<i32>,
    struck: Vec<String>,
    /// Workers that were killed while a coordinator looked.
    killed: u64,
    num_logs: usize,
}

impl<'a> Round<'a> {
    #[track_caller]
    pub(crate) fn new(plan: &'a Plan) -> Self {
        let (world, dice) = (World::new(plan), Dice::new(!plan.seed));
        Self { plan, world, dice, seen: BTreeSet::new(), struck: Vec::new(), killed: 0, num_logs: 0 }
    }

    /// Plays it. Returns how often the command was run.
    ///
    /// # Panics
    /// When anything is lost, doubled, left behind, or not said clearly.
    pub(crate) fn play(&mut self) -> usize {
        let plan = self.plan;
        // After those that are struck comes one that is not, which must succeed.
        for run in 0..=plan.blows.len() {
            if run == plan.blows.len() {
                self.world.calm();
                self.struck.push("calm".to_owned());
            }
            let blows = plan.blows.get(run).map_or(&[][..], Vec::as_slice);
            let finished = self.run(blows);
            assert_gone(&self.seen, LEAVE);
            for finished in &finished {
                whole::says_how_it_ended(finished);
            }
            // One that was killed after its rival had ended well may have begun anew.
            let is_over = finished.iter().all(|finished| finished.code.is_some());
            let done = finished.iter().find(|finished| finished.code == Some(0));
            if let Some(done) = done.filter(|_| is_over) {
                whole::is_whole(&self.world, plan.job, done, self.killed);
                return run + 1;
            }
            whole::looks_no_better_than_it_is(&self.world, plan.job);
        }
        panic!("it does not succeed in peace");
    }

    /// What was done to it, in order.
    pub(crate) fn struck(&self) -> &[String] {
        &self.struck
    }

    /// Keeps its files for one who wants to look.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.world.keep()
    }

    /// Runs the command once, together with its rivals if any come.
    fn run(&mut self, blows: &[(Duration, Blow)]) -> Vec<Finished> {
        let mut children = Children(vec![self.start()]);
        for &(pause, blow) in blows {
            sleep(pause);
            let Some(victim) = self.victim(&mut children) else { break };
            self.struck.push(format!("{blow:?}"));
            match blow {
                Blow::Rival => children.0.push(self.start()),
                Blow::RivalOfAStopped => {
                    // Nor do workers believe for so long in a coordinator that says nothing.
                    self.killed += victim.workers.len() as u64;
                    children.0.push(self.start());
                    send(victim.coordinator, SIGSTOP);
                    sleep(TAKEN_FOR_DEAD);
                    send(victim.coordinator, SIGCONT);
                }
                blow => self.killed += blow.strike(&mut self.world, &victim, &mut self.dice),
            }
        }
        let watched = Instant::now();
        while self.victim(&mut children).is_some() {
            assert!(watched.elapsed() < PATIENCE, "it does not end");
            sleep(Duration::from_millis(10));
        }
        let finished: Vec<Finished> = children.0.drain(..).map(finish).collect();
        for finished in &finished {
            self.num_logs += 1;
            let log = self.world.path().join(format!("run-{}.log", self.num_logs));
            fs::write(log, format!("{:?}\n{}{}", finished.code, finished.stdout, finished.stderr)).unwrap();
        }
        finished
    }

    fn start(&mut self) -> Child {
        let child = self.world.command(&self.plan.args).start();
        self.seen.extend(i32::try_from(child.id()).ok());
        child
    }

    /// The first coordinator that still runs, and all workers that do.
    fn victim(&mut self, coordinators: &mut Children) -> Option<Victim> {
        let running = coordinators.0.iter_mut().filter_map(|child| {
            let runs = child.try_wait().expect("a child can be waited for").is_none();
            runs.then(|| child.id())
        });
        let running: Vec<u32> = running.collect();
        let workers = running.iter().flat_map(|&parent| children(parent)).filter(|&pid| is_alive(pid));
        let workers: Vec<i32> = workers.collect();
        self.seen.extend(&workers);
        let coordinator = i32::try_from(*running.first()?).ok()?;
        Some(Victim { coordinator, workers })
    }
}

/// Coordinators. Those that still run are killed when this is dropped.
struct Children(Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

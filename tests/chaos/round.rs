//! One round: runs the command until it succeeds, and attacks it meanwhile.

use crate::attack::{Attack, Processes};
use crate::checks;
use crate::plan::Plan;
use crate::world::World;
use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tests_support::Rng;
use tests_support::command::{Finished, children, finish};
use tests_support::process::{assert_gone, is_alive, send};

/// The longest time of a run that does not hang. Runs that write each item by itself, beside other rounds, are slow.
const PATIENCE: Duration = Duration::from_mins(10);
/// The longest time in which processes of a finished job end.
const EXIT_PATIENCE: Duration = Duration::from_secs(20);
/// Longer than the time after which a silent coordinator in S3 counts as dead.
const OWNER_TIMEOUT: Duration = Duration::from_secs(29);

pub(crate) struct Round<'a> {
    plan: &'a Plan,
    world: World,
    rng: Rng,
    /// All processes ever seen.
    seen: BTreeSet<i32>,
    attacked: Vec<String>,
    /// The number of workers killed while a coordinator ran.
    killed: u64,
    num_logs: usize,
}

impl<'a> Round<'a> {
    #[track_caller]
    pub(crate) fn new(plan: &'a Plan) -> Self {
        let (world, rng) = (World::new(plan), Rng::new(!plan.seed));
        Self { plan, world, rng, seen: BTreeSet::new(), attacked: Vec::new(), killed: 0, num_logs: 0 }
    }

    /// Runs the round. Returns the number of runs of the command.
    ///
    /// # Panics
    /// If anything is lost, duplicated, left behind or not reported clearly.
    pub(crate) fn play(&mut self) -> usize {
        let plan = self.plan;
        // The last run is not attacked and must succeed.
        for run in 0..=plan.attacks.len() {
            if run == plan.attacks.len() {
                self.world.stop_faults();
                self.attacked.push("no faults".to_owned());
            }
            let attacks = plan.attacks.get(run).map_or(&[][..], Vec::as_slice);
            let finished = self.run(attacks);
            assert_gone(&self.seen, EXIT_PATIENCE);
            for finished in &finished {
                checks::assert_explains_its_end(finished);
            }
            // A run killed after its rival succeeded may have started from scratch.
            let is_over = finished.iter().all(|finished| finished.code.is_some());
            let done = finished.iter().find(|finished| finished.code == Some(0));
            if let Some(done) = done.filter(|_| is_over) {
                checks::assert_complete(&self.world, plan.job, done, self.killed);
                return run + 1;
            }
            checks::assert_not_falsely_complete(&self.world, plan.job);
        }
        panic!("it does not succeed without faults");
    }

    /// The attacks so far, in order.
    pub(crate) fn attacked(&self) -> &[String] {
        &self.attacked
    }

    /// Keeps the files for inspection.
    pub(crate) fn keep(&mut self) -> PathBuf {
        self.world.keep()
    }

    /// Runs the command once, together with its rivals.
    fn run(&mut self, attacks: &[(Duration, Attack)]) -> Vec<Finished> {
        let mut children = Children(vec![self.start()]);
        for &(pause, attack) in attacks {
            sleep(pause);
            let Some(processes) = self.processes(&mut children) else { break };
            self.attacked.push(format!("{attack:?}"));
            match attack {
                Attack::Rival => children.0.push(self.start()),
                Attack::RivalOfStopped => {
                    // Workers end as well when their coordinator is silent for that long.
                    self.killed += processes.workers.len() as u64;
                    children.0.push(self.start());
                    send(processes.coordinator, SIGSTOP);
                    sleep(OWNER_TIMEOUT);
                    send(processes.coordinator, SIGCONT);
                }
                attack => self.killed += attack.carry_out(&mut self.world, &processes, &mut self.rng),
            }
        }
        let watched = Instant::now();
        while self.processes(&mut children).is_some() {
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

    /// The first coordinator that still runs, and all workers that still run.
    fn processes(&mut self, coordinators: &mut Children) -> Option<Processes> {
        let running = coordinators.0.iter_mut().filter_map(|child| {
            let runs = child.try_wait().expect("a child can be waited for").is_none();
            runs.then(|| child.id())
        });
        let running: Vec<u32> = running.collect();
        let workers = running.iter().flat_map(|&parent| children(parent)).filter(|&pid| is_alive(pid));
        let workers: Vec<i32> = workers.collect();
        self.seen.extend(&workers);
        let coordinator = i32::try_from(*running.first()?).ok()?;
        Some(Processes { coordinator, workers })
    }
}

/// Coordinators. Dropping this kills those that still run.
struct Children(Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

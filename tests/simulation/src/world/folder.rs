//! The folder of the job: who acquires it, what is journaled, and what is published.

use std::time::Duration;

use engine::{
    conflict::{Existing, claim, stands_alone},
    rate::Limits,
    replay::{Replay, State},
    schedule::{Event, Schedule, Work},
};
use job::{
    capacity::Rate,
    journal::{Fact, Run},
};

use super::World;
use crate::{
    base::Job,
    coordinator::{Phase, SimCoordinator, Writing},
};

impl<J: Job> World<J> {
    /// Starts a coordinator if another one may run, and external workers.
    pub(super) fn start_coordinator(&mut self, what: u32) {
        self.start_external();
        let alive = self.coordinators.iter().filter(|coordinator| !coordinator.is_over()).count();
        let most = if self.job.may_have_two() && !self.without_faults { 2 } else { 1 };
        if self.published.is_some() || alive >= most || alive == 1 && !what.is_multiple_of(8) {
            return;
        }
        let known = replay(&self.job, self.journal.iter().map(|(&number, bytes)| (number, bytes)));
        let (number, oldest) = match (self.journal.first_key_value(), self.journal.last_key_value()) {
            (Some((&first, _)), Some((&last, _))) => (last, first),
            _ => (0, 1),
        };
        let (mut facts, mut state, mut begun) = (Vec::new(), Vec::new(), None);
        if let Some((known, commit)) = known {
            state = J::facts(&known);
            assert!(
                state == self.journaled,
                "journal: it restores {state:?} instead of {:?}",
                self.journaled
            );
            begun = Some((known, commit));
        } else {
            assert!(self.journal.is_empty(), "journal: its objects log nothing");
            facts.push(J::facts(&self.job.fresh()).swap_remove(0));
            state.extend(facts.iter().cloned());
        }
        facts.push(Fact::Run(Run::default()));
        let at = self.coordinators.len();
        let mut coordinator =
            SimCoordinator::new(format!("run {at}"), self.now, self.rate, Phase::Claiming(begun));
        (coordinator.number, coordinator.oldest) = (number, oldest);
        let bytes = coordinator.object(&facts);
        coordinator.writing = Some(Writing { bytes, is_snapshot: false, commits: false, state });
        if coordinator.is_beginning() && (what / 8).is_multiple_of(2) && !self.without_faults {
            // By the time it acquires the folder, what it found may be outdated.
            coordinator.stalled_until = self.now + u64::from(what % 60_000);
        }
        self.coordinators.push(coordinator);
        self.log(|| format!("coordinator {at} is started, after object {number}"));
    }

    /// The coordinator has acquired the folder.
    pub(super) fn begin(&mut self, at: usize, known: Option<(State, Option<String>)>) {
        let (mut state, commit) = known.unwrap_or_else(|| (self.job.fresh(), None));
        if commit.is_none() {
            let facts = self.job.take_over(&mut state);
            self.coordinators[at].pending.extend(facts);
        }
        let seen = self.job.seen(&state);
        if let Some(time) = commit {
            let ending = self.job.ending_of(&state, &seen, &time);
            self.coordinators[at].phase = Phase::Ending(ending);
            return;
        }
        let limits = Limits::table(Rate::from_milli_per_second(self.rate));
        let work = self.job.work(state);
        let (schedule, actions) = Schedule::new(work, limits, self.supply, Duration::ZERO);
        let (rate, now) = (self.rate, self.now);
        let coordinator = &mut self.coordinators[at];
        (coordinator.started, coordinator.seen, coordinator.schedule) = (now, seen, Some(schedule));
        coordinator.rate_changed(0, now);
        coordinator.rate_changed(rate, now);
        self.log(|| format!("coordinator {at} has the folder"));
        self.perform(at, actions);
    }

    /// Begins to write an object, if none is being written.
    pub(super) fn write(&mut self, at: usize, what: u32) {
        let coordinator = &mut self.coordinators[at];
        let Some(schedule) = coordinator.schedule.as_ref().filter(|_| coordinator.writing.is_none()) else {
            return;
        };
        if coordinator.pending.is_empty() {
            return;
        }
        let mut facts = std::mem::take(&mut coordinator.pending);
        let state = schedule.work().snapshot();
        let commits = matches!(coordinator.phase, Phase::Committing(_));
        let is_snapshot = what.is_multiple_of(4) && !commits;
        if is_snapshot {
            facts.clone_from(&state);
            facts.insert(1, Fact::Run(Run::default()));
        }
        let bytes = coordinator.object(&facts);
        let number = coordinator.number + 1;
        let chains = !self.journal.contains_key(&number) && self.journal.contains_key(&(number - 1));
        if chains && what.is_multiple_of(3) {
            let objects = self.journal.iter().map(|(&number, bytes)| (number, bytes));
            let replayed =
                replay(&self.job, objects.chain([(number, &bytes)])).map(|(state, ..)| J::facts(&state));
            assert!(
                replayed.as_ref() == Some(&state),
                "journal: replay gives {replayed:?}, and there is {state:?}"
            );
        }
        self.coordinators[at].writing = Some(Writing { bytes, is_snapshot, commits, state });
    }

    /// A write is answered: with an error, not at all, or well.
    pub(super) fn answer(&mut self, at: usize, what: u32) {
        let coordinator = &mut self.coordinators[at];
        let Some(writing) = coordinator.writing.take() else { return };
        let number = coordinator.number + 1;
        if what.is_multiple_of(8) && !self.without_faults {
            coordinator.writing = Some(writing);
            return;
        }
        let is_ours = match self.journal.get(&number) {
            Some(there) => claim(there, &writing.bytes, &coordinator.run) == Existing::Identical,
            // The number is free, but the one before is missing: another coordinator has ended the job.
            None if number > coordinator.oldest && !self.journal.contains_key(&(number - 1)) => false,
            // A coordinator that found the folder empty checks again.
            None if self.published.is_some() => false,
            None if coordinator.is_beginning() && !stands_alone(self.journal.keys().copied(), number) => {
                // It may crash before it has removed the object that it wrote.
                if what % 16 == 1 {
                    self.journal.insert(number, writing.bytes);
                }
                return self.end(at, what, "steps back");
            }
            None => {
                self.journal.insert(number, writing.bytes.clone());
                self.journaled.clone_from(&writing.state);
                true
            }
        };
        if !is_ours {
            return self.end(at, what, "is superseded");
        }
        if what % 8 == 1 && !self.without_faults {
            coordinator.writing = Some(writing);
            return;
        }
        coordinator.number = number;
        if writing.is_snapshot {
            coordinator.oldest = number;
            self.journal.retain(|&there, _| there >= number);
        }
        match std::mem::replace(&mut coordinator.phase, Phase::Working) {
            Phase::Claiming(known) => self.begin(at, known),
            Phase::Committing(ending) if writing.commits => coordinator.phase = Phase::Ending(ending),
            phase => coordinator.phase = phase,
        }
    }

    pub(super) fn call(&mut self, at: usize, what: u32) {
        let coordinator = &mut self.coordinators[at];
        if let Some(which) = (what as usize).checked_rem(coordinator.calls.len()) {
            let action = coordinator.calls.swap_remove(which);
            let Some(schedule) = &mut coordinator.schedule else { return };
            let Some(event) = self.job.perform(schedule.work(), action) else {
                return self.try_to_commit(at);
            };
            if matches!(coordinator.phase, Phase::Working) {
                return self.handle(at, Event::Work(event));
            }
            schedule.work_mut().happened(event);
            let facts = schedule.work_mut().take_facts();
            self.facts(at, facts);
            return self.try_to_commit(at);
        }
        let Phase::Ending(ending) = &mut coordinator.phase else { return };
        let number = coordinator.number;
        let Some(published) = self.job.end_step(ending) else { return };
        if self.journal.contains_key(&(number + 1)) {
            return self.end(at, what, "finds that another has taken over");
        }
        if let Some(before) = &self.published {
            assert_eq!(before, &published, "commit: two coordinators have published, and not the same");
        }
        self.published = Some(published);
        self.journal.retain(|&there, _| there > number);
        self.end(at, what, "publishes");
    }
}

fn replay<'a, J: Job>(
    job: &J,
    objects: impl Iterator<Item = (u64, &'a Vec<u8>)>,
) -> Option<(State, Option<String>)> {
    let mut replay = Replay::new(job.on_files());
    objects.for_each(|(number, bytes)| replay.object(number, bytes));
    let journaled = replay.finish().unwrap_or_else(|(number, why)| panic!("journal: object {number} {why}"));
    journaled.map(|journaled| (journaled.state, journaled.commit))
}

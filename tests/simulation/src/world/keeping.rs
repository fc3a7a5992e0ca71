//! The folder of the job: who takes it, what is journaled, and what is published.

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
    common::Job,
    coordinator::{Phase, SimCoordinator, Writing},
};

impl<J: Job> World<J> {
    /// A coordinator is started, if nobody keeps it from that; or a worker comes by itself.
    pub(super) fn rise(&mut self, what: u32) {
        self.come();
        let alive = self.lives.iter().filter(|life| !life.is_over()).count();
        let most = if self.job.may_have_two() && !self.is_quiet { 2 } else { 1 };
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
                "journal: it gives {state:?}, and {:?} was there",
                self.journaled
            );
            begun = Some((known, commit));
        } else {
            assert!(self.journal.is_empty(), "journal: its objects say nothing");
            facts.push(J::facts(&self.job.fresh()).swap_remove(0));
            state.extend(facts.iter().cloned());
        }
        facts.push(Fact::Run(Run::default()));
        let at = self.lives.len();
        let mut life = SimCoordinator::new(format!("run {at}"), self.now, self.rate, Phase::Claiming(begun));
        (life.number, life.oldest) = (number, oldest);
        let bytes = life.object(&facts);
        life.writing = Some(Writing { bytes, says_everything: false, commits: false, state });
        if life.is_beginning() && (what / 8).is_multiple_of(2) && !self.is_quiet {
            // What it found is old by the time it takes the folder.
            life.stalled_until = self.now + u64::from(what % 60_000);
        }
        self.lives.push(life);
        self.say(|| format!("coordinator {at} is started, after object {number}"));
    }

    /// The folder is this coordinator's.
    pub(super) fn begin(&mut self, at: usize, known: Option<(State, Option<String>)>) {
        let (mut state, commit) = known.unwrap_or_else(|| (self.job.fresh(), None));
        if commit.is_none() {
            let facts = self.job.take_over(&mut state);
            self.lives[at].pending.extend(facts);
        }
        let seen = self.job.seen(&state);
        if let Some(time) = commit {
            let ending = self.job.ending_of(&state, &seen, &time);
            self.lives[at].phase = Phase::Ending(ending);
            return;
        }
        let limits = Limits::table(Rate::from_milli_per_second(self.rate));
        let work = self.job.work(state);
        let (schedule, actions) = Schedule::new(work, limits, self.supply, Duration::ZERO);
        let (rate, now) = (self.rate, self.now);
        let life = &mut self.lives[at];
        (life.started, life.seen, life.schedule) = (now, seen, Some(schedule));
        life.rate_changed(0, now);
        life.rate_changed(rate, now);
        self.say(|| format!("coordinator {at} has the folder"));
        self.perform(at, actions);
    }

    /// Begins to write an object, if none is being written.
    pub(super) fn write(&mut self, at: usize, what: u32) {
        let life = &mut self.lives[at];
        let Some(schedule) = life.schedule.as_ref().filter(|_| life.writing.is_none()) else { return };
        if life.pending.is_empty() {
            return;
        }
        let mut facts = std::mem::take(&mut life.pending);
        let state = schedule.work().snapshot();
        let commits = matches!(life.phase, Phase::Committing(_));
        let says_everything = what.is_multiple_of(4) && !commits;
        if says_everything {
            facts.clone_from(&state);
            facts.insert(1, Fact::Run(Run::default()));
        }
        let bytes = life.object(&facts);
        let number = life.number + 1;
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
        self.lives[at].writing = Some(Writing { bytes, says_everything, commits, state });
    }

    /// A write is answered: with an error, not at all, or well.
    pub(super) fn answer(&mut self, at: usize, what: u32) {
        let life = &mut self.lives[at];
        let Some(writing) = life.writing.take() else { return };
        let number = life.number + 1;
        if what.is_multiple_of(8) && !self.is_quiet {
            life.writing = Some(writing);
            return;
        }
        let is_ours = match self.journal.get(&number) {
            Some(there) => claim(there, &writing.bytes, &life.run) == Existing::Identical,
            // A number that is free, after one that is not there: another has ended the job.
            None if number > life.oldest && !self.journal.contains_key(&(number - 1)) => false,
            // Whoever had found the folder empty looks again.
            None if self.published.is_some() => false,
            None if life.is_beginning() && !stands_alone(self.journal.keys().copied(), number) => {
                // It may die before it has removed what it wrote.
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
        if what % 8 == 1 && !self.is_quiet {
            life.writing = Some(writing);
            return;
        }
        life.number = number;
        if writing.says_everything {
            life.oldest = number;
            self.journal.retain(|&there, _| there >= number);
        }
        match std::mem::replace(&mut life.phase, Phase::Working) {
            Phase::Claiming(known) => self.begin(at, known),
            Phase::Committing(ending) if writing.commits => life.phase = Phase::Ending(ending),
            phase => life.phase = phase,
        }
    }

    pub(super) fn call(&mut self, at: usize, what: u32) {
        let life = &mut self.lives[at];
        if let Some(which) = (what as usize).checked_rem(life.calls.len()) {
            let action = life.calls.swap_remove(which);
            let Some(schedule) = &mut life.schedule else { return };
            let Some(event) = self.job.perform(schedule.work(), action) else { return self.begin_to_end(at) };
            if matches!(life.phase, Phase::Working) {
                return self.handle(at, Event::Work(event));
            }
            schedule.work_mut().handle(event);
            let facts = schedule.work_mut().take_facts();
            self.facts(at, facts);
            return self.begin_to_end(at);
        }
        let Phase::Ending(ending) = &mut life.phase else { return };
        let number = life.number;
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
    journaled.map(|journaled| (journaled.state, journaled.committed_at))
}

//! The state of earlier runs of a job, as found in its folder. Everyone who can write there may have put it there.

use thiserror::Error;

use super::{HISTORY_POINTS, JobState, LATEST_EVENTS, Point};
use crate::{Event, SCHEMA};

/// The most bytes of a state that a further run of the job continues. What is written has less than 200 kB.
pub const LARGEST_EARLIER: usize = 400_000;

/// The longest time of a job, in seconds: thirty years.
pub(super) const LONGEST: f64 = 1e9;
/// The largest rate of any kind.
pub(super) const FASTEST: f64 = 1e15;
/// The most statuses of a job that tells one a second for thirty years.
const MOST_STATUSES: u64 = 1_000_000_000;

/// Why the state of a job that was found can't be continued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unusable {
    /// It is too long, or it is none.
    #[error("it is damaged")]
    Damaged,
    /// A later version wrote it.
    #[error("a later version wrote it")]
    Later,
    /// It has the id of another job, or none.
    #[error("it is of another job")]
    OtherJob,
}

impl JobState {
    /// The state of the job `job` that was found in its folder.
    ///
    /// # Errors
    /// Fails if the bytes are none, or one that no run of that job can have written.
    pub fn found(bytes: &[u8], job: &str) -> Result<Self, Unusable> {
        if bytes.len() > LARGEST_EARLIER {
            return Err(Unusable::Damaged);
        }
        let state: Self = serde_json::from_slice(bytes).map_err(|_| Unusable::Damaged)?;
        if state.schema != SCHEMA {
            return Err(Unusable::Later);
        }
        if !state.is_of(job) {
            return Err(Unusable::OtherJob);
        }
        if state.is_bounded() { Ok(state) } else { Err(Unusable::Damaged) }
    }

    /// Whether this version can draw it: it wrote it or could have, and every number is one that a job can reach.
    pub fn is_usable(&self) -> bool {
        self.schema == SCHEMA && self.is_bounded()
    }

    /// Whether it says that it is of this job.
    pub fn is_of(&self, job: &str) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.job.as_deref() == Some(job))
    }

    fn is_bounded(&self) -> bool {
        let is_time = |seconds: f64| (0.0..=LONGEST).contains(&seconds);
        let is_rate = |rate: &f64| (0.0..=FASTEST).contains(rate);
        let rates = |point: &Point| {
            [
                point.units_per_second,
                point.budget_units_per_second,
                point.items_per_second,
                point.bytes_per_second,
                point.throttles_per_second,
                point.retries_per_second,
                point.workers,
            ]
        };
        let is_kept = |event: &Event| {
            use Event::{Completed, Plan, Status, Summary};
            !matches!(event, Plan(_) | Status(_) | Completed(_) | Summary(_))
        };
        is_time(self.elapsed_seconds)
            && (1..=MOST_STATUSES).contains(&self.statuses_per_point)
            && self.history.len() <= HISTORY_POINTS
            && self.history.iter().all(|point| rates(point).iter().all(is_rate))
            && self.history.iter().all(|point| is_time(point.elapsed_seconds))
            && self.history.is_sorted_by(|a, b| a.elapsed_seconds <= b.elapsed_seconds)
            && self.history.last().is_none_or(|last| last.elapsed_seconds <= self.elapsed_seconds)
            && self.events.len() <= LATEST_EVENTS
            && self.events.iter().all(|line| is_time(line.elapsed_seconds) && is_kept(&line.event))
    }

    /// Puts the history and events of earlier runs before those of this run, as if one had applied all their events in
    /// turn. `earlier` comes from [`found`](Self::found).
    pub fn follow(&mut self, earlier: &Self) {
        let shift = earlier.elapsed_seconds - self.begun_seconds;
        for point in &mut self.history {
            point.elapsed_seconds = crate::rounded((point.elapsed_seconds + shift).max(0.0));
        }
        for line in &mut self.events {
            line.elapsed_seconds = crate::rounded((line.elapsed_seconds + shift).max(0.0));
        }
        self.elapsed_seconds = crate::rounded((self.elapsed_seconds + shift).max(0.0));
        self.begun_seconds = earlier.elapsed_seconds;
        self.offset_seconds += shift;
        self.followed_seconds += shift;
        let has_own = !self.history.is_empty();
        self.history.splice(0..0, earlier.history.iter().copied());
        // Points of all runs are to be equally far apart.
        self.statuses_per_point = self.statuses_per_point.max(earlier.statuses_per_point);
        self.thin();
        if !has_own {
            // The next status begins a point of its own.
            self.statuses_in_last = self.statuses_per_point;
        }
        let known = earlier.events.iter().filter(|line| line.event != Event::Unknown);
        self.events.splice(0..0, known.cloned());
        self.forget_events();
    }
}

#[cfg(test)]
mod tests;

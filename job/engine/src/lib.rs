//! Every decision of coordinator and worker. Nothing here waits, reads a clock, or talks to anybody: events and the
//! time come in as arguments, and what is to be done comes out. So the simulation can play whole jobs, with any
//! faults in any order.
//!
//! Coordinator, in the order in which a job flows:
//!
//! - [`schedule`]: workers, budget and leases of one job; generic over its [`schedule::Work`]
//! - [`rate`] and [`budget`]: how many units a second, and whose they are
//! - [`lease`] and [`part_files`]: who works on which task, and which file is whose
//! - [`export`] and [`import`]: the work of either kind of job, and its state
//! - [`replay`] and [`conflict`]: from a journal to that state, and whose a journal is
//!
//! Worker: [`worker`].

mod budget;
pub mod conflict;
pub mod export;
pub mod import;
mod lease;
pub mod part_files;
pub mod rate;
pub mod replay;
pub mod schedule;
pub mod worker;

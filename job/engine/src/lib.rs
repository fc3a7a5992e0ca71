//! Every decision of the coordinator and the worker. Nothing here waits, reads a clock, or does I/O: events and the
//! time come in as arguments, and the actions to take come out. The simulation can therefore play whole jobs, with
//! any faults in any order.
//!
//! Coordinator, in the order in which a job flows:
//!
//! - [`schedule`]: workers, budget and leases of one job; generic over its [`schedule::Work`]
//! - [`rate`] and `budget`: how many units a second the job may use, and how workers share them
//! - `progress`: rates, the time left, and what limits a job
//! - [`lease`] and [`part_files`]: which worker holds which task, and which worker fills which file
//! - [`export`], [`import`] and [`verify`]: the work of each kind of job, and its state
//! - [`replay`] and [`conflict`]: rebuilding that state from a journal, and deciding who owns a journal
//!
//! Worker: [`worker`].

mod budget;
pub mod conflict;
pub mod export;
pub mod import;
pub mod lease;
pub mod part_files;
mod progress;
pub mod rate;
pub mod rejection;
pub mod replay;
pub mod schedule;
pub mod verify;
pub mod worker;

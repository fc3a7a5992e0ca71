//! The `tablehaul` command. In the order in which a job flows:
//!
//! [`cli`] → preflight → plan → driver (which drives the schedule and its cores: leases, files,
//! budget) ⇄ server ⇄ workers → commit → [`report`].

pub mod clean;
pub mod cli;
pub mod export;
pub mod failure;
pub mod import;
pub mod preflight;
pub mod progress;
pub mod report;
pub mod status;

/// The cores, for the simulation that runs them. Nobody else's.
#[doc(hidden)]
pub mod cores {
    pub use crate::{
        export::{ExportAction, ExportEvent, ExportState, ExportWork},
        files::PartFile,
        import::{ImportAction, ImportState, ImportWork},
        journal::{Claim, Journaled, Replay, State, claim, stands_alone},
        pace::Limits,
        schedule::{Action, Event, Heard, Hiring, Schedule, Work},
    };
}

mod access;
mod backup;
mod budget;
mod cluster;
mod commit;
mod driver;
mod dynamodb;
mod files;
mod identity;
mod journal;
mod lease;
mod occupant;
mod output;
mod pace;
mod plan;
mod retry;
mod schedule;
mod server;
mod stop;
mod store;
mod table;
mod table_settings;
mod text;
mod verify;
mod waits;
mod whole;

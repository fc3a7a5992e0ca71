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

mod access;
mod backup;
mod cluster;
mod commit;
mod driver;
mod dynamodb;
mod folder_contents;
mod identity;
mod journal;
mod output;
mod plan;
mod retry;
mod server;
mod stop;
mod store;
mod table;
mod table_settings;
mod text;
mod verify;
mod waits;
mod whole;

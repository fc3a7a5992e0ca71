//! The `tablehaul` command. In the order in which a job flows:
//!
//! [`cli`] → preflight → plan → driver (which drives the schedule and its cores: leases, files,
//! budget) ⇄ server ⇄ workers → commit → [`report`].

pub mod cli;

mod access;
mod backup;
mod cluster;
mod commands;
mod commit;
mod driver;
mod dynamodb;
mod failure;
mod folder_contents;
mod identity;
mod journal;
mod output;
mod progress;
mod retry;
mod server;
mod stop;
mod store;
mod table;
mod table_settings;
mod text;
mod waits;
mod whole;

//! The `tablehaul` command. A job flows through the modules in this order:
//!
//! [`cli`] → `commands` (which check and plan) → `lifecycle` (which acquires the folder) → `driver` (which runs the
//! schedule with its leases, files and budget) ⇄ `server` ⇄ workers → `commit` → `commands` (which report).

pub mod cli;

mod aws;
mod backup;
mod cluster;
mod commands;
mod driver;
mod failure;
mod host;
mod jobs;
mod journal;
mod observers;
mod output;
mod server;
mod stop;
mod store;

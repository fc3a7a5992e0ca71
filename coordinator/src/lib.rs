//! The `tablehaul` command. A job flows through the modules in this order:
//!
//! [`cli`] → `commands` (which check and plan) → `jobs` (which acquires the folder) → `driver` (which runs the schedule
//! with its leases, files and budget) ⇄ `server` ⇄ workers → `jobs` (which commits) → `commands` (which report).
//!
//! These modules are layers; ARCHITECTURE.md lists them from top to bottom.

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
mod poll;
mod server;
mod stop;
mod store;

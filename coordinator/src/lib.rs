//! The `tablehaul` command. A job flows through the modules in this order:
//!
//! [`cli`] → `commands` (which check and plan) → `lifecycle` (which acquires the folder) → `driver` (which runs the
//! schedule with its leases, files and budget) ⇄ `server` ⇄ workers → `commit` → `commands` (which report).

pub mod cli;

mod aws;
mod backup;
mod cluster;
mod commands;
mod commit;
mod driver;
mod failure;
mod fleet;
mod folder_contents;
mod history;
mod host;
mod journal;
mod lifecycle;
mod observers;
mod output;
mod progress;
mod retry;
mod server;
mod stop;
mod store;
mod stream;
mod text;
mod waits;
mod whole;
mod whole_file;

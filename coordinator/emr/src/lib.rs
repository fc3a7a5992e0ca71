//! What tablehaul does with Amazon EMR: it launches clusters that run its jobs, watches and ends them.
//!
//! ```text
//! request ── the body of RunJobFlow        launch ── what to do next, by what EMR said
//!                       └──────→ calls (the SDK) ←──────┘
//! account ── what is asked before a launch
//! causes, words ── what EMR's words mean   convert ── pipelines of AWS Data Pipeline
//! ```
//!
//! The command line and what concerns jobs and folders are in the coordinator.

pub mod account;
pub mod calls;
pub mod causes;
pub mod convert;
pub mod launch;
mod quote;
pub mod request;
pub mod schedule;
pub mod setup;
pub mod view;
pub mod words;

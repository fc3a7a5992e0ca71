//! Decisions of a worker: how much it may use, how many pages it reads at once, what goes into which part.

pub mod allowance;
pub mod ledger;
pub mod line;
pub mod page_planner;
pub mod part_builder;
pub mod streams;
pub mod upload_sequencer;

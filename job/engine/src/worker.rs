//! Decisions of a worker: the units it may use, the requests it makes at once, and what goes into each part.

pub mod allowance;
pub mod ledger;
pub mod line;
pub mod page_planner;
pub mod part_builder;
pub mod streams;
pub mod upload_sequencer;

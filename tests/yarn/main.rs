//! `tablehaul` on a real Hadoop: what a user sees there, and that no item is lost or duplicated whatever crashes.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod completing;
mod ends;
mod faults;
mod job;
mod lent;
mod passes;
mod refused;
mod resume;
mod seen;
mod verified;

//! Amazon EMR: launches clusters that run tablehaul, and converts pipelines of AWS Data Pipeline.
//!
//! Nothing here knows how a table is moved. `tablehaul emr …` uses this crate; jobs don't.

pub mod causes;
pub mod convert;
mod quote;

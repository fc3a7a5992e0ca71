//! The page of a job and its report.
//!
//! [`report`] draws the report from the state of a job, and [`job_of`] reads the id of the job in a report. A
//! [`Server`] serves the page. It only shows: it has no request that changes anything, and it knows counts, names and
//! messages, but neither items nor keys nor secrets.

mod draw;
mod server;

pub use draw::{INTERRUPTED, job_of, report, report_with};
pub use server::{Access, Jobs, Server, new_token};

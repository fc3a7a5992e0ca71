//! How coordinator and worker reach AWS: clients by [`connect()`], and in [`Fault`] the one place
//! that decides what an error of theirs means.

mod connect;
mod fault;
mod ranges;
mod read;
pub mod waits;
mod watch;

pub use connect::{Clients, Retries, connect};
pub use fault::{Fault, FaultKind};
pub use ranges::{Ahead, Ranges, ranges};
pub use read::get_range;
pub use watch::MAX_REPLY_BYTES;

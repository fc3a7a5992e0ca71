//! How coordinator and worker reach AWS: clients by [`connect()`], and in [`Fault`] the one place
//! that decides what an error of theirs means.

mod connect;
mod endpoint;
mod fault;
mod headers;
mod ranges;
mod read;

pub use aws_config::SdkConfig;
pub use connect::{Clients, Retries, connect};
pub use endpoint::{endpoint_of, is_of_aws};
pub use fault::{Fault, FaultKind};
pub use ranges::{Ahead, Ranges, ranges};
pub use read::get_range;

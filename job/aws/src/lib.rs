//! How coordinator and worker reach AWS: [`connect()`] builds clients, and [`Fault`] is the only place that classifies
//! their errors.

mod buckets;
mod clients;
mod connect;
mod endpoint;
mod fault;
mod headers;
mod identity;
mod lent;
mod post;
mod profile;
mod ranges;
mod read;
mod retry;
mod signed;
mod trust;
pub mod waits;
mod watch;

pub use aws_config::SdkConfig;
pub use clients::{Buckets, Caller, Clients, Identity, Retries};
pub use connect::{connect, connect_as_worker, connect_to_s3};
pub use endpoint::endpoint_of;
pub use fault::{Fault, FaultKind, causes, deepest, with_causes};
pub use lent::{Borrowed, Lending, LentCredentials};
pub use post::{PostError, post};
pub use ranges::{Ahead, Ranges, ranges};
pub use read::get_range;
pub use retry::{Policy, backoff, retry, wait};
pub use signed::{NoAnswer, Question, Service};
pub use watch::{MAX_REPLY_BYTES, server};

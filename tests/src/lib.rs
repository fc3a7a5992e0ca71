//! What the tests, the benches and the stand-in servers share: starting our own binaries, talking to the
//! two `DynamoDB` stand-ins, and the items the fake one makes up.
//!
//! - [`items`]: item `i` of an exact table as a pure function of `i`, its key and its size.
//! - [`process`]: finding and running the binaries of this workspace.
//! - [`http`]: a blocking request to a server on loopback; no more than that.
//! - [`fake`]: `fake-dynamodb`, which enforces and counts capacity and fails on demand.
//! - [`demo`]: `demo-dynamodb`, a whole emulator with real data in it.
//! - [`moto`]: a second emulator, by others in another language.
//! - [`s3`]: versitygw, a whole S3 over a folder.
//! - [`policy_proxy`]: a bucket policy before it.
//! - [`mod@installed`]: what `scripts/setup` installs.
//! - [`hadoop`]: a real cluster: HDFS, YARN, Streaming, history.
//! - [`command`]: running `tablehaul`.
//! - [`heard`]: the same, with its messages as they come.
//! - [`canned`]: a server whose every reply the test decides.
//! - [`mod@tls`]: TLS in front of a server.
//! - [`dynamodb`]: talking to any `DynamoDB`, without its client.
//! - [`corpus`]: items with every type and every oddity.
//! - [`emr`]: the lines of a backup, slow and obvious.
//! - [`backup`]: reading what it wrote, independently.
//! - [`backup_writer`]: backups of the fake's items in every layout and codec that an import reads.
//! - [`scan_order`]: the order in which a table gives its items, and how widely writes are spread over it.
//! - [`rng`]: random numbers that can be repeated.
//! - [`mod@proxy`]: a network that fails.
//! - [`stats`]: what `fake-dynamodb` counts; the words both sides of its admin endpoint speak.
//! - [`pace`]: how closely a budget was kept, by those counts.
//! - [`usage`]: what a process has used.

pub mod backup;
pub mod backup_writer;
pub mod canned;
pub mod command;
pub mod corpus;
pub mod demo;
pub mod dynamodb;
pub mod emr;
pub mod failing_s3;
pub mod fake;
pub mod hadoop;
pub mod heard;
pub mod http;
pub mod installed;
pub mod items;
pub mod moto;
pub mod pace;
pub mod policy_proxy;
pub mod process;
pub mod proxy;
pub mod rng;
pub mod s3;
pub mod scan_order;
pub mod stats;
pub mod tls;
pub mod usage;

pub use backup_writer::BackupWriter;
pub use canned::Canned;
pub use demo::DemoDynamo;
pub use dynamodb::DynamoDb;
pub use fake::Fake;
pub use hadoop::Hadoop;
pub use heard::Heard;
pub use installed::installed;
pub use items::{expected_keys, item_index, item_key};
pub use moto::Moto;
pub use policy_proxy::PolicyProxy;
pub use process::binary;
pub use proxy::Proxy;
pub use rng::Rng;
pub use s3::S3;

//! `fake-dynamodb`: a `DynamoDB` on loopback that does what no emulator does. It enforces and counts capacity, replays
//! pages and accepts items as fast as the socket, and fails on demand. It supports `Scan`, `BatchWriteItem`,
//! `PutItem`, `DescribeTable` and `ListTables`; a table is either for reading or for writing. It also returns further
//! settings of a table (`settings`) if a test has given them.
//!
//! A request goes through these modules: `server` (connection, admin endpoints, action) → `faults` →
//! its action → `reply` (bytes, checksum, and faults of the connection).
//!
//! - A Scan: `bucket` (capacity) → `exact` or `replay` (its page) → `tally` (counts).
//! - A write: `batch` (the request and its errors) → `sink` → `capacity`
//!   → `stored` (the contents of the table). Or only `fast`.
//!
//! `table` is one table; `spec` and `options` are the command line; `api` has requests and errors of the
//! protocol.

mod api;
mod batch;
mod bucket;
mod capacity;
mod decimal;
mod describe;
mod exact;
mod fast;
mod faults;
mod options;
mod page;
mod replay;
mod reply;
mod server;
mod settings;
mod sink;
mod spec;
mod stored;
mod table;
mod tally;

use clap::Parser;
use options::Options;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if options.exit_with_stdin {
        tests_support::process::exit_with_stdin();
    }
    let mut runtime = match options.threads {
        0 | 1 => tokio::runtime::Builder::new_current_thread(),
        threads => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    runtime.enable_all().build()?.block_on(server::run(options))
}

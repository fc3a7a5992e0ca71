//! `fake-dynamodb`: a `DynamoDB` on loopback for what no emulator does. It enforces and counts capacity, replays
//! pages and takes items as fast as the socket does, and fails on demand. It knows `Scan`, `BatchWriteItem`,
//! `PutItem`, `DescribeTable` and `ListTables`; a table is either to read from or to write into. What else a table is
//! set up with (`settings`) it tells if a test has given it.
//!
//! In the order a request goes through it: `server` (connection, admin endpoints, action) → `faults` →
//! what it asks for → `reply` (bytes, checksum, and the faults of the last moment).
//!
//! - A Scan: `bucket` (may it run?) → `exact` or `replay` (its page) → `tally` (what was served).
//! - A write: `batch` (the request and what is wrong with it) → `sink` → `capacity` (may this item be written?)
//!   → `stored` (what is in the table). Or `fast`, and that is all.
//!
//! `table` holds what one table is; `spec` and `options` the command line; `api` requests and errors of the
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

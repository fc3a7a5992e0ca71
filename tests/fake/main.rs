//! `fake-dynamodb`: a `DynamoDB` on loopback for what no emulator does. It enforces and counts read capacity,
//! replays pages as fast as the socket takes them, and fails on demand. It reads only: `Scan`, `DescribeTable`
//! and `ListTables`.
//!
//! In the order a request goes through it: `server` (connection, admin endpoints, action) → `faults` →
//! `bucket` (may this Scan run?) → `exact` or `replay` (its page) → `tally` (what was served) → `reply`
//! (bytes, checksum, and the faults of the last moment). `table` holds what one table is; `options` the
//! command line; `api` the requests and errors of the protocol.

mod api;
mod bucket;
mod describe;
mod exact;
mod faults;
mod options;
mod page;
mod replay;
mod reply;
mod server;
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

//! The command line: turns texts into settings.

#![allow(clippy::doc_markdown, reason = "the help is read in a terminal")]

use crate::faults::Faults;
use crate::spec::TableSpec;
use clap::Parser;

const TABLE_HELP: &str = "\
A table, as NAME:KEY=VALUE,… (repeatable)

Which items it has, one of:
  items=N           items 0 to N-1, each served exactly once; keys are checked
    item-bytes=B      pad each item to B bytes by DynamoDB's size rule (else about 255,
                      which is 450 bytes of JSON; JSON is always about 195 bytes more)
    skew=F            the first segment holds this share of the items (0 to 1; else all are even)
    empty-tail=1      after a segment's last item comes one more page, an empty one
  pages=K           K ready-made pages in each segment, for speed; items repeat
    page-items=N      items in a page (default 2000, which is about 900 KB of JSON)
    item-bytes=B      as above
  sink=1            none; it takes items, and compares them with those that items=N serves
    item-bytes=B      as above
  sink=fast         none; it takes items as fast as it can and only counts them

How much may be read:
  rcu=R             provisioned read units a second, enforced (else on demand: never throttles)
  burst-seconds=S   how many seconds' units each bucket holds (default 1)

How much may be written (sink=1):
  wcu=W             provisioned write units a second, enforced (else on demand: never throttles)
  gsi=NAME/W        a global secondary index of all attributes with write units of its own,
                    enforced, too (repeatable; gsi=NAME has those of the table)

What DescribeTable says besides:
  wcu=W             provisioned write units (default: rcu)
  max-read=R        OnDemandThroughput, likewise max-write=W
  warm-read=R       WarmThroughput, likewise warm-write=W
  gsi=NAME          a global secondary index (repeatable)
  status=S          TableStatus (default ACTIVE); a table that is CREATING can't be read,
                    one that is DELETED is not there
  item-count=N      ItemCount, when it shall differ from the truth
  table-bytes=B     TableSizeBytes, likewise";

/// A DynamoDB on loopback that enforces and counts capacity, replays pages and takes items at full speed, and
/// fails on demand
///
/// Prints `listening on 127.0.0.1:PORT` when it is ready. Admin endpoints on the same port:
///
///   GET  /_fake/stats          everything counted so far, as JSON
///   POST /_fake/reset          counts to zero, buckets full
///   POST /_fake/faults         change the faults; JSON as for --faults
///   POST /_fake/table/NAME     change a table: {"rcu": 500, "wcu": 500, "gsi_wcu": {"by-name": 250},
///                              "burst_seconds": 1.0, "status": "UPDATING", "table_id": "…",
///                              "settings": {"tags": [], …}}
///                              (another table_id: as if it had been deleted and made again)
#[derive(Debug, Parser)]
#[command(name = "fake-dynamodb", verbatim_doc_comment)]
pub(crate) struct Options {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    #[arg(long = "table", value_name = "SPEC", help = "A table, as NAME:KEY=VALUE,…; --help tells the keys", long_help = TABLE_HELP)]
    pub(crate) tables: Vec<TableSpec>,
    /// Faults to begin with, as JSON
    ///
    /// Fields, all optional: latency_ms, jitter_ms (added evenly from 0 to this);
    /// probabilities from 0 to 1, drawn once for each request: error_rate (500), throttle_rate (400),
    /// drop_before_rate (connection closed instead of a reply), drop_after_rate (closed after the head),
    /// torn_rate (closed in the middle of the body), truncated_rate (whole reply, but half the JSON),
    /// bad_crc_rate (wrong x-amz-crc32);
    /// unprocessed_rate (drawn for each item of a BatchWriteItem: it comes back in UnprocessedItems; not by a
    /// fast sink);
    /// action (only this action draws faults; default Scan, "*" is all), at_most (draw so many faults, then no more),
    /// throttle_type (default ProvisionedThroughputExceededException),
    /// denied (AccessDeniedException for this action; several with commas), unrecognized_client (true: for every
    /// request), keys_expire (true: access keys UNTIL<seconds since 1970> are refused from then on).
    #[arg(long, value_name = "JSON", default_value = "{}", verbatim_doc_comment)]
    pub(crate) faults: Faults,
    /// Seed of all randomness
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Threads to serve with
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: usize,
    /// Region in ARNs
    #[arg(long, default_value = "us-east-1")]
    pub(crate) region: String,
    /// End when standard input is closed
    #[arg(long)]
    pub(crate) exit_with_stdin: bool,
}

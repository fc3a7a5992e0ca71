//! The command line. It turns texts into settings and does nothing else.

#![allow(clippy::doc_markdown, reason = "the help is read in a terminal")]

use crate::faults::Faults;
use clap::Parser;
use std::str::FromStr;

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

How much may be read:
  rcu=R             provisioned read units a second, enforced (else on demand: never throttles)
  burst-seconds=S   how many seconds' units the bucket holds (default 1)

What DescribeTable says besides:
  wcu=W             provisioned write units (default: rcu)
  max-read=R        OnDemandThroughput
  warm-read=R       WarmThroughput
  gsi=NAME          a global secondary index (repeatable)
  status=S          TableStatus (default ACTIVE); a table that is CREATING can't be read
  item-count=N      ItemCount, when it shall differ from the truth
  table-bytes=B     TableSizeBytes, likewise";

/// A DynamoDB on loopback that enforces and counts read capacity, replays pages at full speed, and fails on demand
///
/// Prints `listening on 127.0.0.1:PORT` when it is ready. Admin endpoints on the same port:
///
///   GET  /_fake/stats          everything counted so far, as JSON
///   POST /_fake/reset          counts to zero, buckets full
///   POST /_fake/faults         change the faults; JSON as for --faults
///   POST /_fake/table/NAME     change a table: {"rcu": 500, "burst_seconds": 1.0, "status": "UPDATING", "table_id": "…"}
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
    /// action (only this action draws faults; default Scan, "*" is all), at_most (draw so many faults, then no more),
    /// throttle_type (default ProvisionedThroughputExceededException),
    /// denied (AccessDeniedException for this action), unrecognized_client (true: for every request).
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

/// One `--table`.
#[derive(Clone, Debug)]
pub(crate) struct TableSpec {
    pub(crate) name: String,
    pub(crate) content: ContentSpec,
    pub(crate) item_bytes: Option<u64>,
    pub(crate) rcu: u64,
    pub(crate) wcu: Option<u64>,
    pub(crate) burst_seconds: f64,
    pub(crate) max_read: Option<u64>,
    pub(crate) warm_read: Option<u64>,
    pub(crate) gsis: Vec<String>,
    pub(crate) status: String,
    pub(crate) item_count: Option<u64>,
    pub(crate) table_bytes: Option<u64>,
}

/// Which items a table has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ContentSpec {
    Exact { num_items: u64, skew: Option<f64>, empty_tail: bool },
    Replay { num_pages: u64, page_items: u64 },
}

impl FromStr for TableSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, settings) = text.split_once(':').ok_or("expected NAME:KEY=VALUE,…")?;
        let mut spec = Self {
            name: name.to_owned(),
            content: ContentSpec::Exact { num_items: 0, skew: None, empty_tail: false },
            item_bytes: None,
            rcu: 0,
            wcu: None,
            burst_seconds: 1.0,
            max_read: None,
            warm_read: None,
            gsis: Vec::new(),
            status: "ACTIVE".to_owned(),
            item_count: None,
            table_bytes: None,
        };
        let (mut num_items, mut num_pages, mut page_items) = (None, None, 2_000);
        let (mut skew, mut tail) = (None, 0_u8);
        for setting in settings.split(',').filter(|setting| !setting.is_empty()) {
            let (key, value) =
                setting.split_once('=').ok_or_else(|| format!("`{setting}` is not KEY=VALUE"))?;
            match key {
                "items" => num_items = Some(parse(key, value)?),
                "pages" => num_pages = Some(parse(key, value)?),
                "page-items" => page_items = parse(key, value)?,
                "item-bytes" => spec.item_bytes = Some(parse(key, value)?),
                "skew" => skew = Some(parse(key, value)?),
                "empty-tail" => tail = parse(key, value)?,
                "rcu" => spec.rcu = parse(key, value)?,
                "wcu" => spec.wcu = Some(parse(key, value)?),
                "burst-seconds" => spec.burst_seconds = parse(key, value)?,
                "max-read" => spec.max_read = Some(parse(key, value)?),
                "warm-read" => spec.warm_read = Some(parse(key, value)?),
                "gsi" => spec.gsis.push(value.to_owned()),
                "status" => value.clone_into(&mut spec.status),
                "item-count" => spec.item_count = Some(parse(key, value)?),
                "table-bytes" => spec.table_bytes = Some(parse(key, value)?),
                _ => return Err(format!("there is no table setting `{key}`")),
            }
        }
        if skew.is_some_and(|skew: f64| !(0.0..=1.0).contains(&skew)) {
            return Err("skew must be from 0 to 1".to_owned());
        }
        spec.content = match (num_items, num_pages) {
            (Some(num_items), None) => ContentSpec::Exact { num_items, skew, empty_tail: tail != 0 },
            (None, Some(num_pages)) => ContentSpec::Replay { num_pages, page_items },
            _ => return Err("a table needs either items=N or pages=K".to_owned()),
        };
        Ok(spec)
    }
}

fn parse<T: FromStr>(key: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{value}` is no value for {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_items_or_pages_and_no_unknown_settings() {
        let spec: TableSpec = "Forum:items=5,rcu=100,gsi=a,gsi=b".parse().expect("a good spec");
        assert_eq!((spec.name.as_str(), spec.rcu, spec.gsis.len()), ("Forum", 100, 2));
        for bad in
            ["Forum", "Forum:rcu=1", "Forum:items=1,pages=1", "Forum:items=x", "Forum:items=1,colour=red"]
        {
            assert!(bad.parse::<TableSpec>().is_err(), "{bad}");
        }
    }
}

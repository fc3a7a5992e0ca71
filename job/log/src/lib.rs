//! The structured log of both binaries: the lines that the events of the crate `tracing` become.
//!
//! Only events of our own modules are ever logged. The AWS SDK logs credentials, signed headers and bodies, hyper and
//! h2 log frames, so no filter lets an event of a dependency through. Our own events hold no items, keys or secrets.
//!
//! Without a filter nothing is set up, and an event costs the load of one atomic number.

mod filter;
mod line;

use std::sync::OnceLock;

use tracing::{
    Event, Metadata, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
    subscriber::{Interest, set_global_default},
};

pub use filter::{Filter, FilterError};

/// The filter of this process.
static FILTER: OnceLock<Filter> = OnceLock::new();

/// Logs what `filter` lets through from now on. `process` becomes the first fields of each line, such as `worker=3`.
/// `write` takes each line, without a line feed; it must not wait.
///
/// Only the first call in a process has an effect.
pub fn start(filter: Filter, process: String, write: impl Fn(String) + Send + Sync + 'static) {
    if filter.most() == LevelFilter::OFF || FILTER.set(filter.clone()).is_err() {
        return;
    }
    // It can fail only if there is a subscriber, and nothing else sets one.
    let _ = set_global_default(Logs { filter, process, write: Box::new(write) });
}

/// The filter of this process as text, for the workers. Empty if nothing is logged.
pub fn filter() -> String {
    FILTER.get().map(Filter::to_string).unwrap_or_default()
}

struct Logs {
    filter: Filter,
    process: String,
    write: Box<dyn Fn(String) + Send + Sync>,
}

impl Subscriber for Logs {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.is_span() && *metadata.level() <= self.filter.level(metadata.target())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.most())
    }

    fn event(&self, event: &Event<'_>) {
        (self.write)(line::of(event, &self.process));
    }

    /// Not reached: spans are not enabled.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::{debug, info, subscriber::with_default, trace};

    use super::*;

    /// The lines that `log` writes with this filter, without the time.
    fn logged(filter: &str, log: impl FnOnce()) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = lines.clone();
        let write = Box::new(move |line: String| kept.lock().unwrap().push(line));
        let logs = Logs { filter: filter.parse().unwrap(), process: "worker=3".into(), write };
        with_default(logs, log);
        let lines = lines.lock().unwrap();
        lines.iter().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }

    #[test]
    fn an_event_is_one_line_of_time_level_module_and_fields() {
        let name = "a\nb\u{1b}[2J";
        let lines = logged("debug", || {
            info!(target: "worker::export", number = 7, took_ms = 12.5, table = "Forum", "part sealed");
            debug!(target: "worker::yarn", name, url = %"http://me:pw@host", spare = "", other = ?name, "two");
        });
        assert_eq!(
            lines,
            [
                "INFO worker::export: part sealed worker=3 number=7 took_ms=12.5 table=Forum",
                "DEBUG worker::yarn: two worker=3 name=\"a\\nb\\u{1b}[2J\" url=http://…@host spare=\"\" \
                 other=\"a\\nb\\u{1b}[2J\"",
            ]
        );
    }

    #[test]
    fn nothing_of_a_dependency_is_logged_whatever_the_filter() {
        let all = || {
            trace!(target: "aws_smithy_runtime::client", body = "secret", "request");
            trace!(target: "aws_sigv4", "signature");
            trace!(target: "hyper::proto", "head");
            trace!(target: "h2", "frame");
            trace!(target: "rustls", "key");
            trace!(target: "tonic::transport", "request");
            trace!(target: "workers", "not a module of ours");
            trace!(target: "engine", "ours");
        };
        assert_eq!(logged("trace", all), ["TRACE engine: ours worker=3"]);
        assert!(logged("coordinator=trace", all).is_empty());
        assert!(logged("debug", all).is_empty());
    }

    #[test]
    fn lines_begin_with_the_time_in_utc() {
        let now = line::now();
        assert!(now.len() == "2026-01-02T03:04:05.678Z".len() && now.ends_with('Z'), "{now}");
        assert!(now.parse::<jiff::Timestamp>().is_ok(), "{now}");
    }
}

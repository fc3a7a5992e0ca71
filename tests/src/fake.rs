//! `fake-dynamodb` for tests and benches. Its `--help` and `fake/main.rs` say what it can do.

use crate::http::{self, Reply};
use crate::process::Server;
use crate::stats::{Stats, TableStats};
use serde_json::Value;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::time::Duration;

/// A running `fake-dynamodb`; it is stopped when this is dropped.
#[derive(Debug)]
pub struct Fake {
    server: Server,
}

impl Fake {
    /// Starts it with these arguments (on a free port if they name none) and waits until it listens.
    ///
    /// ```no_run
    /// let fake = tests_support::Fake::start(["--table", "Forum:items=100000,rcu=1000"]);
    /// ```
    ///
    /// # Panics
    /// When it is missing or doesn't start within half a minute.
    #[track_caller]
    pub fn start<I>(args: I) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        Self { server: Server::start("fake-dynamodb", args, Duration::from_secs(30)) }
    }

    /// Its URL, for `--dynamodb-endpoint`.
    pub fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.server.id()
    }

    /// What it has counted since it started or since the last [`reset`](Self::reset).
    ///
    /// # Panics
    /// When the server is gone.
    #[track_caller]
    pub fn stats(&self) -> Stats {
        let reply = self.admin("GET", "/_fake/stats", "");
        serde_json::from_str(&reply).unwrap_or_else(|error| panic!("unreadable stats: {error}: {reply}"))
    }

    /// What it has counted for one table.
    ///
    /// # Panics
    /// When the server is gone or has no such table.
    #[track_caller]
    pub fn table_stats(&self, table: &str) -> TableStats {
        let mut stats = self.stats();
        stats.tables.remove(table).unwrap_or_else(|| panic!("the fake has no table {table}"))
    }

    /// Changes how it fails; fields that aren't named stay as they are. See `--faults` of the binary.
    ///
    /// # Panics
    /// When the server doesn't know such a fault.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…}) in place")]
    pub fn faults(&self, change: Value) {
        self.admin("POST", "/_fake/faults", &change.to_string());
    }

    /// Changes a table while it is in use, e.g. `json!({"rcu": 500})` or `json!({"status": "UPDATING"})`.
    ///
    /// # Panics
    /// When there is no such table or setting.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…}) in place")]
    pub fn change_table(&self, table: &str, change: Value) {
        self.admin("POST", &format!("/_fake/table/{table}"), &change.to_string());
    }

    /// Sets all counts to zero and fills every capacity bucket. Faults and tables stay as they are.
    ///
    /// # Panics
    /// When the server is gone.
    #[track_caller]
    pub fn reset(&self) {
        self.admin("POST", "/_fake/reset", "");
    }

    /// One `DynamoDB` request, as a client without the SDK would send it; `action` is e.g. `Scan`.
    ///
    /// # Panics
    /// If no complete answer arrives.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…}) in place")]
    pub fn call(&self, action: &str, request: Value) -> Reply {
        let target = format!("DynamoDB_20120810.{action}");
        let headers = [
            ("x-amz-target", target.as_str()),
            ("content-type", "application/x-amz-json-1.0"),
            ("authorization", "none"),
        ];
        http::request(self.server.address(), "POST", "/", &headers, &request.to_string())
            .unwrap_or_else(|error| panic!("{action}: {error}"))
    }

    #[track_caller]
    fn admin(&self, method: &str, path: &str, body: &str) -> String {
        let reply = http::request(self.server.address(), method, path, &[], body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.body);
        reply.body
    }
}

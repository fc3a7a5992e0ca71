//! Connections and requests; calls everything else.

use crate::api::{self, ApiError, Scan};
use crate::batch::{Batch, Put};
use crate::describe;
use crate::fast::{self, FastSink};
use crate::faults::{Fault, FaultSource};
use crate::options::Options;
use crate::reply::{self, Content, Dropped, Gauge, ReplyBody};
use crate::settings;
use crate::table::{Table, TableChange, TableState};
use anyhow::Context;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};
use tests_support::stats::Stats;
use tokio::{net::TcpListener, task::JoinSet};

/// The name of Application Auto Scaling in requests.
const AUTO_SCALING: &str = "AnyScaleFrontendService.";

/// Everything that requests use.
struct Service {
    tables: BTreeMap<String, (Table, Mutex<TableState>)>,
    faults: Mutex<FaultSource>,
    /// `tables` and `max_concurrent` are filled in by a query.
    counts: Mutex<Stats>,
    gauge: Arc<Gauge>,
    next_request: AtomicU64,
    region: String,
}

/// Serves until the process ends.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let Options { port, tables, faults, seed, threads: _, region, exit_with_stdin: _ } = options;
    let now = Instant::now();
    let tables = tables.into_iter().map(|spec| {
        let state = Mutex::new(TableState::new(&spec, now));
        (spec.name.clone(), (Table::new(spec), state))
    });
    let service = Arc::new(Service {
        tables: tables.collect(),
        faults: Mutex::new(FaultSource::new(faults, seed)),
        counts: Mutex::default(),
        gauge: Arc::default(),
        next_request: AtomicU64::new(1),
        region,
    });
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {}", listener.local_addr()?)?;
    stdout.flush()?;
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else { continue };
        stream.set_nodelay(true)?;
        let service = Arc::clone(&service);
        connections.spawn(async move {
            let handler = service_fn(|request| service.handle(request));
            let mut connection = hyper::server::conn::http1::Builder::new();
            connection.timer(TokioTimer::new()).header_read_timeout(None).writev(true);
            // Fails if a client disconnects or a fault drops the connection.
            let _ = connection.serve_connection(TokioIo::new(stream), handler).await;
        });
    }
}

impl Service {
    async fn handle(&self, request: Request<Incoming>) -> Result<Response<ReplyBody>, Dropped> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
        if head.uri.path().starts_with("/_fake/") {
            let (status, text) = match self.admin(&head.method, head.uri.path(), &body) {
                Ok(text) => (200, text),
                Err(text) => (400, text),
            };
            // Not counted here: it has its own gauge.
            return reply::admin(status, text, Arc::new(Gauge::default()).enter());
        }
        let running = self.gauge.enter();
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let target = header("x-amz-target").unwrap_or_default();
        let action = target.strip_prefix("DynamoDB_20120810.").or_else(|| target.strip_prefix(AUTO_SCALING));
        let action = action.unwrap_or_default();
        *lock(&self.counts).requests.entry(action.to_owned()).or_default() += 1;
        let draw = lock(&self.faults).draw(action);
        if !draw.delay.is_zero() {
            tokio::time::sleep(draw.delay).await;
        }
        if let Some(fault) = draw.fault {
            *lock(&self.counts).injected.entry(fault.name().to_owned()).or_default() += 1;
        }
        let answer = match header("authorization") {
            None => Err(ApiError::no_token()),
            Some(key) if self.is_expired(key) => Err(ApiError::expired_token()),
            Some(_) => self.answer(action, &body, draw.fault),
        };
        let content = answer.unwrap_or_else(|error| Content::error(&error));
        let request_id = self.next_request.fetch_add(1, Ordering::Relaxed);
        content.into_response(request_id, draw.fault, running)
    }

    fn answer(&self, action: &str, body: &Bytes, fault: Option<Fault>) -> Result<Content, ApiError> {
        self.refuse(action, body, fault)?;
        match action {
            "Scan" => self.scan(body, fault),
            "BatchWriteItem" => self.batch_write(body),
            "PutItem" => self.put(body),
            "DescribeTable" => {
                let (table, state) = self.table(&named_table(body))?;
                let state = lock(state);
                state.is_known(&table.spec.name)?;
                Ok(Content::json(&describe::table(table, &state, &self.region)))
            }
            "ListTables" => Ok(Content::json(&describe::list(self.tables.keys()))),
            _ => self.settings(action, body),
        }
    }

    fn settings(&self, action: &str, body: &Bytes) -> Result<Content, ApiError> {
        let request: Value = serde_json::from_slice(body).unwrap_or_default();
        let name = settings::table(action, &request).ok_or_else(ApiError::unknown_action)?;
        let (_, state) = self.table(&name)?;
        let settings = lock(state).settings.clone().ok_or_else(ApiError::unknown_action)?;
        settings.answer(action, &request).map(|reply| Content::json(&reply))
    }

    fn is_expired(&self, authorization: &str) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let is_expired = lock(&self.faults).settings.is_expired(authorization, now);
        if is_expired {
            *lock(&self.counts).injected.entry("keys_expire".to_owned()).or_default() += 1;
        }
        is_expired
    }

    /// Faults that replace the reply.
    fn refuse(&self, action: &str, body: &Bytes, fault: Option<Fault>) -> Result<(), ApiError> {
        let faults = lock(&self.faults);
        if faults.settings.unrecognized_client {
            return Err(ApiError::unrecognized_client());
        }
        if faults.settings.denied.as_deref().unwrap_or_default().split(',').any(|denied| denied == action) {
            let name = if action == "ListTables" { "*".to_owned() } else { named_table(body) };
            return Err(ApiError::denied(action, &describe::arn(&self.region, &name)));
        }
        match fault {
            Some(Fault::Error) => Err(ApiError::internal()),
            Some(Fault::Throttle) => Err(ApiError::throttled(&faults.settings.throttle_type)),
            _ => Ok(()),
        }
    }

    fn scan(&self, body: &Bytes, fault: Option<Fault>) -> Result<Content, ApiError> {
        let scan = Scan::parse(body)?;
        let (table, state) = self.table(&scan.table)?;
        {
            let mut state = lock(state);
            state.exists(&scan.table)?;
            state.admit(Instant::now())?;
        }
        let page = table.page(&scan)?;
        let half_units = lock(state).charge(&scan, &page, fault.is_none(), Instant::now());
        Ok(Content::page(&scan, page, half_units))
    }

    fn batch_write(&self, body: &Bytes) -> Result<Content, ApiError> {
        if let Some((sink, state)) = self.fast_sink(fast::table_of_batch(body)) {
            let (counted, ready) = sink.batch(body)?;
            lock(state).sink.took(counted);
            return Ok(Content::ready(ready));
        }
        let batch = Batch::parse(body)?;
        let (table, state) = self.table(&batch.table)?;
        let writes = batch.writes(table.sink_shape()?)?;
        let spared = lock(&self.faults).draw_items("BatchWriteItem", writes.len());
        let num_spared = spared.iter().filter(|&&is_spared| is_spared).count() as u64;
        if num_spared > 0 {
            *lock(&self.counts).injected.entry("unprocessed_rate".to_owned()).or_default() += num_spared;
        }
        let mut state = lock(state);
        state.exists(&batch.table)?;
        let written = state.sink.batch(&writes, &spared, Instant::now())?;
        Ok(Content::batch(&batch, &written, &state.sink.capacity.index_names()))
    }

    fn put(&self, body: &Bytes) -> Result<Content, ApiError> {
        if let Some((sink, state)) = self.fast_sink(fast::table_of_put(body)) {
            let (counted, ready) = sink.put();
            lock(state).sink.took(counted);
            return Ok(Content::ready(ready));
        }
        let put = Put::parse(body)?;
        let (table, state) = self.table(&put.table)?;
        let write = put.write(table.sink_shape()?)?;
        let mut state = lock(state);
        state.exists(&put.table)?;
        let written = state.sink.put(&write, put.if_absent, Instant::now())?;
        Ok(Content::put(put.report, &put.table, &written, &state.sink.capacity.index_names()))
    }

    fn fast_sink(&self, table: Option<&str>) -> Option<(&FastSink, &Mutex<TableState>)> {
        let (table, state) = self.tables.get(table?)?;
        Some((table.fast_sink()?, state))
    }

    fn table(&self, name: &str) -> Result<&(Table, Mutex<TableState>), ApiError> {
        self.tables.get(name).ok_or_else(|| ApiError::no_such_table(name))
    }

    fn admin(&self, method: &Method, path: &str, body: &[u8]) -> Result<String, String> {
        let done = || Ok("{}".to_owned());
        match (method, path) {
            (&Method::GET, "/_fake/stats") => {
                serde_json::to_string(&self.stats()).map_err(|error| error.to_string())
            }
            (&Method::POST, "/_fake/reset") => {
                *lock(&self.counts) = Stats::default();
                self.gauge.reset();
                self.tables.values().for_each(|(_, state)| lock(state).reset());
                done()
            }
            (&Method::POST, "/_fake/faults") => {
                let mut faults = lock(&self.faults);
                faults.settings = faults.settings.changed(body)?;
                done()
            }
            (&Method::POST, path) if path.starts_with("/_fake/table/") => {
                let name = path.trim_start_matches("/_fake/table/");
                let change: TableChange = serde_json::from_slice(body).map_err(|error| error.to_string())?;
                let (_, state) = self.tables.get(name).ok_or_else(|| format!("there is no table {name}"))?;
                lock(state).change(change, Instant::now())?;
                done()
            }
            _ => Err(format!("there is no {method} {path}")),
        }
    }

    fn stats(&self) -> Stats {
        let tables = self.tables.iter().map(|(name, (_, state))| (name.clone(), lock(state).stats()));
        Stats { max_concurrent: self.gauge.most(), tables: tables.collect(), ..lock(&self.counts).clone() }
    }
}

/// A lock can be used after its holder panicked: counts and settings are consistent between statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn named_table(body: &[u8]) -> String {
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    api::table_name(request["TableName"].as_str().unwrap_or_default())
}

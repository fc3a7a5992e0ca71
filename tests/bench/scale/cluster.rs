//! A simulated Hadoop cluster: a configuration, a `hadoop` command and a `ResourceManager` that answer as the
//! coordinator expects.

use std::{
    convert::Infallible,
    fs,
    net::Ipv4Addr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tests_support::command::Tablehaul;
use tokio::{net::TcpListener, runtime::Runtime, task::JoinSet};

use crate::Scale;

/// Memory of its one node, in MiB: enough for any number of workers.
const NODE_MB: u64 = 1 << 30;

/// The `hadoop` command: `fs` does nothing, and `jar` becomes the simulated workers.
const COMMAND: &str = r#"#!/bin/sh
# --config FOLDER COMMAND ...
shift 2
case $1 in
fs) exec cat >/dev/null ;;
jar)
  for argument; do
    case $argument in mapreduce.job.credentials.json=*) secrets=${argument#*=} ;; esac
  done
  exec "$BENCH_SCALE" --simulate "$secrets" --result "$BENCH_RESULT" \
    --page "$BENCH_PAGE" --page-secs "$BENCH_PAGE_SECS" \
    --workers "$BENCH_WORKERS" --streams "$BENCH_STREAMS" --secs "$BENCH_SECS"
  ;;
*) exit 2 ;;
esac
"#;

/// The cluster; its `ResourceManager` ends when this is dropped.
pub(crate) struct MadeUp {
    folder: PathBuf,
    _runtime: Runtime,
}

impl MadeUp {
    /// Creates one in a folder.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let address = listener.local_addr()?;
        drop(runtime.spawn(serve(listener)));
        let folder = folder.to_owned();
        let command = folder.join("hadoop");
        fs::write(&command, COMMAND)?;
        fs::set_permissions(&command, fs::Permissions::from_mode(0o755))?;
        fs::write(folder.join("streaming.jar"), "")?;
        fs::write(folder.join("core-site.xml"), site(&[("fs.defaultFS", "file:///")]))?;
        fs::write(folder.join("mapred-site.xml"), site(&[("mapreduce.framework.name", "yarn")]))?;
        let manager = ("yarn.resourcemanager.webapp.address", &*address.to_string());
        fs::write(folder.join("yarn-site.xml"), site(&[manager]))?;
        Ok(Self { folder, _runtime: runtime })
    }

    /// The file in which the simulated workers write the measurements.
    pub(crate) fn result(&self) -> PathBuf {
        self.folder.join("result.json")
    }

    /// The file for the address of the coordinator's page.
    pub(crate) fn page(&self) -> PathBuf {
        self.folder.join("page")
    }

    /// `tablehaul` on this cluster, whose job will be simulated.
    pub(crate) fn command(&self, command: Tablehaul, scale: &Scale) -> anyhow::Result<Tablehaul> {
        let folder = |name: &str| self.folder.join(name).to_string_lossy().into_owned();
        Ok(command
            .args(["--cluster", "yarn", "--hadoop-conf", &folder("")])
            .args(["--streaming-jar", &folder("streaming.jar")])
            .env("HADOOP_CMD", folder("hadoop"))
            .env("BENCH_SCALE", std::env::current_exe()?)
            .env("BENCH_RESULT", self.result())
            .env("BENCH_WORKERS", scale.workers.to_string())
            .env("BENCH_STREAMS", scale.streams.to_string())
            .env("BENCH_SECS", scale.secs.to_string())
            .env("BENCH_PAGE", self.page())
            .env("BENCH_PAGE_SECS", scale.page_secs.to_string()))
    }
}

fn site(properties: &[(&str, &str)]) -> String {
    let property = |(name, value): &(&str, &str)| {
        format!("<property><name>{name}</name><value>{value}</value></property>")
    };
    let properties: String = properties.iter().map(property).collect();
    format!("<configuration>{properties}</configuration>")
}

async fn serve(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let served = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service_fn(answer));
        // The coordinator notices a broken connection.
        connections.spawn(async move { drop(served.await) });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let (status, reply) = reply(&parts.method, parts.uri.path());
    // The next request follows on the same connection.
    drop(body.collect().await);
    let mut response = Response::new(Full::from(reply.to_string()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert("content-type", hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Answers as the `ResourceManager`'s REST API of Hadoop 3.4, with only the fields that the coordinator needs.
fn reply(method: &Method, path: &str) -> (StatusCode, Value) {
    let put = method == Method::PUT;
    let reply = match path.strip_prefix("/ws/v1/cluster/").unwrap_or_default() {
        "info" => {
            json!({"clusterInfo": {"state": "STARTED", "haState": "ACTIVE", "hadoopVersion": "3.4.2"}})
        }
        "nodes" => {
            json!({"nodes": {"node": [{"id": "host0:8041", "availMemoryMB": NODE_MB, "usedMemoryMB": 0,
            "availableVirtualCores": NODE_MB}]}})
        }
        "scheduler" => {
            json!({"scheduler": {"schedulerInfo": {"type": "capacityScheduler", "queueName": "root",
            "queues": {"queue": [{"queueName": "default", "state": "RUNNING", "absoluteMaxCapacity": 100.0}]}}}})
        }
        path if put && path.starts_with("apps/") => json!({}),
        path if path.starts_with("apps/") => json!({"app": {"id": "application_1_0001", "state": "RUNNING",
            "finalStatus": "UNDEFINED", "queue": "default", "diagnostics": ""}}),
        _ => return (StatusCode::NOT_FOUND, json!({})),
    };
    (StatusCode::OK, reply)
}

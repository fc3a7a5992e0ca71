//! A browser with the page open, and what it costs the coordinator: windows of time with and without it, in turn.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tests_support::{http, usage};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

/// How long a browser is open, and then closed.
const WINDOW: Duration = Duration::from_secs(5);
/// The pause of the page's script between two requests.
const REFRESH: Duration = Duration::from_secs(2);

/// What the page costs.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Page {
    /// Bytes of the answers that a browser loads to show the page once, with their heads.
    pub(crate) load_bytes: u64,
    /// The largest `status.json`, which programs ask for.
    pub(crate) status_bytes: u64,
    /// Bytes of all answers, a second, while a browser is open.
    pub(crate) bytes_per_second: f64,
    /// Cores of the coordinator in each window with a browser and in the one without before it.
    pub(crate) with: Vec<f64>,
    /// See `with`.
    pub(crate) without: Vec<f64>,
}

/// Where the page is, and its token.
#[derive(Clone)]
struct Address {
    server: SocketAddr,
    token: String,
}

impl Address {
    /// Of a file with `http://…/#token=…`.
    fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).context("the coordinator told no address of its page")?;
        let (server, token) = text.trim().split_once("/#token=").context("no address of a page")?;
        Ok(Self { server: http::address(server), token: token.to_owned() })
    }

    async fn ask(&self, path: &str) -> anyhow::Result<TcpStream> {
        let Self { server, token } = self;
        let mut stream = TcpStream::connect(server).await?;
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {server}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        Ok(stream)
    }

    /// The bytes of an answer.
    async fn get(&self, path: &str) -> anyhow::Result<u64> {
        let mut answer = Vec::new();
        self.ask(path).await?.read_to_end(&mut answer).await?;
        if !answer.starts_with(b"HTTP/1.1 200") {
            bail!("{path}: {}", String::from_utf8_lossy(&answer[..answer.len().min(80)]));
        }
        Ok(answer.len() as u64)
    }
}

/// Measures until `time` is over.
pub(crate) async fn measure(file: &Path, coordinator: u32, time: Duration) -> anyhow::Result<Page> {
    let address = Address::read(file)?;
    let cpu = || usage::cpu(coordinator).map(|cpu| cpu.own).context("the coordinator");
    let (bytes, status_bytes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut load_bytes = 0;
    for path in ["/", "/page.css", "/page.js", "/body"] {
        load_bytes += address.get(path).await?;
    }
    let (mut with, mut without) = (Vec::new(), Vec::new());
    let until = Instant::now() + time;
    while Instant::now() < until {
        for (has_browser, cores) in [(false, &mut without), (true, &mut with)] {
            let mut browser = JoinSet::new();
            if has_browser {
                browser.spawn(refresh(address.clone(), bytes.clone(), status_bytes.clone()));
                browser.spawn(listen(address.clone(), bytes.clone()));
            }
            let (before, since) = (cpu()?, Instant::now());
            tokio::select! {
                () = sleep(WINDOW) => {}
                Some(ended) = browser.join_next() => ended?.context("the page")?,
            }
            cores.push(cpu()?.saturating_sub(before).as_secs_f64() / since.elapsed().as_secs_f64());
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let bytes_per_second = bytes.load(Relaxed) as f64 / (WINDOW.as_secs_f64() * with.len() as f64);
    Ok(Page { load_bytes, status_bytes: status_bytes.load(Relaxed), bytes_per_second, with, without })
}

/// What the page's script does, and a program that asks for the status as often.
async fn refresh(address: Address, bytes: Arc<AtomicU64>, status: Arc<AtomicU64>) -> anyhow::Result<()> {
    loop {
        let (body, json) = (address.get("/body").await?, address.get("/status.json").await?);
        bytes.fetch_add(body + json, Relaxed);
        status.fetch_max(json, Relaxed);
        sleep(REFRESH).await;
    }
}

/// A program that gets each change.
async fn listen(address: Address, bytes: Arc<AtomicU64>) -> anyhow::Result<()> {
    let mut events = address.ask("/events").await?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match events.read(&mut buffer).await? {
            0 => bail!("the events ended"),
            read => bytes.fetch_add(read as u64, Relaxed),
        };
    }
}

impl Page {
    /// The mean of what a browser adds to the coordinator's cores, and the standard error of that mean.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(crate) fn added_cores(&self) -> (f64, f64) {
        let added: Vec<f64> =
            self.with.iter().zip(&self.without).map(|(with, without)| with - without).collect();
        let number = added.len().max(1) as f64;
        let mean = added.iter().sum::<f64>() / number;
        let squares: f64 = added.iter().map(|one| (one - mean).powi(2)).sum();
        (mean, (squares / (number - 1.0).max(1.0) / number).sqrt())
    }
}

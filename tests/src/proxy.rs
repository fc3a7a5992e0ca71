//! A network that fails: forwards connections to a server on loopback, and delays, tears, refuses, holds or cuts
//! them as the test says.

use crate::http;
use crate::rng::Rng;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes forwarded at once. A torn connection ends within a piece of this size.
const PIECE_BYTES: usize = 32 * 1024;
/// One piece of this many is delayed.
const DELAYED_ONE_IN: u64 = 8;

/// What goes wrong with connections while traffic flows.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetworkFaults {
    /// The share of connections that are closed as soon as they are accepted, from 0 to 1.
    pub refused: f64,
    /// The share of pieces (of 32 KiB at most) that are cut short, after which the connection is closed.
    pub torn: f64,
    /// The longest delay of a piece. One piece in eight is delayed.
    pub delay: Duration,
}

/// Whether traffic flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// It flows.
    Open,
    /// Connections stay open, but nothing is forwarded.
    Held,
    /// Connections are closed, and new ones are closed at once.
    Cut,
}

/// A running proxy. Dropping it closes all connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    settings: watch::Sender<(Traffic, NetworkFaults)>,
    runtime: Option<Runtime>,
}

impl Proxy {
    /// Starts to forward connections to the server at a URL such as `http://127.0.0.1:8000`. The server need not
    /// listen yet.
    ///
    /// # Panics
    /// If it is not such a URL, or no port is free.
    #[track_caller]
    pub fn start(endpoint: &str, network_faults: NetworkFaults, rng: Rng) -> Self {
        let server = http::address(endpoint);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (settings, set) = watch::channel((Traffic::Open, network_faults));
        let rng = Arc::new(Mutex::new(rng));
        runtime.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections
                    .spawn(Connection { rng: Arc::clone(&rng), settings: set.clone() }.pass(client, server));
            }
        });
        Self { address, settings, runtime: Some(runtime) }
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets traffic flow, or not.
    pub fn set(&self, traffic: Traffic) {
        self.settings.send_modify(|settings| settings.0 = traffic);
    }

    /// Changes what goes wrong with connections.
    pub fn change(&self, network_faults: NetworkFaults) {
        self.settings.send_modify(|settings| settings.1 = network_faults);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One connection.
#[derive(Clone)]
struct Connection {
    rng: Arc<Mutex<Rng>>,
    settings: watch::Receiver<(Traffic, NetworkFaults)>,
}

impl Connection {
    async fn pass(self, client: TcpStream, server: SocketAddr) {
        let (traffic, network_faults) = *self.settings.borrow();
        if traffic == Traffic::Cut || self.chance(network_faults.refused) {
            return;
        }
        let Ok(server) = TcpStream::connect(server).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let mut settings = self.settings.clone();
        tokio::select! {
            () = self.clone().carry(from_client, to_server) => {}
            () = self.carry(from_server, to_client) => {}
            _ = settings.wait_for(|(traffic, _)| *traffic == Traffic::Cut) => {}
        }
    }

    /// Forwards one direction, until either side closes or the connection is torn.
    async fn carry(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            let settings = self.settings.wait_for(|(traffic, _)| *traffic != Traffic::Held).await;
            let Ok((_, network_faults)) = settings.map(|settings| *settings) else { return };
            if let Some(delay) = self.delay(network_faults.delay) {
                tokio::time::sleep(delay).await;
            }
            let is_torn = self.chance(network_faults.torn);
            let length = if is_torn { self.part_of(length) } else { length };
            if to.write_all(&piece[..length]).await.is_err() || is_torn {
                return;
            }
        }
    }

    fn delay(&self, longest: Duration) -> Option<Duration> {
        let mut rng = self.rng();
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        (micros > 0 && rng.once_in(DELAYED_ONE_IN)).then(|| Duration::from_micros(rng.below(micros)))
    }

    fn chance(&self, share: f64) -> bool {
        self.rng().chance(share)
    }

    fn part_of(&self, length: usize) -> usize {
        usize::try_from(self.rng().below(length as u64)).unwrap_or(0)
    }

    fn rng(&self) -> MutexGuard<'_, Rng> {
        self.rng.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read, Write};
    use std::net;

    const LONG: usize = 500_000;
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A server that answers each connection with many bytes, and a proxy in front of it.
    fn proxy(network_faults: NetworkFaults) -> Proxy {
        let listener = net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut client = client;
                let _ = client.write_all(&vec![7; LONG]);
            }
        });
        Proxy::start(&endpoint, network_faults, Rng::new(1))
    }

    /// The number of bytes that arrive before the connection ends.
    fn read(client: &mut net::TcpStream) -> usize {
        let mut bytes = Vec::new();
        // A reset ends the connection as well.
        let _ = client.read_to_end(&mut bytes);
        bytes.len()
    }

    fn connect(proxy: &Proxy) -> net::TcpStream {
        let client = net::TcpStream::connect(proxy.address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }

    #[test]
    fn without_faults_everything_arrives() {
        let proxy = proxy(NetworkFaults { delay: Duration::from_millis(2), ..NetworkFaults::default() });
        assert_eq!(read(&mut connect(&proxy)), LONG);
    }

    #[test]
    fn refused_and_cut_connections_give_nothing_and_torn_ones_give_a_part() {
        let proxy = proxy(NetworkFaults { refused: 1.0, ..NetworkFaults::default() });
        assert_eq!(read(&mut connect(&proxy)), 0);
        proxy.change(NetworkFaults { torn: 0.1, ..NetworkFaults::default() });
        assert!((0..20).map(|_| read(&mut connect(&proxy))).any(|length| length > 0 && length < LONG));
        proxy.change(NetworkFaults::default());
        proxy.set(Traffic::Cut);
        assert_eq!(read(&mut connect(&proxy)), 0);
    }

    #[test]
    fn held_traffic_arrives_later() {
        let proxy = proxy(NetworkFaults::default());
        proxy.set(Traffic::Held);
        let mut client = connect(&proxy);
        client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let held = client.read(&mut [0]).map_err(|error| error.kind());
        assert!(matches!(held, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{held:?}");
        proxy.set(Traffic::Open);
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(read(&mut client), LONG);
    }
}

//! A network that fails: passes connections on to a server on loopback, and delays, tears, refuses, holds or
//! cuts them as it is told.

use crate::dice::Dice;
use crate::http;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes read at once; what is torn is torn within so many.
const PIECE_BYTES: usize = 32 * 1024;
/// Of so many pieces one is delayed.
const DELAYED_ONE_IN: u64 = 8;

/// What happens to connections while they may pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Share of connections that are closed as soon as they are made, from 0 to 1.
    pub refused: f64,
    /// Share of pieces (of 32 KiB at most) of which only a part is passed on before the connection is closed.
    pub torn: f64,
    /// The longest that a piece is delayed; one in eight is.
    pub delay: Duration,
}

/// Whether anything passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It does.
    Open,
    /// Connections stay, and nothing passes.
    Held,
    /// Connections are closed, new ones at once.
    Cut,
}

/// A running proxy; all connections are closed when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    told: watch::Sender<(Passage, Weather)>,
    runtime: Option<Runtime>,
}

impl Proxy {
    /// Begins to pass connections on to the server at a URL such as `http://127.0.0.1:8000`, which need not listen
    /// yet.
    ///
    /// # Panics
    /// When that is no such URL, or it can't listen.
    #[track_caller]
    pub fn start(endpoint: &str, weather: Weather, dice: Dice) -> Self {
        let server = http::address(endpoint);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (told, heard) = watch::channel((Passage::Open, weather));
        let dice = Arc::new(Mutex::new(dice));
        runtime.spawn(async move {
            let mut roads = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while roads.try_join_next().is_some() {}
                roads.spawn(Road { dice: Arc::clone(&dice), heard: heard.clone() }.pass(client, server));
            }
        });
        Self { address, told, runtime: Some(runtime) }
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets connections pass, or not.
    pub fn set(&self, passage: Passage) {
        self.told.send_modify(|told| told.0 = passage);
    }

    /// Changes what happens to those that pass.
    pub fn change(&self, weather: Weather) {
        self.told.send_modify(|told| told.1 = weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What one connection goes by.
#[derive(Clone)]
struct Road {
    dice: Arc<Mutex<Dice>>,
    heard: watch::Receiver<(Passage, Weather)>,
}

impl Road {
    async fn pass(self, client: TcpStream, server: SocketAddr) {
        let (passage, weather) = *self.heard.borrow();
        if passage == Passage::Cut || self.chance(weather.refused) {
            return;
        }
        let Ok(server) = TcpStream::connect(server).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let mut heard = self.heard.clone();
        tokio::select! {
            () = self.clone().carry(from_client, to_server) => {}
            () = self.carry(from_server, to_client) => {}
            _ = heard.wait_for(|(passage, _)| *passage == Passage::Cut) => {}
        }
    }

    /// One direction, until either side is gone or it is torn.
    async fn carry(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            let heard = self.heard.wait_for(|(passage, _)| *passage != Passage::Held).await;
            let Ok((_, weather)) = heard.map(|heard| *heard) else { return };
            if let Some(delay) = self.delay(weather.delay) {
                tokio::time::sleep(delay).await;
            }
            let is_torn = self.chance(weather.torn);
            let length = if is_torn { self.part_of(length) } else { length };
            if to.write_all(&piece[..length]).await.is_err() || is_torn {
                return;
            }
        }
    }

    fn delay(&self, longest: Duration) -> Option<Duration> {
        let mut dice = self.dice();
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        (micros > 0 && dice.once_in(DELAYED_ONE_IN)).then(|| Duration::from_micros(dice.below(micros)))
    }

    fn chance(&self, share: f64) -> bool {
        self.dice().chance(share)
    }

    fn part_of(&self, length: usize) -> usize {
        usize::try_from(self.dice().below(length as u64)).unwrap_or(0)
    }

    fn dice(&self) -> MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read, Write};
    use std::net;

    const LONG: usize = 500_000;
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A server that answers each connection with many bytes, and a proxy before it.
    fn proxy(weather: Weather) -> Proxy {
        let listener = net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut client = client;
                let _ = client.write_all(&vec![7; LONG]);
            }
        });
        Proxy::start(&endpoint, weather, Dice::new(1))
    }

    /// How many bytes come before the connection ends.
    fn read(client: &mut net::TcpStream) -> usize {
        let mut bytes = Vec::new();
        // A reset is an end, too.
        let _ = client.read_to_end(&mut bytes);
        bytes.len()
    }

    fn connect(proxy: &Proxy) -> net::TcpStream {
        let client = net::TcpStream::connect(proxy.address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client
    }

    #[test]
    fn in_good_weather_everything_passes() {
        let proxy = proxy(Weather { delay: Duration::from_millis(2), ..Weather::default() });
        assert_eq!(read(&mut connect(&proxy)), LONG);
    }

    #[test]
    fn refused_and_cut_connections_give_nothing_and_torn_ones_a_part() {
        let proxy = proxy(Weather { refused: 1.0, ..Weather::default() });
        assert_eq!(read(&mut connect(&proxy)), 0);
        proxy.change(Weather { torn: 0.1, ..Weather::default() });
        assert!((0..20).map(|_| read(&mut connect(&proxy))).any(|length| length > 0 && length < LONG));
        proxy.change(Weather::default());
        proxy.set(Passage::Cut);
        assert_eq!(read(&mut connect(&proxy)), 0);
    }

    #[test]
    fn what_is_held_comes_later() {
        let proxy = proxy(Weather::default());
        proxy.set(Passage::Held);
        let mut client = connect(&proxy);
        client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let held = client.read(&mut [0]).map_err(|error| error.kind());
        assert!(matches!(held, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{held:?}");
        proxy.set(Passage::Open);
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(read(&mut client), LONG);
    }
}

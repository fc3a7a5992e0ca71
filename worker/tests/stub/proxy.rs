//! A network between worker and coordinator that can fail silently.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// What happens to bytes in transit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    Flows,
    /// They wait, as if the receiving process were stopped.
    Waits,
    /// They are lost, as if the receiving machine were lost.
    IsLost,
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    traffic: watch::Sender<Traffic>,
    _passing: JoinSet<()>,
}

impl Proxy {
    /// Passes one connection on to `to`.
    pub(crate) async fn start(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (traffic, watch) = watch::channel(Traffic::Flows);
        let mut passing = JoinSet::new();
        passing.spawn(async move {
            let (near, _) = listener.accept().await.unwrap();
            let (near_read, near_write) = near.into_split();
            let (far_read, far_write) = TcpStream::connect(to).await.unwrap().into_split();
            tokio::join!(pass(near_read, far_write, watch.clone()), pass(far_read, near_write, watch));
        });
        Self { address, traffic, _passing: passing }
    }

    pub(crate) fn set(&self, traffic: Traffic) {
        self.traffic.send_replace(traffic);
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut traffic: watch::Receiver<Traffic>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let now = *traffic.wait_for(|&now| now != Traffic::Waits).await.unwrap();
        if now == Traffic::Flows && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

//! Decides which connections may stay. Unauthenticated connections are limited in number and time, so that workers can
//! connect however many strangers do.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::Sleep,
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::transport::server::Connected;

/// The most connections that have not yet said hello with the job's token. Further ones are closed at once.
pub(super) const MAX_UNAUTHENTICATED: usize = 512;
/// Accepted connections that wait for the server to take them.
const QUEUE: usize = 64;
/// Pause after an error of `accept`, such as a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The connections that are passed to the server. Never yields an error, because that would end the server.
pub(super) struct Accepted {
    connections: ReceiverStream<io::Result<Guarded>>,
    _accepting: JoinSet<()>,
}

impl Stream for Accepted {
    type Item = io::Result<Guarded>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.connections).poll_next(context)
    }
}

/// Accepts connections until the returned stream is dropped. Closes an unauthenticated connection after `limit`.
pub(super) fn accept(listener: TcpListener, max_unauthenticated: usize, limit: Duration) -> Accepted {
    let (sender, connections) = mpsc::channel(QUEUE);
    let places = Arc::new(Semaphore::new(max_unauthenticated));
    let mut accepting = JoinSet::new();
    accepting.spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Dropped, and so closed, if there are too many unauthenticated ones.
                    let Ok(place) = places.clone().try_acquire_owned() else { continue };
                    let _ = stream.set_nodelay(true);
                    let _ = sender.send(Ok(Guarded::new(stream, place, limit))).await;
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    });
    Accepted { connections: ReceiverStream::new(connections), _accepting: accepting }
}

/// The permit of an unauthenticated connection, held until it is authenticated.
#[derive(Clone)]
pub(super) struct Admission(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Admission {
    /// Lets the connection stay, and frees its permit for another one.
    pub(super) fn let_in(&self) {
        self.place().take();
    }

    fn is_let_in(&self) -> bool {
        self.place().is_none()
    }

    fn place(&self) -> std::sync::MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that fails if it is not authenticated in time.
pub(super) struct Guarded {
    stream: TcpStream,
    pass: Admission,
    /// `None` once it can no longer expire.
    time: Option<Pin<Box<Sleep>>>,
}

impl Guarded {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit, limit: Duration) -> Self {
        let pass = Admission(Arc::new(Mutex::new(Some(place))));
        Self { stream, pass, time: Some(Box::pin(tokio::time::sleep(limit))) }
    }

    fn has_time(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let Some(time) = &mut self.time else { return Ok(()) };
        if time.as_mut().poll(context).is_ready() {
            if !self.pass.is_let_in() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "sent no hello"));
            }
            self.time = None;
        }
        Ok(())
    }
}

impl Connected for Guarded {
    type ConnectInfo = Admission;

    fn connect_info(&self) -> Admission {
        self.pass.clone()
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.has_time(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio_stream::StreamExt;

    const SHORT: Duration = Duration::from_millis(50);

    async fn listening() -> (TcpListener, std::net::SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test]
    async fn a_stranger_is_cut_off_and_one_that_was_let_in_is_not() {
        let (listener, address) = listening().await;
        let mut accepted = accept(listener, 8, SHORT);
        let _silent = TcpStream::connect(address).await.unwrap();
        let mut silent = accepted.next().await.unwrap().unwrap();
        assert_eq!(silent.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let _known = TcpStream::connect(address).await.unwrap();
        let mut known = accepted.next().await.unwrap().unwrap();
        known.connect_info().let_in();
        assert!(tokio::time::timeout(4 * SHORT, known.read_u8()).await.is_err(), "it may be silent");
    }

    #[tokio::test]
    async fn there_is_no_place_for_many_strangers_but_one_for_each_that_is_let_in() {
        let (listener, address) = listening().await;
        let mut accepted = accept(listener, 1, Duration::from_mins(1));
        let _first = TcpStream::connect(address).await.unwrap();
        let first = accepted.next().await.unwrap().unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        assert_eq!(second.read(&mut [0]).await.unwrap(), 0, "closed at once");
        first.connect_info().let_in();
        let _third = TcpStream::connect(address).await.unwrap();
        assert!(accepted.next().await.unwrap().is_ok());
    }
}

//! A simulated worker's connection: TLS and gRPC as in the real worker, over a socket that counts bytes.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use anyhow::Context as _;
use hyper_util::rt::TokioIo;
use job::{
    control::{Boot, FromWorker, SERVER_NAME, wire},
    ids::PassNumber,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::mpsc,
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{
    Request, Streaming,
    codegen::{Service, http::Uri},
    transport::{Certificate, ClientTlsConfig, Endpoint},
};

use crate::tally::Tally;

#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
mod stub {
    include!(concat!(env!("OUT_DIR"), "/tablehaul.control.v1.rs"));
}

/// Opens the stream and sends `messages` on it.
pub(crate) async fn open(
    boot: &Boot,
    tally: &Arc<Tally>,
    messages: mpsc::Receiver<FromWorker>,
) -> anyhow::Result<Streaming<wire::ToWorker>> {
    let tls =
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&boot.ca_pem)).domain_name(SERVER_NAME);
    let endpoint = Endpoint::from_shared(boot.coordinator.clone())?.tls_config(tls)?;
    let channel = endpoint.connect_with_connector(Connector(tally.clone())).await.context("connecting")?;
    let mut request = Request::new(ReceiverStream::new(messages).map(in_first_pass));
    request.metadata_mut().insert("authorization", format!("Bearer {}", boot.token).parse()?);
    Ok(stub::control_client::ControlClient::new(channel).work(request).await?.into_inner())
}

/// An export has one pass.
fn in_first_pass(message: FromWorker) -> wire::FromWorker {
    wire::FromWorker::in_pass(PassNumber(1), message)
}

struct Connector(Arc<Tally>);

impl Service<Uri> for Connector {
    type Response = TokioIo<Counted>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tally = self.0.clone();
        Box::pin(async move {
            let address = uri.authority().map(ToString::to_string).unwrap_or_default();
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(Counted { stream, tally }))
        })
    }
}

struct Counted {
    stream: TcpStream,
    tally: Arc<Tally>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.tally.receive(buffer.filled().len() - before);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            self.tally.send(written);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

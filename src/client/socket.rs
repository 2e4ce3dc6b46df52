//! Connections to a daemon on this machine by its break-glass socket.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tower::Service;

/// Connects to one socket, whatever the URL says.
#[derive(Clone, Debug)]
pub(super) struct SocketConnector(pub(super) Arc<PathBuf>);

/// A connection through a socket.
pub(super) struct SocketStream(TokioIo<UnixStream>);

impl Service<Uri> for SocketConnector {
    type Response = SocketStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<SocketStream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let path = self.0.clone();
        Box::pin(async move { Ok(SocketStream(TokioIo::new(UnixStream::connect(path.as_path()).await?))) })
    }
}

impl Connection for SocketStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for SocketStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for SocketStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

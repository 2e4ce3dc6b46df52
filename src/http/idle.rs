//! Connections nobody uses are closed: otherwise a few thousand of them, opened and left, would take every place there is.
//!
//! The library's own limits begin with a request's first byte, so neither a client that never sends one nor an HTTP/2 client
//! that only answers pings would meet them. A connection is in use while a request is being answered and while its answer is
//! still being taken; what a client merely sends does not count.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// When a connection was last used. Clones share it.
#[derive(Clone)]
pub struct Use(Arc<State>);

struct State {
    begun: Instant,
    /// Milliseconds from the beginning to the last end of a request or progress of an answer.
    last: AtomicU64,
    open_requests: AtomicUsize,
}

impl Use {
    /// Of a connection that begins now.
    pub fn begin() -> Self {
        Self(Arc::new(State { begun: Instant::now(), last: AtomicU64::new(0), open_requests: AtomicUsize::new(0) }))
    }

    /// Returns when it was not used for so long.
    pub async fn ended(&self, after: Duration) {
        loop {
            let unused_since = match self.0.open_requests.load(Ordering::Relaxed) {
                0 => self.0.begun + Duration::from_millis(self.0.last.load(Ordering::Relaxed)),
                _ => Instant::now(),
            };
            if unused_since.elapsed() >= after {
                return;
            }
            tokio::time::sleep_until(unused_since + after).await;
        }
    }

    /// Counts a request as open until the value is dropped.
    pub fn request(&self) -> OpenRequest {
        self.0.open_requests.fetch_add(1, Ordering::Relaxed);
        OpenRequest(self.clone())
    }

    /// The stream, what is written to it noted.
    pub fn watch<S>(&self, stream: S) -> Watched<S> {
        Watched { stream, usage: self.clone() }
    }

    fn note(&self) {
        let milliseconds = u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last.store(milliseconds, Ordering::Relaxed);
    }
}

/// A request that is being answered.
pub struct OpenRequest(Use);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.note();
        self.0.0.open_requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that notes what its client takes.
pub struct Watched<S> {
    stream: S,
    usage: Use,
}

impl<S> Watched<S> {
    fn noted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.usage.note();
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.noted(written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SHORT: Duration = Duration::from_millis(60);

    async fn has_ended(usage: &Use) -> bool {
        tokio::time::timeout(Duration::from_millis(1), usage.ended(SHORT)).await.is_ok()
    }

    #[tokio::test]
    async fn a_connection_is_in_use_while_a_request_is_open_or_its_answer_is_taken() {
        let usage = Use::begin();
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut ours = usage.watch(ours);
        let request = usage.request();
        tokio::time::sleep(2 * SHORT).await;
        assert!(!has_ended(&usage).await);
        drop(request);
        for _ in 0..4 {
            tokio::time::sleep(SHORT / 2).await;
            ours.write_all(b"answer").await.unwrap();
            assert!(!has_ended(&usage).await);
        }
        tokio::time::sleep(2 * SHORT).await;
        theirs.write_all(b"a byte now and then").await.unwrap();
        ours.read_u8().await.unwrap();
        assert!(has_ended(&usage).await);
    }
}

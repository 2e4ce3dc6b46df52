//! Connections nobody uses are closed, and those whose client takes an answer too slowly: otherwise a few thousand of them, opened and
//! left, would take every place there is.
//!
//! The library's own limits begin with a request's first byte, so neither a client that never sends one nor an HTTP/2 client
//! that only answers pings would meet them. A connection is in use while a request is being answered, which lasts until the last piece of
//! its answer was given away, and while the kernel takes no more of what is sent; what a client merely sends does not count, nor do the
//! answers to its pings.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// When a connection was last used. Clones share it.
#[derive(Clone)]
pub struct Use(Arc<State>);

struct State {
    begun: Instant,
    /// Milliseconds from the beginning to the last end of a request or of a wait for the client to take more.
    last: AtomicU64,
    open_requests: AtomicUsize,
    /// Whether there was a first request.
    is_begun: AtomicBool,
    /// Bytes of answers that were taken.
    taken: AtomicU64,
    /// Whether more of an answer waits to be taken.
    is_waiting: AtomicBool,
    taking: Taking,
}

/// How fast an answer has to be taken at least, once it waits for that.
#[derive(Clone, Copy, Debug)]
pub struct Taking {
    /// So many bytes...
    pub least: u64,
    /// ...in each such time.
    pub time: Duration,
    /// How often a connection is looked at.
    pub look: Duration,
}

/// How a connection ended that its client did too little with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neglect {
    Unused,
    TakenTooSlowly,
}

impl Use {
    /// Of a connection that begins now.
    pub fn begin(taking: Taking) -> Self {
        Self(Arc::new(State {
            begun: Instant::now(),
            last: AtomicU64::new(0),
            open_requests: AtomicUsize::new(0),
            is_begun: AtomicBool::new(false),
            taken: AtomicU64::new(0),
            is_waiting: AtomicBool::new(false),
            taking,
        }))
    }

    /// Returns when it was not used for so long, which `patience` says each time, of a connection before its first request and
    /// of any other; or when an answer is taken too slowly.
    pub async fn neglected(&self, patience: impl Fn(Begun) -> Duration) -> Neglect {
        let Taking { least, time, look } = self.0.taking;
        let mut slow_since: Option<(Instant, u64)> = None;
        loop {
            let now = Instant::now();
            let begun = if self.0.is_begun.load(Ordering::Relaxed) { Begun::Yes } else { Begun::NotYet };
            let is_taken = begun == Begun::Yes && self.0.is_waiting.load(Ordering::Relaxed);
            let unused_since = match self.0.open_requests.load(Ordering::Relaxed) {
                0 if !is_taken => self.0.begun + Duration::from_millis(self.0.last.load(Ordering::Relaxed)),
                _ => now,
            };
            let patience = patience(begun);
            if now.saturating_duration_since(unused_since) >= patience {
                return Neglect::Unused;
            }
            let taken = self.0.taken.load(Ordering::Relaxed);
            slow_since = match slow_since {
                _ if !self.0.is_waiting.load(Ordering::Relaxed) => None,
                Some((since, before)) if now.saturating_duration_since(since) >= time => {
                    if taken.saturating_sub(before) < least {
                        return Neglect::TakenTooSlowly;
                    }
                    Some((now, taken))
                }
                Some(since) => Some(since),
                None => Some((now, taken)),
            };
            tokio::time::sleep_until((unused_since + patience).min(now + look)).await;
        }
    }

    /// Counts a request as open until the value is dropped.
    pub fn request(&self) -> OpenRequest {
        self.0.is_begun.store(true, Ordering::Relaxed);
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

/// Whether a connection has had its first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    NotYet,
    Yes,
}

/// A request that is being answered, until all of its answer was given away.
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
        self.waits(written.is_pending());
        if let Poll::Ready(Ok(bytes @ 1..)) = &written {
            self.usage.0.taken.fetch_add(*bytes as u64, Ordering::Relaxed);
        }
        written
    }

    fn waits(&self, is_waiting: bool) {
        if self.usage.0.is_waiting.swap(is_waiting, Ordering::Relaxed) && !is_waiting {
            self.usage.note();
        }
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
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.waits(flushed.is_pending());
        flushed
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
    const TAKING: Taking = Taking { least: 0, time: SHORT, look: SHORT };

    async fn has_ended(usage: &Use) -> bool {
        tokio::time::timeout(Duration::from_millis(1), usage.neglected(|_| SHORT)).await.is_ok()
    }

    #[tokio::test]
    async fn the_first_request_is_waited_for_by_its_own_patience() {
        let patience = |begun| if begun == Begun::NotYet { SHORT } else { 20 * SHORT };
        let begun = Instant::now();
        assert_eq!(Use::begin(TAKING).neglected(patience).await, Neglect::Unused);
        let first = begun.elapsed();
        let usage = Use::begin(TAKING);
        drop(usage.request());
        let begun = Instant::now();
        assert_eq!(usage.neglected(patience).await, Neglect::Unused);
        assert!(first >= SHORT && begun.elapsed() >= 19 * SHORT, "{first:?}");
    }

    #[tokio::test]
    async fn who_takes_an_answer_byte_by_byte_is_left_and_who_takes_it_well_is_not() {
        let paced = Taking { look: SHORT, time: 16 * SHORT, least: 1_000 };
        for (each, neglect) in [(1, Neglect::TakenTooSlowly), (4_096, Neglect::Unused)] {
            let usage = Use::begin(paced);
            let (ours, mut theirs) = tokio::io::duplex(64);
            let mut ours = usage.watch(ours);
            let answering = tokio::spawn(async move {
                let _ = ours.write_all(&vec![7; 400_000]).await;
                ours
            });
            let taking = tokio::spawn(async move {
                let mut piece = vec![0; each];
                while theirs.read_exact(&mut piece).await.is_ok() {
                    tokio::time::sleep(SHORT / 4).await;
                }
            });
            assert_eq!(usage.neglected(|_| 40 * SHORT).await, neglect);
            assert_eq!(answering.is_finished(), neglect == Neglect::Unused);
            taking.abort();
        }
    }

    #[tokio::test]
    async fn a_connection_is_in_use_while_a_request_is_open_or_its_answer_waits_to_be_taken() {
        let usage = Use::begin(TAKING);
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut ours = usage.watch(ours);
        let request = usage.request();
        tokio::time::sleep(2 * SHORT).await;
        assert!(!has_ended(&usage).await);
        drop(request);
        // The answer's last bytes: what has no room waits.
        let writing = tokio::spawn(async move {
            ours.write_all(&[7; 100]).await.unwrap();
            ours
        });
        while !usage.0.is_waiting.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(2 * SHORT).await;
        assert!(!has_ended(&usage).await);
        theirs.read_exact(&mut [0; 100]).await.unwrap();
        let mut ours = writing.await.unwrap();
        assert!(!has_ended(&usage).await);
        // What is answered to a client that only sends is no use.
        tokio::time::sleep(2 * SHORT).await;
        theirs.write_all(b"ping").await.unwrap();
        ours.read_exact(&mut [0; 4]).await.unwrap();
        ours.write_all(b"pong").await.unwrap();
        assert!(has_ended(&usage).await);
    }
}

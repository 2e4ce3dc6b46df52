//! An answer on its way to its client: its request is open until its last piece is given away, and over HTTP/2 it is given up when its client
//! takes nothing of it for too long.
//!
//! A client of HTTP/2 says of each request how much of its answer may be sent (RFC 9113, 5.2). One that says nothing holds what the answer
//! holds, a hundred times over on one connection, and answering pings meanwhile looks like use. Over HTTP/1.1 an answer that is not taken is
//! a connection that does not take it, which [`super::idle`] sees.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::{Instant, Sleep};

use super::idle::OpenRequest;

/// What is given away at a time over HTTP/2. What a client does not let the library send stays with the library, out of our sight once it
/// was the last: so it is little.
const PIECE: usize = 8 * 1024;

tokio::task_local! {
    /// How far the answer is that this task works at.
    static PROGRESS: Arc<Progress>;
}

/// Since when an answer waits for its client.
#[derive(Debug)]
pub struct Progress {
    begun: Instant,
    /// Milliseconds from the beginning, and one; zero while the client waits for us.
    waits_since: AtomicU64,
}

impl Progress {
    fn begin() -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), waits_since: AtomicU64::new(0) })
    }

    /// That of the request this task answers; none outside of HTTP/2.
    pub fn current() -> Option<Arc<Self>> {
        PROGRESS.try_with(Arc::clone).ok()
    }

    fn waits(&self) {
        let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        self.waits_since.store(now, Ordering::Relaxed);
    }

    fn is_asked_for(&self) {
        self.waits_since.store(0, Ordering::Relaxed);
    }

    fn waits_since(&self) -> Option<Instant> {
        match self.waits_since.load(Ordering::Relaxed) {
            0 => None,
            since => Some(self.begun + Duration::from_millis(since - 1)),
        }
    }
}

/// The body of an answer.
pub struct Answer {
    body: Body,
    /// What is left of a piece that was too long to be given away at once.
    rest: Bytes,
    progress: Option<Arc<Progress>>,
    /// Dropped with the body.
    _open: OpenRequest,
}

impl Answer {
    pub fn new(body: Body, open: OpenRequest, progress: Option<Arc<Progress>>) -> Self {
        if let Some(progress) = &progress {
            progress.waits();
        }
        Self { body, rest: Bytes::new(), progress, _open: open }
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Some(progress) = &this.progress else { return Pin::new(&mut this.body).poll_frame(context) };
        if this.rest.is_empty() {
            progress.is_asked_for();
            // What wakes the task has something to give, so from then on it is the client that is waited for.
            let waker = Waker::from(Arc::new(Woken { progress: progress.clone(), task: context.waker().clone() }));
            match Pin::new(&mut this.body).poll_frame(&mut Context::from_waker(&waker)) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => this.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                Poll::Ready(end) => return Poll::Ready(end),
            }
        }
        progress.waits();
        let length = this.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (left, body) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(left));
        }
        hint.set_lower(body.lower().saturating_add(left));
        hint
    }
}

/// Wakes a task, and notes that its answer waits for the client.
struct Woken {
    progress: Arc<Progress>,
    task: Waker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.progress.waits();
        self.task.wake_by_ref();
    }
}

/// Runs the answers of HTTP/2 connections, and gives up those that wait for so long. To drop one resets its request (RFC 9113, 6.4) and
/// leaves the others of its connection alone.
#[derive(Clone, Copy, Debug)]
pub struct Answering {
    pub patience: Duration,
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Answering {
    fn execute(&self, work: F) {
        let answering = Patient { work: Box::pin(work), progress: Progress::begin(), patience: self.patience, end: None };
        tokio::spawn(answering);
    }
}

struct Patient<F> {
    work: Pin<Box<F>>,
    progress: Arc<Progress>,
    patience: Duration,
    /// When it is looked again.
    end: Option<Pin<Box<Sleep>>>,
}

impl<F: Future> Future for Patient<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if PROGRESS.sync_scope(this.progress.clone(), || this.work.as_mut().poll(context)).is_ready() {
            return Poll::Ready(());
        }
        loop {
            let Some(since) = this.progress.waits_since() else {
                this.end = None;
                return Poll::Pending;
            };
            let end = since + this.patience;
            if Instant::now() >= end {
                return Poll::Ready(());
            }
            let sleep = this.end.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
            if sleep.deadline() != end {
                sleep.as_mut().reset(end);
            }
            if sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use futures_util::stream;
    use http_body_util::BodyExt;

    use super::*;
    use crate::http::idle::{Taking, Use};

    const SHORT: Duration = Duration::from_millis(60);

    fn open() -> OpenRequest {
        Use::begin(Taking { least: 0, time: SHORT, look: SHORT }).request()
    }

    #[tokio::test]
    async fn an_answer_is_given_away_in_small_pieces_and_whole() {
        let whole: Vec<u8> = (0..3 * PIECE + 5).map(|n| n as u8).collect();
        let mut answer = Answer::new(Body::from(whole.clone()), open(), Some(Progress::begin()));
        assert_eq!(hyper::body::Body::size_hint(&answer).exact(), Some(whole.len() as u64));
        let mut taken = Vec::new();
        while let Some(frame) = answer.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            assert!(piece.len() <= PIECE);
            taken.extend(piece);
            assert_eq!(hyper::body::Body::size_hint(&answer).exact(), Some((whole.len() - taken.len()) as u64));
        }
        assert_eq!(taken, whole);
    }

    #[tokio::test]
    async fn an_answer_that_waits_for_its_client_is_given_up_and_one_that_is_waited_for_is_not() {
        let (ended, mut has_ended) = tokio::sync::mpsc::channel::<()>(1);
        let answering = Answering { patience: SHORT };
        answering.execute(async move {
            let _ended = ended;
            let _answer = Answer::new(Body::from("what nobody takes"), open(), Progress::current());
            std::future::pending::<()>().await;
        });
        assert_eq!(has_ended.recv().await, None);
        // One of which the next piece takes long to come.
        let (told, word) = tokio::sync::oneshot::channel();
        answering.execute(async move {
            let late = stream::once(async {
                tokio::time::sleep(5 * SHORT).await;
                Ok::<_, Infallible>("late")
            });
            let answer = Answer::new(Body::from_stream(late), open(), Progress::current());
            let _ = told.send(answer.collect().await.unwrap().to_bytes());
        });
        assert_eq!(word.await.unwrap(), "late");
    }
}

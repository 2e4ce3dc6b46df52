//! Work that goes on when the client that asked for it goes away.
//!
//! A connection that ends drops the future of its request wherever that waits. A change that is durable by then and not yet in
//! memory would be forgotten until the next start: a revoked token that is still accepted, a revoked authority that signs on.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// A future that, dropped before its end, is finished by the runtime without anybody waiting. It costs nothing otherwise.
pub struct ToItsEnd<F: Future<Output: Send> + Send + 'static>(Option<Pin<Box<F>>>);

impl<F: Future<Output: Send> + Send + 'static> ToItsEnd<F> {
    pub fn new(work: F) -> Self {
        Self(Some(Box::pin(work)))
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for ToItsEnd<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Taken out while it runs: work that panics must not be run again.
        let Some(mut work) = self.0.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(work);
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for ToItsEnd<F> {
    fn drop(&mut self) {
        if let Some(work) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                work.await;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_is_dropped_half_way_is_finished() {
        let (begin, begun) = oneshot::channel::<()>();
        let (done, finished) = oneshot::channel();
        let work = ToItsEnd::new(async move {
            let _ = begun.await;
            let _ = done.send(7);
        });
        assert!(tokio::time::timeout(Duration::from_millis(1), work).await.is_err());
        begin.send(()).unwrap();
        assert_eq!(finished.await, Ok(7));
    }

    #[tokio::test]
    async fn what_ended_is_not_run_again() {
        assert_eq!(ToItsEnd::new(async { 7 }).await, 7);
    }
}

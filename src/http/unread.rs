//! What a handler leaves unread of a body.
//!
//! Over HTTP/2 a stream whose body is not read to its end is reset behind the answer (RFC 9113, 8.1). A client must not throw away the
//! answer for that, and curl 7.88 does now and then. So what is on its way already is read before the answer is given; who sends slowly has
//! the answer, and the reset, after a moment.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Version;
use hyper::body::{Frame, SizeHint};

use super::call::discard;
use super::limits;

/// Where a body comes back to that was not read to its end.
#[derive(Clone, Default)]
pub struct Unread(Arc<Mutex<Option<Body>>>);

/// A body on loan.
struct Lent {
    body: Body,
    back: Unread,
}

impl Unread {
    /// Lends a body out, where it matters what is left of it.
    pub fn lend(version: Version, body: Body) -> (Body, Option<Self>) {
        if version != Version::HTTP_2 || body.is_end_stream() {
            return (body, None);
        }
        let back = Self::default();
        (Body::new(Lent { body, back: back.clone() }), Some(back))
    }

    /// Reads what is left, for a moment.
    pub async fn read(self) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(body) = left {
            // Who has not sent it by then may have the reset.
            let _ = tokio::time::timeout(limits::UNREAD_TIME, discard(body)).await;
        }
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            *self.back.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(std::mem::take(&mut self.body));
        }
    }
}

//! What a request says that its client has already (RFC 9110, 13), and what part it wants of what it has not (14.2).

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, Method, Response, StatusCode, header};
use jiff::Timestamp;

use super::call::Call;

/// The conditions of one request.
#[derive(Clone, Copy, Debug)]
pub struct Condition<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
}

impl<'a> Condition<'a> {
    pub fn of(call: &'a Call) -> Self {
        Self { method: &call.method, headers: &call.approach.headers }
    }

    /// Whether the client has what it asks for. What POST asks has no representation that a condition could be about, and is always answered
    /// (RFC 9110, 13.2.1). The entity tag decides where there is one, and the date only otherwise (13.2.2).
    pub fn is_known(&self, etag: &str, modified: Option<Timestamp>) -> bool {
        if !matches!(*self.method, Method::GET | Method::HEAD) {
            return false;
        }
        match (self.text(header::IF_NONE_MATCH), self.text(header::IF_MODIFIED_SINCE), modified) {
            (Some(tags), ..) => tags == "*" || tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag),
            (None, Some(since), Some(modified)) => {
                jiff::fmt::rfc2822::parse(since).is_ok_and(|since| modified.as_second() <= since.timestamp().as_second())
            }
            (None, ..) => false,
        }
    }

    /// The range that is wanted of it. Only GET has parts (RFC 9110, 14.2), and of another one than the client has, a part is of no use (13.1.5).
    pub fn range(&self, etag: &str, modified: &str) -> Option<&'a str> {
        let is_same = self.text(header::IF_RANGE).is_none_or(|known| known == etag || known == modified);
        self.text(header::RANGE).filter(|_| *self.method == Method::GET && is_same)
    }

    fn text(&self, name: HeaderName) -> Option<&'a str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The answer to a client that has it already, but for the headers that the other answer would have (RFC 9110, 15.4.5).
pub fn not_modified() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

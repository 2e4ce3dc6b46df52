//! A request that has got past the door: its caller is known and holds what the route asks for. Only now its content is read.

use std::str::FromStr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::app::App;
use super::authenticate::Approach;
use super::limits;
use super::problem::Problem;
use crate::access::Caller;
use crate::api::body;
use crate::api::problem::Violation;
use crate::base::page::{Cursor, DEFAULT_LIMIT, MAX_LIMIT};

/// A permitted request. Made by the dispatcher alone.
pub struct Call {
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    pub(super) path: Vec<(String, String)>,
    pub(super) query: Option<String>,
    pub(super) approach: Approach,
    pub(super) body: Body,
    pub(super) body_limit: usize,
}

/// The query of a list: its own parameters are taken one by one, and what is left over is a fault.
pub struct Query {
    pairs: Vec<(String, String)>,
    violations: Vec<Violation>,
}

impl Call {
    /// A parameter of the path.
    pub fn parameter(&self, name: &str) -> &str {
        self.path.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// A parameter of the path that is an id. Text that is none names nothing that exists.
    pub fn id<T: FromStr>(&self, name: &str, what: &str) -> Result<T, Problem> {
        self.parameter(name).parse().map_err(|_| Problem::not_found(what))
    }

    /// The parameters of the query.
    pub fn query(&self) -> Query {
        let mut query = Query { pairs: Vec::new(), violations: Vec::new() };
        for pair in self.query.as_deref().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decode(name), decode(value)) {
                (Some(name), Some(value)) if query.pairs.iter().any(|(known, _)| *known == name) => {
                    let _ = value;
                    query.violations.push(Violation::new(&printable(&name), "given twice".to_owned()));
                }
                (Some(name), Some(value)) => query.pairs.push((name, value)),
                _ => query.violations.push(Violation::new("", "the query is not percent-encoded UTF-8".to_owned())),
            }
        }
        query
    }

    /// Whether the client would rather have PEM than DER.
    pub fn wants_pem(&self) -> bool {
        let accept = self.approach.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        ["pem", "text/plain"].iter().any(|kind| accept.contains(kind))
    }

    /// Whether the client names this media type.
    pub fn accepts(&self, media_type: &str) -> bool {
        let accept = self.approach.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        accept.contains(media_type)
    }

    /// Reads the JSON body.
    pub async fn read<T: body::Body>(&mut self) -> Result<T, Problem> {
        self.check_media_type()?;
        let bytes = self.bytes().await?;
        body::read(&bytes).map_err(Problem::invalid)
    }

    /// Reads the JSON body, or takes the default when there is none.
    pub async fn read_or_default<T: body::Body + Default>(&mut self) -> Result<T, Problem> {
        let bytes = self.bytes().await?;
        if bytes.is_empty() {
            return Ok(T::default());
        }
        self.check_media_type()?;
        body::read(&bytes).map_err(Problem::invalid)
    }

    fn check_media_type(&self) -> Result<(), Problem> {
        let Some(kind) = self.approach.headers.get(header::CONTENT_TYPE) else { return Ok(()) };
        let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        if kind.trim().eq_ignore_ascii_case("application/json") {
            return Ok(());
        }
        let detail = "The body must be JSON; send the header Content-Type: application/json.";
        Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail))
    }

    async fn bytes(&mut self) -> Result<bytes::Bytes, Problem> {
        let body = std::mem::take(&mut self.body);
        let bytes = match tokio::time::timeout(limits::BODY_TIME, collect(body, self.body_limit)).await {
            Ok(collected) => collected?,
            Err(_) => return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "The body took too long.")),
        };
        // The token may have been revoked while the body was on its way.
        self.approach.permitted(&self.app)?;
        Ok(bytes)
    }
}

async fn collect(mut body: Body, limit: usize) -> Result<bytes::Bytes, Problem> {
    match Limited::new(&mut body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            discard(body).await;
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", format!("The body may have at most {limit} bytes.")))
        }
        Err(_) => Err(Problem::new(StatusCode::BAD_REQUEST, "body_broken", "The body ended before its time.")),
    }
}

/// Reads on for a while: a connection that is closed with bytes unread is reset, and the client loses the answer that says
/// why (RFC 9112, 9.6).
async fn discard(mut body: Body) {
    let mut left = limits::DISCARDED;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, bytes::Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

impl Query {
    /// A parameter as it stands.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let position = self.pairs.iter().position(|(known, _)| known == name)?;
        Some(self.pairs.swap_remove(position).1)
    }

    /// A parameter of a type; `wanted` says what would be right.
    pub fn parse<T: FromStr>(&mut self, name: &str, wanted: &str) -> Option<T> {
        let text = self.take(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.violations.push(Violation::new(name, format!("{wanted} is wanted, not {:?}", printable(&text))));
        }
        parsed
    }

    /// The size of a page.
    pub fn limit(&mut self) -> usize {
        match self.parse::<usize>("limit", "a number from 1 to 1000") {
            None => DEFAULT_LIMIT,
            Some(limit @ 1..=MAX_LIMIT) => limit,
            Some(_) => {
                self.violations.push(Violation::new("limit", format!("a number from 1 to {MAX_LIMIT} is wanted")));
                DEFAULT_LIMIT
            }
        }
    }

    /// The cursor, which must come from a list with the same filter.
    pub fn cursor(&mut self, filter: &str) -> Option<Cursor> {
        let text = self.take("cursor")?;
        match Cursor::parse(&text, filter) {
            Ok(cursor) => Some(cursor),
            Err(fault) => {
                self.violations.push(Violation::new("cursor", fault.to_string()));
                None
            }
        }
    }

    /// Ends the reading: parameters nobody took are unknown.
    pub fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in &self.pairs {
            self.violations.push(Violation::new(&printable(name), "unknown parameter".to_owned()));
        }
        if self.violations.is_empty() { Ok(()) } else { Err(Problem::invalid(self.violations)) }
    }
}

fn printable(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}

/// Percent-decoding of one name or value (WHATWG URL, application/x-www-form-urlencoded).
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

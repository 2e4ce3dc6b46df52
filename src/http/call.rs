//! A request that has got past the door: its caller is known and holds what the route asks for. Only now its content is read.

use std::str::FromStr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, StatusCode, Uri, header};
use bytes::BytesMut;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::app::App;
use super::authenticate::Approach;
use super::limits;
use super::problem::Problem;
use super::query::Query;
use crate::access::{Caller, Permission, Scope};
use crate::api::body;
use crate::base::id::CaId;

/// A permitted request. Made by the dispatcher alone.
pub struct Call {
    pub(super) app: Arc<App>,
    pub(super) caller: Caller,
    /// The one that was asked with: a route of GET is asked with HEAD as well.
    pub(super) method: Method,
    pub(super) path: Vec<(String, String)>,
    pub(super) query: Option<String>,
    pub(super) uri: Uri,
    pub(super) approach: Approach,
    pub(super) body: Body,
    pub(super) body_limit: usize,
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

    /// What the cursor of a list is bound to: the organisation it was shown to, and the list with its filter.
    pub fn mark(&self, list: &str) -> String {
        format!("{} {list}", self.caller.organization())
    }

    /// That the caller may do on this authority what the route asks for. For routes that may be called with a capability on single authorities
    /// the door has only asked whether there is one. Who may not see the authority's affairs at all does not learn that there are any.
    pub fn permit_on(&self, ca: CaId, what: &str) -> Result<(), Problem> {
        let (scope, capability) = match self.approach.permission {
            Permission::Public => return Ok(()),
            Permission::Scope(scope) => (scope, scope),
            Permission::ScopeOrOn { scope, capability } => (scope, capability),
        };
        if self.caller.holds(scope) || self.caller.holds_on(capability, ca) {
            return Ok(());
        }
        if !self.caller.holds(Scope::PkiRead) {
            return Err(Problem::not_found(what));
        }
        let detail = format!("This needs a token with the scope {scope}, or with {capability} on the authority.");
        Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
    }

    /// The parameters of the query.
    pub fn query(&self) -> Query {
        Query::read(self.query.as_deref().unwrap_or_default())
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

    /// The body, which is read this once.
    pub(super) async fn bytes(&mut self) -> Result<bytes::Bytes, Problem> {
        let body = std::mem::take(&mut self.body);
        let bytes = match tokio::time::timeout(limits::BODY_TIME, collect(body, self.body_limit)).await {
            Ok(collected) => collected?,
            Err(_) => return Err(too_slow()),
        };
        // The token may have been revoked while the body was on its way.
        self.approach.permitted(&self.app)?;
        Ok(bytes)
    }
}

async fn collect(mut body: Body, limit: usize) -> Result<bytes::Bytes, Problem> {
    let mut limited = Limited::new(&mut body, limit);
    let mut collected = BytesMut::new();
    loop {
        let Ok(frame) = tokio::time::timeout(limits::BODY_PAUSE, limited.frame()).await else { return Err(too_slow()) };
        match frame {
            None => return Ok(collected.freeze()),
            Some(Ok(frame)) => collected.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
            Some(Err(error)) if error.is::<LengthLimitError>() => break,
            Some(Err(_)) => return Err(Problem::new(StatusCode::BAD_REQUEST, "body_broken", "The body ended before its time.")),
        }
    }
    discard(body).await;
    Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", format!("The body may have at most {limit} bytes.")))
}

fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_too_slow", "The body took too long.")
}

/// Reads on for a while: a connection that is closed with bytes unread is reset, and the client loses the answer that says
/// why (RFC 9112, 9.6).
pub(super) async fn discard(mut body: Body) {
    let mut left = limits::DISCARDED;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, bytes::Bytes::len);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

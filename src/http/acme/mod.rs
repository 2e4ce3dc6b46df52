//! `/api/acme`: the ACME server over HTTP (RFC 8555), and the credentials that bind its accounts.
//!
//! The routes are open to everybody, and the signature of the request stands for a token: a handler gets at the server with what
//! [`Desk`] has verified and with nothing else.

pub mod accounts;
pub mod administration;
pub mod authorizations;
pub mod certificates;
pub mod credentials;
pub mod directory;
pub mod orders;
mod present;

use std::time::Instant;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};

use super::app::App;
use super::call::Call;
use super::peer::Peer;
use super::problem::Problem;
use super::problem_acme;
use super::routes::Route;
use crate::acme_server::{AccountRequest, AcmeServer, Arrival, Base, EitherRequest, KeyRequest};

/// What every path of the server begins with.
pub const ROOT: &str = "/api/acme/";
const MEDIA_TYPE: &str = "application/jose+json";
const REPLAY_NONCE: HeaderName = HeaderName::from_static("replay-nonce");

/// The server and the request that has come to it.
pub(super) struct Desk {
    pub call: Call,
    pub server: AcmeServer,
    pub base: Base,
    url: String,
    source: Option<String>,
}

impl Desk {
    /// For a request; there is no such endpoint while the server is off.
    pub fn open(call: Call) -> Result<Self, Problem> {
        let server = call.app.acme.clone().ok_or_else(off)?;
        let base = server.base(host(&call.approach.headers, &call.uri))?;
        let source = call.approach.peer.as_ref().and_then(Peer::source).map(|source| source.to_string());
        let url = base.of_path(call.uri.path_and_query().map_or_else(|| call.uri.path(), |path| path.as_str()));
        Ok(Self { call, server, base, url, source })
    }

    /// The request, when it is that of an account.
    pub async fn account(&mut self) -> Result<AccountRequest, Problem> {
        let body = self.body().await?;
        let request = self.server.account_request(self.arrival(&body))?;
        self.welcome();
        Ok(request)
    }

    /// The same of a key that need have no account.
    pub async fn key(&mut self) -> Result<KeyRequest, Problem> {
        let body = self.body().await?;
        Ok(self.server.key_request(self.arrival(&body))?)
    }

    /// The same of either.
    pub async fn either(&mut self) -> Result<EitherRequest, Problem> {
        let body = self.body().await?;
        Ok(self.server.either_request(self.arrival(&body))?)
    }

    async fn body(&mut self) -> Result<axum::body::Bytes, Problem> {
        // RFC 8555, 6.2.
        let kind = self.call.approach.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case(MEDIA_TYPE) {
            let detail = "The body must be a JWS; send the header Content-Type: application/jose+json.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        self.server.ready().await?;
        self.call.bytes().await
    }

    fn arrival<'a>(&'a self, body: &'a [u8]) -> Arrival<'a> {
        Arrival { base: &self.base, url: &self.url, body, stranger: &self.call.caller, source: self.source.as_deref() }
    }

    /// Who has shown to hold an account's key is no stranger, and has budgets of its own.
    fn welcome(&self) {
        if let Some(source) = self.call.approach.peer.as_ref().and_then(Peer::source) {
            self.call.app.rates.not_a_stranger(source, Instant::now());
        }
    }
}

/// An outcome as ACME clients are told of it: with a fresh nonce, the way to the directory, and errors in their words.
pub fn faced(app: &App, route: &Route, uri: &Uri, outcome: Result<Response<Body>, Problem>) -> Result<Response<Body>, Problem> {
    let gives_nonce = route.method == Method::POST || route.path.ends_with("/new-nonce");
    let nonce = app.acme.as_ref().filter(|_| gives_nonce).and_then(|server| server.nonce().ok().flatten());
    let nonce = nonce.and_then(|nonce| HeaderValue::from_str(&nonce).ok());
    // RFC 8555, 7.1: from everything but the directory itself.
    let index = (!uri.path().starts_with(DIRECTORY)).then(|| HeaderValue::from_static(INDEX));
    match outcome {
        Ok(mut response) => {
            if let Some(nonce) = nonce {
                response.headers_mut().insert(REPLAY_NONCE, nonce);
            }
            if let Some(index) = index {
                response.headers_mut().append(header::LINK, index);
            }
            Ok(response)
        }
        Err(problem) => {
            let mut problem = problem_acme::faced(problem);
            if let Some(face) = &mut problem.acme {
                face.headers.extend(nonce.map(|nonce| (REPLAY_NONCE, nonce)));
                face.headers.extend(index.map(|index| (header::LINK, index)));
            }
            Err(problem)
        }
    }
}

/// The same of what no route takes. RFC 8555, 6.3: a GET where a POST is wanted is malformed.
pub fn unrouted(app: &App, problem: Problem) -> Problem {
    if app.acme.is_some() { problem_acme::faced(problem) } else { problem }
}

const DIRECTORY: &str = "/api/acme/directory";
/// A relative reference: it means the host that was asked.
const INDEX: &str = "</api/acme/directory>;rel=\"index\"";

fn off() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_such_endpoint", "There is no ACME server here: acme.enabled is false.")
}

/// The host that the request names.
fn host<'a>(headers: &'a axum::http::HeaderMap, uri: &'a Uri) -> &'a str {
    // HTTP/2 has it in the request itself (RFC 9113, 8.3.1).
    match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
    }
}

//! One request, one answer: the connection, the limits, and what failures mean.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::problem::ProblemDocument;
use crate::base::secret::{ExposeSecret, SecretString, Zeroizing};

use super::answer::Answer;
use super::endpoint::{self, Base, Endpoint, EndpointFault};
use super::error::{ClientError, Mismatch};
use super::socket::SocketConnector;
use super::target::Target;

/// How long a call may take in all; a key pair of 4096 bits in a slow token fits.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before a request is sent again, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// The longest JSON document or text: a page of a thousand audit entries is a fraction of it.
pub(super) const DOCUMENT_LIMIT: usize = 8 << 20;
/// The longest CRL: a million entries are about 50 MB, more in base64.
pub(super) const CRL_LIMIT: usize = 256 << 20;

pub(super) const JSON: &str = "application/json";
pub(super) const PEM: &str = "application/x-pem-file";

/// A client of one appliance. Cloning it shares its connections.
#[derive(Clone)]
pub struct Client {
    http: Http,
    base: Base,
    /// Where the appliance is, as messages say it.
    place: String,
    token: Option<SecretString>,
    timeout: Duration,
    idempotency_key: Option<String>,
    /// How often a request that may be sent again is.
    retries: u32,
}

#[derive(Clone)]
enum Http {
    Network(legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
    Socket(legacy::Client<SocketConnector, Full<Bytes>>),
}

/// A body as it came, of a status that says success.
pub(super) struct Received {
    pub(super) status: StatusCode,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Client {
    /// A client; nothing is sent yet, but files are read.
    pub fn new(endpoint: Endpoint) -> Result<Self, ClientError> {
        let Endpoint { base_url, ca_file, token } = endpoint;
        let base = Base::parse(&base_url)?;
        if let Some(token) = &token {
            bearer(token)?;
        }
        let tls = endpoint::tls(&base, ca_file.as_deref())?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        // Plain http:// was only let through for loopback hosts, when the base URL was read.
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        let http = legacy::Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        let place = base.to_string();
        Ok(Self { http: Http::Network(http), base, place, token, timeout: DEFAULT_TIMEOUT, idempotency_key: None, retries: 0 })
    }

    /// A client of the daemon that serves this socket, which knows the caller by the kernel's word and takes no token.
    pub fn over_socket(path: PathBuf) -> Result<Self, ClientError> {
        let place = path.display().to_string();
        let connector = SocketConnector(Arc::new(path));
        let http = legacy::Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        let base = Base::parse("http://localhost")?;
        Ok(Self { http: Http::Socket(http), base, place, token: None, timeout: DEFAULT_TIMEOUT, idempotency_key: None, retries: 0 })
    }

    /// The same client, waiting this long at most for each answer.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same client, for the attempts at making one thing: sent with this key, of 1 to 255 printable ASCII characters, it is made once.
    #[must_use]
    pub fn with_idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// The same client, sending what has an idempotency key again, so many times, when it is not known whether it was done.
    #[must_use]
    pub fn with_retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// The base URL or the socket, as it goes into messages.
    pub fn url(&self) -> String {
        self.place.clone()
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, target: Target) -> Result<Answer<T>, ClientError> {
        self.document(self.call(Method::GET, &target, JSON, None, DOCUMENT_LIMIT).await?)
    }

    pub(super) async fn send<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        target: Target,
        body: &B,
    ) -> Result<Answer<T>, ClientError> {
        let body = serde_json::to_vec(body).map_err(|e| ClientError::Request(e.into()))?;
        self.document(self.call(method, &target, JSON, Some(body), DOCUMENT_LIMIT).await?)
    }

    pub(super) async fn delete(&self, target: Target) -> Result<(), ClientError> {
        self.call(Method::DELETE, &target, JSON, None, DOCUMENT_LIMIT).await.map(drop)
    }

    /// Sends and takes whatever comes with a status of success; anything else is an error.
    pub(super) async fn call(
        &self,
        method: Method,
        target: &Target,
        accept: &'static str,
        body: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Received, ClientError> {
        let mut left = if method == Method::POST && self.idempotency_key.is_some() { self.retries } else { 0 };
        let mut pause = FIRST_PAUSE;
        loop {
            let outcome = match self.exchange(method.clone(), target, accept, body.clone(), limit).await {
                Ok((received, _)) if received.status.is_success() => return Ok(received),
                Ok((received, headers)) => self.refusal(&received, &headers),
                Err(error) => error,
            };
            if left == 0 || !may_succeed_later(&outcome) {
                return Err(outcome);
            }
            left -= 1;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Sends and takes whatever comes.
    pub(super) async fn exchange(
        &self,
        method: Method,
        target: &Target,
        accept: &'static str,
        body: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<(Received, HeaderMap), ClientError> {
        let request = self.request(method, target, accept, body)?;
        let exchange = async {
            let response = match &self.http {
                Http::Network(http) => http.request(request).await,
                Http::Socket(http) => http.request(request).await,
            };
            let response = response.map_err(|e| self.failure(e))?;
            self.receive(response, limit).await
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::TimedOut { url: self.url(), after: self.timeout }),
        }
    }

    /// Sends and gives the body of an answer of success, to be read for as long as it comes.
    pub(super) async fn open(&self, target: &Target, accept: &'static str) -> Result<Incoming, ClientError> {
        let request = self.request(Method::GET, target, accept, None)?;
        let opening = async {
            let response = match &self.http {
                Http::Network(http) => http.request(request).await,
                Http::Socket(http) => http.request(request).await,
            };
            let response = response.map_err(|e| self.failure(e))?;
            if response.status().is_success() {
                return Ok(response.into_body());
            }
            let (received, headers) = self.receive(response, DOCUMENT_LIMIT).await?;
            Err(self.refusal(&received, &headers))
        };
        match tokio::time::timeout(self.timeout, opening).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::TimedOut { url: self.url(), after: self.timeout }),
        }
    }

    pub(super) fn document<T: DeserializeOwned>(&self, received: Received) -> Result<Answer<T>, ClientError> {
        match serde_json::from_slice(&received.body) {
            Ok(value) => Ok(Answer::new(value, received.body)),
            Err(e) => Err(self.mismatch(received.status, Mismatch::Json { line: e.line(), column: e.column() })),
        }
    }

    pub(super) fn mismatch(&self, status: StatusCode, mismatch: Mismatch) -> ClientError {
        ClientError::NotUnderstood { url: self.url(), status: status.as_u16(), mismatch }
    }

    /// What a status other than success means.
    pub(super) fn refusal(&self, received: &Received, headers: &HeaderMap) -> ClientError {
        let status = received.status;
        let Ok(mut problem) = serde_json::from_slice::<ProblemDocument>(&received.body) else {
            return self.mismatch(status, Mismatch::Status);
        };
        // RFC 9457, 3.1.2: the status in the document is advisory, the real one decides.
        problem.status = status.as_u16();
        let problem = Box::new(problem);
        match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                ClientError::Busy { problem, retry_after: retry_after(headers) }
            }
            _ => ClientError::Refused(problem),
        }
    }

    fn request(
        &self,
        method: Method,
        target: &Target,
        accept: &'static str,
        body: Option<Vec<u8>>,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let is_post = method == Method::POST;
        let mut request = Request::builder()
            .method(method)
            .uri(self.base.join(target.as_str()))
            .header(ACCEPT, accept)
            .header(USER_AGENT, concat!("chancery/", env!("CARGO_PKG_VERSION")));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, bearer(token)?);
        }
        if let (true, Some(key)) = (is_post, &self.idempotency_key) {
            request = request.header("idempotency-key", key);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, JSON);
        }
        request.body(Full::from(body.unwrap_or_default())).map_err(|e| ClientError::Request(e.into()))
    }

    async fn receive(&self, response: Response<Incoming>, limit: usize) -> Result<(Received, HeaderMap), ClientError> {
        let (head, mut incoming) = response.into_parts();
        let mut body = Zeroizing::new(Vec::new());
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|e| ClientError::Interrupted { url: self.url(), source: e.into() })?;
            let Ok(data) = frame.into_data() else { continue };
            if data.len() > limit - body.len() {
                return Err(ClientError::TooLarge { url: self.url(), limit });
            }
            body.extend_from_slice(&data);
        }
        Ok((Received { status: head.status, body }, head.headers))
    }

    fn failure(&self, error: legacy::Error) -> ClientError {
        let url = self.url();
        match certificate_fault(&error) {
            Some(source) => ClientError::Untrusted { url, source },
            None if error.is_connect() => ClientError::Unreachable { url, source: error.into() },
            None => ClientError::Interrupted { url, source: error.into() },
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("place", &self.place).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// Whether the same request may go better a little later, as far as the failure tells.
fn may_succeed_later(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } | ClientError::Interrupted { .. } | ClientError::TimedOut { .. } => true,
        ClientError::Busy { retry_after, .. } => retry_after.is_none_or(|wait| wait <= LONGEST_PAUSE * 2),
        ClientError::Refused(problem) => problem.code == "idempotency_key_in_progress",
        ClientError::Endpoint(_)
        | ClientError::Untrusted { .. }
        | ClientError::TooLarge { .. }
        | ClientError::NotUnderstood { .. }
        | ClientError::Request(_) => false,
    }
}

fn bearer(token: &SecretString) -> Result<HeaderValue, EndpointFault> {
    // RFC 6750, 2.1: the characters of a bearer token are all visible ASCII.
    if token.expose_secret().is_empty() || !token.expose_secret().bytes().all(|b| b.is_ascii_graphic()) {
        return Err(EndpointFault::TokenForm);
    }
    let text = Zeroizing::new(format!("Bearer {}", token.expose_secret()));
    let mut value = HeaderValue::from_str(&text).map_err(|_| EndpointFault::TokenForm)?;
    value.set_sensitive(true);
    Ok(value)
}

/// RFC 9110, 10.2.3; the form with a date is not what the appliance sends.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The certificate's fault, from however deep in the chain of causes. An `io::Error` hides its cause from `source`.
fn certificate_fault(error: &(dyn Error + 'static)) -> Option<rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(fault @ rustls::Error::InvalidCertificate(_)) = error.downcast_ref::<rustls::Error>() {
            return Some(fault.clone());
        }
        cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

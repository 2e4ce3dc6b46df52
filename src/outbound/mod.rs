//! The only way out of the daemon: HTTP and HTTPS requests, the names they need, and what ACME looks at to know who holds a name.
//!
//! ```text
//! URL ─▶ port allowed ─▶ addresses (DNS, once) ─▶ each checked by the policy ─▶ that address dialled ─▶ TLS ─▶ one request, one answer
//! ```
//! Guarantees: the address that is dialled is the one that was checked. Every step has a time by which it is given up, and an answer a size.
//!
//! Never does: take a proxy from the environment, send a cookie or a credential of its own, or read a file after the start. Redirects are
//! followed, and certificates that nobody vouches for taken, by [`Outbound::page`] and [`Outbound::alpn_certificate`] alone, which send
//! nothing but what everybody may know.

pub mod address;
mod answer;
mod dns;
mod location;
mod probe;
mod roots;
mod url;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request as HttpRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub use address::{AddressFault, AddressPolicy, Network};
pub use answer::{CaaProperty, Followed, addresses, answer_to, follow, properties, texts};
pub use dns::{ResolveError, Zone, nameservers};
pub use probe::{Page, ProbeError, ProbeReason};
pub use roots::{Roots, RootsFault};
pub use url::{LONGEST_URL, Url, UrlFault};

use dns::Resolver;
use probe::Unverified;
use url::Host;

/// The roots of the system, where Debian keeps them.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// How long one address is tried.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How many addresses of a name are tried.
const ADDRESSES_TRIED: usize = 4;

/// What is set up once, before the sandbox closes.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub policy: AddressPolicy,
    /// Those of `/etc/resolv.conf` when empty.
    pub resolvers: Vec<SocketAddr>,
    /// Zones that have resolvers of their own.
    pub zones: Vec<Zone>,
    /// A PEM file of roots; the system's when none.
    pub ca_file: Option<PathBuf>,
}

/// Why nothing can be sent, found at the start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("the roots in {path} cannot be read")]
    File { path: PathBuf, source: io::Error },
    #[error("the roots in {path} cannot be used")]
    Roots { path: PathBuf, source: RootsFault },
    #[error("a zone of outbound.zones cannot be asked about")]
    Zone(#[source] ResolveError),
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// The way out; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Outbound(Option<Arc<Way>>);

#[derive(Debug)]
struct Way {
    policy: AddressPolicy,
    resolver: Resolver,
    /// None where the system has no bundle: then a call has to bring its own.
    roots: Option<Roots>,
    unverified: Unverified,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub method: Method,
    pub url: &'a Url,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
    /// Whom to trust; those of the settings when none.
    pub roots: Option<&'a Roots>,
    /// The longest answer, in bytes; none when its status is all that is wanted.
    pub longest_answer: Option<usize>,
    /// How long all of it may take.
    pub within: Duration,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error("outgoing connections are switched off: outbound.enabled is false")]
    Disabled,
    #[error("port {0} is not among outbound.ports")]
    Port(u16),
    #[error("the address is refused: {0}")]
    Address(#[from] AddressFault),
    #[error("the name cannot be resolved: {0}")]
    Resolve(#[from] ResolveError),
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    #[error("no TLS connection: {0}")]
    Tls(#[source] io::Error),
    #[error("there are no roots to trust: the system has no bundle and none was given")]
    NoRoots,
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be written")]
    Request(#[from] hyper::http::Error),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
}

impl OutboundError {
    /// What an organisation is told. To which addresses names lead inside the operator's network is not its affair.
    pub fn told(&self) -> String {
        match self {
            Self::Address(_) => "refused: the address is none that the operator allows to dial".to_owned(),
            Self::Resolve(_) => "the name cannot be resolved".to_owned(),
            Self::Disabled
            | Self::Port(_)
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::NoRoots
            | Self::Http(_)
            | Self::Request(_)
            | Self::TooLong(_)
            | Self::TimedOut(_) => self.to_string().chars().filter(|c| !c.is_control()).take(300).collect(),
        }
    }
}

impl Outbound {
    /// The way out of one that has none.
    pub fn disabled() -> Self {
        Self(None)
    }

    /// Reads the roots and the resolvers' addresses: call it before the sandbox closes.
    pub fn open(settings: Settings) -> Result<Self, SetupError> {
        let Settings { policy, mut resolvers, zones, ca_file } = settings;
        let roots = match ca_file {
            Some(path) => {
                let pem = std::fs::read(&path).map_err(|source| SetupError::File { path: path.clone(), source })?;
                Some(Roots::exactly(&pem).map_err(|source| SetupError::Roots { path, source })?)
            }
            None => match std::fs::read(SYSTEM_ROOTS) {
                Ok(pem) => Some(Roots::of_system(&pem).map_err(|source| SetupError::Roots { path: SYSTEM_ROOTS.into(), source })?),
                Err(error) => {
                    tracing::warn!(%error, path = SYSTEM_ROOTS, "the system has no bundle of roots; outgoing connections have to bring theirs");
                    None
                }
            },
        };
        if resolvers.is_empty() {
            resolvers = nameservers(&std::fs::read_to_string(Path::new(RESOLV_CONF)).unwrap_or_default());
        }
        let resolver = Resolver::new(resolvers, zones).map_err(SetupError::Zone)?;
        let unverified = Unverified::new().map_err(SetupError::Tls)?;
        Ok(Self(Some(Arc::new(Way { policy, resolver, roots, unverified }))))
    }

    pub fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// What can be said of a URL without asking anybody: whether it names a port or an address that is not dialled.
    pub fn check(&self, url: &Url) -> Result<(), OutboundError> {
        let way = self.0.as_ref().ok_or(OutboundError::Disabled)?;
        if !way.policy.allows_port(url.port) {
            return Err(OutboundError::Port(url.port));
        }
        url.address().map_or(Ok(()), |address| Ok(way.policy.check(address)?))
    }

    /// Sends a request and takes the answer, whatever its status. A redirect is an answer like any other.
    pub async fn send(&self, request: Request<'_>) -> Result<Answer, OutboundError> {
        self.check(request.url)?;
        let way = self.0.as_ref().ok_or(OutboundError::Disabled)?;
        let within = request.within;
        tokio::time::timeout(within, way.send(request)).await.map_err(|_| OutboundError::TimedOut(within))?
    }

    /// The texts that DNS has for a name; none when the name has none.
    pub async fn texts(&self, name: &str) -> Result<Vec<Vec<u8>>, OutboundError> {
        Ok(self.0.as_ref().ok_or(OutboundError::Disabled)?.resolver.texts(name).await?)
    }

    /// The CAA properties that DNS has for a name itself, whatever its parents have.
    pub async fn properties(&self, name: &str) -> Result<Vec<CaaProperty>, OutboundError> {
        Ok(self.0.as_ref().ok_or(OutboundError::Disabled)?.resolver.properties(name).await?)
    }
}

impl Way {
    async fn send(&self, request: Request<'_>) -> Result<Answer, OutboundError> {
        let url = request.url;
        let stream = self.connect(&url.host, url.port, CONNECT_WITHIN).await?;
        if !url.is_secure {
            return exchange(stream, request).await;
        }
        let roots = request.roots.or(self.roots.as_ref()).ok_or(OutboundError::NoRoots)?;
        let stream = TlsConnector::from(roots.0.clone()).connect(server_name(&url.host)?, stream).await.map_err(OutboundError::Tls)?;
        exchange(stream, request).await
    }

    /// A connection to the first address that answers. All of a name's addresses have to be good: a name that means a private one as well
    /// is made by somebody who tries.
    async fn connect(&self, host: &Host, port: u16, each_within: Duration) -> Result<TcpStream, OutboundError> {
        let addresses: Vec<IpAddr> = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => self.resolver.addresses(name).await?,
        };
        for address in &addresses {
            self.policy.check(*address)?;
        }
        let mut fault = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses.into_iter().take(ADDRESSES_TRIED) {
            match tokio::time::timeout(each_within, TcpStream::connect(SocketAddr::new(address, port))).await {
                Ok(Ok(stream)) => {
                    // Small requests go at once.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => fault = error,
                Err(_) => fault = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(OutboundError::Connect(fault))
    }
}

fn server_name(host: &Host) -> Result<ServerName<'static>, ResolveError> {
    Ok(match host {
        Host::Address(address) => ServerName::IpAddress((*address).into()),
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| ResolveError::Name)?,
    })
}

/// One request and one answer over a connection that is closed then.
async fn exchange<S>(stream: S, request: Request<'_>) -> Result<Answer, OutboundError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Request { method, url, headers, body, longest_answer, .. } = request;
    let mut built = HttpRequest::builder()
        .method(method)
        .uri(&url.target)
        .header(HOST, &url.authority)
        .header(USER_AGENT, concat!("chancery/", env!("CARGO_PKG_VERSION")));
    for (name, value) in headers {
        built = built.header(name, value);
    }
    let built = built.body(Full::new(body))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answering = async {
        let response = sender.send_request(built).await?;
        let status = response.status().as_u16();
        let mut incoming = response.into_body();
        let mut body = Vec::new();
        let Some(longest_answer) = longest_answer else { return Ok(Answer { status, body: Bytes::new() }) };
        while let Some(frame) = incoming.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if data.len() > longest_answer.saturating_sub(body.len()) {
                return Err(OutboundError::TooLong(longest_answer));
            }
            body.extend_from_slice(&data);
        }
        Ok(Answer { status, body: body.into() })
    };
    // The connection is driven in this task, so that nothing of it outlives the call.
    tokio::pin!(answering);
    tokio::select! {
        biased;
        answer = &mut answering => answer,
        ended = connection => match ended {
            // It has given all it has; what is left to read is in memory.
            Ok(()) => answering.await,
            Err(error) => Err(error.into()),
        },
    }
}

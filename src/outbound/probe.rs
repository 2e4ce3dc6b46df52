//! What a server shows to anybody, looked at without trusting it: a page over HTTP (RFC 8555, 8.3), and the certificate it has for a protocol
//! (RFC 8737). Nothing that is secret goes out here and nothing that comes in is believed by itself, so certificates are not verified; the
//! configuration that takes any of them is made here and leaves this file nowhere.
//!
//! The ports are those that the two RFCs name, whatever `outbound.ports` lists for other uses. Addresses are held to the same policy.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, LOCATION, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::url::{Url, UrlFault};
use super::{Outbound, OutboundError, Way, server_name};

/// The ports to which a redirect may lead; the first is where every page is asked for.
const PAGE_PORTS: [u16; 2] = [80, 443];
/// RFC 8737, 3.
const TLS_PORT: u16 = 443;
const MOST_REDIRECTS: usize = 10;
/// How long one address is tried. Shorter than elsewhere, so that the next one has its turn.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A head of an answer that is longer is none.
const LONGEST_HEAD: usize = 16 * 1024;

/// The beginning of a page, from a 200.
#[derive(Clone, PartialEq, Eq)]
pub struct Page {
    pub body: Vec<u8>,
    /// Whether there was no more than that.
    pub is_whole: bool,
}

/// Why there is nothing to look at.
#[derive(Debug, thiserror::Error)]
#[error("behind redirect {redirects}: {reason}")]
pub struct ProbeError {
    /// How many redirects had been followed when it failed.
    pub redirects: usize,
    #[source]
    pub reason: ProbeReason,
}

/// What happened there.
#[derive(Debug, thiserror::Error)]
pub enum ProbeReason {
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    #[error("the answer is a {0}")]
    Status(u16),
    #[error("more than {MOST_REDIRECTS} redirects follow one another")]
    TooManyRedirects,
    #[error("a redirect leads to where one was before")]
    Circle,
    #[error("the redirect says not where to")]
    NoLocation,
    #[error("the redirect leads to what is no URL: {0}")]
    Location(#[from] UrlFault),
    #[error("the redirect leads to port {0}")]
    RedirectPort(u16),
    #[error("the server did not agree to the protocol")]
    NoProtocol,
    #[error("the server showed no certificate, or more than one")]
    NotOneCertificate,
}

/// What stands at a place, or where to go instead.
enum Step {
    Page(Page),
    Redirect(Url),
}

impl Outbound {
    /// The first bytes of the page at a path, by way of redirects.
    pub async fn page(&self, host: &str, path: &str, longest: usize, within: Duration) -> Result<Page, ProbeError> {
        let mut redirects = 0;
        let looking = async {
            let way = self.0.as_ref().ok_or(OutboundError::Disabled)?;
            let mut url: Url = format!("http://{host}{path}").parse()?;
            let mut seen = Vec::new();
            loop {
                match way.look(&url, longest).await? {
                    Step::Page(page) => return Ok(page),
                    Step::Redirect(_) if redirects == MOST_REDIRECTS => return Err(ProbeReason::TooManyRedirects),
                    Step::Redirect(next) => {
                        seen.push(std::mem::replace(&mut url, next));
                        redirects += 1;
                        // Without cookies a place that was seen answers as it did.
                        if seen.contains(&url) {
                            return Err(ProbeReason::Circle);
                        }
                        if !PAGE_PORTS.contains(&url.port) {
                            return Err(ProbeReason::RedirectPort(url.port));
                        }
                    }
                }
            }
        };
        let looked = tokio::time::timeout(within, looking).await;
        looked.unwrap_or_else(|_| Err(OutboundError::TimedOut(within).into())).map_err(|reason| ProbeError { redirects, reason })
    }

    /// The one certificate that a host has for a name and a protocol, whoever vouches for it.
    pub async fn alpn_certificate(
        &self,
        host: &str,
        server_name: &str,
        protocol: &'static [u8],
        within: Duration,
    ) -> Result<Vec<u8>, ProbeError> {
        let looking = async {
            let way = self.0.as_ref().ok_or(OutboundError::Disabled)?;
            let url: Url = format!("https://{host}/").parse()?;
            let name = ServerName::try_from(server_name.to_owned()).map_err(|_| ProbeReason::Location(UrlFault::Host))?;
            let stream = way.connect(&url.host, TLS_PORT, CONNECT_WITHIN).await?;
            let stream = way.unverified.connector(protocol).connect(name, stream).await.map_err(OutboundError::Tls)?;
            let (_, connection) = stream.get_ref();
            if connection.alpn_protocol() != Some(protocol) {
                return Err(ProbeReason::NoProtocol);
            }
            match connection.peer_certificates() {
                Some([certificate]) => Ok(certificate.to_vec()),
                _ => Err(ProbeReason::NotOneCertificate),
            }
        };
        let looked = tokio::time::timeout(within, looking).await;
        looked.unwrap_or_else(|_| Err(OutboundError::TimedOut(within).into())).map_err(|reason| ProbeError { redirects: 0, reason })
    }
}

impl Way {
    async fn look(&self, url: &Url, longest: usize) -> Result<Step, ProbeReason> {
        let stream = self.connect(&url.host, url.port, CONNECT_WITHIN).await?;
        if !url.is_secure {
            return read(stream, url, longest).await;
        }
        let name = server_name(&url.host).map_err(OutboundError::Resolve)?;
        let stream = self.unverified.connector(b"http/1.1").connect(name, stream).await.map_err(OutboundError::Tls)?;
        read(stream, url, longest).await
    }
}

/// One request, and as much of its answer as is wanted. The connection is closed then, however much is left.
async fn read<S>(stream: S, url: &Url, longest: usize) -> Result<Step, ProbeReason>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let request = Request::builder()
        .uri(&url.target)
        .header(HOST, &url.authority)
        .header(USER_AGENT, concat!("chancery/", env!("CARGO_PKG_VERSION"), " (ACME validation)"))
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(OutboundError::Request)?;
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(LONGEST_HEAD).handshake(TokioIo::new(stream)).await.map_err(OutboundError::Http)?;
    let answering = async {
        let response = sender.send_request(request).await.map_err(OutboundError::Http)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
                return Ok(Step::Redirect(url.joined(location.ok_or(ProbeReason::NoLocation)?)?));
            }
            other => return Err(ProbeReason::Status(other.as_u16())),
        }
        let mut incoming = response.into_body();
        let mut page = Page { body: Vec::new(), is_whole: true };
        while let Some(frame) = incoming.frame().await {
            let Ok(data) = frame.map_err(OutboundError::Http)?.into_data() else { continue };
            let room = longest.saturating_sub(page.body.len());
            page.body.extend(data.iter().take(room));
            if data.len() > room {
                page.is_whole = false;
                break;
            }
        }
        Ok(Step::Page(page))
    };
    // The connection is driven in this task, so that nothing of it outlives the call.
    tokio::pin!(answering);
    tokio::select! {
        biased;
        step = &mut answering => step,
        ended = connection => match ended {
            // It has given all it has; what is left to read is in memory.
            Ok(()) => answering.await,
            Err(error) => Err(OutboundError::Http(error).into()),
        },
    }
}

/// How TLS is spoken with one whose certificate is looked at, or does not matter.
#[derive(Clone)]
pub(super) struct Unverified(Arc<ClientConfig>);

impl Unverified {
    pub(super) fn new() -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let anybody = Anybody { schemes: provider.signature_verification_algorithms.supported_schemes() };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(anybody))
            .with_no_client_auth();
        // Every look is a new one.
        config.resumption = Resumption::disabled();
        Ok(Self(Arc::new(config)))
    }

    fn connector(&self, protocol: &[u8]) -> TlsConnector {
        let mut config = (*self.0).clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        TlsConnector::from(Arc::new(config))
    }
}

/// Takes every certificate. RFC 8555, 8.3 has http-01 follow to wherever it is led, and RFC 8737, 3 looks at a certificate that its server
/// made itself: either way whoever stands in between could as well have shown one of their own, so a signature would prove nothing.
#[derive(Debug)]
struct Anybody {
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}

impl fmt::Debug for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unverified")
    }
}

/// What a page holds is nobody's business but the validation's.
impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("length", &self.body.len()).field("is_whole", &self.is_whole).finish()
    }
}

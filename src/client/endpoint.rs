//! Where the appliance is and what is trusted to be it.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hyper::Uri;
use hyper::http::uri::{Authority, Scheme};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

use crate::base::secret::SecretString;

/// The roots of the system, where Debian keeps them.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where to call, whom to trust there, and as whom.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `https://host[:port]`; `http://` only with a loopback host.
    pub base_url: String,
    /// PEM certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The bearer token; without one only the public endpoints answer.
    pub token: Option<SecretString>,
}

/// Why an endpoint cannot be used; nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum EndpointFault {
    #[error("{url:?} is not of the form https://host[:port]")]
    NotABaseUrl { url: String },
    #[error("{url:?} would send the token in the clear; plain http:// is only for this machine itself (127.0.0.1, ::1, localhost)")]
    InTheClear { url: String },
    #[error("cannot read the certificates to trust from {path}")]
    Roots { path: PathBuf, source: io::Error },
    #[error("{path} is not a file of PEM certificates")]
    RootsForm { path: PathBuf, source: pem::Error },
    #[error("{path} holds no PEM certificate")]
    NoRoots { path: PathBuf },
    #[error("a certificate in {path} cannot be trusted as a root")]
    RootsUnfit { path: PathBuf, source: rustls::Error },
    #[error("the token holds characters that no token has (spaces, line ends or non-ASCII)")]
    TokenForm,
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// A base URL that was found good.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) secure: bool,
    authority: Authority,
}

impl Base {
    pub(super) fn parse(url: &str) -> Result<Self, EndpointFault> {
        let malformed = || EndpointFault::NotABaseUrl { url: without_credentials(url) };
        let uri: Uri = url.parse().map_err(|_| malformed())?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Err(malformed()) };
        // Paths and queries are ours to write; credentials have no place in a URL (RFC 9110, 4.2.4).
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() || url.contains('#') || authority.as_str().contains('@') {
            return Err(malformed());
        }
        // The parser leaves a port that is no number, or none behind the colon, to its caller.
        if authority.as_str().len() > authority.host().len() && authority.port_u16().is_none() {
            return Err(malformed());
        }
        let secure = *scheme == Scheme::HTTPS;
        if authority.host().is_empty() || !(secure || *scheme == Scheme::HTTP) {
            return Err(malformed());
        }
        if !secure && !is_loopback(authority.host()) {
            return Err(EndpointFault::InTheClear { url: url.to_owned() });
        }
        Ok(Self { secure, authority: authority.clone() })
    }

    /// The whole URL of a path with its query.
    pub(super) fn join(&self, path_and_query: &str) -> String {
        format!("{self}{path_and_query}")
    }
}

impl std::fmt::Display for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.secure { "https" } else { "http" }, self.authority)
    }
}

/// The TLS side of a connection: TLS 1.3 and 1.2 with the roots of that file and no others. Plain HTTP gets a
/// configuration that could trust nobody.
pub(super) fn tls(base: &Base, ca_file: Option<&Path>) -> Result<ClientConfig, EndpointFault> {
    let roots =
        if base.secure { read_roots(ca_file.unwrap_or(Path::new(SYSTEM_ROOTS)), ca_file.is_some())? } else { RootCertStore::empty() };
    // The provider is named here: a process default would be shared with, and fought over by, other users of rustls.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(EndpointFault::Tls)?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

fn read_roots(path: &Path, every_one_matters: bool) -> Result<RootCertStore, EndpointFault> {
    let path_buf = || path.to_path_buf();
    let bytes = std::fs::read(path).map_err(|source| EndpointFault::Roots { path: path_buf(), source })?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|source| EndpointFault::RootsForm { path: path_buf(), source })?;
        match roots.add(certificate) {
            // A system store may hold an odd old root; a file that was named is meant as a whole.
            Err(source) if every_one_matters => return Err(EndpointFault::RootsUnfit { path: path_buf(), source }),
            Ok(()) | Err(_) => {}
        }
    }
    if roots.is_empty() { Err(EndpointFault::NoRoots { path: path_buf() }) } else { Ok(roots) }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    // RFC 6761, 6.3: localhost is this machine.
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A refused URL is shown to the caller, but never a password in it.
fn without_credentials(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…{}", &url[..scheme], &url[at..]),
        (None, Some(at)) => format!("…{}", &url[at..]),
        _ => url.to_owned(),
    }
}

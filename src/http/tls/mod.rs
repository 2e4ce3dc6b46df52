//! The listeners' TLS: 1.3, and 1.2 with AEAD suites; X25519MLKEM768 first; client certificates when they are asked for.
//!
//! What a listener shows is an [`Identity`]. The configuration made of it stands in an [`Exchange`], from which every new
//! connection takes the one of that moment; connections that are open keep theirs.

mod clients;
mod identity;
mod token_key;

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::sign::SingleCertAndKey;

pub use clients::{ClientRoots, PeerCertificate};
pub use identity::{Identity, TlsError, first_certificate};

/// The configuration in force, exchanged while connections are being accepted.
pub struct Exchange(ArcSwap<ServerConfig>);

impl Exchange {
    pub fn new(config: ServerConfig) -> Self {
        Self(ArcSwap::from_pointee(config))
    }

    /// The configuration for a connection that begins now.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }

    /// Takes another configuration into force. Its memory of sessions begins empty: nobody resumes what the old one allowed.
    pub fn replace(&self, config: ServerConfig) {
        self.0.store(Arc::new(config));
    }
}

/// The configuration of a listener that shows this identity. A client certificate is asked for when there are roots to judge
/// it by, and never demanded.
pub fn server_config(identity: Identity, clients: &ClientRoots) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = match clients.store() {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).allow_unauthenticated().build();
            builder.with_client_cert_verifier(verifier.map_err(|_| TlsError::NoClientRoots)?)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.into_certified_key())));
    // Our order counts and not the client's, which may be old (BCP 195, RFC 9325, 4.2.1).
    config.ignore_client_order = true;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

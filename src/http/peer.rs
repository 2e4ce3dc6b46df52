//! Who is at the other end of a connection, as far as the connection itself tells.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::source::Source;
use super::tls::PeerCertificate;

/// The other end. The accept loop puts it on every request of the connection.
#[derive(Clone, Debug)]
pub enum Peer {
    /// Somebody on a network.
    Network { address: SocketAddr, certificate: Option<Arc<PeerCertificate>> },
    /// A process of this machine, through the break-glass socket.
    Local(LocalPeer),
}

/// A process at the break-glass socket, as the kernel names it (unix(7), SO_PEERCRED): that of the moment it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalPeer {
    pub user: u32,
    pub process: i32,
    /// Whether the socket is for this user.
    pub is_admitted: bool,
}

impl Peer {
    /// Where limits count it; nowhere when it is on this machine.
    pub fn source(&self) -> Option<Source> {
        match self {
            Self::Network { address, .. } => Some(Source::from(address.ip())),
            Self::Local(_) => None,
        }
    }

    /// The certificate it has shown.
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        match self {
            Self::Network { certificate, .. } => certificate.as_deref(),
            Self::Local(_) => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An IPv4 address on a listener for both versions is told as what it is.
            Self::Network { address, .. } => write!(f, "{}", SocketAddr::new(address.ip().to_canonical(), address.port())),
            Self::Local(LocalPeer { user, process, .. }) => write!(f, "uid {user} pid {process}"),
        }
    }
}

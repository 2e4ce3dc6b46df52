//! `[outbound]`: whether the daemon opens connections by itself, and where to.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::{ConfigError, absolute};
use crate::outbound::{AddressPolicy, Network, Settings};

/// The section as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outbound {
    /// Whether there are outgoing connections at all: webhooks, and CRLs of others.
    pub enabled: bool,
    /// Addresses that are not of the public internet and may be dialled all the same.
    pub allow: Vec<Network>,
    /// The ports that may be dialled; every port when empty.
    pub ports: Vec<u16>,
    /// The DNS resolvers, such as `10.0.0.53:53`; those of `/etc/resolv.conf` when empty.
    pub resolvers: Vec<SocketAddr>,
    /// A PEM file of the roots that are trusted; the system's when none.
    pub ca_file: Option<PathBuf>,
}

const MOST_RESOLVERS: usize = 8;

/// HTTPS for webhooks, and HTTP, over which CRLs are fetched.
impl Default for Outbound {
    fn default() -> Self {
        Self { enabled: false, allow: Vec::new(), ports: vec![80, 443], resolvers: Vec::new(), ca_file: None }
    }
}

impl Outbound {
    /// What the way out is made of.
    pub fn settings(&self) -> Settings {
        let Self { enabled: _, allow, ports, resolvers, ca_file } = self.clone();
        Settings { policy: AddressPolicy { allow, ports }, resolvers, ca_file }
    }

    /// The ports to which the kernel lets the daemon connect: none when it connects to nobody, and no limit when every port may be dialled.
    pub fn reachable(&self) -> Reachable {
        match (self.enabled, self.ports.as_slice()) {
            (false, _) => Reachable::Nothing,
            (true, []) => Reachable::EveryPort,
            (true, ports) => {
                // Long answers of DNS come over TCP.
                let resolvers = self.resolvers.iter().map(SocketAddr::port).chain(std::iter::once(53));
                Reachable::Ports(ports.iter().copied().chain(resolvers).collect())
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |field, message: &str| Err(ConfigError::Value { field, message: message.to_owned() });
        if self.ports.contains(&0) {
            return wrong("outbound.ports", "ports from 1 to 65535");
        }
        if self.resolvers.len() > MOST_RESOLVERS || self.resolvers.iter().any(|resolver| resolver.port() == 0) {
            return wrong("outbound.resolvers", "at most 8 addresses with their ports, such as 10.0.0.53:53");
        }
        self.ca_file.as_ref().map_or(Ok(()), |path| absolute("outbound.ca_file", path))
    }
}

/// Where a daemon's TCP connections may go, as far as the kernel holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reachable {
    Nothing,
    Ports(Vec<u16>),
    EveryPort,
}

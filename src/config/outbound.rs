//! `[outbound]`: whether the daemon opens connections by itself, and where to.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{ConfigError, absolute};
use crate::outbound::{AddressPolicy, Network, Settings, Zone as ZoneSettings};
use crate::x509::dns_name::DnsName;

/// The section as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Outbound {
    /// Whether there are any.
    pub enabled: bool,
    /// Ranges of addresses that are not of the public internet and may be dialled all the same, such as `["10.0.0.0/8", "fd00::/8"]`.
    /// Link-local addresses and the metadata services of clouds are never dialled, whatever stands here. None unless given.
    #[schemars(with = "Vec<String>")]
    pub allow: Vec<Network>,
    /// The ports that may be dialled; the kernel holds it as well (Landlock, from Linux 6.7 on). Every port when the list is empty.
    /// Challenges of ACME are looked at on ports 80 and 443, whatever stands here.
    pub ports: Vec<u16>,
    /// DNS resolvers with their ports, such as `["10.0.0.53:53"]`, at most 8, read at the start. Those of `/etc/resolv.conf` unless given;
    /// `/etc/hosts` and search domains are not used.
    pub resolvers: Vec<SocketAddr>,
    /// A zone of DNS that has resolvers of its own, for names that only they know. Of several zones the one with the most labels counts.
    /// They may know that zone alone: an alias (CNAME) that leads elsewhere is asked for where it leads.
    pub zones: Vec<Zone>,
    /// A PEM file of the roots that are trusted for HTTPS, read at the start. `/etc/ssl/certs/ca-certificates.crt` unless given.
    pub ca_file: Option<PathBuf>,
}

/// A zone of DNS and who is asked about it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// The zone, such as `corp.example`.
    pub name: String,
    /// 1 to 8 addresses with their ports, as in `outbound.resolvers`.
    pub resolvers: Vec<SocketAddr>,
}

const MOST_RESOLVERS: usize = 8;
const MOST_ZONES: usize = 256;
/// RFC 8555, 8.3 and RFC 8737, 3: where challenges are looked at, whatever other uses are let through to.
const CHALLENGE_PORTS: [u16; 2] = [80, 443];

/// HTTPS for webhooks, and HTTP, over which CRLs are fetched.
impl Default for Outbound {
    fn default() -> Self {
        Self { enabled: false, allow: Vec::new(), ports: vec![80, 443], resolvers: Vec::new(), zones: Vec::new(), ca_file: None }
    }
}

impl Outbound {
    /// What the way out is made of.
    pub fn settings(&self) -> Settings {
        let Self { enabled: _, allow, ports, resolvers, zones, ca_file } = self.clone();
        let zones = zones.into_iter().map(|Zone { name, resolvers }| ZoneSettings { name, resolvers }).collect();
        Settings { policy: AddressPolicy { allow, ports }, resolvers, zones, ca_file }
    }

    /// The ports to which the kernel lets the daemon connect: none when it connects to nobody, and no limit when every port may be dialled.
    /// One that validates challenges reaches those at which they are.
    pub fn reachable(&self, validates: bool) -> Reachable {
        match (self.enabled, self.ports.as_slice()) {
            (false, _) => Reachable::Nothing,
            (true, []) => Reachable::EveryPort,
            (true, ports) => {
                // Long answers of DNS come over TCP.
                let of_zones = self.zones.iter().flat_map(|zone| &zone.resolvers);
                let resolvers = self.resolvers.iter().chain(of_zones).map(SocketAddr::port).chain(std::iter::once(53));
                let of_challenges = CHALLENGE_PORTS.into_iter().filter(|_| validates);
                let mut ports: Vec<u16> = ports.iter().copied().chain(resolvers).chain(of_challenges).collect();
                ports.sort_unstable();
                ports.dedup();
                Reachable::Ports(ports)
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |field, message: &str| Err(ConfigError::Value { field, message: message.to_owned() });
        if self.ports.contains(&0) {
            return wrong("outbound.ports", "ports from 1 to 65535");
        }
        let are_resolvers = |list: &[SocketAddr]| list.len() <= MOST_RESOLVERS && list.iter().all(|resolver| resolver.port() != 0);
        if !are_resolvers(&self.resolvers) {
            return wrong("outbound.resolvers", "at most 8 addresses with their ports, such as 10.0.0.53:53");
        }
        if self.zones.len() > MOST_ZONES || self.zones.iter().any(|zone| !are_resolvers(&zone.resolvers) || zone.resolvers.is_empty()) {
            return wrong("outbound.zones", "at most 256 zones, each with 1 to 8 resolvers, such as 10.0.0.53:53");
        }
        if self.zones.iter().any(|zone| !is_zone(&zone.name)) {
            return wrong("outbound.zones", "the name of a zone in ASCII and without a dot at its end, such as corp.example");
        }
        self.ca_file.as_ref().map_or(Ok(()), |path| absolute("outbound.ca_file", path))
    }
}

/// A zone may be a single label, and may begin with an underscore as `_acme-challenge` does.
fn is_zone(name: &str) -> bool {
    let plain: Vec<&str> = name.split('.').map(|label| label.strip_prefix('_').unwrap_or(label)).collect();
    DnsName::parse(&plain.join(".")).is_ok_and(|name| !name.is_wildcard())
}

/// Where a daemon's TCP connections may go, as far as the kernel holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reachable {
    Nothing,
    Ports(Vec<u16>),
    EveryPort,
}

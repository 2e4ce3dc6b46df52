//! Which addresses may be dialled. This is the one place that decides it (OWASP calls what it prevents server-side request forgery).
//!
//! Addresses of the public internet may. Those that only this machine or its network knows may where the operator lists them. Those at which a
//! cloud hands out credentials to whoever asks, and all that are link-local, may never.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// A range of addresses, as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    length: u8,
}

/// The text is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a range of addresses is wanted, such as 10.0.0.0/8 or fd00::/8, with no bit set behind the prefix")]
pub struct NotANetwork;

/// Why an address is not dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    #[error("{0} is never dialled: it is link-local, or a cloud's metadata service")]
    Never(IpAddr),
    #[error("{0} is no address of the public internet, and outbound.allow does not list it")]
    NotAllowed(IpAddr),
}

/// What may be dialled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    /// Ranges that are not of the public internet and may be dialled all the same.
    pub allow: Vec<Network>,
    /// The ports; every port when empty.
    pub ports: Vec<u16>,
}

impl AddressPolicy {
    /// Whether an address may be dialled. An IPv4 address in an IPv6 one is looked at as well, for a gateway would reach it.
    pub fn check(&self, address: IpAddr) -> Result<(), AddressFault> {
        let embedded = match address {
            IpAddr::V4(_) => [None, None],
            IpAddr::V6(v6) => embedded(v6),
        };
        for inner in embedded.into_iter().flatten() {
            self.check_plain(IpAddr::V4(inner)).map_err(|fault| match fault {
                AddressFault::Never(_) => AddressFault::Never(address),
                AddressFault::NotAllowed(_) => AddressFault::NotAllowed(address),
            })?;
        }
        self.check_plain(address)
    }

    /// Whether a port may be dialled.
    pub fn allows_port(&self, port: u16) -> bool {
        port != 0 && (self.ports.is_empty() || self.ports.contains(&port))
    }

    fn check_plain(&self, address: IpAddr) -> Result<(), AddressFault> {
        if NEVER.iter().any(|network| network.contains(address)) {
            return Err(AddressFault::Never(address));
        }
        if is_public(address) || self.allow.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        Err(AddressFault::NotAllowed(address))
    }
}

impl Network {
    /// Whether an address is in it. An IPv4 range holds no IPv6 address, not even one that embeds an IPv4 one.
    pub const fn contains(self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                self.length == 0 || (first.to_bits() ^ address.to_bits()) >> (32 - self.length as u32) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                self.length == 0 || (first.to_bits() ^ address.to_bits()) >> (128 - self.length as u32) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, length) = text.split_once('/').ok_or(NotANetwork)?;
        let first: IpAddr = address.parse().map_err(|_| NotANetwork)?;
        if length.is_empty() || length.len() > 3 || !length.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotANetwork);
        }
        let length: u8 = length.parse().map_err(|_| NotANetwork)?;
        // Bits behind the prefix are a slip of whoever wrote it: 10.1.2.3/8 could mean either.
        let is_whole = match first {
            IpAddr::V4(first) => length <= 32 && first.to_bits().checked_shl(length.into()).unwrap_or(0) == 0,
            IpAddr::V6(first) => length <= 128 && first.to_bits().checked_shl(length.into()).unwrap_or(0) == 0,
        };
        if is_whole { Ok(Self { first, length }) } else { Err(NotANetwork) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Network {
    Network { first: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), length }
}

const fn v6(first: [u16; 8], length: u8) -> Network {
    let [a, b, c, d, e, f, g, h] = first;
    Network { first: IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h)), length }
}

/// Whatever the operator lists.
const NEVER: &[Network] = &[
    // RFC 3927: link-local, and in it 169.254.169.254, the metadata service of AWS, Azure, Google and others, and 169.254.170.2 of ECS.
    v4(169, 254, 0, 0, 16),
    // Alibaba's metadata service.
    v4(100, 100, 100, 200, 32),
    // Oracle's metadata service, and Azure's wire server.
    v4(192, 0, 0, 192, 32),
    v4(168, 63, 129, 16, 32),
    // RFC 4291, 2.5.6: link-local.
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    // The metadata services of AWS and of Google in IPv6.
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0], 32),
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
];

/// IANA's registry of special-purpose IPv4 addresses (RFC 6890), and multicast.
const SPECIAL_V4: &[Network] = &[
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// RFC 4291, 2.4: what IANA gives out to the public internet. Everything outside it is loopback, unspecified, unique local (RFC 4193),
/// multicast, mapped or compatible IPv4, NAT64 (RFC 6052, RFC 8215), discarded (RFC 6666), or nobody's yet.
const GLOBAL_V6: Network = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// What is special inside of it.
const SPECIAL_V6: &[Network] = &[
    // RFC 2928: IETF protocol assignments: Teredo, benchmarking, ORCHID and others.
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    // RFC 3849 and RFC 9637: documentation.
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
    // RFC 3056: 6to4.
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
];

fn is_public(address: IpAddr) -> bool {
    let is_in = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
    match address {
        IpAddr::V4(_) => !is_in(SPECIAL_V4),
        IpAddr::V6(_) => GLOBAL_V6.contains(address) && !is_in(SPECIAL_V6),
    }
}

/// The IPv4 addresses that a gateway, or the kernel itself, would make of an IPv6 one.
fn embedded(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    let [_, _, o2, o3, o4, o5, o6, o7, .., o12, o13, o14, o15] = address.octets();
    let last = Some(Ipv4Addr::new(o12, o13, o14, o15));
    match address.segments() {
        // RFC 4291, 2.5.5: compatible and mapped; the unspecified and the loopback address are themselves.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => [None, None],
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] => [last, None],
        // RFC 2765: translated.
        [0, 0, 0, 0, 0xffff, 0, _, _] => [last, None],
        // RFC 6052, 2.1: NAT64.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => [last, None],
        // RFC 3056: 6to4.
        [0x2002, ..] => [Some(Ipv4Addr::new(o2, o3, o4, o5)), None],
        // RFC 4380, 4: Teredo, the server and the client behind it, whose bits are inverted.
        [0x2001, 0, ..] => [Some(Ipv4Addr::new(o4, o5, o6, o7)), Some(Ipv4Addr::new(!o12, !o13, !o14, !o15))],
        _ => [None, None],
    }
}

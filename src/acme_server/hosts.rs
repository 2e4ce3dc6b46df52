//! The hosts under which the server is reached where the configuration names none: those that the listener's certificate is for.
//!
//! A client has looked for such a name before it has sent anything, so what it takes for the server's address is one. Whoever hands a client's
//! requests on from another server has another name there, and is refused by it (RFC 8555, 6.4): the request alone does not say where it is.

use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};

use crate::x509::certificate::Certificate;
use crate::x509::dns_name::DnsName;
use crate::x509::san::{RequestedName, SubjectAltName};

/// Exchanged with the certificate.
#[derive(Debug, Default)]
pub(super) struct Hosts(RwLock<Vec<SubjectAltName>>);

impl Hosts {
    /// Those of another certificate from now on.
    pub fn set(&self, certificate: &Certificate) {
        let good = |name: &RequestedName| match name {
            RequestedName::Good(name @ (SubjectAltName::Dns(_) | SubjectAltName::Ip(_))) => Some(name.clone()),
            RequestedName::Good(SubjectAltName::Email(_) | SubjectAltName::Uri(_))
            | RequestedName::BadDns { .. }
            | RequestedName::BadIp { .. }
            | RequestedName::BadEmail { .. }
            | RequestedName::BadUri { .. }
            | RequestedName::Unsupported(_) => None,
        };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certificate.names().iter().filter_map(good).collect();
    }

    /// Whether the server is there. The port is not in a certificate: another one of the same host is a way to the same listener.
    pub fn admits(&self, authority: &str) -> bool {
        let Some(asked) = host_of(authority) else { return false };
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().any(|known| is_for(known, &asked))
    }
}

/// The host of a name or an address with a port or without (RFC 3986, 3.2).
fn host_of(authority: &str) -> Option<SubjectAltName> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').or(port.is_empty().then_some("0"))?),
        None => authority.split_once(':').unwrap_or((authority, "0")),
    };
    port.parse::<u16>().ok()?;
    match host.parse::<IpAddr>() {
        Ok(address) if address.is_ipv6() != authority.starts_with('[') => None,
        Ok(address) => Some(SubjectAltName::Ip(address)),
        Err(_) => DnsName::parse(host).ok().filter(|name| !name.is_wildcard()).map(SubjectAltName::Dns),
    }
}

/// RFC 9525, 6.3: a wildcard stands for one label.
fn is_for(known: &SubjectAltName, asked: &SubjectAltName) -> bool {
    match (known, asked) {
        (SubjectAltName::Dns(known), SubjectAltName::Dns(asked)) if known.is_wildcard() => {
            asked.as_str().split_once('.').is_some_and(|(_, parent)| parent == known.base())
        }
        (known, asked) => known == asked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts {
        let dns = |name: &str| SubjectAltName::Dns(DnsName::parse(name).unwrap());
        let names = vec![dns("ca.example.com"), dns("*.acme.example.com"), SubjectAltName::Ip([192, 0, 2, 1].into())];
        Hosts(RwLock::new([names, vec![SubjectAltName::Ip("2001:db8::1".parse().unwrap())]].concat()))
    }

    #[test]
    fn hosts_of_the_certificate_are_admitted_and_no_others() {
        let hosts = hosts();
        for host in ["ca.example.com", "CA.example.com:8443", "x.acme.example.com", "192.0.2.1:443", "[2001:db8::1]", "[2001:DB8::1]:8443"]
        {
            assert!(hosts.admits(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "ca.example.com.evil.example",
            "acme.example.com",
            "x.y.acme.example.com",
            "*.acme.example.com",
            "192.0.2.2",
            "2001:db8::1",
            "[192.0.2.1]",
            "ca.example.com:",
            "ca.example.com:99999",
            "ca.example.com:1:2",
            "user@ca.example.com",
            "[2001:db8::1]x",
        ] {
            assert!(!hosts.admits(host), "{host}");
        }
        assert!(!Hosts::default().admits("ca.example.com"));
    }
}

//! URLs that may be dialled at all: http or https, a host, no credentials.

use std::net::IpAddr;
use std::str::FromStr;

use hyper::Uri;

/// Longer ones are refused.
pub const LONGEST_URL: usize = 2_048;

/// A URL that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    text: String,
    pub(super) is_secure: bool,
    pub(super) host: Host,
    pub(super) port: u16,
    /// As the Host header has it.
    pub(super) authority: String,
    /// The path and the query.
    pub(super) target: String,
}

/// Whom a URL means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Address(IpAddr),
    /// In lower case, without a dot at its end.
    Name(String),
}

/// The text is no URL that could be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    #[error("a URL of the form https://host[:port]/path is wanted, of at most {LONGEST_URL} ASCII characters and without a fragment")]
    Form,
    #[error("a URL must not hold a user name or password")]
    Credentials,
    #[error("the host is neither a DNS name nor an IP address in its usual form")]
    Host,
}

impl Url {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme, the host and the port: what may be told of a URL whose path may be a secret.
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.is_secure { "https" } else { "http" }, self.authority)
    }

    /// Whether it is https.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The address, when it names one.
    pub fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Address(address) => Some(address),
            Host::Name(_) => None,
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Url {
    type Err = UrlFault;

    fn from_str(text: &str) -> Result<Self, UrlFault> {
        if text.len() > LONGEST_URL || !text.bytes().all(|b| b.is_ascii_graphic()) || text.contains(['#', '\\']) {
            return Err(UrlFault::Form);
        }
        let uri: Uri = text.parse().map_err(|_| UrlFault::Form)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(UrlFault::Form) };
        let is_secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(UrlFault::Form),
        };
        if authority.as_str().contains('@') {
            return Err(UrlFault::Credentials);
        }
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => {
                if is_secure {
                    443
                } else {
                    80
                }
            }
            // The parser leaves a port that is no number, or none behind the colon, to its caller.
            Some(_) => authority.port_u16().filter(|port| *port != 0).ok_or(UrlFault::Form)?,
            None => return Err(UrlFault::Form),
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self {
            host: host(authority.host())?,
            is_secure,
            port,
            authority: authority.as_str().to_owned(),
            // RFC 9112, 3.2.1: an empty path is sent as a slash.
            target: if target.starts_with('/') { target.to_owned() } else { format!("/{target}") },
            text: text.to_owned(),
        })
    }
}

fn host(text: &str) -> Result<Host, UrlFault> {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse().map(|address| Host::Address(IpAddr::V6(address))).map_err(|_| UrlFault::Host);
    }
    if let Ok(address) = text.parse() {
        return Ok(Host::Address(IpAddr::V4(address)));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
    };
    // WHATWG URL, 3.5: what ends in a number is meant as an IPv4 address, such as 127.1, 0x7f.1 or 2130706433.
    let ends_in_number = name.rsplit('.').next().is_some_and(|last| {
        let digits = last.strip_prefix("0x").unwrap_or(last);
        last.bytes().all(|b| b.is_ascii_digit()) || (digits.len() < last.len() && digits.bytes().all(|b| b.is_ascii_hexdigit()))
    });
    if name.len() > 253 || ends_in_number || !name.split('.').all(is_label) {
        return Err(UrlFault::Host);
    }
    Ok(Host::Name(name))
}

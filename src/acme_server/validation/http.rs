//! http-01 (RFC 8555, 8.3): the key authorization as a page on port 80.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::fault::{ConnectionFault, DnsFault, Place, RedirectFault, ValidationFault};
use super::{Attempt, Identifier};
use crate::outbound::{Outbound, OutboundError, ProbeError, ProbeReason, ResolveError};

/// A key authorization has 43 characters behind its dot; with white space at the end it stays below this.
const LONGEST_PAGE: usize = 128;

pub async fn validate(outbound: &Outbound, attempt: &Attempt<'_>, within: Duration) -> Result<(), ValidationFault> {
    let host = host(attempt.identifier);
    let path = format!("/.well-known/acme-challenge/{}", attempt.token);
    let asked = shown(attempt.identifier);
    let page = outbound.page(&host, &path, LONGEST_PAGE, within).await.map_err(|error| fault(&asked, 80, &error))?;
    if page.is_whole && is_answer(&page.body, attempt.key_authorization) {
        Ok(())
    } else {
        Err(ValidationFault::WrongPage { at: Place::Asked(format!("http://{host}{path}")) })
    }
}

/// RFC 8555, 8.3: white space at the end of the page is ignored.
pub fn is_answer(page: &[u8], key_authorization: &str) -> bool {
    page.trim_ascii_end() == key_authorization.as_bytes()
}

/// As a URL has it.
pub fn host(identifier: &Identifier) -> String {
    match identifier {
        Identifier::Dns { name, .. } => name.clone(),
        Identifier::Ip(IpAddr::V4(address)) => address.to_string(),
        Identifier::Ip(IpAddr::V6(address)) => format!("[{address}]"),
    }
}

/// As a person writes it.
pub fn shown(identifier: &Identifier) -> String {
    match identifier {
        Identifier::Dns { name, .. } => name.clone(),
        Identifier::Ip(address) => address.to_string(),
    }
}

/// What a client may know of a look that failed.
pub fn fault(asked: &str, port: u16, error: &ProbeError) -> ValidationFault {
    let at = match error.redirects {
        0 => Place::Asked(asked.to_owned()),
        number => Place::Redirect(number),
    };
    let port = if error.redirects == 0 { Some(port) } else { None };
    let redirect = |fault| ValidationFault::Redirect { at: at.clone(), fault };
    match &error.reason {
        ProbeReason::Outbound(error) => outbound_fault(at, port, error),
        ProbeReason::Status(status) => ValidationFault::Status { at, status: *status },
        ProbeReason::TooManyRedirects => redirect(RedirectFault::TooMany),
        ProbeReason::Circle => redirect(RedirectFault::Circle),
        ProbeReason::NoLocation | ProbeReason::Location(_) => redirect(RedirectFault::NotAUrl),
        ProbeReason::RedirectPort(port) => redirect(RedirectFault::Port(*port)),
        ProbeReason::NoProtocol => ValidationFault::NoProtocol(asked.to_owned()),
        ProbeReason::NotOneCertificate => {
            ValidationFault::WrongCertificate { at: asked.to_owned(), fault: super::tls_alpn::CertificateFault::NotOne }
        }
    }
}

fn outbound_fault(at: Place, port: Option<u16>, error: &OutboundError) -> ValidationFault {
    let connection = |fault| ValidationFault::Connection { at: at.clone(), fault };
    match error {
        OutboundError::Disabled => ValidationFault::Disabled,
        OutboundError::Port(_) | OutboundError::Address(_) => connection(ConnectionFault::NotAllowed),
        OutboundError::Resolve(error) => ValidationFault::Dns { at, fault: dns_fault(error) },
        OutboundError::Connect(error) => connection(match (error.kind(), port) {
            (io::ErrorKind::ConnectionRefused, Some(port)) => ConnectionFault::Refused(port),
            (io::ErrorKind::TimedOut, _) => ConnectionFault::TimedOut,
            _ => ConnectionFault::Unreachable,
        }),
        OutboundError::Tls(_) | OutboundError::NoRoots => ValidationFault::Tls { at },
        OutboundError::TimedOut(_) => connection(ConnectionFault::TimedOut),
        OutboundError::Http(_) | OutboundError::Request(_) | OutboundError::TooLong(_) => connection(ConnectionFault::NotHttp),
    }
}

pub fn dns_fault(error: &ResolveError) -> DnsFault {
    match error {
        ResolveError::Name | ResolveError::NoSuchName => DnsFault::NoSuchName,
        ResolveError::NoAddress => DnsFault::NoAddress,
        ResolveError::Aliases => DnsFault::Aliases,
        ResolveError::NoResolver => DnsFault::NoResolver,
        ResolveError::NoAnswer(_) | ResolveError::Refused(_) => DnsFault::NoAnswer,
    }
}

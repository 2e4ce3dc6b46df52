//! tls-alpn-01 (RFC 8737, and RFC 8738, 6 for addresses): a self-signed certificate, shown to whoever asks for the protocol acme-tls/1.

use std::net::IpAddr;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use const_oid::ObjectIdentifier;

use super::fault::ValidationFault;
use super::{Attempt, Identifier, http};
use crate::outbound::Outbound;
use crate::x509::certificate::Certificate;
use crate::x509::extension::SUBJECT_ALT_NAME;
use crate::x509::san::{RequestedName, SubjectAltName};
use crate::x509::tlv::{OCTET_STRING, Reader};

const PROTOCOL: &[u8] = b"acme-tls/1";
/// id-pe-acmeIdentifier (RFC 8737, 6.1).
const ACME_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.31");

/// Why a certificate does not answer the challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    #[error("not exactly one was shown")]
    NotOne,
    #[error("it cannot be read")]
    Form,
    #[error("it is not signed by its own key")]
    NotSelfSigned,
    #[error("its subject alternative names are not the one that is validated")]
    Names,
    #[error("it has no acmeIdentifier extension")]
    NoIdentifier,
    #[error("its acmeIdentifier extension is not critical")]
    NotCritical,
    #[error("its acmeIdentifier extension is not the digest of the key authorization")]
    WrongDigest,
}

pub async fn validate(outbound: &Outbound, attempt: &Attempt<'_>, within: Duration) -> Result<(), ValidationFault> {
    let shown = http::shown(attempt.identifier);
    let host = http::host(attempt.identifier);
    let der = outbound
        .alpn_certificate(&host, &server_name(attempt.identifier), PROTOCOL, within)
        .await
        .map_err(|error| http::fault(&shown, 443, &error))?;
    check(&der, attempt.identifier, attempt.key_authorization).map_err(|fault| ValidationFault::WrongCertificate { at: shown, fault })
}

/// RFC 8738, 6: for an address the name it has in reverse, because SNI carries names only.
pub fn server_name(identifier: &Identifier) -> String {
    match identifier {
        Identifier::Dns { name, .. } => name.clone(),
        Identifier::Ip(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Identifier::Ip(IpAddr::V6(address)) => {
            let nibbles = address.octets().into_iter().rev().map(|octet| format!("{:x}.{:x}.", octet & 15, octet >> 4));
            format!("{}ip6.arpa", nibbles.collect::<String>())
        }
    }
}

/// RFC 8737, 3: whether a certificate answers the challenge for this identifier.
pub fn check(der: &[u8], identifier: &Identifier, key_authorization: &str) -> Result<(), CertificateFault> {
    let certificate = Certificate::from_der(der).map_err(|_| CertificateFault::Form)?;
    let is_the_name = match (certificate.names(), identifier) {
        ([RequestedName::Good(SubjectAltName::Dns(found))], Identifier::Dns { name, .. }) => found.as_str() == name,
        ([RequestedName::Good(SubjectAltName::Ip(found))], Identifier::Ip(address)) => found == address,
        _ => false,
    };
    if !is_the_name || certificate.extension(SUBJECT_ALT_NAME).is_none() {
        return Err(CertificateFault::Names);
    }
    let found = certificate.extension_ids().iter().find(|(id, _)| *id == ACME_IDENTIFIER);
    let (_, is_critical) = found.ok_or(CertificateFault::NoIdentifier)?;
    if !is_critical {
        return Err(CertificateFault::NotCritical);
    }
    let value = certificate.extension(ACME_IDENTIFIER).ok_or(CertificateFault::NoIdentifier)?;
    if read_identifier(value) != Some(digest(&SHA256, key_authorization.as_bytes()).as_ref()) {
        return Err(CertificateFault::WrongDigest);
    }
    let is_self_signed = certificate.issuer().comparable() == certificate.subject().comparable()
        && certificate.public_key().is_ok_and(|key| certificate.is_signed_by(&key));
    if is_self_signed { Ok(()) } else { Err(CertificateFault::NotSelfSigned) }
}

/// `Authorization ::= OCTET STRING (SIZE (32))`
fn read_identifier(value: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(value);
    let digest = reader.expect(OCTET_STRING).ok()?.content;
    reader.finish().ok()?;
    Some(digest)
}

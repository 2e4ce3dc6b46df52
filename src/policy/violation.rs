//! What can be wrong with a request, each with the field it stands in.

use std::net::IpAddr;

use crate::base::duration::Span;
use crate::x509::algorithm::KeyType;
use crate::x509::dns_name::{DnsName, DnsNameFault};
use crate::x509::name::NameFault;
use crate::x509::san::{EmailFault, UriFault};

/// One fault of one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The field of the request, such as `alt_names[2]` or `csr_pem`.
    pub field: String,
    pub fault: Fault,
}

/// The rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("{text:?} is not a host name: {fault}")]
    NotAHostName { text: String, fault: DnsNameFault },
    #[error("{0} is outside the role's allowed domains")]
    DomainNotAllowed(DnsName),
    #[error("{0} is an IP address and the role does not allow IP addresses")]
    IpNotAllowed(IpAddr),
    #[error("an IP address has 4 or 16 octets, and this name has {octets}")]
    NotAnIp { octets: usize },
    #[error("{0} is an IP address; it belongs into ip_sans")]
    IpAsHostName(IpAddr),
    #[error("names of the kind {0} are not certified here")]
    KindNotAllowed(&'static str),
    #[error("the common name {0:?} is a host name or address and must be among the subject alternative names too")]
    CommonNameNotASan(String),
    #[error("the subject's email address {0:?} must be among the subject alternative names too (RFC 5280, 4.1.2.6)")]
    EmailNotASan(String),
    #[error("the name cannot be certified: {0}")]
    Email(EmailFault),
    #[error("the name cannot be certified: {0}")]
    Uri(UriFault),
    #[error("the subject cannot be certified: {0}")]
    Subject(NameFault),
    #[error("the subject has more than one common name")]
    SeveralCommonNames,
    #[error("the role requires a common name")]
    CommonNameRequired,
    #[error("the common name cannot be in a subject: {0}")]
    CommonName(NameFault),
    #[error("a certificate needs at least one name")]
    NoName,
    #[error("at most {most} names; {given} were given", most = super::MOST_NAMES)]
    TooManyNames { given: usize },
    #[error("the role issues for {wanted} keys only, and this key is {given}")]
    KeyType { wanted: KeyType, given: KeyType },
    #[error("at most {0} is allowed")]
    TtlTooLong(Span),
    #[error("the time is outside of what the role allows")]
    OutsideApproved,
    #[error("the CSR asks for a CA certificate; only end-entity certificates are issued here")]
    AsksForCa,
    #[error("the CSR asks for the key usage {0}, which is not given here")]
    KeyUsage(String),
    #[error("the CSR asks for the extended key usage {0}, which is not given here")]
    ExtendedKeyUsage(String),
}

/// Something of the request that is not in the certificate, said so that nothing is lost in silence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    #[error("the subject attribute {0} of the CSR was left out: it is not set here")]
    AttributeLeftOut(String),
    #[error("the extension {0} of the CSR was left out")]
    ExtensionLeftOut(String),
    #[error("not_after was cut to the issuer's: {0}")]
    CutToIssuer(String),
}

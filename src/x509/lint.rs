//! A second look at a certificate before it is signed: the bytes are read again and held against RFC 5280.
//!
//! It knows nothing of how the bytes were made, so that a mistake in the drafting or in the policy does not become a
//! certificate. It is quick enough to stand on the way of every issuance, and tells all faults at once.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use const_oid::ObjectIdentifier;

use super::dns_name::DnsName;
use super::extension::{self, BasicConstraints, ExtendedKeyUsage, KeyUsage, read};
use super::name::DistinguishedName;
use super::san::{self, RequestedName, SubjectAltName};
use super::signed;
use super::tbs::TbsFields;
use super::tlv::{self, DerFault, Element};

/// What the certificate is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Root,
    Intermediate,
    Leaf,
}

/// Why the bytes may not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LintFault {
    #[error("the certificate cannot be read: {0}")]
    Encoding(DerFault),
    #[error("the version is not 3 (RFC 5280, 4.1.2.1)")]
    Version,
    #[error("the serial number is not positive (RFC 5280, 4.1.2.2)")]
    SerialNotPositive,
    #[error("the serial number has {0} octets: 8 to 20 are allowed (RFC 5280, 4.1.2.2)")]
    SerialLength(usize),
    #[error("the signature algorithm is not one that is offered")]
    Algorithm,
    #[error("the validity does not end after it begins (RFC 5280, 4.1.2.5)")]
    Validity,
    #[error("the issuer name is empty (RFC 5280, 4.1.2.4)")]
    EmptyIssuer,
    #[error("the subject name of a CA is empty (RFC 5280, 4.1.2.6)")]
    EmptyCaSubject,
    #[error("a root's issuer is not its subject")]
    RootNotSelfIssued,
    #[error("the extension {0} stands twice (RFC 5280, 4.2)")]
    DuplicateExtension(ObjectIdentifier),
    #[error("the extension {0} is none that is issued")]
    UnknownExtension(ObjectIdentifier),
    #[error("the extension {0} cannot be read")]
    Extension(ObjectIdentifier),
    #[error("the extension {0} is missing")]
    MissingExtension(ObjectIdentifier),
    #[error("the extension {0} must be critical")]
    NotCritical(ObjectIdentifier),
    #[error("the extension {0} must not be critical")]
    Critical(ObjectIdentifier),
    #[error("a CA certificate does not say that it is one (RFC 5280, 4.2.1.9)")]
    NotCa,
    #[error("a leaf certificate says that it is a CA's")]
    LeafIsCa,
    #[error("a path length stands in a certificate that is no CA's (RFC 5280, 4.2.1.9)")]
    PathLengthOfLeaf,
    #[error("a CA's key usage lacks keyCertSign (RFC 5280, 4.2.1.3)")]
    CaCannotSign,
    #[error("a leaf's key usage has keyCertSign (RFC 5280, 4.2.1.3)")]
    LeafMaySign,
    #[error("the key usage has no flag (RFC 5280, 4.2.1.3)")]
    EmptyKeyUsage,
    #[error("an extended key usage stands twice")]
    DuplicatePurpose(ObjectIdentifier),
    #[error("the subject key identifier is not that of the key (RFC 7093, 2)")]
    SubjectKeyId,
    #[error("the authority key identifier has no key identifier (RFC 5280, 4.2.1.1)")]
    AuthorityKeyId,
    #[error("a root's authority key identifier is not its subject key identifier")]
    RootAuthorityKeyId,
    #[error("a certificate that is no OCSP responder's says that it is not checked (RFC 6960, 4.2.2.2.1)")]
    NotCheckedAndNoResponder,
    #[error("a CA certificate says that there is no revocation information (RFC 9608, 3)")]
    NotAvailableOfCa,
    #[error("a certificate says that there is no revocation information, and where it is (RFC 9608, 3)")]
    NotAvailableAndPublished,
    #[error("the alternative name {0:?} may not be issued")]
    BadName(RequestedName),
    #[error("the alternative name {0} stands twice")]
    DuplicateName(SubjectAltName),
    #[error("the common name {0:?} looks like a host name and is not among the alternative names")]
    CommonNameNotInNames(String),
}

/// Every fault of these to-be-signed bytes; none means that they may be signed.
pub fn lint_tbs(tbs: &[u8], role: Role) -> Vec<LintFault> {
    let fields = match TbsFields::parse(tbs) {
        Ok(fields) => fields,
        Err(fault) => return vec![LintFault::Encoding(fault)],
    };
    let names = DistinguishedName::from_der(fields.issuer).and_then(|issuer| Ok((issuer, DistinguishedName::from_der(fields.subject)?)));
    let (issuer, subject) = match names {
        Ok(names) => names,
        Err(fault) => return vec![LintFault::Encoding(fault)],
    };
    let mut lint = Lint { fields, issuer, subject, role, faults: Vec::new() };
    lint.basic_fields();
    lint.set_of_extensions();
    lint.constraints();
    lint.usages();
    lint.key_ids();
    lint.alternative_names();
    lint.urls();
    lint.revocation_notice();
    lint.faults
}

/// The extensions that are issued, and whether each must be critical; subjectAltName depends on the subject, extKeyUsage on
/// the purpose.
const ISSUED: [(ObjectIdentifier, Option<bool>); 11] = [
    (extension::BASIC_CONSTRAINTS, Some(true)),
    (extension::KEY_USAGE, Some(true)),
    (extension::EXTENDED_KEY_USAGE, None),
    (extension::SUBJECT_KEY_ID, Some(false)),
    (extension::AUTHORITY_KEY_ID, Some(false)),
    (extension::SUBJECT_ALT_NAME, None),
    (extension::CRL_DISTRIBUTION_POINTS, Some(false)),
    (extension::FRESHEST_CRL, Some(false)),
    (extension::AUTHORITY_INFO_ACCESS, Some(false)),
    (extension::OCSP_NO_CHECK, Some(false)),
    (extension::NO_REV_AVAIL, Some(false)),
];

struct Lint<'a> {
    fields: TbsFields<'a>,
    issuer: DistinguishedName,
    subject: DistinguishedName,
    role: Role,
    faults: Vec<LintFault>,
}

impl<'a> Lint<'a> {
    fn require(&mut self, holds: bool, fault: LintFault) {
        if !holds {
            self.faults.push(fault);
        }
    }

    fn is_ca(&self) -> bool {
        matches!(self.role, Role::Root | Role::Intermediate)
    }

    /// The value of an extension, read by `read`; a value that cannot be read is a fault.
    fn value<T>(&mut self, oid: ObjectIdentifier, read: impl FnOnce(&'a [u8]) -> Result<T, DerFault>) -> Option<(T, bool)> {
        let extension = *self.fields.extensions.iter().find(|extension| extension.oid == oid)?;
        let value = read(extension.value).ok();
        self.require(value.is_some(), LintFault::Extension(oid));
        Some((value?, extension.critical))
    }

    fn basic_fields(&mut self) {
        self.require(self.fields.version == 3, LintFault::Version);
        let positive = matches!(self.fields.serial, [0x01..=0x7F, ..] | [0, _, ..]);
        self.require(positive, LintFault::SerialNotPositive);
        let length = self.fields.serial.len();
        self.require((8..=20).contains(&length), LintFault::SerialLength(length));
        self.require(signed::parse_algorithm(self.fields.algorithm).is_some(), LintFault::Algorithm);
        self.require(self.fields.not_before < self.fields.not_after, LintFault::Validity);
        self.require(!self.issuer.is_empty(), LintFault::EmptyIssuer);
        self.require(!(self.is_ca() && self.subject.is_empty()), LintFault::EmptyCaSubject);
        self.require(self.role != Role::Root || self.issuer == self.subject, LintFault::RootNotSelfIssued);
    }

    fn set_of_extensions(&mut self) {
        let extensions = std::mem::take(&mut self.fields.extensions);
        for (place, extension) in extensions.iter().enumerate() {
            let twice = extensions.iter().take(place).any(|earlier| earlier.oid == extension.oid);
            self.require(!twice, LintFault::DuplicateExtension(extension.oid));
            match ISSUED.iter().find(|(oid, _)| *oid == extension.oid) {
                None => self.faults.push(LintFault::UnknownExtension(extension.oid)),
                Some((oid, Some(true))) => self.require(extension.critical, LintFault::NotCritical(*oid)),
                Some((oid, Some(false))) => self.require(!extension.critical, LintFault::Critical(*oid)),
                Some((_, None)) => {}
            }
        }
        self.fields.extensions = extensions;
    }

    fn constraints(&mut self) {
        match self.value(extension::BASIC_CONSTRAINTS, BasicConstraints::from_der) {
            Some((constraints, _)) if self.is_ca() => self.require(constraints.ca, LintFault::NotCa),
            Some((constraints, _)) => {
                self.require(!constraints.ca, LintFault::LeafIsCa);
                self.require(constraints.ca || constraints.path_len.is_none(), LintFault::PathLengthOfLeaf);
            }
            None => {}
        }
        self.must_have(extension::BASIC_CONSTRAINTS, self.is_ca());
    }

    fn must_have(&mut self, oid: ObjectIdentifier, needed: bool) {
        let there = self.fields.extensions.iter().any(|extension| extension.oid == oid);
        self.require(there || !needed, LintFault::MissingExtension(oid));
    }

    fn usages(&mut self) {
        if let Some((usage, _)) = self.value(extension::KEY_USAGE, KeyUsage::from_der) {
            self.require(!usage.is_empty(), LintFault::EmptyKeyUsage);
            let signs = usage.contains(KeyUsage::KEY_CERT_SIGN);
            self.require(signs || !self.is_ca(), LintFault::CaCannotSign);
            self.require(!signs || self.is_ca(), LintFault::LeafMaySign);
        }
        self.must_have(extension::KEY_USAGE, self.is_ca());
        if let Some((purposes, critical)) = self.value(extension::EXTENDED_KEY_USAGE, ExtendedKeyUsage::list_from_der) {
            for (place, purpose) in purposes.iter().enumerate() {
                self.require(!purposes.iter().take(place).any(|earlier| earlier == purpose), LintFault::DuplicatePurpose(*purpose));
            }
            // RFC 3161, 2.3: critical for a time stamper; RFC 5280, 4.2.1.12 leaves it open, and elsewhere we say no.
            let stamper = purposes == [ExtendedKeyUsage::TimeStamping.oid()];
            self.require(critical || !stamper, LintFault::NotCritical(extension::EXTENDED_KEY_USAGE));
            self.require(!critical || stamper, LintFault::Critical(extension::EXTENDED_KEY_USAGE));
        }
    }

    fn key_ids(&mut self) {
        let key_id = match self.fields.public_key_bits() {
            Ok(bits) => digest(&SHA256, bits),
            Err(fault) => return self.faults.push(LintFault::Encoding(fault)),
        };
        self.must_have(extension::SUBJECT_KEY_ID, true);
        // RFC 7093, 2, method 1: the leftmost 160 bits of SHA-256 over the subjectPublicKey.
        let own = self.value(extension::SUBJECT_KEY_ID, read::subject_key_id).map(|(id, _)| id);
        self.require(own.is_none_or(|id| Some(id) == key_id.as_ref().get(..20)), LintFault::SubjectKeyId);
        self.must_have(extension::AUTHORITY_KEY_ID, self.role != Role::Root);
        if let Some((authority, _)) = self.value(extension::AUTHORITY_KEY_ID, read::authority_key_id) {
            self.require(authority.is_some_and(|id| !id.is_empty()), LintFault::AuthorityKeyId);
            self.require(self.role != Role::Root || authority == own, LintFault::RootAuthorityKeyId);
        }
    }

    fn alternative_names(&mut self) {
        let mut names = BTreeSet::new();
        if let Some((found, critical)) = self.value(extension::SUBJECT_ALT_NAME, san::decode_san) {
            // RFC 5280, 4.2.1.6: critical exactly where the subject says nothing.
            let empty = self.subject.is_empty();
            self.require(critical || !empty, LintFault::NotCritical(extension::SUBJECT_ALT_NAME));
            self.require(!critical || empty, LintFault::Critical(extension::SUBJECT_ALT_NAME));
            for name in found {
                match name {
                    RequestedName::Good(name) if names.contains(&name) => self.faults.push(LintFault::DuplicateName(name)),
                    RequestedName::Good(name) => {
                        names.insert(name);
                    }
                    bad => self.faults.push(LintFault::BadName(bad)),
                }
            }
        }
        self.must_have(extension::SUBJECT_ALT_NAME, self.subject.is_empty());
        if self.role == Role::Leaf {
            for common_name in self.subject.common_names() {
                if !is_covered(&common_name, &names) {
                    self.faults.push(LintFault::CommonNameNotInNames(common_name));
                }
            }
        }
    }

    fn urls(&mut self) {
        let good = |urls: &[String]| !urls.is_empty() && urls.iter().all(|url| san::parse_uri(url).is_ok());
        let crl = self.value(extension::CRL_DISTRIBUTION_POINTS, read::crl_urls);
        self.require(crl.is_none_or(|(urls, _)| good(&urls)), LintFault::Extension(extension::CRL_DISTRIBUTION_POINTS));
        let delta = self.value(extension::FRESHEST_CRL, read::crl_urls);
        self.require(delta.is_none_or(|(urls, _)| good(&urls)), LintFault::Extension(extension::FRESHEST_CRL));
        let info = self.value(extension::AUTHORITY_INFO_ACCESS, read::authority_info);
        let info = info.map(|((issuer, ocsp), _)| [issuer, ocsp].concat());
        self.require(info.is_none_or(|urls| good(&urls)), LintFault::Extension(extension::AUTHORITY_INFO_ACCESS));
    }

    fn revocation_notice(&mut self) {
        if self.value(extension::OCSP_NO_CHECK, null).is_some() {
            let purposes = self.value(extension::EXTENDED_KEY_USAGE, ExtendedKeyUsage::list_from_der);
            let is_responder = purposes.is_some_and(|(purposes, _)| purposes == [ExtendedKeyUsage::OcspSigning.oid()]);
            self.require(is_responder && !self.is_ca(), LintFault::NotCheckedAndNoResponder);
        }
        if self.value(extension::NO_REV_AVAIL, null).is_some() {
            self.require(!self.is_ca(), LintFault::NotAvailableOfCa);
            let has_crl = self.fields.extensions.iter().any(|extension| extension.oid == extension::CRL_DISTRIBUTION_POINTS);
            let ocsp = self.value(extension::AUTHORITY_INFO_ACCESS, read::authority_info).map(|((_, ocsp), _)| ocsp);
            self.require(!has_crl && ocsp.is_none_or(|urls| urls.is_empty()), LintFault::NotAvailableAndPublished);
        }
    }
}

/// The value of an extension that says all by being there.
fn null(der: &[u8]) -> Result<(), DerFault> {
    let element = Element::sole(der, tlv::NULL)?;
    if element.content.is_empty() { Ok(()) } else { Err(DerFault::Value) }
}

/// Whether a common name says nothing about a host that the alternative names do not say. A name with a dot that parses as a
/// DNS name, and every IP address, speaks of a host; "server 1" or "Alice" does not.
fn is_covered(common_name: &str, names: &BTreeSet<SubjectAltName>) -> bool {
    if let Ok(address) = common_name.parse() {
        return names.contains(&SubjectAltName::Ip(address));
    }
    // A final dot is how a host name is written absolutely; it hides nothing here.
    match DnsName::parse(common_name.strip_suffix('.').unwrap_or(common_name)) {
        Ok(name) => !name.as_str().contains('.') || names.contains(&SubjectAltName::Dns(name)),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests;

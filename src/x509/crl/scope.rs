//! Which certificates of its issuer a CRL speaks of (RFC 5280, 5.2.5), and whether one of them is among them (6.3.3 b 2).
//!
//! Never guesses: a CRL that speaks for other issuers, of some reasons only, or of attribute certificates covers nothing here.

use super::Covered;
use crate::x509::certificate::Certificate;
use crate::x509::extension;
use crate::x509::name::{ComparableName, DistinguishedName};
use crate::x509::san::DIRECTORY_NAME;
use crate::x509::tlv::{self, DerFault, Element};

/// What an issuing distribution point says. The scope of a CRL without one is everything its issuer issued.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope<'a> {
    /// The DistributionPointName.
    point: Option<Element<'a>>,
    only: Option<Covered>,
    only_attributes: bool,
    only_some_reasons: bool,
    is_indirect: bool,
}

/// Why a CRL says nothing of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutOfScope {
    #[error("the CRL is of another distribution point than the certificate names")]
    OtherPoint,
    #[error("the CRL covers only the other kind of certificate, those of users or those of authorities")]
    OtherKind,
    #[error("the CRL covers only attribute certificates")]
    Attributes,
    #[error("the CRL covers only some reasons of revocation")]
    SomeReasons,
    #[error("the CRL is an indirect one, which speaks for other issuers")]
    Indirect,
}

impl<'a> Scope<'a> {
    /// Reads an IssuingDistributionPoint.
    pub(super) fn from_der(value: &'a [u8]) -> Result<Self, DerFault> {
        let mut reader = Element::sole(value, tlv::SEQUENCE)?.reader();
        let point = match reader.take(tlv::context_constructed(0))? {
            Some(explicit) => {
                let mut name = explicit.reader();
                let element = name.read()?;
                name.finish()?;
                Some(element)
            }
            None => None,
        };
        let mut flag = |number| Ok::<_, DerFault>(reader.take(tlv::context(number))?.map(|flag| flag.boolean()).transpose()? == Some(true));
        let (only_users, only_authorities) = (flag(1)?, flag(2)?);
        let only = match (only_users, only_authorities) {
            (false, false) => None,
            (true, false) => Some(Covered::Users),
            (false, true) => Some(Covered::Authorities),
            // RFC 5280, 5.2.5: at most one of them is true.
            (true, true) => return Err(DerFault::Value),
        };
        let only_some_reasons = reader.take(tlv::context(3))?.is_some();
        let mut flag = |number| Ok::<_, DerFault>(reader.take(tlv::context(number))?.map(|flag| flag.boolean()).transpose()? == Some(true));
        let (is_indirect, only_attributes) = (flag(4)?, flag(5)?);
        reader.finish()?;
        let scope = Self { point, only, only_attributes, only_some_reasons, is_indirect };
        // The names are read here once, so that what cannot be read is refused and not passed over.
        scope.names(&DistinguishedName::empty())?;
        Ok(scope)
    }

    /// Whether silence about this certificate means that it is not revoked.
    pub(super) fn covers(&self, certificate: &Certificate, crl_issuer: &DistinguishedName) -> Result<(), OutOfScope> {
        if self.is_indirect {
            return Err(OutOfScope::Indirect);
        }
        if self.only_some_reasons {
            return Err(OutOfScope::SomeReasons);
        }
        if self.only_attributes {
            return Err(OutOfScope::Attributes);
        }
        let kind =
            if certificate.basic_constraints().is_some_and(|constraints| constraints.ca) { Covered::Authorities } else { Covered::Users };
        if self.only.is_some_and(|only| only != kind) {
            return Err(OutOfScope::OtherKind);
        }
        let names = self.names(crl_issuer).map_err(|_| OutOfScope::OtherPoint)?;
        let Some(names) = names else { return Ok(()) };
        let named = names_in(certificate).map_err(|_| OutOfScope::OtherPoint)?;
        if names.iter().any(|name| named.contains(name)) { Ok(()) } else { Err(OutOfScope::OtherPoint) }
    }

    /// The names of the distribution point; none when the CRL is of all of them.
    fn names(&self, crl_issuer: &DistinguishedName) -> Result<Option<Vec<PointName>>, DerFault> {
        self.point.map(|point| point_names(point, crl_issuer)).transpose()
    }
}

/// A name of a distribution point, as it is compared.
#[derive(PartialEq, Eq)]
enum PointName {
    Directory(ComparableName),
    /// Any other kind: by its bytes.
    Other(Box<[u8]>),
}

/// The names by which a certificate finds its CRLs (RFC 5280, 4.2.1.13).
fn names_in(certificate: &Certificate) -> Result<Vec<PointName>, DerFault> {
    // RFC 5280, 6.3.3: a CRL that no distribution point names is looked at as if one had the issuer's name.
    let mut names = vec![PointName::Directory(certificate.issuer().comparable())];
    let Some(value) = certificate.extension(extension::CRL_DISTRIBUTION_POINTS) else { return Ok(names) };
    let mut points = Element::sole(value, tlv::SEQUENCE)?.reader();
    while !points.is_empty() {
        let mut point = points.expect(tlv::SEQUENCE)?.reader();
        let name = point.take(tlv::context_constructed(0))?;
        // One for some reasons only, or with a CRL issuer of its own, is none of those that are understood.
        if let (Some(explicit), true) = (name, point.is_empty()) {
            names.extend(point_names(explicit.reader().read()?, certificate.issuer())?);
        }
    }
    Ok(names)
}

/// DistributionPointName ::= CHOICE { fullName [0] GeneralNames, nameRelativeToCRLIssuer [1] RelativeDistinguishedName }
fn point_names(point: Element<'_>, crl_issuer: &DistinguishedName) -> Result<Vec<PointName>, DerFault> {
    if point.tag == tlv::context_constructed(1) {
        let issuer = Element::sole(crl_issuer.der(), tlv::SEQUENCE)?.content;
        let mut der = Vec::with_capacity(issuer.len() + point.content.len() + 8);
        tlv::write(&mut der, tlv::SEQUENCE, |out| {
            out.extend_from_slice(issuer);
            tlv::write_value(out, tlv::SET, point.content);
        });
        return Ok(vec![PointName::Directory(DistinguishedName::from_der(&der)?.comparable())]);
    }
    if point.tag != tlv::context_constructed(0) {
        return Err(DerFault::Tag);
    }
    let (mut reader, mut names) = (point.reader(), Vec::new());
    while !reader.is_empty() {
        let name = reader.read()?;
        names.push(match name.tag {
            DIRECTORY_NAME => PointName::Directory(DistinguishedName::from_der(name.content)?.comparable()),
            _ => PointName::Other(name.whole.into()),
        });
    }
    Ok(names)
}

//! Reads extensions of others: the list of them, and those values that have no type of their own.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;

use crate::x509::san;
use crate::x509::tlv::{self, DerFault, Element, Reader};

/// One Extension as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawExtension<'a> {
    pub oid: ObjectIdentifier,
    pub critical: bool,
    /// The DER inside the octet string.
    pub value: &'a [u8],
}

/// Reads the elements of a SEQUENCE OF Extension.
pub fn extensions<'a>(mut reader: Reader<'a>) -> Result<Vec<RawExtension<'a>>, DerFault> {
    let mut extensions = Vec::with_capacity(10);
    while !reader.is_empty() {
        let mut fields = reader.expect(tlv::SEQUENCE)?.reader();
        let oid = fields.expect(tlv::OBJECT_IDENTIFIER)?.oid()?;
        let critical = fields.take(tlv::BOOLEAN)?.map_or(Ok(false), |critical| critical.boolean())?;
        let value = fields.expect(tlv::OCTET_STRING)?.content;
        fields.finish()?;
        extensions.push(RawExtension { oid, critical, value });
    }
    Ok(extensions)
}

/// The keyIdentifier of an authorityKeyIdentifier, which may have none.
pub fn authority_key_id(der: &[u8]) -> Result<Option<&[u8]>, DerFault> {
    let mut reader = Element::sole(der, tlv::SEQUENCE)?.reader();
    let id = reader.take(tlv::context(0))?.map(|id| id.content);
    // The issuer and serial number that may follow are an alternative the appliance does not need, but must be DER.
    while !reader.is_empty() {
        reader.read()?;
    }
    Ok(id)
}

/// The identifier of a subjectKeyIdentifier.
pub fn subject_key_id(der: &[u8]) -> Result<&[u8], DerFault> {
    Element::sole(der, tlv::OCTET_STRING).map(|id| id.content)
}

/// The URLs of all distribution points.
pub fn crl_urls(der: &[u8]) -> Result<Vec<String>, DerFault> {
    let mut points = Element::sole(der, tlv::SEQUENCE)?.reader();
    let mut urls = Vec::new();
    while !points.is_empty() {
        let Some(name) = points.expect(tlv::SEQUENCE)?.reader().take(tlv::context_constructed(0))? else { continue };
        let Some(full_name) = name.reader().take(tlv::context_constructed(0))? else { continue };
        let mut names = full_name.reader();
        while !names.is_empty() {
            urls.extend(url_of(names.read()?));
        }
    }
    Ok(urls)
}

/// The URLs of the issuer's certificate and of its OCSP responders, in this order.
pub fn authority_info(der: &[u8]) -> Result<(Vec<String>, Vec<String>), DerFault> {
    let mut descriptions = Element::sole(der, tlv::SEQUENCE)?.reader();
    let (mut issuer, mut ocsp) = (Vec::new(), Vec::new());
    while !descriptions.is_empty() {
        let mut description = descriptions.expect(tlv::SEQUENCE)?.reader();
        let method = description.expect(tlv::OBJECT_IDENTIFIER)?.oid()?;
        let url = url_of(description.read()?);
        match method {
            rfc5280::ID_AD_CA_ISSUERS => issuer.extend(url),
            rfc5280::ID_AD_OCSP => ocsp.extend(url),
            _ => {}
        }
    }
    Ok((issuer, ocsp))
}

fn url_of(name: Element<'_>) -> Option<String> {
    (name.tag == san::URI).then(|| String::from_utf8_lossy(name.content).into_owned())
}

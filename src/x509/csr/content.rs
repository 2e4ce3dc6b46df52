//! What a request asks for beside its key.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912;

use super::CsrFault;
use crate::x509::extension::{self, BasicConstraints, ExtendedKeyUsage, KeyUsage, read};
use crate::x509::name::DistinguishedName;
use crate::x509::san::{self, RequestedName};
use crate::x509::tlv::{self, DerFault, Element};

/// The subject and the extensions that are looked at. Whether anybody has proved anything is for who has it to know.
#[derive(Clone, Debug)]
pub struct RequestContent {
    pub(super) subject: DistinguishedName,
    pub(super) names: Vec<RequestedName>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) extended_key_usage: Vec<ObjectIdentifier>,
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) other_extensions: Vec<ObjectIdentifier>,
}

impl RequestContent {
    pub(super) fn read(subject: DistinguishedName, attributes: Option<Element<'_>>) -> Result<Self, CsrFault> {
        let mut content = Self {
            subject,
            names: Vec::new(),
            key_usage: None,
            extended_key_usage: Vec::new(),
            basic_constraints: None,
            other_extensions: Vec::new(),
        };
        if let Some(list) = attributes.map(extension_list).transpose()?.flatten() {
            content.take_extensions(list)?;
        }
        Ok(content)
    }

    /// The subject it asks for.
    pub fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// The alternative names it asks for, good or bad, in their order.
    pub fn names(&self) -> &[RequestedName] {
        &self.names
    }

    /// The key usage it asks for, if it does.
    pub fn key_usage(&self) -> Option<KeyUsage> {
        self.key_usage
    }

    /// The purposes it asks for, known or not; empty where it asks for none.
    pub fn extended_key_usage(&self) -> &[ObjectIdentifier] {
        &self.extended_key_usage
    }

    /// Whether it asks to become a CA.
    pub fn asks_for_ca(&self) -> bool {
        self.basic_constraints.is_some_and(|constraints| constraints.ca)
    }

    fn take_extensions(&mut self, list: Element<'_>) -> Result<(), CsrFault> {
        let extensions = read::extensions(list.reader())?;
        for (place, extension) in extensions.iter().enumerate() {
            if extensions.iter().take(place).any(|earlier| earlier.oid == extension.oid) {
                return Err(CsrFault::DuplicateExtension(extension.oid));
            }
            self.take_extension(extension.oid, extension.value).map_err(|_| CsrFault::Extension(extension.oid))?;
        }
        Ok(())
    }

    fn take_extension(&mut self, oid: ObjectIdentifier, value: &[u8]) -> Result<(), DerFault> {
        match oid {
            extension::SUBJECT_ALT_NAME => self.names = san::decode_san(value)?,
            extension::KEY_USAGE => self.key_usage = Some(KeyUsage::from_der(value)?),
            extension::EXTENDED_KEY_USAGE => self.extended_key_usage = ExtendedKeyUsage::list_from_der(value)?,
            extension::BASIC_CONSTRAINTS => self.basic_constraints = Some(BasicConstraints::from_der(value)?),
            other => self.other_extensions.push(other),
        }
        Ok(())
    }
}

/// The one list of extensions among the attributes, if there is one: of the extensionRequest attribute (RFC 2985, 5.4.2), or
/// of the attribute Microsoft used before it.
pub(super) fn extension_list(attributes: Element<'_>) -> Result<Option<Element<'_>>, CsrFault> {
    const MICROSOFT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.14");
    let mut attributes = attributes.reader();
    let mut found = None;
    while !attributes.is_empty() {
        let mut attribute = attributes.expect(tlv::SEQUENCE)?.reader();
        let kind = attribute.expect(tlv::OBJECT_IDENTIFIER)?.oid()?;
        let mut values = attribute.expect(tlv::SET)?.reader();
        attribute.finish()?;
        if kind != rfc5912::ID_EXTENSION_REQ && kind != MICROSOFT {
            continue;
        }
        let list = values.expect(tlv::SEQUENCE)?;
        if !values.is_empty() || found.replace(list).is_some() {
            return Err(CsrFault::SeveralExtensionLists);
        }
    }
    Ok(found)
}

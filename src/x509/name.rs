//! Distinguished names: made from attributes by strict rules, or kept from others exactly as they came.
//!
//! A [`DistinguishedName`] is its DER. The DER of a foreign name is never written anew, because chains are linked by
//! comparing names byte for byte, and because an issuer name that is re-encoded is another name.

mod attribute;
mod rfc4514;

use const_oid::ObjectIdentifier;

pub use self::attribute::AttributeType;
use super::tlv::{self, DerFault, Element, Reader};

/// A Name of X.501 in DER. Equality is that of the bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DistinguishedName {
    der: Box<[u8]>,
}

/// A name in the form in which names are compared (RFC 5280, 7.1): letter case and runs of white space do not count, nor does the string
/// type. RDN by RDN; within one, attributes are a set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ComparableName(Vec<Vec<(ObjectIdentifier, String)>>);

/// Why attributes or a text are not a name for a certificate of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    #[error("{} is empty: leave it out or give a value", .0.short_name())]
    Empty(AttributeType),
    #[error("{} has {length} characters: at most {} are allowed", .attribute.short_name(), .attribute.upper_bound())]
    TooLong { attribute: AttributeType, length: usize },
    #[error("{} contains the invisible character {character:?}: remove it", .attribute.short_name())]
    Control { attribute: AttributeType, character: char },
    #[error("{} contains {character:?}, which its string type does not have", .attribute.short_name())]
    Character { attribute: AttributeType, character: char },
    #[error("{} begins or ends with white space: remove it", .0.short_name())]
    Padded(AttributeType),
    #[error("C is not a country code: give the two upper-case letters of ISO 3166-1")]
    Country,
    #[error("the name cannot be read from character {position} on: {problem}")]
    Syntax { position: usize, problem: SyntaxProblem },
}

/// What is wrong with the text of a name (RFC 4514, 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxProblem {
    #[error("an attribute type such as CN or 2.5.4.3 and an equals sign must stand here")]
    Type,
    #[error("this attribute type is not known; write it as an object identifier")]
    UnknownType,
    #[error("a backslash must be followed by a special character or two hexadecimal digits")]
    Escape,
    #[error("this character must be written with a backslash before it")]
    Unescaped,
    #[error("the escaped bytes are not UTF-8")]
    Utf8,
    #[error("after # there must be the hexadecimal digits of one DER value")]
    Hex,
    #[error("the same attribute stands twice in one part of the name")]
    Duplicate,
}

impl DistinguishedName {
    /// Makes a name with one attribute in each RDN, most significant first; all faults are told at once.
    pub fn from_attributes(attributes: &[(AttributeType, String)]) -> Result<Self, Vec<NameFault>> {
        let faults: Vec<_> = attributes.iter().filter_map(|(kind, value)| kind.check(value).err()).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        let rdns = attributes.iter().map(|(kind, value)| vec![encode_attribute(*kind, value)]);
        Ok(Self::from_rdns(rdns))
    }

    /// The name that is only a common name.
    pub fn common_name(name: &str) -> Result<Self, Vec<NameFault>> {
        Self::from_attributes(&[(AttributeType::CommonName, name.to_owned())])
    }

    /// The name without attributes.
    pub fn empty() -> Self {
        Self { der: Box::new([tlv::SEQUENCE, 0]) }
    }

    /// Keeps a name that others wrote; it must be a Name of X.501, whatever its attributes.
    pub fn from_der(der: &[u8]) -> Result<Self, DerFault> {
        let mut rdns = Element::sole(der, tlv::SEQUENCE)?.reader();
        while !rdns.is_empty() {
            let mut rdn = rdns.expect(tlv::SET)?.reader();
            // X.501, 9.3: an RDN has at least one attribute.
            read_attribute(&mut rdn)?;
            while !rdn.is_empty() {
                read_attribute(&mut rdn)?;
            }
        }
        Ok(Self { der: der.into() })
    }

    /// Reads the text form of RFC 4514, in which the most significant attribute is the last.
    pub fn parse_rfc4514(text: &str) -> Result<Self, Vec<NameFault>> {
        rfc4514::parse(text)
    }

    /// Its bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether it has no attributes.
    pub fn is_empty(&self) -> bool {
        self.der.len() == 2
    }

    /// All attributes in the order of the DER: the type if it is one of ours, its object identifier, and the value as text.
    /// A value that is not a string is shown as `#` and the hexadecimal digits of its DER (RFC 4514, 2.4).
    pub fn attributes(&self) -> Vec<(Option<AttributeType>, ObjectIdentifier, String)> {
        let attributes = self.rdns().flatten();
        attributes.map(|(oid, value)| (AttributeType::from_oid(oid), oid, text_of(value).unwrap_or_else(|| hex_of(value)))).collect()
    }

    /// All attributes in the order of the DER, with no text where the value is not a string.
    pub fn texts(&self) -> Vec<(Option<AttributeType>, ObjectIdentifier, Option<String>)> {
        self.rdns().flatten().map(|(oid, value)| (AttributeType::from_oid(oid), oid, text_of(value))).collect()
    }

    /// The values of all common names, most significant first.
    pub fn common_names(&self) -> Vec<String> {
        let wanted = AttributeType::CommonName.oid();
        self.rdns().flatten().filter(|(oid, _)| *oid == wanted).filter_map(|(_, value)| text_of(value)).collect()
    }

    /// The form in which it is compared with others. Two names of the same bytes are equal in it, and some of other bytes too.
    pub fn comparable(&self) -> ComparableName {
        let rdn = |attributes: Vec<(ObjectIdentifier, Element<'_>)>| {
            let mut rdn: Vec<_> = attributes.into_iter().map(|(oid, value)| (oid, comparable_text(value))).collect();
            rdn.sort();
            rdn
        };
        ComparableName(self.rdns().map(rdn).collect())
    }

    /// Builds the DER from encoded attributes, RDN by RDN.
    fn from_rdns(rdns: impl Iterator<Item = Vec<Vec<u8>>>) -> Self {
        let mut der = Vec::with_capacity(128);
        tlv::write(&mut der, tlv::SEQUENCE, |out| {
            for mut rdn in rdns {
                // X.690, 11.6: the elements of a SET OF stand in ascending order.
                rdn.sort();
                tlv::write(out, tlv::SET, |out| rdn.iter().for_each(|attribute| out.extend_from_slice(attribute)));
            }
        });
        Self { der: der.into() }
    }

    /// The RDNs with their attributes. The bytes were checked when the name was made, so nothing is skipped here.
    fn rdns(&self) -> impl Iterator<Item = Vec<(ObjectIdentifier, Element<'_>)>> {
        let mut rdns = Element::sole(&self.der, tlv::SEQUENCE).map_or(Reader::new(&[]), |name| name.reader());
        std::iter::from_fn(move || {
            let mut rdn = rdns.expect(tlv::SET).ok()?.reader();
            Some(std::iter::from_fn(|| read_attribute(&mut rdn).ok()).collect())
        })
    }
}

impl ComparableName {
    /// Whether the name lies in the subtree of that base (RFC 5280, 4.2.1.10).
    pub fn starts_with(&self, base: &Self) -> bool {
        self.0.starts_with(&base.0)
    }
}

impl std::fmt::Debug for DistinguishedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DistinguishedName({self})")
    }
}

/// The DER AttributeTypeAndValue of a checked value.
fn encode_attribute(kind: AttributeType, value: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 16);
    tlv::write(&mut out, tlv::SEQUENCE, |out| {
        tlv::write_oid(out, kind.oid());
        tlv::write_value(out, kind.string_tag(), value.as_bytes());
    });
    out
}

fn read_attribute<'a>(rdn: &mut Reader<'a>) -> Result<(ObjectIdentifier, Element<'a>), DerFault> {
    let mut attribute = rdn.expect(tlv::SEQUENCE)?.reader();
    let oid = attribute.expect(tlv::OBJECT_IDENTIFIER)?.oid()?;
    let value = attribute.read()?;
    attribute.finish()?;
    Ok((oid, value))
}

/// The text of a string value; none for what is not a string or not valid in its type.
fn text_of(value: Element<'_>) -> Option<String> {
    const NUMERIC: u8 = 0x12;
    const TELETEX: u8 = 0x14;
    const VISIBLE: u8 = 0x1A;
    const UNIVERSAL: u8 = 0x1C;
    const BMP: u8 = 0x1E;
    match value.tag {
        tlv::UTF8_STRING => String::from_utf8(value.content.to_vec()).ok(),
        tlv::PRINTABLE_STRING | tlv::IA5_STRING | NUMERIC | VISIBLE => {
            value.content.is_ascii().then(|| String::from_utf8_lossy(value.content).into_owned())
        }
        // T.61 is read as Latin-1: that is what those who wrote it meant, and what openssl does.
        TELETEX => Some(value.content.iter().map(|byte| char::from(*byte)).collect()),
        BMP => {
            let units = value.content.chunks(2).map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)));
            String::from_utf16(&units.collect::<Option<Vec<_>>>()?).ok()
        }
        UNIVERSAL => {
            let points = value.content.chunks(4).map(|four| char::from_u32(u32::from_be_bytes(four.try_into().ok()?)));
            points.collect()
        }
        _ => None,
    }
}

/// Lower case, without white space at the ends and with one space for each run of it (RFC 4518, 2.3 and 2.6.1). What is not a string is its DER.
fn comparable_text(value: Element<'_>) -> String {
    match text_of(value) {
        Some(text) => text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase(),
        // No string begins with what separates words.
        None => format!(" {}", hex_of(value)),
    }
}

fn hex_of(value: Element<'_>) -> String {
    format!("#{}", hex::encode(value.whole))
}

#[cfg(test)]
mod tests;

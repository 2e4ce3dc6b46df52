//! DER as nested tags: what writes everything the appliance signs, and what walks everything it is handed.
//!
//! Writing cannot fail and goes into one growing buffer, because it stands on the way of every certificate. Reading borrows
//! from the input, accepts one encoding of each length (X.690, 10.1), and never looks beyond the bytes it was given. Tags
//! above 30 are refused: no field of X.509 has one.

use const_oid::ObjectIdentifier;

pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const NULL: u8 = 0x05;
pub const OBJECT_IDENTIFIER: u8 = 0x06;
pub const UTF8_STRING: u8 = 0x0C;
pub const PRINTABLE_STRING: u8 = 0x13;
pub const IA5_STRING: u8 = 0x16;
pub const UTC_TIME: u8 = 0x17;
pub const GENERALIZED_TIME: u8 = 0x18;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;

/// The context-specific tag of a primitive field.
pub const fn context(number: u8) -> u8 {
    0x80 | number
}

/// The context-specific tag of a constructed field.
pub const fn context_constructed(number: u8) -> u8 {
    0xA0 | number
}

/// Why bytes are not the DER that was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DerFault {
    #[error("the DER ends before its length says")]
    Incomplete,
    #[error("a DER length is not in its only allowed form")]
    Length,
    #[error("a DER tag is not one that X.509 uses here")]
    Tag,
    #[error("there are bytes after the end of the DER")]
    Trailing,
    #[error("a DER value is not in its only allowed form")]
    Value,
}

/// One element: its tag, its content, and both together as they stood in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    pub tag: u8,
    pub content: &'a [u8],
    pub whole: &'a [u8],
}

/// Walks the elements of some content from first to last.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins at the first element of `content`.
    pub fn new(content: &'a [u8]) -> Self {
        Self { rest: content }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next element, if there is one.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, whatever its tag.
    pub fn read(&mut self) -> Result<Element<'a>, DerFault> {
        let (tag, after_tag) = self.rest.split_first().ok_or(DerFault::Incomplete)?;
        if tag & 0x1F == 0x1F {
            return Err(DerFault::Tag);
        }
        let (length, body) = read_length(after_tag)?;
        let (content, after) = body.split_at_checked(length).ok_or(DerFault::Incomplete)?;
        let whole = self.rest.get(..self.rest.len() - after.len()).ok_or(DerFault::Incomplete)?;
        self.rest = after;
        Ok(Element { tag: *tag, content, whole })
    }

    /// The next element, which must have this tag.
    pub fn expect(&mut self, tag: u8) -> Result<Element<'a>, DerFault> {
        self.take(tag)?.ok_or(if self.is_empty() { DerFault::Incomplete } else { DerFault::Tag })
    }

    /// The next element if it has this tag: an optional field.
    pub fn take(&mut self, tag: u8) -> Result<Option<Element<'a>>, DerFault> {
        if self.peek() == Some(tag) { self.read().map(Some) } else { Ok(None) }
    }

    /// Nothing may be left.
    pub fn finish(self) -> Result<(), DerFault> {
        if self.rest.is_empty() { Ok(()) } else { Err(DerFault::Trailing) }
    }
}

impl<'a> Element<'a> {
    /// The one element that `bytes` are, with this tag and nothing after it.
    pub fn sole(bytes: &'a [u8], tag: u8) -> Result<Self, DerFault> {
        let mut reader = Reader::new(bytes);
        let element = reader.expect(tag)?;
        reader.finish()?;
        Ok(element)
    }

    /// A walk over its content.
    pub fn reader(&self) -> Reader<'a> {
        Reader::new(self.content)
    }

    /// The object identifier it is.
    pub fn oid(&self) -> Result<ObjectIdentifier, DerFault> {
        ObjectIdentifier::from_bytes(self.content).map_err(|_| DerFault::Value)
    }

    /// The truth value it is (X.690, 11.1: true is FF).
    pub fn boolean(&self) -> Result<bool, DerFault> {
        match self.content {
            [0x00] => Ok(false),
            [0xFF] => Ok(true),
            _ => Err(DerFault::Value),
        }
    }

    /// The octets of a bit string that has no unused bits, as keys and signatures are.
    pub fn whole_bits(&self) -> Result<&'a [u8], DerFault> {
        match self.content {
            [0, bits @ ..] => Ok(bits),
            _ => Err(DerFault::Value),
        }
    }

    /// The content octets of an integer, checked to be minimal.
    pub fn integer(&self) -> Result<&'a [u8], DerFault> {
        match self.content {
            [] | [0x00, ..=0x7F, ..] | [0xFF, 0x80..=0xFF, ..] => Err(DerFault::Value),
            content => Ok(content),
        }
    }
}

/// Writes an element whose content `fill` writes.
pub fn write(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    // Most content is shorter than 128 bytes; where it is not, the few bytes of a long length are moved in afterwards.
    out.push(0);
    let start = out.len();
    fill(out);
    let length = out.len() - start;
    if let (Ok(short @ ..=0x7F), Some(place)) = (u8::try_from(length), out.get_mut(start - 1)) {
        *place = short;
        return;
    }
    let (octets, skip) = long_length(length);
    out.splice(start - 1..start, octets.into_iter().skip(skip));
}

/// Writes an element with this content.
pub fn write_value(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    write_header(out, tag, content.len());
    out.extend_from_slice(content);
}

/// Writes the tag and length of an element whose content is written by somebody else, elsewhere.
pub fn write_header(out: &mut Vec<u8>, tag: u8, length: usize) {
    out.push(tag);
    match u8::try_from(length) {
        Ok(short @ ..=0x7F) => out.push(short),
        _ => {
            let (octets, skip) = long_length(length);
            out.extend(octets.into_iter().skip(skip));
        }
    }
}

/// Writes an object identifier.
pub fn write_oid(out: &mut Vec<u8>, oid: ObjectIdentifier) {
    write_value(out, OBJECT_IDENTIFIER, oid.as_bytes());
}

/// Writes a bit string without unused bits.
pub fn write_bits(out: &mut Vec<u8>, bits: &[u8]) {
    write(out, BIT_STRING, |out| {
        out.push(0);
        out.extend_from_slice(bits);
    });
}

/// Writes a small non-negative integer.
pub fn write_small(out: &mut Vec<u8>, value: u8) {
    match value {
        ..=0x7F => write_value(out, INTEGER, &[value]),
        _ => write_value(out, INTEGER, &[0, value]),
    }
}

/// The long form of a length in a fixed array, and how many of its first octets are to be left out.
fn long_length(length: usize) -> ([u8; 9], usize) {
    let bytes = (length as u64).to_be_bytes();
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    let mut octets = [0u8; 9];
    octets.iter_mut().skip(1).zip(bytes).for_each(|(to, from)| *to = from);
    if let Some(first) = octets.get_mut(zeros) {
        *first = 0x80 | (8 - zeros as u8);
    }
    (octets, zeros)
}

fn read_length(bytes: &[u8]) -> Result<(usize, &[u8]), DerFault> {
    match bytes {
        [] => Err(DerFault::Incomplete),
        [short @ ..=0x7F, rest @ ..] => Ok((usize::from(*short), rest)),
        // Four octets are far beyond every limit on what is read.
        [long @ 0x81..=0x84, rest @ ..] => {
            let (octets, rest) = rest.split_at_checked(usize::from(long & 0x7F)).ok_or(DerFault::Incomplete)?;
            let length = octets.iter().fold(0usize, |sum, octet| sum << 8 | usize::from(*octet));
            if octets.first() == Some(&0) || length < 0x80 { Err(DerFault::Length) } else { Ok((length, rest)) }
        }
        _ => Err(DerFault::Length),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_of_every_size_come_back() {
        for length in [0usize, 1, 127, 128, 255, 256, 65_535, 65_536, 70_000] {
            let content = vec![7u8; length];
            let mut direct = Vec::new();
            write_value(&mut direct, OCTET_STRING, &content);
            let mut filled = Vec::new();
            write(&mut filled, OCTET_STRING, |out| out.extend_from_slice(&content));
            assert_eq!(direct, filled);
            assert_eq!(Element::sole(&direct, OCTET_STRING).unwrap().content, content);
        }
    }

    #[test]
    fn only_one_form_of_a_length_is_read() {
        for bad in
            [&[4u8, 0x81, 1, 0][..], &[4, 0x82, 0, 0x80], &[4, 0x80, 0, 0], &[4, 0x85, 0, 0, 0, 0, 1, 0], &[4, 2, 0], &[4], &[0x1F, 1, 0]]
        {
            assert!(Reader::new(bad).read().is_err(), "{bad:02X?}");
        }
        assert_eq!(Element::sole(&[4, 1, 0, 0], OCTET_STRING), Err(DerFault::Trailing));
        assert_eq!(Element::sole(&[4, 1, 0], INTEGER), Err(DerFault::Tag));
        assert!(Element::sole(&[2, 2, 0, 1], INTEGER).unwrap().integer().is_err());
        assert!(Element::sole(&[1, 1, 1], BOOLEAN).unwrap().boolean().is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while let Ok(element) = reader.read() {
                prop_assert!(element.whole.len() >= 2 + element.content.len());
                let _ = (element.oid(), element.boolean(), element.integer(), element.whole_bits());
            }
        }
    }
}

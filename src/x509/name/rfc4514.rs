//! The text form of distinguished names (RFC 4514): least significant part first, special characters escaped.

use std::fmt::{self, Write};

use const_oid::ObjectIdentifier;

use super::{AttributeType, DistinguishedName, NameFault, SyntaxProblem, encode_attribute, hex_of, text_of};
use crate::x509::tlv::{self, Element, Reader};

impl fmt::Display for DistinguishedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rdns: Vec<_> = self.rdns().collect();
        for (place, rdn) in rdns.iter().rev().enumerate() {
            if place > 0 {
                f.write_char(',')?;
            }
            for (place, (oid, value)) in rdn.iter().enumerate() {
                if place > 0 {
                    f.write_char('+')?;
                }
                // RFC 4514, 2.4: a type written as numbers has its value as # and hexadecimal digits.
                match (AttributeType::from_oid(*oid), text_of(*value)) {
                    (Some(kind), Some(text)) => {
                        write!(f, "{}=", kind.short_name())?;
                        write_escaped(f, &text)?;
                    }
                    (Some(kind), None) => write!(f, "{}={}", kind.short_name(), hex_of(*value))?,
                    (None, _) => write!(f, "{oid}={}", hex_of(*value))?,
                }
            }
        }
        Ok(())
    }
}

/// Reads a name. Values of our types obey the same rules as in [`DistinguishedName::from_attributes`]; a value written as
/// `#` and hexadecimal digits is taken as it is.
pub(super) fn parse(text: &str) -> Result<DistinguishedName, Vec<NameFault>> {
    if text.is_empty() {
        return Ok(DistinguishedName::empty());
    }
    let mut parser = Parser { text, position: 0, faults: Vec::new() };
    let mut rdns = vec![Vec::new()];
    loop {
        let start = parser.position;
        let attribute = parser.attribute().map_err(|fault| vec![fault])?;
        let Some(rdn) = rdns.last_mut() else { break };
        if rdn.contains(&attribute) {
            return Err(vec![NameFault::Syntax { position: start + 1, problem: SyntaxProblem::Duplicate }]);
        }
        rdn.push(attribute);
        match parser.bump() {
            Some('+') => {}
            Some(_) => rdns.push(Vec::new()),
            None => break,
        }
    }
    if parser.faults.is_empty() { Ok(DistinguishedName::from_rdns(rdns.into_iter().rev())) } else { Err(parser.faults) }
}

fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let last = text.chars().count().saturating_sub(1);
    for (place, character) in text.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{character}")?,
            '#' if place == 0 => f.write_str("\\#")?,
            ' ' if place == 0 || place == last => f.write_str("\\ ")?,
            // NUL must be escaped; other controls are, so that a name cannot move a terminal's cursor or forge a log line.
            control if control.is_control() => {
                let mut bytes = [0; 4];
                control.encode_utf8(&mut bytes).bytes().try_for_each(|byte| write!(f, "\\{byte:02X}"))?;
            }
            other => f.write_char(other)?,
        }
    }
    Ok(())
}

struct Parser<'a> {
    text: &'a str,
    /// In bytes, always at the beginning of a character.
    position: usize,
    /// Values that may not be issued; reading goes on after them.
    faults: Vec<NameFault>,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.position += next.len_utf8();
        Some(next)
    }

    fn skip_spaces(&mut self) {
        while self.peek() == Some(' ') {
            self.position += 1;
        }
    }

    fn problem(&self, problem: SyntaxProblem) -> NameFault {
        let before = self.text.get(..self.position).unwrap_or_default();
        NameFault::Syntax { position: before.chars().count() + 1, problem }
    }

    /// One `type=value`, up to the separator after it.
    fn attribute(&mut self) -> Result<Vec<u8>, NameFault> {
        self.skip_spaces();
        let (name, _) = self.rest().split_once('=').ok_or(self.problem(SyntaxProblem::Type))?;
        let (length, name) = (name.len(), name.trim_end_matches(' ').to_owned());
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
            return Err(self.problem(SyntaxProblem::Type));
        }
        let oid = match AttributeType::from_name(&name) {
            Some(kind) => kind.oid(),
            None if name.starts_with(|c: char| c.is_ascii_digit()) => {
                ObjectIdentifier::new(&name).map_err(|_| self.problem(SyntaxProblem::Type))?
            }
            None => return Err(self.problem(SyntaxProblem::UnknownType)),
        };
        self.position += length + 1;
        self.skip_spaces();
        if self.peek() == Some('#') {
            return self.hex_value(oid);
        }
        let value = self.string_value()?;
        match AttributeType::from_oid(oid) {
            Some(kind) => {
                self.faults.extend(kind.check(&value).err());
                Ok(encode_attribute(kind, &value))
            }
            None => {
                let mut der = Vec::new();
                tlv::write_value(&mut der, tlv::UTF8_STRING, value.as_bytes());
                Ok(with_type(oid, &der))
            }
        }
    }

    fn hex_value(&mut self, oid: ObjectIdentifier) -> Result<Vec<u8>, NameFault> {
        self.position += 1;
        let length = self.rest().find([',', '+']).unwrap_or(self.rest().len());
        let digits = self.rest().get(..length).unwrap_or_default().trim_end_matches(' ');
        let der = hex::decode(digits).map_err(|_| self.problem(SyntaxProblem::Hex))?;
        let mut reader = Reader::new(&der);
        let value = reader.read().and_then(|value: Element<'_>| reader.finish().map(|()| value));
        let value = value.map_err(|_| self.problem(SyntaxProblem::Hex))?;
        // A string of one of our types is held to the same rules as a written one.
        if let (Some(kind), Some(text)) = (AttributeType::from_oid(oid), text_of(value)) {
            self.faults.extend(kind.check(&text).err());
        }
        self.position += length;
        Ok(with_type(oid, &der))
    }

    fn string_value(&mut self) -> Result<String, NameFault> {
        let mut bytes = Vec::new();
        // Unescaped spaces before a separator belong to it; escaped ones belong to the value.
        let mut kept = 0;
        while let Some(next) = self.peek() {
            match next {
                ',' | '+' => break,
                '"' | ';' | '<' | '>' | '\0' => return Err(self.problem(SyntaxProblem::Unescaped)),
                '\\' => {
                    bytes.push(self.escaped()?);
                    kept = bytes.len();
                }
                other => {
                    self.bump();
                    bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes());
                    if other != ' ' {
                        kept = bytes.len();
                    }
                }
            }
        }
        bytes.truncate(kept);
        String::from_utf8(bytes).map_err(|_| self.problem(SyntaxProblem::Utf8))
    }

    /// `\` with a special character, or with two hexadecimal digits that are one byte of UTF-8.
    fn escaped(&mut self) -> Result<u8, NameFault> {
        let (byte, length) = match self.rest().as_bytes() {
            [b'\\', special @ (b' ' | b'"' | b'#' | b'+' | b',' | b';' | b'<' | b'=' | b'>' | b'\\'), ..] => (*special, 2),
            [b'\\', high, low, ..] => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
                match (digit(high), digit(low)) {
                    (Some(high), Some(low)) => (high << 4 | low, 3),
                    _ => return Err(self.problem(SyntaxProblem::Escape)),
                }
            }
            _ => return Err(self.problem(SyntaxProblem::Escape)),
        };
        self.position += length;
        Ok(byte)
    }
}

fn with_type(oid: ObjectIdentifier, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + 16);
    tlv::write(&mut out, tlv::SEQUENCE, |out| {
        tlv::write_oid(out, oid);
        out.extend_from_slice(value);
    });
    out
}

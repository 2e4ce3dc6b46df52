//! Serial numbers of certificates.
//!
//! The appliance gives out sixteen random octets ([`Serial::from_random`]). Foreign certificates bring what they have:
//! up to [`Serial::MOST_OCTETS`] octets are kept exactly, although RFC 5280, 4.1.2.2 allows twenty, because certificates
//! with longer ones are in use and must be found again. Zero is kept too (two well-known roots have it), and so are negative
//! numbers, which X.690 has and RFC 5280 asks to be handled gracefully; what is not minimal DER is refused. A serial is small, `Copy`, and never touches the heap, so that a million of
//! them stream into a CRL.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A serial number of at most [`Serial::MOST_OCTETS`] octets of DER content.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Serial {
    length: u8,
    /// The content octets, then zeros.
    octets: [u8; Self::MOST_OCTETS],
}

/// Why something is not a serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SerialFault {
    #[error("the serial number is empty")]
    Empty,
    #[error("the serial number has more than {} octets", Serial::MOST_OCTETS)]
    TooLong,
    #[error("the serial number is not minimal DER")]
    NotMinimal,
    #[error("the serial number has a character that is neither a hexadecimal digit nor a colon between two pairs of digits")]
    Character,
    #[error("the serial number has an odd number of hexadecimal digits")]
    HalfOctet,
}

impl Serial {
    /// The most content octets that are kept.
    pub const MOST_OCTETS: usize = 32;

    /// Makes a serial number of exactly sixteen octets from sixteen random ones.
    ///
    /// The first octet is forced into 40..7F: positive without a leading zero, so that every serial of the appliance has
    /// one length, and 126 bits stay random (RFC 5280, 4.1.2.2 and the CA/Browser Forum ask for 64).
    pub fn from_random(mut random: [u8; 16]) -> Self {
        random[0] = random[0] & 0x3F | 0x40;
        let mut octets = [0; Self::MOST_OCTETS];
        octets.iter_mut().zip(random).for_each(|(to, from)| *to = from);
        Self { length: 16, octets }
    }

    /// Takes the content octets of a DER INTEGER as they are.
    pub fn from_der_content(content: &[u8]) -> Result<Self, SerialFault> {
        match content {
            [] => return Err(SerialFault::Empty),
            // X.690, 8.3.2: the first nine bits are not all equal.
            [0, ..=0x7F, ..] | [0xFF, 0x80..=0xFF, ..] => return Err(SerialFault::NotMinimal),
            _ => {}
        }
        let length = u8::try_from(content.len()).map_err(|_| SerialFault::TooLong)?;
        let mut octets = [0; Self::MOST_OCTETS];
        octets.get_mut(..content.len()).ok_or(SerialFault::TooLong)?.copy_from_slice(content);
        Ok(Self { length, octets })
    }

    /// The content octets of the DER INTEGER: minimal, with a leading zero where the high bit is set.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }

    fn is_negative(&self) -> bool {
        matches!(self.as_bytes(), [0x80..=0xFF, ..])
    }
}

impl Ord for Serial {
    fn cmp(&self, other: &Self) -> Ordering {
        // Content is minimal, so the longer one is farther from zero.
        match (self.is_negative(), other.is_negative()) {
            (false, false) => self.length.cmp(&other.length).then_with(|| self.octets.cmp(&other.octets)),
            (true, true) => other.length.cmp(&self.length).then_with(|| self.octets.cmp(&other.octets)),
            (is_negative, is_other_negative) => is_other_negative.cmp(&is_negative),
        }
    }
}

impl PartialOrd for Serial {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut octets = self.octets;
        let content = octets.get_mut(..usize::from(self.length)).unwrap_or_default();
        if self.is_negative() {
            negate(content);
        }
        // The octet that only carries the sign is not part of the number, and openssl does not print it either.
        let magnitude = match &*content {
            [0, magnitude @ ..] if !magnitude.is_empty() => magnitude,
            all => all,
        };
        // Written in one piece: it stands in every answer and in two audit entries of every certificate.
        let mut text = String::with_capacity(3 * Self::MOST_OCTETS);
        if self.is_negative() {
            text.push('-');
        }
        for (place, octet) in magnitude.iter().enumerate() {
            if place > 0 {
                text.push(':');
            }
            text.extend([octet >> 4, octet & 0x0F].map(upper_digit));
        }
        f.write_str(&text)
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

impl FromStr for Serial {
    type Err = SerialFault;

    /// Reads pairs of hexadecimal digits in either case, with a colon between all pairs or between none; a minus before them makes it negative.
    fn from_str(text: &str) -> Result<Self, SerialFault> {
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |magnitude| (true, magnitude));
        let mut octets = [0u8; Self::MOST_OCTETS + 1];
        let mut length = 1; // The first octet stays zero: room for the sign.
        let with_colons = text.contains(':');
        let mut rest = text.as_bytes();
        if rest.is_empty() {
            return Err(SerialFault::Empty);
        }
        loop {
            let (octet, after) = match rest {
                [high, low, after @ ..] => (digit(*high)? << 4 | digit(*low)?, after),
                [only] => return digit(*only).and(Err(SerialFault::HalfOctet)),
                [] => return Err(SerialFault::Character),
            };
            // Leading zeros do not count against the length.
            if octet != 0 || length > 1 {
                *octets.get_mut(length).ok_or(SerialFault::TooLong)? = octet;
                length += 1;
            }
            rest = match (with_colons, after) {
                (_, []) => break,
                (true, [b':', after @ ..]) => after,
                (true, _) => return Err(SerialFault::Character),
                (false, after) => after,
            };
        }
        let content = octets.get_mut(..length).ok_or(SerialFault::TooLong)?;
        if is_negative {
            negate(content);
        }
        match &*content {
            [0, rest @ ..] if matches!(rest, [..=0x7F, ..]) => Self::from_der_content(rest),
            [0xFF, rest @ ..] if matches!(rest, [0x80..=0xFF, ..]) => Self::from_der_content(rest),
            content => Self::from_der_content(content),
        }
    }
}

/// The two's complement, in as many octets.
fn negate(content: &mut [u8]) {
    let mut carry = true;
    for octet in content.iter_mut().rev() {
        (*octet, carry) = (!*octet).overflowing_add(u8::from(carry));
    }
}

fn upper_digit(value: u8) -> char {
    char::from(if value < 10 { b'0' + value } else { b'A' - 10 + value })
}

fn digit(character: u8) -> Result<u8, SerialFault> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        b'A'..=b'F' => Ok(character - b'A' + 10),
        _ => Err(SerialFault::Character),
    }
}

#[cfg(test)]
mod tests;

//! PEM: DER as text between BEGIN and END lines (RFC 7468).
//!
//! Reading takes what software writes: CRLF, a byte order mark, text around the blocks, white space at the ends of lines,
//! lines of any length, and the older labels of certificates and requests. It never repeats what it read, so that a
//! private key sent by mistake does not reach a log; labels are named only when they are known ones.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::tlv;

/// The most text that is read.
pub const MOST_BYTES: usize = 1 << 20;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    Certificate,
    CertificateRequest,
    Crl,
    PrivateKey,
    EcPrivateKey,
    RsaPrivateKey,
    PublicKey,
}

/// What a block that was not wanted holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    Known(Label),
    EncryptedPrivateKey,
    /// Another private key: of OpenSSH, DSA and the like.
    OtherPrivateKey,
    Pkcs7,
    Other,
}

/// Why text is not the PEM that was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemFault {
    #[error("the text has more than {MOST_BYTES} bytes")]
    TooLarge,
    #[error("the text has no PEM block; {wanted} is wanted")]
    NoBlock { wanted: Label },
    #[error("the PEM block is {found}; {wanted} is wanted")]
    WrongLabel { wanted: Label, found: Found },
    #[error("the text has a private key where {wanted} is wanted; now that it was sent, take it as compromised")]
    PrivateKeySent { wanted: Label },
    #[error("the text has more than {most} PEM blocks")]
    TooMany { most: usize },
    #[error("the PEM block does not end")]
    NoEnd,
    #[error("the PEM block ends with another label than it begins with")]
    OtherEnd,
    #[error("the PEM block has headers, as encrypted keys of old do")]
    Headers,
    #[error("the private key is encrypted: take the passphrase off first, as with openssl pkey")]
    Encrypted,
    #[error("the PEM block is not base64")]
    Base64,
    #[error("the trusted certificate is not DER")]
    Trusted,
}

/// Writes one block in lines of 64 characters.
pub fn encode(label: Label, der: &[u8]) -> String {
    // The capacity is exact: a private key that is written leaves no copy behind in memory that was given back.
    let lines = der.len().div_ceil(LINE_BYTES);
    let body = der.len().div_ceil(3) * 4 + lines;
    let mut text = String::with_capacity(BEGIN.len() + END.len() + 2 * (label.text().len() + DASHES.len() + 1) + body);
    text.extend([BEGIN, label.text(), DASHES, "\n"]);
    for line in der.chunks(LINE_BYTES) {
        STANDARD.encode_string(line, &mut text);
        text.push('\n');
    }
    text.extend([END, label.text(), DASHES, "\n"]);
    text
}

/// Reads text that has exactly one block, of this label.
pub fn decode_one(text: &str, label: Label) -> Result<Vec<u8>, PemFault> {
    decode_all(text, label, 1)?.pop().ok_or(PemFault::NoBlock { wanted: label })
}

/// Reads text that has one block or more, but not more than `most`, all of this label.
pub fn decode_all(text: &str, label: Label, most: usize) -> Result<Vec<Vec<u8>>, PemFault> {
    if text.len() > MOST_BYTES {
        return Err(PemFault::TooLarge);
    }
    let mut lines = text.lines().map(trim);
    let mut blocks = Vec::new();
    // As long as it can get, so that growing leaves no copy of a private key behind in memory that was given back.
    let mut base64 = Zeroizing::new(Vec::with_capacity(text.len()));
    // A key that was sent is worth more than any other fault, so it is told first wherever it stands.
    if !label.is_private() && text.lines().filter_map(|line| begin(trim(line))).any(|found| Found::of(found).is_private()) {
        return Err(PemFault::PrivateKeySent { wanted: label });
    }
    while let Some(line) = lines.next() {
        let Some(found) = begin(line) else { continue };
        if !label.is_written(found) {
            return Err(PemFault::WrongLabel { wanted: label, found: Found::of(found) });
        }
        if blocks.len() == most {
            return Err(PemFault::TooMany { most });
        }
        let der = body(&mut lines, found, &mut base64)?;
        blocks.push(if found == TRUSTED { certificate_of_trusted(&der)? } else { der });
    }
    if blocks.is_empty() { Err(PemFault::NoBlock { wanted: label }) } else { Ok(blocks) }
}

/// Reads text that has exactly one private key, PKCS#8, PKCS#1 or SEC1, which its label tells. OpenSSL writes the parameters of a curve before
/// the key (`openssl ecparam -genkey`); they are passed over.
pub fn decode_private_key(text: &str) -> Result<(Label, Zeroizing<Vec<u8>>), PemFault> {
    if text.len() > MOST_BYTES {
        return Err(PemFault::TooLarge);
    }
    let wanted = Label::PrivateKey;
    let mut lines = text.lines().map(trim);
    let mut base64 = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut key = None;
    while let Some(line) = lines.next() {
        let Some(label) = begin(line) else { continue };
        if label == CURVE_PARAMETERS {
            body(&mut lines, label, &mut base64)?;
            continue;
        }
        match Found::of(label) {
            Found::EncryptedPrivateKey => return Err(PemFault::Encrypted),
            Found::Known(known) if known.is_private() => {
                if key.is_some() {
                    return Err(PemFault::TooMany { most: 1 });
                }
                let der = body(&mut lines, label, &mut base64).map_err(|fault| match fault {
                    // RFC 1421, 4.6.1.1: what traditional keys have headers for.
                    PemFault::Headers => PemFault::Encrypted,
                    other => other,
                })?;
                key = Some((known, Zeroizing::new(der)));
            }
            found => return Err(PemFault::WrongLabel { wanted, found }),
        }
    }
    key.ok_or(PemFault::NoBlock { wanted })
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
const LINE_BYTES: usize = 48;
const TRUSTED: &str = "TRUSTED CERTIFICATE";
const CURVE_PARAMETERS: &str = "EC PARAMETERS";

impl Label {
    const ALL: [Self; 7] = [
        Self::Certificate,
        Self::CertificateRequest,
        Self::Crl,
        Self::PrivateKey,
        Self::EcPrivateKey,
        Self::RsaPrivateKey,
        Self::PublicKey,
    ];

    /// The label as it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Certificate => "CERTIFICATE",
            Self::CertificateRequest => "CERTIFICATE REQUEST",
            Self::Crl => "X509 CRL",
            Self::PrivateKey => "PRIVATE KEY",
            Self::EcPrivateKey => "EC PRIVATE KEY",
            Self::RsaPrivateKey => "RSA PRIVATE KEY",
            Self::PublicKey => "PUBLIC KEY",
        }
    }

    /// Whether a block with this text holds it.
    fn is_written(self, text: &str) -> bool {
        match self {
            // OpenSSL writes TRUSTED CERTIFICATE with -trustout; the middle one is what PEM once called it (RFC 7468, 5.1).
            Self::Certificate => ["CERTIFICATE", "X509 CERTIFICATE", TRUSTED].contains(&text),
            // Netscape, old OpenSSL and Windows' certreq write NEW (RFC 7468, 7).
            Self::CertificateRequest => ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"].contains(&text),
            Self::Crl | Self::PrivateKey | Self::EcPrivateKey | Self::RsaPrivateKey | Self::PublicKey => text == self.text(),
        }
    }

    fn is_private(self) -> bool {
        match self {
            Self::PrivateKey | Self::EcPrivateKey | Self::RsaPrivateKey => true,
            Self::Certificate | Self::CertificateRequest | Self::Crl | Self::PublicKey => false,
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Found {
    fn of(text: &str) -> Self {
        match text {
            "ENCRYPTED PRIVATE KEY" => Self::EncryptedPrivateKey,
            "PKCS7" | "CMS" => Self::Pkcs7,
            _ => match Label::ALL.into_iter().find(|label| label.is_written(text)) {
                Some(label) => Self::Known(label),
                None if text.ends_with("PRIVATE KEY") => Self::OtherPrivateKey,
                None => Self::Other,
            },
        }
    }

    fn is_private(self) -> bool {
        match self {
            Self::Known(label) => label.is_private(),
            Self::EncryptedPrivateKey | Self::OtherPrivateKey => true,
            Self::Pkcs7 | Self::Other => false,
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known(label) => label.text(),
            Self::EncryptedPrivateKey => "ENCRYPTED PRIVATE KEY",
            Self::OtherPrivateKey => "another kind of private key",
            Self::Pkcs7 => "PKCS7",
            Self::Other => "something else",
        })
    }
}

/// A line without what editors leave around it.
fn trim(line: &str) -> &str {
    line.trim_start_matches('\u{feff}').trim()
}

/// The label of a BEGIN line.
fn begin(line: &str) -> Option<&str> {
    line.strip_prefix(BEGIN)?.strip_suffix(DASHES)
}

/// Reads the lines of a block through its END line; `base64` is where they are joined.
fn body<'a>(lines: &mut impl Iterator<Item = &'a str>, label: &str, base64: &mut Vec<u8>) -> Result<Vec<u8>, PemFault> {
    base64.clear();
    loop {
        let line = lines.next().ok_or(PemFault::NoEnd)?;
        if let Some(end) = line.strip_prefix(END) {
            if end.strip_suffix(DASHES) != Some(label) {
                return Err(PemFault::OtherEnd);
            }
            break;
        }
        if line.starts_with(BEGIN) {
            return Err(PemFault::NoEnd);
        }
        // RFC 1421, 4.6: "Proc-Type: 4,ENCRYPTED". RFC 7468, 2 has none of that.
        if line.contains(':') {
            return Err(PemFault::Headers);
        }
        for part in line.split_ascii_whitespace() {
            base64.extend_from_slice(part.as_bytes());
        }
    }
    match STANDARD.decode(base64.as_slice()) {
        Ok(der) if !der.is_empty() => Ok(der),
        _ => Err(PemFault::Base64),
    }
}

/// The certificate that OpenSSL's trust settings follow.
fn certificate_of_trusted(der: &[u8]) -> Result<Vec<u8>, PemFault> {
    let certificate = tlv::Reader::new(der).expect(tlv::SEQUENCE).map_err(|_| PemFault::Trusted)?;
    Ok(certificate.whole.to_vec())
}

#[cfg(test)]
mod tests;

//! The last look at a CRL before it is published: its file is read from the first byte to the last, an entry at a time, and held against the store.
//!
//! Guarantees for what passes: the bytes around the entries are those that were drafted, with issuer, times, number and what it covers; the entries
//! are exactly those the store lists, but for what was revoked or lifted while it was made; and the signature is the authority's, over these bytes.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use aws_lc_rs::digest;

use super::CrlError;
use crate::x509::algorithm::SignatureAlgorithm;
use crate::x509::crl::{CrlEntry, CrlFrame, read_entry};
use crate::x509::key::PublicKey;
use crate::x509::serial::Serial;
use crate::x509::signed;
use crate::x509::tlv::{self, Reader};

/// What the file is to be, but for its entries.
pub struct Meant<'a> {
    pub key: &'a PublicKey,
    pub algorithm: SignatureAlgorithm,
    pub frame: &'a CrlFrame,
    pub signature: &'a [u8],
    pub entries_length: u64,
}

/// A CRL that is being looked at.
pub struct Check<'a> {
    meant: Meant<'a>,
    file: BufReader<File>,
    signed: Signed,
    /// Bytes of entries that were not read yet.
    left: u64,
    /// The next entry.
    next: Option<CrlEntry>,
    buffer: Vec<u8>,
    behind: Vec<u8>,
}

/// What was signed, as far as it was read.
enum Signed {
    Digest(digest::Context),
    /// Ed25519 signs the message itself (RFC 8032, 5.1.6).
    Message(Vec<u8>),
}

/// An entry of a CRL is far shorter.
const LONGEST_ENTRY: usize = 1 << 10;

impl<'a> Check<'a> {
    /// Opens the file and looks at what stands before the entries.
    pub fn open(path: &Path, meant: Meant<'a>) -> Result<Self, CrlError> {
        let frame = meant.frame;
        let entries = usize::try_from(meant.entries_length).map_err(|_| CrlError::Encoding)?;
        let (before, behind) = signed::around(frame.before.len() + entries + frame.behind.len(), meant.algorithm, meant.signature);
        let file = BufReader::with_capacity(1 << 18, File::open(path).map_err(CrlError::File)?);
        let signed = match meant.algorithm.hash() {
            Some(hash) => Signed::Digest(hash.context()),
            None => Signed::Message(Vec::new()),
        };
        let left = meant.entries_length;
        let mut check = Self { meant, file, signed, left, next: None, buffer: Vec::with_capacity(LONGEST_ENTRY), behind };
        check.same(&before, false, "its length")?;
        check.same(&frame.before, true, "what stands before its entries")?;
        check.advance()?;
        Ok(check)
    }

    /// The next entry that the store lists. `has_changed` says whether a certificate was revoked or lifted since the CRL was begun.
    pub fn meets(&mut self, wanted: &CrlEntry, has_changed: &mut impl FnMut(&Serial) -> Result<bool, CrlError>) -> Result<(), CrlError> {
        loop {
            if self.next.as_ref() == Some(wanted) {
                return self.advance();
            }
            if has_changed(&wanted.serial)? {
                // It may be on the CRL as it was before.
                if self.next.is_some_and(|next| next.serial == wanted.serial) {
                    self.advance()?;
                }
                return Ok(());
            }
            match &self.next {
                Some(next) if has_changed(&next.serial)? => self.advance()?,
                Some(_) | None => return Err(CrlError::NotAsMeant("the list of its entries")),
            }
        }
    }

    /// The store lists no more.
    pub fn finish(mut self, has_changed: &mut impl FnMut(&Serial) -> Result<bool, CrlError>) -> Result<(), CrlError> {
        while let Some(next) = &self.next {
            if !has_changed(&next.serial)? {
                return Err(CrlError::NotAsMeant("the list of its entries"));
            }
            self.advance()?;
        }
        let behind = std::mem::take(&mut self.behind);
        self.same(&self.meant.frame.behind.clone(), true, "what stands behind its entries")?;
        self.same(&behind, false, "its signature")?;
        if self.file.read(&mut [0]).map_err(CrlError::File)? != 0 {
            return Err(CrlError::NotAsMeant("its end"));
        }
        let Meant { key, algorithm, signature, .. } = self.meant;
        let verifies = match self.signed {
            Signed::Digest(digest) => key.verify_digest(algorithm, &digest.finish(), signature),
            Signed::Message(message) => key.verify(algorithm, &message, signature),
        };
        if verifies { Ok(()) } else { Err(CrlError::NotAsMeant("its signature")) }
    }

    /// Reads the next entry.
    fn advance(&mut self) -> Result<(), CrlError> {
        self.next = None;
        if self.left == 0 {
            return Ok(());
        }
        self.buffer.clear();
        self.take(2)?;
        let length = match self.buffer.get(1) {
            Some(short @ ..=0x7F) => usize::from(*short),
            Some(0x81) => {
                self.take(1)?;
                self.buffer.get(2).copied().map_or(0, usize::from)
            }
            _ => return Err(CrlError::NotAsMeant("the length of an entry")),
        };
        self.take(length)?;
        let read = self.buffer.len() as u64;
        self.left = self.left.checked_sub(read).ok_or(CrlError::NotAsMeant("the length of its entries"))?;
        self.signed.update(&self.buffer);
        let mut reader = Reader::new(&self.buffer);
        if reader.peek() != Some(tlv::SEQUENCE) {
            return Err(CrlError::NotAsMeant("the form of an entry"));
        }
        self.next = Some(read_entry(&mut reader).map_err(|_| CrlError::Encoding)?);
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<(), CrlError> {
        let start = self.buffer.len();
        self.buffer.resize(start + count, 0);
        self.file.read_exact(self.buffer.get_mut(start..).unwrap_or_default()).map_err(short)
    }

    /// That the next bytes are these.
    fn same(&mut self, wanted: &[u8], is_signed: bool, what: &'static str) -> Result<(), CrlError> {
        let mut found = vec![0; wanted.len()];
        self.file.read_exact(&mut found).map_err(short)?;
        if is_signed {
            self.signed.update(&found);
        }
        if found == wanted { Ok(()) } else { Err(CrlError::NotAsMeant(what)) }
    }
}

impl Signed {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Digest(digest) => digest.update(bytes),
            Self::Message(message) => message.extend_from_slice(bytes),
        }
    }
}

/// Looks up what has changed when it is asked, and again when it does not know.
pub fn changes(mut look: impl FnMut() -> Result<HashSet<Serial>, CrlError>) -> impl FnMut(&Serial) -> Result<bool, CrlError> {
    let mut known = HashSet::new();
    move |serial| {
        if !known.contains(serial) {
            known = look()?;
        }
        Ok(known.contains(serial))
    }
}

fn short(error: io::Error) -> CrlError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => CrlError::NotAsMeant("its length"),
        _ => CrlError::File(error),
    }
}

#[cfg(test)]
mod tests;

//! Certificate revocation lists: the to-be-signed bytes of a full CRL, and the reading of one.
//!
//! Writing streams: entries go from an iterator straight into the one buffer that becomes the CRL, without an allocation of
//! their own, so that a million of them cost their bytes and nothing more. Nothing here sorts entries or removes
//! duplicates; the order is the iterator's, and RFC 5280 asks for none.

use jiff::Timestamp;

use super::algorithm::SignatureAlgorithm;
use super::reason::RevocationReason;
use super::serial::Serial;
use super::tlv::{self, Element};
use super::{signed, time};

mod read;

pub use read::{Crl, CrlFault};

/// A full CRL before it is signed.
#[derive(Clone, Copy, Debug)]
pub struct CrlDraft<'a> {
    /// The issuer's DER Name, byte for byte as in its certificate.
    pub issuer: &'a [u8],
    pub signature: SignatureAlgorithm,
    pub this_update: Timestamp,
    pub next_update: Timestamp,
    pub number: u64,
    /// The issuer's subject key identifier.
    pub authority_key_id: &'a [u8],
}

/// One revoked certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrlEntry {
    pub serial: Serial,
    pub revoked_at: Timestamp,
    pub reason: RevocationReason,
    pub invalidity_date: Option<Timestamp>,
}

/// Why a CRL cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlDraftFault {
    #[error("the CRL's issuer is not a name with content")]
    Issuer,
    #[error("the CRL has no authority key identifier")]
    AuthorityKeyId,
    #[error("the CRL's next update is not after this update")]
    UpdateOrder,
    #[error("a time of the CRL lies outside the years a CRL can write")]
    Time,
    #[error("certificate {0} is listed with removeFromCRL, which only a delta CRL may have")]
    OnlyInDelta(Serial),
    #[error("the CRL is longer than 256 MiB")]
    TooLong,
}

impl CrlDraft<'_> {
    /// The DER TBSCertList (RFC 5280, 5.1).
    pub fn to_tbs(&self, entries: impl Iterator<Item = CrlEntry>) -> Result<Vec<u8>, CrlDraftFault> {
        self.check()?;
        // The hint only saves moving the buffer while it grows, so a wrong one must not cost much.
        let expected = entries.size_hint().0.min(MOST_EXPECTED) * ENTRY_BYTES;
        let mut out = Vec::with_capacity(expected + self.issuer.len() + 256);
        let mut result = Ok(());
        tlv::write(&mut out, tlv::SEQUENCE, |out| result = self.write_fields(out, entries));
        result.map(|()| out)
    }

    fn check(&self) -> Result<(), CrlDraftFault> {
        // RFC 5280, 5.1.2.3: the issuer is a non-empty name.
        match Element::sole(self.issuer, tlv::SEQUENCE) {
            Ok(name) if !name.content.is_empty() => {}
            _ => return Err(CrlDraftFault::Issuer),
        }
        if self.authority_key_id.is_empty() {
            return Err(CrlDraftFault::AuthorityKeyId);
        }
        if self.next_update.as_second() <= self.this_update.as_second() {
            return Err(CrlDraftFault::UpdateOrder);
        }
        Ok(())
    }

    fn write_fields(&self, out: &mut Vec<u8>, entries: impl Iterator<Item = CrlEntry>) -> Result<(), CrlDraftFault> {
        // RFC 5280, 5.1.2.1: version 2, written as 1, because there are extensions.
        tlv::write_small(out, 1);
        signed::write_algorithm(out, self.signature);
        out.extend_from_slice(self.issuer);
        write_time(out, self.this_update)?;
        write_time(out, self.next_update)?;
        let mut entries = entries.peekable();
        // RFC 5280, 5.1.2.6: when nothing is revoked the list is absent, not empty.
        if entries.peek().is_some() {
            let mut result = Ok(());
            tlv::write(out, tlv::SEQUENCE, |out| result = write_entries(out, entries));
            result?;
        }
        tlv::write(out, tlv::context_constructed(0), |out| {
            tlv::write(out, tlv::SEQUENCE, |out| {
                // RFC 5280, 5.2.1 and 5.2.3: every CRL has these two, and neither is critical.
                write_extension(out, AUTHORITY_KEY_ID, |out| {
                    tlv::write(out, tlv::SEQUENCE, |out| tlv::write_value(out, tlv::context(0), self.authority_key_id));
                });
                write_extension(out, CRL_NUMBER, |out| write_number(out, self.number));
            });
        });
        Ok(())
    }
}

/// The content of the object identifiers, all of them below 2.5.29 (RFC 5280, 5.2 and 5.3).
const CRL_NUMBER: &[u8] = &[0x55, 0x1D, 20];
const REASON_CODE: &[u8] = &[0x55, 0x1D, 21];
const INVALIDITY_DATE: &[u8] = &[0x55, 0x1D, 24];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1D, 35];

const ENUMERATED: u8 = 0x0A;

/// What an entry with a serial of the appliance and a reason takes.
const ENTRY_BYTES: usize = 49;

/// The most entries that room is made for at once.
const MOST_EXPECTED: usize = 1_000_000;

/// DER readers, that of this appliance and others', stop at four octets of length or below; nobody fetches such a CRL.
const MOST_BYTES: usize = 1 << 28;

fn write_entries(out: &mut Vec<u8>, entries: impl Iterator<Item = CrlEntry>) -> Result<(), CrlDraftFault> {
    for entry in entries {
        let mut result = Ok(());
        tlv::write(out, tlv::SEQUENCE, |out| result = write_entry(out, &entry));
        result?;
        if out.len() > MOST_BYTES {
            return Err(CrlDraftFault::TooLong);
        }
    }
    Ok(())
}

fn write_entry(out: &mut Vec<u8>, entry: &CrlEntry) -> Result<(), CrlDraftFault> {
    tlv::write_value(out, tlv::INTEGER, entry.serial.as_bytes());
    write_time(out, entry.revoked_at)?;
    let reason = match entry.reason {
        // RFC 5280, 5.3.1: the reason code should be absent instead of unspecified.
        RevocationReason::Unspecified => None,
        RevocationReason::RemoveFromCrl => return Err(CrlDraftFault::OnlyInDelta(entry.serial)),
        reason => Some(reason),
    };
    if reason.is_none() && entry.invalidity_date.is_none() {
        return Ok(());
    }
    let mut result = Ok(());
    tlv::write(out, tlv::SEQUENCE, |out| {
        if let Some(reason) = reason {
            write_extension(out, REASON_CODE, |out| tlv::write_value(out, ENUMERATED, &[reason.code()]));
        }
        if let Some(date) = entry.invalidity_date {
            write_extension(out, INVALIDITY_DATE, |out| result = write_generalized_time(out, date));
        }
    });
    result
}

/// An extension that is not critical.
fn write_extension(out: &mut Vec<u8>, oid: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
    tlv::write(out, tlv::SEQUENCE, |out| {
        tlv::write_value(out, tlv::OBJECT_IDENTIFIER, oid);
        tlv::write(out, tlv::OCTET_STRING, value);
    });
}

/// A non-negative INTEGER: nine octets hold the number and room for its sign.
fn write_number(out: &mut Vec<u8>, number: u64) {
    let mut octets = [0; 9];
    octets.iter_mut().skip(1).zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
    let mut content = octets.as_slice();
    while let [0, rest @ ..] = content
        && let [0..=0x7F, ..] = rest
    {
        content = rest;
    }
    tlv::write_value(out, tlv::INTEGER, content);
}

fn write_time(out: &mut Vec<u8>, time: Timestamp) -> Result<(), CrlDraftFault> {
    time::write_time(out, time).map_err(|_| CrlDraftFault::Time)
}

/// RFC 5280, 5.3.2: the invalidity date is a GeneralizedTime in every year.
fn write_generalized_time(out: &mut Vec<u8>, time: Timestamp) -> Result<(), CrlDraftFault> {
    let civil = jiff::tz::Offset::UTC.to_datetime(time);
    let year = u16::try_from(civil.year()).map_err(|_| CrlDraftFault::Time)?;
    tlv::write(out, tlv::GENERALIZED_TIME, |out| {
        let parts = [civil.month(), civil.day(), civil.hour(), civil.minute(), civil.second()].map(i8::unsigned_abs);
        for part in [(year / 100) as u8, (year % 100) as u8].into_iter().chain(parts) {
            out.extend([b'0' + part / 10, b'0' + part % 10]);
        }
        out.push(b'Z');
    });
    Ok(())
}

#[cfg(test)]
mod tests;

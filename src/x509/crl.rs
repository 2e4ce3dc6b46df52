//! Certificate revocation lists: the to-be-signed bytes of full and delta CRLs, and the reading of full ones.
//!
//! Writing streams: an entry is written by itself ([`write_entry`]), and when the length of all of them is known, what stands before and
//! behind them ([`CrlDraft::frame`]), so that a million of them need never be in memory. Nothing here sorts entries or removes
//! duplicates; the order is the caller's, and RFC 5280 asks for none.

use jiff::Timestamp;

use super::algorithm::SignatureAlgorithm;
use super::extension::{self, write};
use super::reason::RevocationReason;
use super::serial::Serial;
use super::tlv::{self, Element};
use super::{signed, time};

mod read;
mod scope;

pub use read::{Crl, CrlFault, read_entry};
pub use scope::OutOfScope;

/// A CRL before it is signed.
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
    /// None for a CRL that covers all certificates of its issuer.
    pub distribution_point: Option<IssuingDistributionPoint<'a>>,
    /// The number of the full CRL that this one tells the changes since; none for a full CRL.
    pub base: Option<u64>,
    /// Where the delta CRLs to this full CRL are found.
    pub delta_urls: &'a [String],
}

/// Which certificates of its issuer a CRL covers (RFC 5280, 5.2.5): those that name one of these URLs, of one kind.
#[derive(Clone, Copy, Debug)]
pub struct IssuingDistributionPoint<'a> {
    /// Byte for byte as in the certificates.
    pub urls: &'a [String],
    pub only: Covered,
}

/// The kind of certificate a CRL is limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covered {
    Users,
    Authorities,
}

/// What stands before and behind the entries of a TBSCertList.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlFrame {
    pub before: Vec<u8>,
    pub behind: Vec<u8>,
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
    #[error("the delta CRL's base is not an earlier full CRL")]
    Base,
    #[error("the CRL covers some certificates and does not say by which URL they find it")]
    DistributionPoint,
    #[error("the CRL is longer than 2 GiB")]
    TooLong,
}

impl CrlDraft<'_> {
    /// The whole DER TBSCertList (RFC 5280, 5.1), in memory.
    pub fn to_tbs(&self, entries: impl Iterator<Item = CrlEntry>) -> Result<Vec<u8>, CrlDraftFault> {
        let mut list = Vec::new();
        for entry in entries {
            write_entry(&mut list, &entry, self.base.is_some())?;
        }
        let CrlFrame { before, behind } = self.frame(list.len() as u64)?;
        Ok([before, list, behind].concat())
    }

    /// What stands around entries of so many bytes together.
    pub fn frame(&self, entries_length: u64) -> Result<CrlFrame, CrlDraftFault> {
        self.check()?;
        let entries_length = usize::try_from(entries_length).ok().filter(|length| *length <= MOST_BYTES).ok_or(CrlDraftFault::TooLong)?;
        let mut fields = Vec::with_capacity(self.issuer.len() + 128);
        // RFC 5280, 5.1.2.1: version 2, written as 1, because there are extensions.
        tlv::write_small(&mut fields, 1);
        signed::write_algorithm(&mut fields, self.signature);
        fields.extend_from_slice(self.issuer);
        write_time(&mut fields, self.this_update)?;
        write_time(&mut fields, self.next_update)?;
        // RFC 5280, 5.1.2.6: when nothing is revoked the list is absent, not empty.
        if entries_length > 0 {
            tlv::write_header(&mut fields, tlv::SEQUENCE, entries_length);
        }
        let mut behind = Vec::with_capacity(256);
        tlv::write(&mut behind, tlv::context_constructed(0), |out| tlv::write(out, tlv::SEQUENCE, |out| self.write_extensions(out)));
        let mut before = Vec::with_capacity(fields.len() + 8);
        tlv::write_header(&mut before, tlv::SEQUENCE, fields.len() + entries_length + behind.len());
        before.extend_from_slice(&fields);
        Ok(CrlFrame { before, behind })
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
        // RFC 5280, 5.2.4: the base was issued before.
        if self.base.is_some_and(|base| base >= self.number) {
            return Err(CrlDraftFault::Base);
        }
        // RFC 5280, 5.2.6: a delta CRL names no delta CRL.
        if self.base.is_some() && !self.delta_urls.is_empty() {
            return Err(CrlDraftFault::Base);
        }
        if self.distribution_point.is_some_and(|point| point.urls.is_empty()) {
            return Err(CrlDraftFault::DistributionPoint);
        }
        Ok(())
    }

    fn write_extensions(&self, out: &mut Vec<u8>) {
        // RFC 5280, 5.2.1 and 5.2.3: every CRL has these two, and neither is critical.
        write::authority_key_id(out, self.authority_key_id);
        write::extension(out, extension::CRL_NUMBER, false, |out| write_number(out, self.number));
        // RFC 5280, 5.2.4 and 5.2.5: who does not understand these must not take the CRL for a full list of everything.
        if let Some(base) = self.base {
            write::extension(out, extension::DELTA_CRL_INDICATOR, true, |out| write_number(out, base));
        }
        if let Some(IssuingDistributionPoint { urls, only }) = self.distribution_point {
            write::extension(out, extension::ISSUING_DISTRIBUTION_POINT, true, |out| {
                tlv::write(out, tlv::SEQUENCE, |out| {
                    write::distribution_point_name(out, urls);
                    let kind = match only {
                        Covered::Users => tlv::context(1),
                        Covered::Authorities => tlv::context(2),
                    };
                    tlv::write_value(out, kind, &[0xFF]);
                });
            });
        }
        write::delta_crl_urls(out, self.delta_urls);
    }
}

const ENUMERATED: u8 = 0x0A;

/// DER readers, that of this appliance and others', stop at four octets of length or below; nobody fetches such a CRL.
const MOST_BYTES: usize = 1 << 31;

/// Appends one entry of revokedCertificates to a full or a delta CRL.
pub fn write_entry(out: &mut Vec<u8>, entry: &CrlEntry, is_delta: bool) -> Result<(), CrlDraftFault> {
    // RFC 5280, 5.3.1: removeFromCRL stands in delta CRLs only.
    if entry.reason == RevocationReason::RemoveFromCrl && !is_delta {
        return Err(CrlDraftFault::OnlyInDelta(entry.serial));
    }
    let mut result = Ok(());
    tlv::write(out, tlv::SEQUENCE, |out| result = write_entry_fields(out, entry));
    result
}

fn write_entry_fields(out: &mut Vec<u8>, entry: &CrlEntry) -> Result<(), CrlDraftFault> {
    tlv::write_value(out, tlv::INTEGER, entry.serial.as_bytes());
    write_time(out, entry.revoked_at)?;
    let reason = match entry.reason {
        // RFC 5280, 5.3.1: the reason code should be absent instead of unspecified.
        RevocationReason::Unspecified => None,
        reason => Some(reason),
    };
    if reason.is_none() && entry.invalidity_date.is_none() {
        return Ok(());
    }
    let mut result = Ok(());
    tlv::write(out, tlv::SEQUENCE, |out| {
        if let Some(reason) = reason {
            write::extension(out, extension::REASON_CODE, false, |out| tlv::write_value(out, ENUMERATED, &[reason.code()]));
        }
        if let Some(date) = entry.invalidity_date {
            write::extension(out, extension::INVALIDITY_DATE, false, |out| result = write_generalized_time(out, date));
        }
    });
    result
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
    time::write_generalized(out, time).map_err(|_| CrlDraftFault::Time)
}

#[cfg(test)]
mod tests;

//! When a certificate is best renewed (RFC 9773).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::error::{AcmeError, ReplacesFault, Thing};
use super::identifier;
use super::server::AcmeServer;
use super::validation::Identifier;
use crate::base::clock::from_seconds;
use crate::base::hash::sha256;
use crate::base::id::CertId;
use crate::inventory::StoredCertificate;
use crate::x509::certificate::Certificate;
use crate::x509::san::RequestedName;
use crate::x509::serial::Serial;

/// Between these two times, and when to ask again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    pub start: Timestamp,
    pub end: Timestamp,
    pub retry_after_seconds: u64,
    /// Where people can read why it is now.
    pub explanation: Option<String>,
}

/// How often a client asks at most, and at least.
const ASKED_AGAIN: (i64, i64) = (60, 6 * 3_600);

impl AcmeServer {
    /// What is suggested for the certificate with this identifier (RFC 9773, 4.1). Anybody may ask.
    pub fn renewal_info(&self, text: &str) -> Result<Renewal, AcmeError> {
        let not_found = || AcmeError::NotFound(Thing::Certificate);
        let found = match self.certificate_of_renewal_id(text) {
            Err(AcmeError::Replaces(_)) => None,
            outcome => outcome?,
        };
        let certificate = found.ok_or_else(not_found)?;
        let life = certificate.not_after.as_second().saturating_sub(certificate.not_before.as_second()).max(1);
        let retry_after_seconds = u64::try_from((life / 48).clamp(ASKED_AGAIN.0, ASKED_AGAIN.1)).unwrap_or(60);
        let revoked = self.certificates.revocation(certificate.ca, &certificate.serial)?.map(|revocation| revocation.revoked_at);
        let from_above = self
            .authorities
            .get(certificate.organization, certificate.ca)
            .and_then(|authority| authority.revocation().map(|revocation| revocation.revoked_at));
        let incident = self.incident_of(&certificate)?;
        let declared = incident.as_ref().map(|incident| incident.declared_at);
        let (start, end) = match revoked.or(from_above).or(declared) {
            Some(since) => {
                // RFC 9773, 4.2: a window in the past means now.
                let end = since.as_second().min(self.now().as_second());
                (end.saturating_sub(3_600), end)
            }
            None => window(certificate.not_before.as_second(), life, certificate.serial.as_bytes()),
        };
        let explanation = incident.and_then(|incident| incident.explanation);
        Ok(Renewal { start: from_seconds(start), end: from_seconds(end), retry_after_seconds, explanation })
    }

    /// The identifier of a certificate (RFC 9773, 4.1); none when it is not there any more.
    pub fn renewal_id(&self, id: CertId) -> Result<Option<String>, AcmeError> {
        let Some(stored) = self.certificates.of_any_organization(id)? else { return Ok(None) };
        let read = Certificate::from_der(&stored.der).ok();
        let key_id = read.as_ref().and_then(Certificate::authority_key_id);
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Ok(key_id.map(|key_id| format!("{}.{}", text(key_id), text(stored.serial.as_bytes()))))
    }

    /// The certificate of an identifier (RFC 9773, 4.1), when it is one of ours.
    pub(super) fn certificate_of_renewal_id(&self, text: &str) -> Result<Option<StoredCertificate>, AcmeError> {
        let (key_id, serial) = text.split_once('.').ok_or(ReplacesFault::Form)?;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| ReplacesFault::Form);
        let (key_id, serial) = (decoded(key_id)?, decoded(serial)?);
        let serial = Serial::from_der_content(&serial).map_err(|_| ReplacesFault::Form)?;
        let found = self.certificates.of_any_organization_by_serial(&serial)?.filter(|found| found.authority().is_some());
        let is_meant = |found: &StoredCertificate| {
            let read = Certificate::from_der(&found.der).ok();
            read.is_some_and(|read| read.authority_key_id() == Some(key_id.as_slice()))
        };
        Ok(found.filter(is_meant))
    }
}

/// From two thirds of its life on, earlier or later by its serial number, so that what was issued at once is not renewed at once.
fn window(not_before: i64, life: i64, serial: &[u8]) -> (i64, i64) {
    let [a, b, ..] = sha256(serial);
    let spread = i64::from(u16::from_be_bytes([a, b]));
    // Between 60 and 70 of 100, and 4 of 100 long.
    let start = not_before.saturating_add(life / 100 * 60).saturating_add(life / 10 * spread / 65_536);
    (start, start.saturating_add((life / 25).max(1)))
}

/// The names of a certificate, as orders have them, without those that no order can have.
pub(super) fn names_of(certificate: &StoredCertificate) -> Vec<Identifier> {
    let Ok(read) = Certificate::from_der(&certificate.der) else { return Vec::new() };
    read.names().iter().filter_map(name_of).collect()
}

/// The names of a certificate, when it has no others than orders can have.
pub(super) fn all_names_of(certificate: &Certificate) -> Option<Vec<Identifier>> {
    certificate.names().iter().map(name_of).collect()
}

fn name_of(name: &RequestedName) -> Option<Identifier> {
    match name {
        RequestedName::Good(name) => identifier::of_alt_name(name),
        RequestedName::BadDns { .. }
        | RequestedName::BadIp { .. }
        | RequestedName::BadEmail { .. }
        | RequestedName::BadUri { .. }
        | RequestedName::Unsupported(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_spread_and_end_well_before_the_certificate() {
        let life = 90 * 86_400;
        let windows: Vec<_> = (0_u8..200).map(|serial| window(1_000, life, &[serial])).collect();
        for (start, end) in &windows {
            assert!(*start >= 1_000 + life / 2 && *end <= 1_000 + life * 4 / 5 && start < end, "{start} {end}");
        }
        let (first, last) = (windows.iter().map(|w| w.0).min().unwrap(), windows.iter().map(|w| w.0).max().unwrap());
        assert!(last - first > life / 20, "{first} {last}");
        let (start, end) = window(0, 300, &[1]);
        assert!(start < end && end < 300, "{start} {end}");
    }
}

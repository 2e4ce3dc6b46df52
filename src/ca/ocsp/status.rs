//! What the store says of a certificate.

use crate::ca::{Authority, Kind};
use crate::inventory::{Certificates, InventoryError};
use crate::x509::ocsp::Status;
use crate::x509::serial::Serial;

/// The status of a certificate of this authority: what its CRL says of it. What is not durable was not issued.
pub fn status(certificates: &Certificates, authority: &Authority, serial: &Serial) -> Result<Status, InventoryError> {
    if let Some(revocation) = certificates.revocation(authority.id, serial)? {
        return Ok(Status::Revoked { at: revocation.revoked_at, reason: revocation.reason });
    }
    let is_own = authority.kind == Kind::Root && authority.serial == *serial;
    let of_authority = authority.revocation();
    // A root's certificate is nobody's but its own, and is in no inventory.
    if is_own {
        return Ok(of_authority.map_or(Status::Good, |by| Status::Revoked { at: by.revoked_at, reason: by.reason }));
    }
    if !certificates.has_issued(authority.id, serial)? {
        return Ok(Status::Unknown);
    }
    let Some(by) = of_authority else { return Ok(Status::Good) };
    // RFC 6960, 2.7: all that it has issued, with it.
    let issued_at = certificates.of_any_organization_by_serial(serial)?.map_or(by.revoked_at, |certificate| certificate.created_at);
    Ok(Status::Revoked { at: by.revoked_at.max(issued_at), reason: by.reason })
}

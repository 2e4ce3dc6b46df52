//! Writes each extension whole: its identifier, whether it is critical, and its value.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;

use super::{
    AUTHORITY_INFO_ACCESS, AUTHORITY_KEY_ID, BASIC_CONSTRAINTS, BasicConstraints, CRL_DISTRIBUTION_POINTS, EXTENDED_KEY_USAGE,
    ExtendedKeyUsage, FRESHEST_CRL, KEY_USAGE, KeyUsage, NO_REV_AVAIL, OCSP_NO_CHECK, RevocationNotice, SUBJECT_ALT_NAME, SUBJECT_KEY_ID,
};
use crate::x509::san::{self, SubjectAltName};
use crate::x509::tlv;

/// Appends the basicConstraints extension. It is critical for CAs as RFC 5280, 4.2.1.9 demands, and for leaves too, so that
/// what they may not be is binding.
pub fn basic_constraints(out: &mut Vec<u8>, constraints: BasicConstraints) {
    extension(out, BASIC_CONSTRAINTS, true, |out| {
        tlv::write(out, tlv::SEQUENCE, |out| {
            // X.690, 11.5: the default FALSE is left out; RFC 5280: the bound stands only with cA.
            if constraints.ca {
                tlv::write_value(out, tlv::BOOLEAN, &[0xFF]);
                if let Some(bound) = constraints.path_len {
                    tlv::write_small(out, bound);
                }
            }
        });
    });
}

/// Appends the keyUsage extension, critical (RFC 5280, 4.2.1.3). Without any flag nothing is written.
pub fn key_usage(out: &mut Vec<u8>, usage: KeyUsage) {
    if usage.is_empty() {
        return;
    }
    extension(out, KEY_USAGE, true, |out| {
        // X.690, 11.2.2: trailing zero bits of a named bit list are left out.
        let unused = (usage.0.trailing_zeros() % 8) as u8;
        let [first, second] = usage.0.to_be_bytes();
        match second {
            0 => tlv::write_value(out, tlv::BIT_STRING, &[unused, first]),
            _ => tlv::write_value(out, tlv::BIT_STRING, &[unused, first, second]),
        }
    });
}

/// Appends the extKeyUsage extension. It is critical only for a time stamper, where RFC 3161, 2.3 demands it. Without any
/// purpose nothing is written.
pub fn extended_key_usage(out: &mut Vec<u8>, purposes: &[ExtendedKeyUsage]) {
    if purposes.is_empty() {
        return;
    }
    extension(out, EXTENDED_KEY_USAGE, purposes == [ExtendedKeyUsage::TimeStamping], |out| {
        tlv::write(out, tlv::SEQUENCE, |out| purposes.iter().for_each(|purpose| tlv::write_oid(out, purpose.oid())));
    });
}

/// Appends the subjectKeyIdentifier extension, not critical (RFC 5280, 4.2.1.2).
pub fn subject_key_id(out: &mut Vec<u8>, id: &[u8]) {
    extension(out, SUBJECT_KEY_ID, false, |out| tlv::write_value(out, tlv::OCTET_STRING, id));
}

/// Appends the authorityKeyIdentifier extension with the keyIdentifier alone, not critical (RFC 5280, 4.2.1.1). Without an
/// identifier nothing is written.
pub fn authority_key_id(out: &mut Vec<u8>, id: &[u8]) {
    if id.is_empty() {
        return;
    }
    extension(out, AUTHORITY_KEY_ID, false, |out| {
        tlv::write(out, tlv::SEQUENCE, |out| tlv::write_value(out, tlv::context(0), id));
    });
}

/// Appends the subjectAltName extension; critical where the subject is empty (RFC 5280, 4.2.1.6). Without names nothing is
/// written.
pub fn subject_alt_name(out: &mut Vec<u8>, names: &[SubjectAltName], subject_is_empty: bool) {
    if names.is_empty() {
        return;
    }
    extension(out, SUBJECT_ALT_NAME, subject_is_empty, |out| san::write_san(out, names));
}

/// Appends the cRLDistributionPoints extension, not critical: one point that is found at any of these URLs (RFC 5280,
/// 4.2.1.13). Without URLs nothing is written.
pub fn crl_urls(out: &mut Vec<u8>, urls: &[String]) {
    distribution_point(out, CRL_DISTRIBUTION_POINTS, urls);
}

/// Appends the freshestCRL extension, not critical: where the delta CRLs are found (RFC 5280, 4.2.1.15 and 5.2.6). Without URLs nothing is
/// written.
pub fn delta_crl_urls(out: &mut Vec<u8>, urls: &[String]) {
    distribution_point(out, FRESHEST_CRL, urls);
}

fn distribution_point(out: &mut Vec<u8>, oid: ObjectIdentifier, urls: &[String]) {
    if urls.is_empty() {
        return;
    }
    extension(out, oid, false, |out| {
        tlv::write(out, tlv::SEQUENCE, |out| {
            tlv::write(out, tlv::SEQUENCE, |out| {
                distribution_point_name(out, urls);
            });
        });
    });
}

/// Appends a DistributionPointName: URLs of one and the same thing (RFC 5280, 4.2.1.13 and 5.2.5).
pub fn distribution_point_name(out: &mut Vec<u8>, urls: &[String]) {
    tlv::write(out, tlv::context_constructed(0), |out| {
        tlv::write(out, tlv::context_constructed(0), |out| {
            urls.iter().for_each(|url| tlv::write_value(out, san::URI, url.as_bytes()));
        });
    });
}

/// Appends the authorityInfoAccess extension, not critical (RFC 5280, 4.2.2.1): where the issuer's certificate is, and where
/// its OCSP responder is. Without URLs nothing is written.
pub fn authority_info(out: &mut Vec<u8>, issuer_urls: &[String], ocsp_urls: &[String]) {
    if issuer_urls.is_empty() && ocsp_urls.is_empty() {
        return;
    }
    let ocsp = ocsp_urls.iter().map(|url| (rfc5280::ID_AD_OCSP, url));
    let issuer = issuer_urls.iter().map(|url| (rfc5280::ID_AD_CA_ISSUERS, url));
    extension(out, AUTHORITY_INFO_ACCESS, false, |out| {
        tlv::write(out, tlv::SEQUENCE, |out| {
            for (method, url) in ocsp.chain(issuer) {
                tlv::write(out, tlv::SEQUENCE, |out| {
                    tlv::write_oid(out, method);
                    tlv::write_value(out, san::URI, url.as_bytes());
                });
            }
        });
    });
}

/// Appends what takes the place of revocation information, not critical: id-pkix-ocsp-nocheck (RFC 6960, 4.2.2.2.1) or noRevAvail
/// (RFC 9608, 3). Where such information is published nothing is written.
pub fn revocation_notice(out: &mut Vec<u8>, notice: RevocationNotice) {
    let oid = match notice {
        RevocationNotice::Published => return,
        RevocationNotice::NotChecked => OCSP_NO_CHECK,
        RevocationNotice::NotAvailable => NO_REV_AVAIL,
    };
    extension(out, oid, false, |out| tlv::write_value(out, tlv::NULL, &[]));
}

/// Appends one Extension around the value that `fill` writes.
pub fn extension(out: &mut Vec<u8>, oid: ObjectIdentifier, critical: bool, fill: impl FnOnce(&mut Vec<u8>)) {
    tlv::write(out, tlv::SEQUENCE, |out| {
        tlv::write_oid(out, oid);
        // X.690, 11.5: the default FALSE is left out.
        if critical {
            tlv::write_value(out, tlv::BOOLEAN, &[0xFF]);
        }
        tlv::write(out, tlv::OCTET_STRING, fill);
    });
}

//! The rules for one path (RFC 5280, 6.1), from the anchor down to the certificate in question. All faults are collected.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;
use jiff::Timestamp;

use super::constraints::NameConstraints;
use super::policies::{PolicyState, policy_extensions};
use super::{Fault, FaultKind, Inputs};
use crate::x509::certificate::Certificate;
use crate::x509::extension::{self, KeyUsage};

/// The critical extensions that are heeded here. Those of [`policy_extensions`] and the name constraints are among them.
const KNOWN: [ObjectIdentifier; 9] = [
    extension::BASIC_CONSTRAINTS,
    extension::KEY_USAGE,
    extension::SUBJECT_ALT_NAME,
    rfc5280::ID_CE_NAME_CONSTRAINTS,
    rfc5280::ID_CE_CERTIFICATE_POLICIES,
    rfc5280::ID_CE_POLICY_MAPPINGS,
    rfc5280::ID_CE_POLICY_CONSTRAINTS,
    rfc5280::ID_CE_INHIBIT_ANY_POLICY,
    // Says what the certificate in question may be used for, which is not asked here.
    extension::EXTENDED_KEY_USAGE,
];

/// Everything wrong with a path, whose first certificate is the one in question and whose last is the anchor.
pub(super) fn apply(path: &[&Certificate], inputs: &Inputs) -> Vec<Fault> {
    let Some((anchor, below)) = path.split_last() else { return Vec::new() };
    let mut faults = Vec::new();
    let mut policies = PolicyState::new(below.len(), inputs);
    let mut names = NameConstraints::default();
    let mut room = u32::try_from(below.len()).unwrap_or(u32::MAX);
    // RFC 5937: constraints the anchor's own certificate carries are heeded.
    tell(&mut faults, below.len(), anchor, names.add(anchor).err());
    if let Some(bound) = anchor.basic_constraints().and_then(|constraints| constraints.path_len) {
        room = room.min(u32::from(bound));
    }
    for (place, certificate) in below.iter().copied().enumerate().rev() {
        let is_last = place == 0;
        let is_self_issued = certificate.subject().comparable() == certificate.issuer().comparable();
        faults.extend(time_faults(place, certificate, inputs.at));
        let mut add = |kind: Option<FaultKind>| tell(&mut faults, place, certificate, kind);
        let issuer = path.get(place + 1).copied().unwrap_or(anchor);
        add(signature_fault(certificate, issuer));
        // RFC 5280, 6.1.3 b and c.
        if !is_self_issued || is_last {
            add(names.check(certificate).err());
        }
        let extensions = match policy_extensions(certificate) {
            Ok(extensions) => extensions,
            Err(oid) => {
                add(Some(FaultKind::UnreadableExtension(oid)));
                Default::default()
            }
        };
        add(policies.process(&extensions, is_self_issued, is_last).err());
        for (oid, critical) in certificate.extension_ids() {
            if *critical && !KNOWN.contains(oid) {
                add(Some(FaultKind::UnknownCriticalExtension(*oid)));
            }
        }
        if is_last {
            add(policies.wrap_up(&extensions).err());
            continue;
        }
        add(policies.prepare(&extensions, is_self_issued).err());
        add(names.add(certificate).err());
        // RFC 5280, 6.1.4 k: a version 1 or 2 certificate has no way to say that it is a CA's.
        let constraints = certificate.basic_constraints().unwrap_or_default();
        if certificate.version() != 3 || !constraints.ca {
            add(Some(FaultKind::NotACa));
        }
        // RFC 5280, 6.1.4 l and m.
        if !is_self_issued {
            match room.checked_sub(1) {
                Some(left) => room = left,
                None => add(Some(FaultKind::PathLength)),
            }
        }
        if let Some(bound) = constraints.path_len {
            room = room.min(u32::from(bound));
        }
        // RFC 5280, 6.1.4 n.
        if certificate.key_usage().is_some_and(|usage| !usage.contains(KeyUsage::KEY_CERT_SIGN)) {
            add(Some(FaultKind::MayNotSignCertificates));
        }
    }
    faults.sort_by_key(|fault| fault.place);
    faults
}

/// RFC 5280, 6.1.3 a 2.
pub(super) fn time_faults(place: usize, certificate: &Certificate, at: Timestamp) -> Vec<Fault> {
    let mut faults = Vec::new();
    if at < certificate.not_before() {
        tell(&mut faults, place, certificate, Some(FaultKind::NotYetValid(certificate.not_before())));
    }
    // The last second counts whole (RFC 5280, 4.1.2.5: through notAfter, inclusive).
    if at.as_second() > certificate.not_after().as_second() {
        tell(&mut faults, place, certificate, Some(FaultKind::Expired(certificate.not_after())));
    }
    faults
}

/// The search only links what verifies; what is told here is why it could not.
fn signature_fault(certificate: &Certificate, issuer: &Certificate) -> Option<FaultKind> {
    if certificate.signature_algorithm().is_none() {
        return Some(FaultKind::WeakAlgorithm);
    }
    if issuer.public_key().is_err() {
        return Some(FaultKind::BadSignature);
    }
    certificate.public_key().is_err().then_some(FaultKind::WeakKey)
}

fn tell(faults: &mut Vec<Fault>, place: usize, certificate: &Certificate, kind: Option<FaultKind>) {
    faults.extend(kind.map(|kind| Fault { place, subject: certificate.subject().to_string(), kind }));
}

//! Whether a certificate is to be believed: a path to an anchor, and no revocation along it.

use bytes::Bytes;
use jiff::Timestamp;

use super::foreign_crls::{self, CrlDoubt, Listing};
use super::{Certificates, InventoryError, Stated, TrustAnchor};
use crate::base::id::{CaId, TrustAnchorId};
use crate::x509::certificate::Certificate;
use crate::x509::path::{self, Fault, Inputs};

/// What is asked.
pub struct Question<'a> {
    pub certificate: &'a Certificate,
    /// Intermediates the asker offers, in any order.
    pub chain: &'a [Certificate],
    /// CRLs the asker offers, and those that were fetched.
    pub crls: &'a [Bytes],
    /// What responders have said that are believed.
    pub stated: &'a [Stated],
    /// Whether a revocation status that cannot be found out is told.
    pub check_revocation: bool,
}

/// One of the appliance's own authorities.
pub struct OwnAuthority {
    pub id: CaId,
    pub certificate: Certificate,
    /// A root is an anchor, an intermediate is offered for paths.
    pub is_root: bool,
    /// Whether it or one above it was revoked.
    pub is_revoked: bool,
}

/// What a path ends in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    Own(CaId),
    Registered(TrustAnchorId),
}

/// The answer.
#[derive(Debug)]
pub struct Verdict {
    /// The subjects of the path, the certificate's own first.
    pub path: Vec<String>,
    pub anchor: Option<Anchor>,
    /// Whether the path holds when times and revocations are left aside.
    pub chain_is_valid: bool,
    pub is_in_time: bool,
    pub revoked: Vec<RevokedInPath>,
    pub faults: Vec<Fault>,
    /// Those of the path whose status nobody here knows, when that was asked for.
    pub unknown: Vec<UnknownInPath>,
    pub is_cut_short: bool,
}

/// A revoked certificate of the path.
#[derive(Debug)]
pub struct RevokedInPath {
    pub place: usize,
    pub subject: String,
    pub at: Option<Timestamp>,
}

/// A certificate of the path whose status is not known.
#[derive(Debug)]
pub struct UnknownInPath {
    pub place: usize,
    pub subject: String,
    pub certificate: Certificate,
    /// The next of the path.
    pub issuer: Option<Certificate>,
    /// Who may have signed its CRL, the issuer first.
    pub signers: Vec<Certificate>,
    /// Where its CRL is said to be.
    pub urls: Vec<String>,
    /// Why what was offered says nothing.
    pub doubt: Option<CrlDoubt>,
}

impl Verdict {
    /// Whether somebody who is trusted vouches for what the path says.
    pub fn is_vouched_for(&self) -> bool {
        self.anchor.is_some() && self.chain_is_valid
    }

    pub fn is_valid(&self) -> bool {
        self.anchor.is_some() && self.faults.is_empty() && self.revoked.is_empty()
    }
}

/// Judges a certificate by the appliance's own authorities and the registered anchors, for this moment. Every certificate of the path that one
/// of our authorities issued is looked up in our own records, asked for or not.
pub fn validate(
    question: &Question<'_>,
    own: &[OwnAuthority],
    registered: &[std::sync::Arc<TrustAnchor>],
    inventory: &Certificates,
    now: Timestamp,
) -> Result<Verdict, InventoryError> {
    let (mut ends, mut anchors) = (Vec::new(), Vec::new());
    for root in own.iter().filter(|authority| authority.is_root) {
        ends.push(Anchor::Own(root.id));
        anchors.push(root.certificate.clone());
    }
    for anchor in registered {
        ends.push(Anchor::Registered(anchor.id));
        anchors.push(anchor.certificate.clone());
    }
    let ours = own.iter().filter(|authority| !authority.is_root).map(|authority| &authority.certificate);
    let intermediates: Vec<Certificate> = question.chain.iter().chain(ours).cloned().collect();
    let outcome = path::validate(question.certificate, &intermediates, &anchors, &Inputs::at(now));
    let (mut revoked, mut unknown) = (Vec::new(), Vec::new());
    for (place, certificate) in outcome.path.iter().enumerate() {
        let issuer = outcome.path.get(place + 1).copied();
        let signers = foreign_crls::signers(&outcome.path, place);
        let (status, doubt) = match (status(certificate, own, inventory)?, issuer) {
            (Status::Unknown, Some(_)) => match stated(certificate, question.stated) {
                Some(status) => (status, None),
                None => listed(certificate, &signers, question.crls, now),
            },
            (known, _) => (known, None),
        };
        match status {
            Status::Good => {}
            Status::Revoked(at) => revoked.push(RevokedInPath { place, subject: certificate.subject().to_string(), at }),
            // An anchor is trusted because somebody decided so, and is on nobody's list.
            Status::Unknown if outcome.anchor.is_some() && place + 1 == outcome.path.len() => {}
            Status::Unknown if question.check_revocation => unknown.push(UnknownInPath {
                place,
                subject: certificate.subject().to_string(),
                certificate: Certificate::clone(certificate),
                issuer: issuer.cloned(),
                signers: signers.into_iter().cloned().collect(),
                urls: certificate.crl_urls().to_vec(),
                doubt,
            }),
            Status::Unknown => {}
        }
    }
    Ok(Verdict {
        path: outcome.path.iter().map(|certificate| certificate.subject().to_string()).collect(),
        anchor: outcome.anchor.and_then(|place| ends.get(place)).copied(),
        chain_is_valid: outcome.chain_is_valid(),
        is_in_time: !outcome.faults.iter().any(|fault| fault.kind.is_about_time()),
        revoked,
        unknown,
        is_cut_short: outcome.is_cut_short,
        faults: outcome.faults,
    })
}

enum Status {
    Good,
    Revoked(Option<Timestamp>),
    Unknown,
}

/// What its responder has said.
fn stated(certificate: &Certificate, stated: &[Stated]) -> Option<Status> {
    let fingerprint = certificate.sha256();
    let found = stated.iter().find(|stated| stated.certificate == fingerprint)?;
    Some(found.revoked_at.map_or(Status::Good, |at| Status::Revoked(Some(at))))
}

/// What the CRLs say that are this issuer's; and why the last one that was looked at says nothing.
fn listed(certificate: &Certificate, signers: &[&Certificate], crls: &[Bytes], now: Timestamp) -> (Status, Option<CrlDoubt>) {
    match foreign_crls::listing(certificate, signers, crls, now) {
        Listing::Unlisted => (Status::Good, None),
        Listing::Revoked(at) => (Status::Revoked(Some(at)), None),
        Listing::Unknown(doubt) => (Status::Unknown, doubt),
    }
}

/// What our own records say. A certificate that carries the name of one of our authorities and was signed by its key is known by its serial number.
fn status(certificate: &Certificate, own: &[OwnAuthority], inventory: &Certificates) -> Result<Status, InventoryError> {
    if let Some(itself) = own.iter().find(|authority| authority.certificate == *certificate) {
        return Ok(if itself.is_revoked { Status::Revoked(None) } else { Status::Good });
    }
    let is_issuer = |authority: &&OwnAuthority| {
        authority.certificate.subject() == certificate.issuer()
            && authority.certificate.public_key().is_ok_and(|key| certificate.is_signed_by(&key))
    };
    let Some(issuer) = own.iter().find(is_issuer) else { return Ok(Status::Unknown) };
    Ok(match inventory.revocation(issuer.id, certificate.serial())? {
        Some(revocation) => Status::Revoked(Some(revocation.revoked_at)),
        None if issuer.is_revoked => Status::Revoked(None),
        // Signed with a key of ours and in no record of this authority: that is not known to be good, whoever else has such a serial number.
        None if !inventory.has_issued(issuer.id, certificate.serial())? => Status::Unknown,
        None => Status::Good,
    })
}

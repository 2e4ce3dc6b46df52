//! Renewing: a new certificate for the same subject and names, by the rules of today. The old one stays valid, and each names the other.
//!
//! What was issued with a key that the appliance made and gave out gets a new key. Where only the public half is known, or the key is in the
//! token, it stays, unless a request with another one is given. What a person approved is approved as it was: with its key, and renewed by
//! those who could have signed it.
//!
//! A kept key that stays is that of both certificates. A renewal that was asked for and came to nothing is told in the audit trail, and so by an
//! event: whoever waits for the next certificate learns that it will not come.

use std::sync::Arc;

use crate::access::{Caller, Scope};
use crate::audit::{self, Action, Field, Ledger};
use crate::base::clock::{Clock, from_seconds, rfc3339};
use crate::base::duration::Span;
use crate::base::id::{CaId, CertId, OrgId};
use crate::base::secret::SecretString;
use crate::base::turns::Turns;
use crate::ca::{Authorities, Authority, IssueError, Issued, Issuer, KeyOrder, Order, SubjectKeyError, SubjectKeys};
use crate::inventory::{
    self, Certificates, InventoryError, KeptKeyError, KeptKeys, KeyOrigin, KeyOwner, StoredCertificate, revocation_key,
};
use crate::policy::{self, ApprovalPolicy, Approved, Request, Source, Violation};
use crate::profiles::Role;
use crate::storage::{Change, Class, CommitError, Table};
use crate::x509::certificate::Certificate;
use crate::x509::csr::CertificateRequest;
use crate::x509::key::PublicKey;
use crate::x509::private_key::{self, Encoding, PrivateKeyFault};

/// What is to be renewed, and how.
pub struct Renewal<'a> {
    pub certificate: &'a StoredCertificate,
    /// The role of the certificate's name for it, as it is today.
    pub role: Option<Arc<Role>>,
    pub ttl: Option<Span>,
    /// A request whose key shall be certified instead.
    pub csr: Option<CertificateRequest>,
    /// How a new key is written.
    pub encoding: Encoding,
}

/// A certificate in the place of another.
pub struct Renewed {
    pub issued: Issued,
    /// The new key, once.
    pub private_key: Option<SecretString>,
}

/// Why nothing was renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    #[error("a certificate that is revoked is not renewed")]
    Revoked,
    #[error("it belongs to an authority, which is not renewed but made anew")]
    Authority,
    #[error("the role {0:?} it was issued under is not there any more; issue a new one under another role")]
    NoRole(String),
    #[error("it was signed by approval, which takes the scope pki:admin to be used again")]
    NotApprover,
    #[error("it was signed by approval for another key; import the request as a new one")]
    ApprovalNeeded,
    #[error("the request asks for {0}, which the certificate does not have; sign it as a new one")]
    OtherNames(String),
    #[error("the policy of today does not allow it")]
    Policy(Vec<Violation>),
    #[error("the certificate was signed elsewhere, and only its issuer can renew it")]
    NotOurs,
    #[error("the certificate or its authority cannot be read")]
    Unreadable,
    #[error(transparent)]
    Key(#[from] SubjectKeyError),
    #[error("the new key cannot be written")]
    KeyForm(#[from] PrivateKeyFault),
    #[error(transparent)]
    Kept(#[from] KeptKeyError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl RenewError {
    /// What an event calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Revoked => "certificate_revoked",
            Self::Authority => "is_authority",
            Self::NoRole(_) => "no_role",
            Self::NotApprover => "forbidden",
            Self::ApprovalNeeded => "approval_needed",
            Self::OtherNames(_) => "other_names",
            Self::Policy(_) => "policy_violation",
            Self::NotOurs => "not_ours",
            Self::Unreadable | Self::KeyForm(_) | Self::Inventory(_) => "internal",
            Self::Key(SubjectKeyError::Kept(KeptKeyError::Busy)) => "key_generation_busy",
            Self::Key(SubjectKeyError::Failed | SubjectKeyError::Kept(_)) | Self::Kept(_) => "key_failed",
            Self::Issue(IssueError::NotStanding(_)) => "authority_not_standing",
            Self::Issue(IssueError::WeakKey(_)) => "weak_key",
            Self::Issue(IssueError::CompromisedKey) => "key_compromised",
            Self::Issue(IssueError::AuthorityKey | IssueError::OtherKeyType) => "bad_key",
            Self::Issue(IssueError::Token(_)) => "token_failed",
            Self::Issue(IssueError::Commit(_) | IssueError::Read(_)) => "storage_failed",
            Self::Issue(IssueError::Serial(_) | IssueError::Prepare(_) | IssueError::Inventory(_) | IssueError::Kept(_)) => "internal",
        }
    }
}

/// Renews certificates.
#[derive(Clone)]
pub struct Renewer {
    issuer: Issuer,
    authorities: Authorities,
    certificates: Certificates,
    subject_keys: SubjectKeys,
    kept: KeptKeys,
    ledger: Ledger,
    clock: Clock,
    /// One renewal with a kept key at a time, so that the token does not sign what would be thrown away. By the first byte of the key's hash.
    turns: Arc<Turns>,
}

/// What the new certificate will be.
struct Decided<'a> {
    authority: Arc<Authority>,
    approved: Approved,
    key: Key,
    /// Empty when it is issued under none.
    role_name: &'a str,
}

/// The key the new certificate is for.
enum Key {
    /// One that is made now, by this role.
    New(Arc<Role>),
    /// The old one, where it is.
    Same(PublicKey),
    /// That of a request.
    Other(PublicKey),
}

impl Renewer {
    pub fn new(
        issuer: Issuer,
        authorities: Authorities,
        certificates: Certificates,
        subject_keys: SubjectKeys,
        kept: KeptKeys,
        ledger: Ledger,
        clock: Clock,
    ) -> Self {
        Self { issuer, authorities, certificates, subject_keys, kept, ledger, clock, turns: Arc::default() }
    }

    /// Renews one certificate, or tells why it was not.
    pub async fn renew(&self, renewal: Renewal<'_>, caller: &Caller) -> Result<Renewed, RenewError> {
        let certificate = renewal.certificate;
        let outcome = self.attempt(renewal, caller).await;
        if let Err(error) = &outcome {
            self.tell(certificate, error, caller).await;
        }
        outcome
    }

    /// What today's rules say to a renewal that is refused already. Where it cannot come to that, there is nothing to say.
    pub fn faults_of(&self, renewal: Renewal<'_>, caller: &Caller) -> Vec<Violation> {
        match self.decide(renewal, caller) {
            Err(RenewError::Policy(violations)) => violations,
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    async fn attempt(&self, renewal: Renewal<'_>, caller: &Caller) -> Result<Renewed, RenewError> {
        let (old, encoding) = (renewal.certificate, renewal.encoding);
        let (Decided { authority, approved, key, role_name }, old_hash) = self.decide(renewal, caller)?;
        // Before a key is made for nothing.
        authority.standing(self.clock.now()).map_err(IssueError::from)?;
        let id = CertId::new();
        let (public_key, key_origin, kept, private_key) = match key {
            Key::New(role) => {
                let (owner, token) = (KeyOwner::Certificate(id), authority.key.token.as_ref());
                let wanted = KeyOrder { owner, key_type: role.policy.key_type, keeping: role.key_keeping, token, caller };
                let made = self.subject_keys.make(wanted).await?;
                // Before anything is issued: a key that cannot be given out must have no certificate.
                let pem = private_key::to_pem(role.policy.key_type, made.private.expose(), encoding)?;
                (made.public, KeyOrigin::Given, made.kept, Some(pem))
            }
            Key::Same(public) => (public, old.key_origin, None, None),
            Key::Other(public) => (public, KeyOrigin::Requester, None, None),
        };
        // A revocation that became durable meanwhile stops the release.
        let mut change = Change::new(Class::Normal).expect_absent(Table::Revocations, &revocation_key(old.ca, &old.serial));
        let _alone = if public_key.spki_sha256() == old_hash {
            let [first, ..] = old_hash;
            let alone = self.turns.of(first).await;
            change = self.kept.share(change, old.id, id)?;
            Some(alone)
        } else {
            None
        };
        let order = Order {
            id,
            request: old.request,
            kept,
            key_origin,
            change: inventory::add_renewal(change, old.id, id),
            details: vec![(Field::RenewedFrom, old.id.to_string())],
            ..Order::new(authority, approved, public_key, role_name, caller)
        };
        match self.issuer.issue(order).await {
            Ok(issued) => Ok(Renewed { issued, private_key }),
            Err(IssueError::Commit(CommitError::Conflict { table: Table::Revocations, .. })) => Err(RenewError::Revoked),
            Err(error) => Err(error.into()),
        }
    }

    /// What it will be by the rules of today, and the hash of the key it has.
    fn decide<'a>(&self, renewal: Renewal<'a>, caller: &Caller) -> Result<(Decided<'a>, [u8; 32]), RenewError> {
        let old = renewal.certificate;
        if old.authority().is_none() {
            return Err(RenewError::NotOurs);
        }
        let read = Certificate::from_der(&old.der).map_err(|_| RenewError::Unreadable)?;
        self.check_standing(old, &read)?;
        let old_key = read.public_key().map_err(|_| RenewError::Unreadable)?;
        let old_hash = old_key.spki_sha256();
        if let Some(csr) = &renewal.csr {
            check_names(csr, &read)?;
        }
        let decided = match old.request {
            Some(_) => self.by_approval(renewal, &read, old_key, caller)?,
            None => self.by_role(renewal, &read, old_key)?,
        };
        Ok((decided, old_hash))
    }

    /// Makes durable that it came to nothing, as well as that goes.
    async fn tell(&self, old: &StoredCertificate, error: &RenewError, caller: &Caller) {
        let mut entry = caller
            .origin()
            .entry(Action::CertificateRenewalFail, self.clock.now())
            .of(old.organization)
            .object(old.id)
            .detail(Field::SerialNumber, old.serial)
            .detail(Field::CommonName, &old.common_name)
            .detail(Field::NotAfter, rfc3339(old.not_after))
            .detail(Field::Fault, error.name());
        if let Some(ca) = old.authority() {
            entry = entry.detail(Field::CaId, ca);
        }
        if let Err(error) = self.ledger.commit(audit::Change::entry_only(Class::Normal, entry)).await {
            tracing::warn!(certificate = %old.id, %error, "that a renewal failed cannot be told");
        }
    }

    fn check_standing(&self, old: &StoredCertificate, read: &Certificate) -> Result<(), RenewError> {
        if read.basic_constraints().is_some_and(|constraints| constraints.ca) {
            return Err(RenewError::Authority);
        }
        let from_above = self.authority(old.organization, old.ca)?.revocation().is_some();
        if from_above || self.certificates.revocation(old.ca, &old.serial)?.is_some() { Err(RenewError::Revoked) } else { Ok(()) }
    }

    fn authority(&self, organization: OrgId, id: CaId) -> Result<Arc<Authority>, RenewError> {
        self.authorities.get(organization, id).ok_or(RenewError::Unreadable)
    }

    /// By the role it was issued under, as that is today.
    fn by_role<'a>(&self, renewal: Renewal<'a>, read: &Certificate, old_key: PublicKey) -> Result<Decided<'a>, RenewError> {
        let Renewal { certificate: old, role, ttl, csr, encoding: _ } = renewal;
        let role = role.ok_or_else(|| RenewError::NoRole(old.role.clone()))?;
        let key = match (csr, old.key_origin) {
            (Some(csr), _) if *csr.public_key() == old_key => Key::Same(old_key),
            (Some(csr), _) => Key::Other(csr.public_key().clone()),
            (None, KeyOrigin::Given) => Key::New(role.clone()),
            (None, KeyOrigin::Requester | KeyOrigin::Token | KeyOrigin::Authority) => Key::Same(old_key),
        };
        let authority = self.authority(role.organization, role.ca)?;
        let now = from_seconds(self.clock.now().as_second());
        let approved = policy::decide(&role.policy, request(read, &key, ttl), now).map_err(RenewError::Policy)?;
        Ok(Decided { authority, approved, key, role_name: &old.role })
    }

    /// By the approval of a person, for the same key.
    fn by_approval<'a>(
        &self,
        renewal: Renewal<'a>,
        read: &Certificate,
        old_key: PublicKey,
        caller: &Caller,
    ) -> Result<Decided<'a>, RenewError> {
        let Renewal { certificate: old, role: _, ttl, csr, encoding: _ } = renewal;
        if !caller.holds(Scope::PkiAdmin) {
            return Err(RenewError::NotApprover);
        }
        if csr.is_some_and(|csr| *csr.public_key() != old_key) {
            return Err(RenewError::ApprovalNeeded);
        }
        let authority = self.authority(old.organization, old.ca)?;
        let key = Key::Same(old_key);
        let now = from_seconds(self.clock.now().as_second());
        let subject: Vec<_> = read.subject().texts().into_iter().filter_map(|(kind, _, text)| Some((kind?, text?))).collect();
        let decided = policy::decide_approved(&ApprovalPolicy::DEFAULT, request(read, &key, ttl), &subject, now);
        Ok(Decided { authority, approved: decided.map_err(RenewError::Policy)?, key, role_name: "" })
    }
}

/// What the old certificate says, asked for again.
fn request(old: &Certificate, key: &Key, ttl: Option<Span>) -> Request {
    let key_type = match key {
        Key::New(role) => role.policy.key_type,
        Key::Same(public) | Key::Other(public) => public.key_type(),
    };
    Request {
        // The names are all there are, and the common name must be one of them.
        source: Source::Csr,
        common_names: old.subject().common_names(),
        common_name_field: "common_name",
        names: old.names().iter().map(|name| ("names".to_owned(), name.clone())).collect(),
        key_type,
        key_field: "key_type",
        ttl,
        // What another key may be used for follows from its type.
        key_usage: if matches!(key, Key::Same(_)) { old.key_usage() } else { None },
        key_purposes: old.extended_key_usage().to_vec(),
        asks_for_ca: false,
        left_out: Vec::new(),
    }
}

/// That a request asks for nothing beyond the old certificate.
fn check_names(csr: &CertificateRequest, old: &Certificate) -> Result<(), RenewError> {
    if let Some(name) = csr.names().iter().find(|name| !old.names().contains(name)) {
        return Err(RenewError::OtherNames(name.to_string()));
    }
    let known = old.subject().common_names();
    match csr.subject().common_names().into_iter().find(|name| !known.iter().any(|known| known.eq_ignore_ascii_case(name))) {
        Some(name) => Err(RenewError::OtherNames(name)),
        None => Ok(()),
    }
}

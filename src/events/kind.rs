//! The closed list of events.

use std::fmt;
use std::str::FromStr;

use crate::audit::{Action, Field};

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $text:literal,)*) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $variant,)* }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name outside, which never changes: the thing, a dot, what became of it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

kinds! {
    CertificateIssued "certificate.issued",
    /// Beside that the new certificate was issued, which the same event tells.
    CertificateRenewed "certificate.renewed",
    /// Somebody asked for one in its place and got none; `fault` says why.
    CertificateRenewalFailed "certificate.renewal_failed",
    /// One that was issued elsewhere, taken into the inventory.
    CertificateImported "certificate.imported",
    CertificateRevoked "certificate.revoked",
    /// A hold was lifted.
    CertificateUnrevoked "certificate.unrevoked",
    CertificateUpdated "certificate.updated",
    /// It is not in the inventory any more.
    CertificateDeleted "certificate.deleted",
    /// It ends in 30, 7 or 1 days; `days` says which.
    CertificateExpiring "certificate.expiring",
    CaCreated "ca.created",
    CaRevoked "ca.revoked",
    CrlPublished "crl.published",
    /// It was not what the store says, and the one before it stays.
    CrlRejected "crl.rejected",
    /// Made here or handed in.
    CsrCreated "csr.created",
    CsrApproved "csr.approved",
    CsrRejected "csr.rejected",
    CsrDeleted "csr.deleted",
    RoleCreated "role.created",
    RoleUpdated "role.updated",
    RoleDeleted "role.deleted",
}

impl Kind {
    /// What an action is to those outside; none for an intention and for the appliance's own affairs.
    pub fn of(action: Action, details: &[(Field, String)]) -> Option<Self> {
        let has = |wanted: Field| details.iter().any(|(field, _)| *field == wanted);
        match action {
            Action::CertificateIssue if has(Field::RenewedFrom) => Some(Self::CertificateRenewed),
            Action::CertificateIssue => Some(Self::CertificateIssued),
            Action::CertificateImport => Some(Self::CertificateImported),
            Action::CertificateRevoke => Some(Self::CertificateRevoked),
            Action::CertificateUnrevoke => Some(Self::CertificateUnrevoked),
            Action::CertificateUpdate => Some(Self::CertificateUpdated),
            Action::CertificateExpire => Some(Self::CertificateExpiring),
            Action::CertificateRenewalFail => Some(Self::CertificateRenewalFailed),
            Action::CertificateDelete => Some(Self::CertificateDeleted),
            Action::CaCreate => Some(Self::CaCreated),
            Action::CaRevoke => Some(Self::CaRevoked),
            Action::CrlPublish => Some(Self::CrlPublished),
            Action::CrlReject => Some(Self::CrlRejected),
            Action::CsrImport | Action::CsrGenerate => Some(Self::CsrCreated),
            Action::CsrApprove => Some(Self::CsrApproved),
            Action::CsrReject => Some(Self::CsrRejected),
            Action::CsrDelete => Some(Self::CsrDeleted),
            Action::RoleCreate => Some(Self::RoleCreated),
            Action::RoleUpdate => Some(Self::RoleUpdated),
            Action::RoleDelete => Some(Self::RoleDeleted),
            Action::CaUpdate
            | Action::KeyGenerate
            | Action::KeyImport
            | Action::KeyExport
            | Action::KeyDestroy
            | Action::KeyRelease
            | Action::SourceLockOut
            | Action::KeyFinding
            | Action::CertificateIntend
            | Action::CrlIntend
            | Action::TokenCreate
            | Action::TokenRevoke
            | Action::TrustAnchorCreate
            | Action::TrustAnchorDelete
            | Action::RequestRefused
            | Action::DaemonStart
            | Action::DaemonStop
            | Action::BreakGlassUse
            | Action::OrganizationCreate
            | Action::OrganizationUpdate
            | Action::OrganizationDelete
            | Action::ProjectCreate
            | Action::ProjectUpdate
            | Action::ProjectDelete
            | Action::UserCreate
            | Action::UserUpdate
            | Action::UserDelete
            | Action::WebhookCreate
            | Action::WebhookUpdate
            | Action::WebhookDelete
            | Action::SecretWrite
            | Action::SecretRead
            | Action::SecretDelete
            | Action::RevocationRestore
            | Action::AcmeCredentialCreate
            | Action::AcmeCredentialRevoke
            | Action::AcmeAccountCreate
            | Action::AcmeAccountUpdate
            | Action::AcmeAccountDeactivate
            | Action::AcmeAccountKeyChange
            | Action::AcmeOrderCreate
            | Action::AcmeOrderFinalize
            | Action::AcmeOrderFail
            | Action::AcmeChallengeAnswer
            | Action::AcmeChallengeMeet
            | Action::AcmeChallengeFail
            | Action::AcmeAuthorizationDeactivate
            | Action::AcmeAccountForget
            | Action::AcmeIncidentDeclare
            | Action::AcmeIncidentEnd => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which kinds are wanted: one, as `certificate.issued`, or all of a thing, as `certificate.*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    One(Kind),
    /// The thing, without the dot.
    AllOf(&'static str),
}

/// The text means no event there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such event; they are in docs/operations/events.md, such as certificate.issued, or certificate.* for all of a kind")]
pub struct UnknownPattern;

impl Pattern {
    /// Whether it means that kind.
    pub fn means(self, kind: Kind) -> bool {
        match self {
            Self::One(wanted) => wanted == kind,
            Self::AllOf(thing) => thing_of(kind) == thing,
        }
    }
}

impl FromStr for Pattern {
    type Err = UnknownPattern;

    fn from_str(text: &str) -> Result<Self, UnknownPattern> {
        let found = match text.strip_suffix(".*") {
            Some(thing) => Kind::ALL.iter().map(|kind| thing_of(*kind)).find(|known| *known == thing).map(Self::AllOf),
            None => Kind::ALL.iter().find(|kind| kind.name() == text).copied().map(Self::One),
        };
        found.ok_or(UnknownPattern)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(kind) => kind.fmt(f),
            Self::AllOf(thing) => write!(f, "{thing}.*"),
        }
    }
}

fn thing_of(kind: Kind) -> &'static str {
    kind.name().split('.').next().unwrap_or_default()
}

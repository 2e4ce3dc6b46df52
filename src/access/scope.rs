//! The names of rights: the scopes of `/v1/pki`, the permissions of `/api/v1` and the capabilities that may be held on one authority.
//!
//! There is one list and one relation over it, "holds": a wider scope holds narrower ones, so that the families of names lead to the same rights.

use std::fmt;
use std::str::FromStr;

macro_rules! scopes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal holds [$($held:ident),*];)*) => {
        /// A right that a token or a user holds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope { $($(#[$doc])* $variant,)* }

        impl Scope {
            /// Every scope.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name on the wire and on disk.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What it holds at once.
            pub(super) const fn holds(self) -> &'static [Self] {
                match self { $(Self::$variant => &[$(Self::$held,)*],)* }
            }
        }
    };
}

scopes! {
    PkiRead = "pki:read" holds [CertificateRead, CaRead];
    PkiIssue = "pki:issue" holds [PkiRead, CertificateRequest, CertificateWrite, CertificateImport, CreateCert, ExportPrivateKey];
    PkiAdmin = "pki:admin" holds [
        PkiIssue, CertificateApprove, CertificateRevoke, CertificateArchive, CertificatePermanentDelete, CaAdmin, RotationWrite, RotationExecute,
        CreateCa, RevokeCert, DeleteCa, AccessAdmin, SecretsList
    ];
    CertificateRequest = "certificate:request" holds [];
    CertificateRead = "certificate:read" holds [];
    CertificateWrite = "certificate:write" holds [];
    CertificateApprove = "certificate:approve" holds [];
    CertificateRevoke = "certificate:revoke" holds [];
    CertificateImport = "certificate:import" holds [];
    CertificateArchive = "certificate:archive" holds [];
    CertificatePermanentDelete = "certificate:permanent_delete" holds [];
    CaRead = "ca:read" holds [];
    CaWrite = "ca:write" holds [CaRead];
    CaAdmin = "ca:admin" holds [CaWrite];
    RotationWrite = "rotation:write" holds [];
    RotationExecute = "rotation:execute" holds [];
    /// Making an authority; on one authority, one that it signs.
    CreateCa = "create_ca" holds [];
    CreateCert = "create_cert" holds [];
    RevokeCert = "revoke_cert" holds [];
    ExportPrivateKey = "export_private_key" holds [];
    DeleteCa = "delete_ca" holds [];
    /// The projects, users and tokens of the own organisation, and its audit trail.
    AccessAdmin = "access:admin" holds [];
    /// The organisations of the appliance, and access to each of them. No other scope holds it.
    System = "system" holds [AccessAdmin];
    /// That there are secrets, with their versions; no value.
    SecretsList = "secrets:list" holds [];
    /// The values of secrets. No other scope holds it.
    SecretsRead = "secrets:read" holds [SecretsList];
    /// Writing and deleting secrets; no value. No other scope holds it.
    SecretsWrite = "secrets:write" holds [SecretsList];
}

/// What an endpoint asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Anybody, without a token.
    Public,
    /// A caller that holds this scope or one that includes it.
    Scope(Scope),
    /// The same; or a caller that holds the capability on the authority the request turns out to be about, which its handler asks for again.
    ScopeOrOn { scope: Scope, capability: Scope },
}

/// The text names no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such scope; they are in docs/operations/access.md, such as pki:admin, pki:issue and pki:read")]
pub struct UnknownScope;

impl Scope {
    /// Whether who holds `self` may do what asks for `asked`.
    pub fn includes(self, asked: Self) -> bool {
        self == asked || self.holds().iter().any(|held| held.includes(asked))
    }

    /// Whether it may be held on one authority alone.
    pub const fn is_capability(self) -> bool {
        matches!(self, Self::CreateCa | Self::CreateCert | Self::RevokeCert | Self::ExportPrivateKey | Self::DeleteCa)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL.iter().copied().find(|scope| scope.name() == text).ok_or(UnknownScope)
    }
}

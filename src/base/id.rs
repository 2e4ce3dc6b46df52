//! Ids: opaque strings with a prefix that names the kind, 16 bytes inside, ordered by the time they were made.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// The text is not an id of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct NotAnId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What the text of every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, later in order than all made before it in this process.
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The 16 bytes that are kept on disk.
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The id those bytes were taken from.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The id in those bytes, when there are exactly 16.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                Uuid::from_slice(bytes).ok().map(Self)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut hex = Uuid::encode_buffer();
                f.write_str($prefix)?;
                f.write_str(self.0.simple().encode_lower(&mut hex))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse(text, $prefix).map(Self)
            }
        }
    )*};
}

ids! {
    /// A certificate authority.
    CaId = "ca_";
    /// A certificate.
    CertId = "cert_";
    /// An API token (not its secret).
    TokenId = "tok_";
    /// A certificate signing request.
    CsrId = "csr_";
    /// A trust anchor.
    TrustAnchorId = "trust_anchor_";
    /// An organisation: the owner of authorities, roles, certificates, trust anchors, users and tokens.
    OrgId = "org_";
    /// A project of an organisation.
    ProjectId = "proj_";
    /// A user of an organisation.
    UserId = "usr_";
    /// A webhook.
    WebhookId = "webhook_";
    /// An account at the ACME server.
    AcmeAccountId = "acct_";
    /// An order at the ACME server.
    AcmeOrderId = "ord_";
    /// An authorization at the ACME server.
    AcmeAuthorizationId = "authz_";
    /// A credential that binds accounts at the ACME server to an organisation.
    AcmeCredentialId = "cred_";
    /// One request, as logs, audit entries and the `X-Request-Id` header name it.
    RequestId = "req_";
}

impl CaId {
    /// Stands in an organisation's inventory for all authorities that are not the appliance's. No authority has this id: theirs are made of
    /// time and chance, and an organisation's is one of those too.
    pub fn elsewhere(organization: OrgId) -> Self {
        Self(organization.0)
    }
}

impl OrgId {
    /// The organisation that is there from the start, and owns what was recorded before there were others.
    pub const DEFAULT: Self = Self(Uuid::from_u128(1));
    /// No organisation: where strangers belong. Nothing is ever owned by it.
    pub const NOBODY: Self = Self(Uuid::nil());
}

fn parse(text: &str, prefix: &str) -> Result<Uuid, NotAnId> {
    let hex = text.strip_prefix(prefix).ok_or(NotAnId)?;
    // One spelling only: an id is compared as text by those who keep it.
    if hex.len() != 32 || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(NotAnId);
    }
    Uuid::try_parse(hex).map_err(|_| NotAnId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_one_spelling() {
        let id = CaId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        let upper = id.to_string().to_uppercase();
        assert_eq!(upper.parse::<CaId>(), Err(NotAnId));
        assert_eq!(id.to_string().parse::<CertId>(), Err(NotAnId));
        assert_eq!("ca_".parse::<CaId>(), Err(NotAnId));
    }

    #[test]
    fn later_ids_come_later() {
        let ids: Vec<CertId> = (0..1_000).map(|_| CertId::new()).collect();
        assert!(ids.is_sorted());
    }
}

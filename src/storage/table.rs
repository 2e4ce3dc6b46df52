//! The closed list of tables.

/// A table: a set of keys in byte order, each with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    Meta,
    Counters,
    Authorities,
    AuthorityNames,
    AuthorityState,
    Roles,
    RoleNames,
    Tokens,
    TokenHashes,
    Certificates,
    CertificateState,
    SerialIndex,
    CertificatesByCa,
    CertificatesByExpiry,
    Revocations,
    RevocationsByCa,
    BlockedKeys,
    CrlState,
    TrustAnchors,
}

/// Where the values of a table are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In the index, unless a value is large.
    Index,
    /// In the journal; the index knows only the place.
    Journal,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 19] = [
        Self::Meta,
        Self::Counters,
        Self::Authorities,
        Self::AuthorityNames,
        Self::AuthorityState,
        Self::Roles,
        Self::RoleNames,
        Self::Tokens,
        Self::TokenHashes,
        Self::Certificates,
        Self::CertificateState,
        Self::SerialIndex,
        Self::CertificatesByCa,
        Self::CertificatesByExpiry,
        Self::Revocations,
        Self::RevocationsByCa,
        Self::BlockedKeys,
        Self::CrlState,
        Self::TrustAnchors,
    ];

    /// The number that stands for it on disk. A number is never used again for something else.
    pub const fn number(self) -> u8 {
        match self {
            Self::Meta => 1,
            Self::Counters => 2,
            Self::Authorities => 3,
            Self::AuthorityNames => 4,
            Self::AuthorityState => 5,
            Self::Roles => 6,
            Self::RoleNames => 7,
            Self::Tokens => 8,
            Self::TokenHashes => 9,
            Self::Certificates => 10,
            Self::CertificateState => 11,
            Self::SerialIndex => 12,
            Self::CertificatesByCa => 13,
            Self::CertificatesByExpiry => 14,
            Self::Revocations => 15,
            Self::RevocationsByCa => 16,
            Self::BlockedKeys => 17,
            Self::CrlState => 18,
            Self::TrustAnchors => 19,
        }
    }

    /// What it is called in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Counters => "counters",
            Self::Authorities => "authorities",
            Self::AuthorityNames => "authority-names",
            Self::AuthorityState => "authority-state",
            Self::Roles => "roles",
            Self::RoleNames => "role-names",
            Self::Tokens => "tokens",
            Self::TokenHashes => "token-hashes",
            Self::Certificates => "certificates",
            Self::CertificateState => "certificate-state",
            Self::SerialIndex => "serial-index",
            Self::CertificatesByCa => "certificates-by-ca",
            Self::CertificatesByExpiry => "certificates-by-expiry",
            Self::Revocations => "revocations",
            Self::RevocationsByCa => "revocations-by-ca",
            Self::BlockedKeys => "blocked-keys",
            Self::CrlState => "crl-state",
            Self::TrustAnchors => "trust-anchors",
        }
    }

    /// Where its values are kept.
    pub const fn placement(self) -> Placement {
        match self {
            Self::Certificates => Placement::Journal,
            Self::Meta
            | Self::Counters
            | Self::Authorities
            | Self::AuthorityNames
            | Self::AuthorityState
            | Self::Roles
            | Self::RoleNames
            | Self::Tokens
            | Self::TokenHashes
            | Self::CertificateState
            | Self::SerialIndex
            | Self::CertificatesByCa
            | Self::CertificatesByExpiry
            | Self::Revocations
            | Self::RevocationsByCa
            | Self::BlockedKeys
            | Self::CrlState
            | Self::TrustAnchors => Placement::Index,
        }
    }

    /// The table with that number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.number() == number)
    }

    /// The key under which the index keeps an entry of this table.
    pub(super) fn full_key(self, key: &[u8]) -> Box<[u8]> {
        let mut full = Vec::with_capacity(1 + key.len());
        full.push(self.number());
        full.extend_from_slice(key);
        full.into_boxed_slice()
    }
}

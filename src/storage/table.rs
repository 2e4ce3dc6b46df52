//! The closed list of tables.

<<<<<<< HEAD
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
    Organizations,
    OrganizationEnds,
    Projects,
    Users,
    CertificatesByCaExpiry,
    ExpiryNotices,
    KeptKeys,
    TokenKeys,
    ImportedCertificates,
    ImportedSerials,
    ImportedChains,
    Requests,
    RequestState,
    RequestsByStatus,
    RequestsByOrganization,
    Predecessors,
    Successors,
    Webhooks,
    WebhookProgress,
    WebhookDeliveries,
    Secrets,
    SecretValues,
    IdempotencyKeys,
    IdempotencyAnswers,
    SharedKeys,
    OcspResponders,
    OcspSettings,
    CrlSettings,
    RevocationLog,
    CertificateParts,
    AcmeSecrets,
    AcmeCredentials,
    AcmeAccounts,
    AcmeAccountKeys,
    AcmeOrders,
    AcmeOrdersByAccount,
    AcmeOrdersByContent,
    AcmeAuthorizations,
    AcmeAuthorizationsByName,
    AcmeUsedNonces,
    AcmeEnds,
    AcmeUnfinished,
    AcmeCertificates,
    AcmeReplacements,
    AcmeUnusedAccounts,
    AcmeIncidents,
}

=======
>>>>>>> main
/// Where the values of a table are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In the index, unless a value is large.
    Index,
    /// In the journal; the index knows only the place.
    Journal,
}

<<<<<<< HEAD
impl Table {
    /// All tables.
    pub const ALL: [Self; 65] = [
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
        Self::Organizations,
        Self::OrganizationEnds,
        Self::Projects,
        Self::Users,
        Self::CertificatesByCaExpiry,
        Self::ExpiryNotices,
        Self::KeptKeys,
        Self::TokenKeys,
        Self::ImportedCertificates,
        Self::ImportedSerials,
        Self::ImportedChains,
        Self::Requests,
        Self::RequestState,
        Self::RequestsByStatus,
        Self::RequestsByOrganization,
        Self::Predecessors,
        Self::Successors,
        Self::Webhooks,
        Self::WebhookProgress,
        Self::WebhookDeliveries,
        Self::Secrets,
        Self::SecretValues,
        Self::IdempotencyKeys,
        Self::IdempotencyAnswers,
        Self::SharedKeys,
        Self::OcspResponders,
        Self::OcspSettings,
        Self::CrlSettings,
        Self::RevocationLog,
        Self::CertificateParts,
        Self::AcmeSecrets,
        Self::AcmeCredentials,
        Self::AcmeAccounts,
        Self::AcmeAccountKeys,
        Self::AcmeOrders,
        Self::AcmeOrdersByAccount,
        Self::AcmeOrdersByContent,
        Self::AcmeAuthorizations,
        Self::AcmeAuthorizationsByName,
        Self::AcmeUsedNonces,
        Self::AcmeEnds,
        Self::AcmeUnfinished,
        Self::AcmeCertificates,
        Self::AcmeReplacements,
        Self::AcmeUnusedAccounts,
        Self::AcmeIncidents,
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
            Self::Organizations => 30,
            Self::OrganizationEnds => 31,
            Self::Projects => 32,
            Self::Users => 33,
            Self::CertificatesByCaExpiry => 34,
            Self::ExpiryNotices => 60,
            Self::KeptKeys => 50,
            Self::TokenKeys => 51,
            Self::ImportedCertificates => 90,
            Self::ImportedSerials => 91,
            Self::ImportedChains => 92,
            Self::Requests => 40,
            Self::RequestState => 41,
            Self::RequestsByStatus => 42,
            Self::RequestsByOrganization => 45,
            Self::Predecessors => 43,
            Self::Successors => 44,
            Self::Webhooks => 100,
            Self::WebhookProgress => 101,
            Self::WebhookDeliveries => 102,
            Self::Secrets => 80,
            Self::SecretValues => 81,
            Self::IdempotencyKeys => 82,
            Self::IdempotencyAnswers => 83,
            Self::SharedKeys => 130,
            Self::OcspResponders => 120,
            Self::OcspSettings => 121,
            Self::CrlSettings => 110,
            Self::RevocationLog => 111,
            Self::CertificateParts => 112,
            Self::AcmeSecrets => 140,
            Self::AcmeCredentials => 141,
            Self::AcmeAccounts => 142,
            Self::AcmeAccountKeys => 143,
            Self::AcmeOrders => 144,
            Self::AcmeOrdersByAccount => 145,
            Self::AcmeOrdersByContent => 146,
            Self::AcmeAuthorizations => 147,
            Self::AcmeAuthorizationsByName => 148,
            Self::AcmeUsedNonces => 149,
            Self::AcmeEnds => 150,
            Self::AcmeUnfinished => 151,
            Self::AcmeCertificates => 152,
            Self::AcmeReplacements => 153,
            Self::AcmeUnusedAccounts => 165,
            Self::AcmeIncidents => 166,
=======
macro_rules! tables {
    ($($number:literal $table:ident $name:literal $placement:ident;)*) => {
        /// A table: a set of keys in byte order, each with a value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Table {
            $($table,)*
>>>>>>> main
        }

<<<<<<< HEAD
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
            Self::Organizations => "organizations",
            Self::OrganizationEnds => "organization-ends",
            Self::Projects => "projects",
            Self::Users => "users",
            Self::CertificatesByCaExpiry => "certificates-by-ca-expiry",
            Self::ExpiryNotices => "expiry-notices",
            Self::KeptKeys => "kept-keys",
            Self::TokenKeys => "token-keys",
            Self::ImportedCertificates => "imported-certificates",
            Self::ImportedSerials => "imported-serials",
            Self::ImportedChains => "imported-chains",
            Self::Requests => "requests",
            Self::RequestState => "request-state",
            Self::RequestsByStatus => "requests-by-status",
            Self::RequestsByOrganization => "requests-by-organization",
            Self::Predecessors => "predecessors",
            Self::Successors => "successors",
            Self::Webhooks => "webhooks",
            Self::WebhookProgress => "webhook-progress",
            Self::WebhookDeliveries => "webhook-deliveries",
            Self::Secrets => "secrets",
            Self::SecretValues => "secret-values",
            Self::IdempotencyKeys => "idempotency-keys",
            Self::IdempotencyAnswers => "idempotency-answers",
            Self::SharedKeys => "shared-keys",
            Self::OcspResponders => "ocsp-responders",
            Self::OcspSettings => "ocsp-settings",
            Self::CrlSettings => "crl-settings",
            Self::RevocationLog => "revocation-log",
            Self::CertificateParts => "certificate-parts",
            Self::AcmeSecrets => "acme-secrets",
            Self::AcmeCredentials => "acme-credentials",
            Self::AcmeAccounts => "acme-accounts",
            Self::AcmeAccountKeys => "acme-account-keys",
            Self::AcmeOrders => "acme-orders",
            Self::AcmeOrdersByAccount => "acme-orders-by-account",
            Self::AcmeOrdersByContent => "acme-orders-by-content",
            Self::AcmeAuthorizations => "acme-authorizations",
            Self::AcmeAuthorizationsByName => "acme-authorizations-by-name",
            Self::AcmeUsedNonces => "acme-used-nonces",
            Self::AcmeEnds => "acme-ends",
            Self::AcmeUnfinished => "acme-unfinished",
            Self::AcmeCertificates => "acme-certificates",
            Self::AcmeReplacements => "acme-replacements",
            Self::AcmeUnusedAccounts => "acme-unused-accounts",
            Self::AcmeIncidents => "acme-incidents",
        }
    }
=======
        impl Table {
            /// All tables.
            pub const ALL: [Self; [$($number),*].len()] = [$(Self::$table),*];
>>>>>>> main

            /// The number that stands for it on disk.
            pub const fn number(self) -> u8 {
                match self {
                    $(Self::$table => $number,)*
                }
            }

            /// The table with that number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$table),)*
                    _ => None,
                }
            }

            /// What it is called in messages.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$table => $name,)*
                }
            }

            /// Where its values are kept.
            pub const fn placement(self) -> Placement {
                match self {
                    $(Self::$table => Placement::$placement,)*
                }
            }
<<<<<<< HEAD
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
            | Self::TrustAnchors
            | Self::Organizations
            | Self::OrganizationEnds
            | Self::Projects
            | Self::Users
            | Self::CertificatesByCaExpiry
            | Self::ExpiryNotices
            | Self::KeptKeys
            | Self::TokenKeys
            | Self::RequestState
            | Self::RequestsByStatus
            | Self::RequestsByOrganization
            | Self::Predecessors
            | Self::Successors
            | Self::Webhooks
            | Self::WebhookProgress
            | Self::WebhookDeliveries
            | Self::Secrets
            | Self::IdempotencyKeys
            | Self::SharedKeys
            | Self::OcspResponders
            | Self::OcspSettings
            | Self::ImportedCertificates
            | Self::CrlSettings
            | Self::RevocationLog
            | Self::CertificateParts
            | Self::AcmeSecrets
            | Self::AcmeCredentials
            | Self::AcmeAccounts
            | Self::AcmeAccountKeys
            | Self::AcmeOrders
            | Self::AcmeOrdersByAccount
            | Self::AcmeOrdersByContent
            | Self::AcmeAuthorizations
            | Self::AcmeAuthorizationsByName
            | Self::AcmeUsedNonces
            | Self::AcmeEnds
            | Self::AcmeUnfinished
            | Self::AcmeCertificates
            | Self::AcmeReplacements
            | Self::AcmeUnusedAccounts
            | Self::AcmeIncidents
            | Self::ImportedSerials => Placement::Index,
=======
>>>>>>> main
        }
    };
}

// The number on disk, which is never used again for something else; the table; what it is called in messages; where its values are kept.
tables! {
    1   Meta                     "meta"                        Index;
    2   Counters                 "counters"                    Index;
    3   Authorities              "authorities"                 Index;
    4   AuthorityNames           "authority-names"             Index;
    5   AuthorityState           "authority-state"             Index;
    6   Roles                    "roles"                       Index;
    7   RoleNames                "role-names"                  Index;
    8   Tokens                   "tokens"                      Index;
    9   TokenHashes              "token-hashes"                Index;
    10  Certificates             "certificates"                Journal;
    11  CertificateState         "certificate-state"           Index;
    12  SerialIndex              "serial-index"                Index;
    13  CertificatesByCa         "certificates-by-ca"          Index;
    14  CertificatesByExpiry     "certificates-by-expiry"      Index;
    15  Revocations              "revocations"                 Index;
    16  RevocationsByCa          "revocations-by-ca"           Index;
    17  BlockedKeys              "blocked-keys"                Index;
    18  CrlState                 "crl-state"                   Index;
    19  TrustAnchors             "trust-anchors"               Index;
    30  Organizations            "organizations"               Index;
    31  OrganizationEnds         "organization-ends"           Index;
    32  Projects                 "projects"                    Index;
    33  Users                    "users"                       Index;
    34  CertificatesByCaExpiry   "certificates-by-ca-expiry"   Index;
    60  ExpiryNotices            "expiry-notices"              Index;
    50  KeptKeys                 "kept-keys"                   Index;
    51  TokenKeys                "token-keys"                  Index;
    90  ImportedCertificates     "imported-certificates"       Index;
    91  ImportedSerials          "imported-serials"            Index;
    92  ImportedChains           "imported-chains"             Journal;
    40  Requests                 "requests"                    Journal;
    41  RequestState             "request-state"               Index;
    42  RequestsByStatus         "requests-by-status"          Index;
    45  RequestsByOrganization   "requests-by-organization"    Index;
    43  Predecessors             "predecessors"                Index;
    44  Successors               "successors"                  Index;
    100 Webhooks                 "webhooks"                    Index;
    101 WebhookProgress          "webhook-progress"            Index;
    102 WebhookDeliveries        "webhook-deliveries"          Index;
    80  Secrets                  "secrets"                     Index;
    81  SecretValues             "secret-values"               Journal;
    82  IdempotencyKeys          "idempotency-keys"            Index;
    83  IdempotencyAnswers       "idempotency-answers"         Journal;
    130 SharedKeys               "shared-keys"                 Index;
    120 OcspResponders           "ocsp-responders"             Index;
    121 OcspSettings             "ocsp-settings"               Index;
    110 CrlSettings              "crl-settings"                Index;
    111 RevocationLog            "revocation-log"              Index;
    112 CertificateParts         "certificate-parts"           Index;
    140 AcmeSecrets              "acme-secrets"                Index;
    141 AcmeCredentials          "acme-credentials"            Index;
    142 AcmeAccounts             "acme-accounts"               Index;
    143 AcmeAccountKeys          "acme-account-keys"           Index;
    144 AcmeOrders               "acme-orders"                 Index;
    145 AcmeOrdersByAccount      "acme-orders-by-account"      Index;
    146 AcmeOrdersByContent      "acme-orders-by-content"      Index;
    147 AcmeAuthorizations       "acme-authorizations"         Index;
    148 AcmeAuthorizationsByName "acme-authorizations-by-name" Index;
    149 AcmeUsedNonces           "acme-used-nonces"            Index;
    150 AcmeEnds                 "acme-ends"                   Index;
    151 AcmeUnfinished           "acme-unfinished"             Index;
    152 AcmeCertificates         "acme-certificates"           Index;
    153 AcmeReplacements         "acme-replacements"           Index;
}

impl Table {
    /// The key under which the index keeps an entry of this table.
    pub(super) fn full_key(self, key: &[u8]) -> Box<[u8]> {
        let mut full = Vec::with_capacity(1 + key.len());
        full.push(self.number());
        full.extend_from_slice(key);
        full.into_boxed_slice()
    }
}

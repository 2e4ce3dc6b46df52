//! The closed list of tables.

/// Where the values of a table are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In the index, unless a value is large.
    Index,
    /// In the journal; the index knows only the place.
    Journal,
}

macro_rules! tables {
    ($($number:literal $table:ident $name:literal $placement:ident;)*) => {
        /// A table: a set of keys in byte order, each with a value.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Table {
            $($table,)*
        }

        impl Table {
            /// All tables.
            pub const ALL: [Self; [$($number),*].len()] = [$(Self::$table),*];

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
    165 AcmeUnusedAccounts       "acme-unused-accounts"        Index;
    166 AcmeIncidents            "acme-incidents"              Index;
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

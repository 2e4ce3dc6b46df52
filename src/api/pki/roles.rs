//! Roles.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::body::request_body;

/// Defines the bodies that make a role and change one, by the rules that both have.
macro_rules! role_bodies {
    ($($(#[$meta:meta])* pub $rule:ident: $type:ty,)*) => {
        request_body! {
            /// `POST /v1/pki/roles`.
            pub struct CreateRole {
                /// Unique; letters, digits, dot, dash and underscore.
                pub name: String,
                /// The issuing authority.
                pub ca_id: String,
                $($(#[$meta])* pub $rule: $type,)*
            }
        }

        request_body! {
            /// `PATCH /v1/pki/roles/{name}`: what is given replaces what was.
            pub struct UpdateRole {
                /// The issuing authority.
                pub ca_id: Option<String>,
                $($(#[$meta])* pub $rule: $type,)*
            }
        }

        impl CreateRole {
            /// The name and the authority of the role, and its rules.
            pub fn into_parts(self) -> (String, String, UpdateRole) {
                let Self { name, ca_id, $($rule,)* } = self;
                (name, ca_id, UpdateRole { ca_id: None, $($rule,)* })
            }

            /// A role with these rules; the authority that they may name is not looked at.
            pub fn from_parts(name: String, ca_id: String, rules: UpdateRole) -> Self {
                let UpdateRole { ca_id: _, $($rule,)* } = rules;
                Self { name, ca_id, $($rule,)* }
            }
        }
    };
}

role_bodies! {
    /// Patterns: `example.com`, or `*.example.com` for one label below it.
    pub allowed_domains: Option<Vec<String>>,
    /// Whether names any number of labels below an allowed domain are allowed, wildcards included.
    pub allow_subdomains: Option<bool>,
    pub allow_ip_sans: Option<bool>,
    /// The longest lifetime, and the one given when a request names none; 2160h by default.
    pub max_ttl: Option<String>,
    /// `rsa`, `ec` (default) or `ed25519`.
    #[schemars(extend("enum" = ["rsa", "ec", "ed25519", null]))]
    pub key_type: Option<String>,
    /// Bits; 2048 for `rsa` and 256 for `ec` by default.
    pub key_bits: Option<u32>,
    /// Whether a CSR without a common name is refused; true by default.
    pub require_cn: Option<bool>,
    /// Whether private keys that issuing makes are kept, to be retrieved later.
    pub store_private_keys: Option<bool>,
    /// How they are kept: `token` (default, objects of the token) or `wrapped` (sealed by it).
    pub key_storage: Option<String>,
    /// Whether certificates say that there is no revocation information about them, and carry neither the URL of a CRL nor of an
    /// OCSP responder (RFC 9608); only with a `max_ttl` of at most 7 days.
    pub no_rev_avail: Option<bool>,
    /// What opens the role to ACME clients; closed by default, and what a change leaves out of it stays.
    pub acme: Option<SetRoleAcme>,
}

request_body! {
    /// What opens a role to ACME clients, who choose it as their profile or have it by their credential.
    pub struct SetRoleAcme {
        /// Whether it is open; true unless given.
        pub enabled: Option<bool>,
        /// How clients may show that a name is theirs: `http-01`, `dns-01` and `tls-alpn-01` unless given; `dns-account-01` and
        /// `dns-persist-01` besides.
        pub challenges: Option<Vec<String>>,
        /// Names that accounts with a credential need not validate, by the patterns of `allowed_domains`.
        pub pre_authorized: Option<Vec<String>>,
        /// Whether the CAA records of names are looked at; false unless given.
        pub caa: Option<bool>,
        /// Whether clients may choose when a certificate begins and ends; false unless given.
        pub allow_dates: Option<bool>,
    }
}

/// What opens a role to ACME clients.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RoleAcme {
    pub challenges: Vec<String>,
    pub pre_authorized: Vec<String>,
    pub caa: bool,
    pub allow_dates: bool,
}

/// One role.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Role {
    pub name: String,
    pub ca_id: String,
    pub allowed_domains: Vec<String>,
    pub allow_subdomains: bool,
    pub allow_ip_sans: bool,
    pub max_ttl: String,
    pub key_type: String,
    pub key_bits: u32,
    pub require_cn: bool,
    pub store_private_keys: bool,
    /// Present when private keys are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_storage: Option<String>,
    /// Whether certificates carry noRevAvail (RFC 9608).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_rev_avail: bool,
    /// Present when the role is open to ACME clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acme: Option<RoleAcme>,
    pub created_at: String,
    pub updated_at: String,
}

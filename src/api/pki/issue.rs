//! Issuing and signing by a role.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::body::request_body;

request_body! {
    /// `POST /v1/pki/issue/{role}`.
    pub struct Issue {
        /// A host name or IP address; it becomes a subject alternative name too.
        pub common_name: String,
        pub alt_names: Option<Vec<String>>,
        pub ip_sans: Option<Vec<String>>,
        pub ttl: Option<String>,
        /// `traditional` (default: SEC1 or PKCS#1 by key type) or `pkcs8`.
        #[schemars(extend("enum" = ["traditional", "pkcs8", null]))]
        pub private_key_format: Option<String>,
    }
}

request_body! {
    /// `POST /v1/pki/sign/{role}`.
    pub struct Sign {
        pub csr_pem: String,
        pub ttl: Option<String>,
        /// Host names and IP addresses that replace those of the CSR.
        pub san: Option<Vec<String>>,
    }
}

/// What issuing and signing answer. `Debug` shows no private key.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct IssuedCertificate {
    pub id: String,
    pub certificate: String,
    /// Present once, when the appliance made the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<String>,
    /// The issuer first, its root last.
    pub ca_chain: Vec<String>,
    pub serial_number: String,
    pub not_after: String,
    /// What was asked for and changed or left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl fmt::Debug for IssuedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, certificate, private_key, ca_chain, serial_number, not_after, warnings } = self;
        f.debug_struct("IssuedCertificate")
            .field("id", id)
            .field("certificate", certificate)
            .field("private_key", &private_key.as_ref().map(|_| "[REDACTED]"))
            .field("ca_chain", ca_chain)
            .field("serial_number", serial_number)
            .field("not_after", not_after)
            .field("warnings", warnings)
            .finish()
    }
}

//! `POST /v1/pki/certificates/import`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::body::{Kind, WireValue, request_body};
use super::pki::Certificate;

/// A text that `Debug` does not show.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(pub String);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl WireValue for SecretText {
    const KIND: Kind = Kind::Text;
}

impl JsonSchema for SecretText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SecretText".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

request_body! {
    /// `POST /v1/pki/certificates/import`.
    pub struct ImportCertificate {
        /// The certificate, whoever issued it.
        pub certificate_pem: String,
        /// Its private key, not encrypted: PKCS#8, PKCS#1 or SEC1.
        pub private_key_pem: Option<SecretText>,
        /// At most 20 certificates above it, in any order; they are offered when it is validated.
        pub chain_pem: Option<String>,
        /// The authority of the appliance that signed it; found by itself unless given.
        pub ca_id: Option<String>,
    }
}

/// What importing answers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ImportedCertificate {
    #[serde(flatten)]
    pub certificate: Certificate,
    /// What was taken all the same: that it has expired, that its key is weak.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_not_shown_by_debug() {
        let key = Some(SecretText("-----BEGIN SECRET-----".to_owned()));
        let body = ImportCertificate { private_key_pem: key, ..ImportCertificate::default() };
        let shown = format!("{body:?} {body:#?}");
        assert!(!shown.contains("SECRET") && shown.contains("[REDACTED]"), "{shown}");
    }
}

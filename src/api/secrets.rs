//! The `/v1/secrets` family.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::body::{Kind, WireValue, request_body};

/// A text that is not to be seen: `Debug` shows none of it, and it is wiped when it is dropped.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
#[schemars(inline)]
pub struct SecretText(String);

impl SecretText {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl WireValue for SecretText {
    const KIND: Kind = Kind::Text;
}

request_body! {
    /// `PUT /v1/secrets/{path}`: a new version.
    pub struct WriteSecret {
        /// At most 64 KiB.
        pub value: SecretText,
        /// `text` (default), or `base64` for bytes that are no text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(extend("enum" = ["text", "base64", null]))]
        pub encoding: Option<String>,
        /// What it is for; what was said before stays unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub description: Option<String>,
        /// The number of the newest version, 0 when there shall be none; otherwise nothing is written.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub expected_version: Option<u32>,
    }
}

/// One secret in a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SecretSummary {
    pub path: String,
    pub description: String,
    /// The newest.
    pub version: u32,
    pub created_at: String,
    /// When the newest version was written.
    pub updated_at: String,
}

/// One secret; its value only for who holds `secrets:read`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Secret {
    #[serde(flatten)]
    pub summary: SecretSummary,
    /// Those that are kept, oldest first.
    pub versions: Vec<SecretVersion>,
    /// Which version the value is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_version: Option<u32>,
    /// How the value is written: `text` or `base64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<SecretText>,
}

/// One version of a secret.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SecretVersion {
    pub version: u32,
    pub created_at: String,
    /// Who wrote it.
    pub created_by: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_not_shown_by_debug() {
        let body = WriteSecret { value: "hunter2".to_owned().into(), ..WriteSecret::default() };
        let shown = format!("{body:?} {body:#?}");
        assert!(!shown.contains("hunter2") && shown.contains("[REDACTED]"), "{shown}");
        assert_eq!(serde_json::to_string(&body).unwrap(), r#"{"value":"hunter2"}"#);
    }
}

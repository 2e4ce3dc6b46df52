//! Problem documents (RFC 9457) as they go over the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The media type of a problem document.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// A refusal that a program can act on by its `code` and a person can read.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ProblemDocument {
    /// A URN made of the code; it names the kind of problem and is not a page.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// Stable: programs may compare it.
    pub code: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// The certificate that is there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_id: Option<String>,
    pub request_id: String,
}

/// One thing that is wrong with a request. The field is empty when the body as a whole is meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    pub field: String,
    pub message: String,
}

impl Violation {
    /// A violation of one field.
    pub fn new(field: &str, message: String) -> Self {
        Self { field: field.to_owned(), message }
    }
}

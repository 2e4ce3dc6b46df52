//! A typed answer together with the JSON it was read from.

use std::fmt;

use crate::base::secret::Zeroizing;

/// What an endpoint answered. The JSON is kept so that it can be handed on unchanged, fields this version does not know included.
pub struct Answer<T> {
    /// The answer as this version understands it.
    pub value: T,
    json: Zeroizing<Vec<u8>>,
}

impl<T> Answer<T> {
    pub(super) fn new(value: T, json: Zeroizing<Vec<u8>>) -> Self {
        Self { value, json }
    }

    /// The document as it came. After issuing it holds the private key, after making a token its secret.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The document without one of its members, such as a secret that went elsewhere.
    pub fn json_without(&self, member: &str) -> Vec<u8> {
        // It was read as an object before; were it none, nothing is shown rather than too much.
        let mut document: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&self.json).unwrap_or_default();
        if let Some(serde_json::Value::String(secret)) = document.remove(member) {
            drop(Zeroizing::new(secret));
        }
        serde_json::Value::from(document).to_string().into_bytes()
    }

    /// The typed answer alone.
    pub fn into_value(self) -> T {
        self.value
    }

    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: change(self.value), json: self.json }
    }
}

impl<T: fmt::Debug> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the document: it may hold a secret.
        f.debug_struct("Answer").field("value", &self.value).finish_non_exhaustive()
    }
}

//! What is written to the log.

use schemars::JsonSchema;
use serde::Deserialize;

/// The log as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// What is logged, in the language of `RUST_LOG`, which goes before it at the start.
    #[serde(default = "default_filter")]
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: default_filter() }
    }
}

fn default_filter() -> String {
    "info".to_owned()
}

//! How the daemon shuts itself in before it serves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The sandbox as it is configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sandbox {
    /// Whether the daemon shuts itself in.
    #[serde(default)]
    pub mode: SandboxMode,
    /// What becomes of a system call that is not on the list.
    #[serde(default)]
    pub denied: DeniedCall,
}

/// Whether the sandbox is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SandboxMode {
    /// What is not on the lists is denied.
    #[default]
    Enforce,
    /// Nothing is denied; the kernel's log names system calls that would have been.
    Log,
    /// There is no sandbox.
    Off,
}

/// What becomes of a system call that is not on the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeniedCall {
    /// It fails with EPERM.
    #[default]
    Refuse,
    /// The process ends at once, and the service manager starts it again.
    Kill,
}

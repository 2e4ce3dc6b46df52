//! What `chancery doctor token` found of a token, as `--json` prints it. It is no answer of the API: nobody asks a daemon for it.

use serde::{Deserialize, Serialize};

/// Everything that was found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TokenReport {
    pub verdict: Verdict,
    /// Why the token cannot be used at all; none when it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unusable_because: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<ModuleInfo>,
    pub slots: Vec<SlotInfo>,
    /// The token that was examined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenInfo>,
    pub mechanisms: Vec<MechanismInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Sessions>,
    pub trials: Vec<Trial>,
    pub rates: Vec<Rate>,
    /// How many sessions sign best; none when nothing was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recommended_sessions: Option<usize>,
    pub lacking: Vec<Lack>,
    /// Objects of the trials that are still in the token, under the label that `label` names; none when nobody could look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_behind: Option<usize>,
    /// The label of every object that was made.
    pub label: String,
    /// What the module wrote to standard output and standard error, from its end.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub said: String,
    /// The worker's configuration; none when the token cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
}

/// The answer in a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It can everything the appliance asks of a token.
    Good,
    /// It lacks something, which some features need.
    Lesser,
    /// No authority can be kept in it.
    #[default]
    Unusable,
    /// It was looked at, and nothing was tried.
    Untried,
}

/// The vendor's library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleInfo {
    pub path: String,
    pub manufacturer: String,
    pub description: String,
    pub version: String,
    pub cryptoki_version: String,
}

/// A slot, and the token in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotInfo {
    pub description: String,
    pub manufacturer: String,
    pub is_hardware: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenInfo>,
}

/// What a token says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    pub label: String,
    pub manufacturer: String,
    pub model: String,
    pub serial: String,
    pub hardware_version: String,
    pub firmware_version: String,
    /// Names of CK_TOKEN_INFO's flags without CKF_ (PKCS#11 v2.40, 3.2).
    pub flags: Vec<String>,
}

/// A mechanism the appliance uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MechanismInfo {
    pub name: String,
    pub number: String,
    pub needed_for: String,
    pub is_present: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smallest_key: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest_key: Option<usize>,
    /// Names of CK_MECHANISM_INFO's flags without CKF_.
    pub flags: Vec<String>,
}

/// How many sessions there may be at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// As the token says; none when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stated: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stated_writing: Option<u64>,
    /// How many could be opened.
    pub opened: usize,
    /// Why not one more; none when no more were wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_with: Option<String>,
}

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    Load,
    LogIn,
    OpenSessions,
    Random,
    Generate,
    Find,
    Sign,
    SignPss,
    Measure,
    Destroy,
    Seal,
    /// CKM_AES_KEY_WRAP_PAD, 0x210A.
    WrapPad,
    UnwrapPad,
    /// CKM_AES_KEY_WRAP_KWP, 0x210B.
    WrapKwp,
    UnwrapKwp,
    /// A subject's key is made in the token and given out, as the worker does it.
    Export,
    /// One that was made outside is taken in.
    Import,
    /// With a key that does nothing else.
    Decrypt,
    /// A key is made that signs and decrypts (RFC 8894), and does both.
    RegistrationAuthority,
    LoginLost,
    ModuleLost,
    CleanUp,
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Done,
    /// The token says that it cannot do this.
    Lacking,
    /// It did otherwise than it should.
    Failed,
    /// The process with the module ended.
    Crashed,
    /// The module did not return.
    Hung,
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    pub operation: Operation,
    /// The type of the key it was tried with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    pub outcome: Outcome,
    /// Why not, or what is to be known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    pub milliseconds: u64,
}

/// Signatures a second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub key: String,
    pub sessions: usize,
    pub per_second: f64,
}

/// A feature of the appliance that does not work with the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    pub feature: String,
    /// What the feature asks of the token in vain.
    pub operation: Operation,
    /// With this type of key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    pub because: String,
}

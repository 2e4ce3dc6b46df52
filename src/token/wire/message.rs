//! The messages' own types. The domain's types have none of this, so that what crosses the boundary is written down in one place.

use serde::{Deserialize, Serialize};

use super::fault::Fault;

pub const MAGIC: [u8; 8] = *b"chy-tokn";
/// Raised whenever a message changes: daemon and worker are installed together, and neither guesses.
pub const VERSION: u16 = 2;

/// The first message of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub magic: [u8; 8],
    pub version: u16,
}

/// From the daemon.
#[derive(Serialize, Deserialize)]
pub enum ToWorker<'a> {
    Request {
        id: u64,
        #[serde(borrow)]
        ask: WireAsk<'a>,
    },
    /// Nobody waits for the answer any more.
    Cancel { id: u64 },
}

/// From the worker.
#[derive(Serialize, Deserialize)]
pub enum ToDaemon<'a> {
    Answer {
        id: u64,
        #[serde(borrow)]
        outcome: Result<WireAnswer<'a>, Fault>,
    },
    State(State),
}

/// How the token is, as its worker sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// The worker has only just begun; the next state follows by itself.
    Opening,
    /// Logged in.
    Open { reachable: bool, sessions: u16, last_error: Option<u8> },
    /// Not logged in, and why.
    Closed(Fault),
}

#[derive(Serialize, Deserialize)]
pub enum WireAsk<'a> {
    Sign { key: WireKey, algorithm: &'a str, input: &'a [u8] },
    Random { length: u32 },
    Find { id: [u8; 16] },
    Check { key: WireKey },
    Generate { id: [u8; 16], label: &'a str, profile: WireProfile },
    Destroy { id: [u8; 16] },
    Inventory,
    Forget { id: [u8; 16] },
    Export { key: WireKey },
    Import { id: [u8; 16], label: &'a str, pkcs8: &'a [u8] },
    Seal { value: &'a [u8], context: &'a [u8] },
    Open { sealed: &'a [u8], context: &'a [u8] },
    Decrypt { key: WireKey, scheme: WireScheme, input: &'a [u8] },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum WireScheme {
    Pkcs1 { length: u16 },
    OaepSha1,
    OaepSha256,
    OaepSha384,
    OaepSha512,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct WireKey {
    pub id: [u8; 16],
    pub spki_sha256: [u8; 32],
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum WireProfile {
    AuthoritySigning { key_type: WireKeyType },
    Subject { key_type: WireKeyType },
    RegistrationAuthority { key_type: WireKeyType },
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum WireKeyType {
    Rsa2048,
    Rsa3072,
    Rsa4096,
    P256,
    P384,
    P521,
    Ed25519,
}

#[derive(Serialize, Deserialize)]
pub enum WireAnswer<'a> {
    Bytes(&'a [u8]),
    Found(Option<&'a [u8]>),
    Generated {
        spki: &'a [u8],
        attributes: WireAttributes,
    },
    #[serde(borrow)]
    Inventory(Vec<WireStoredKey<'a>>),
    Done,
    Secret(&'a [u8]),
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct WireAttributes {
    pub sensitive: bool,
    pub always_sensitive: bool,
    pub extractable: bool,
    pub never_extractable: bool,
    pub local: bool,
    pub private: bool,
    pub token: bool,
}

#[derive(Serialize, Deserialize)]
pub struct WireStoredKey<'a> {
    pub id: &'a [u8],
    pub label: &'a str,
    pub spki: Option<&'a [u8]>,
    pub sensitive: Option<bool>,
    pub extractable: Option<bool>,
    pub never_extractable: Option<bool>,
    pub local: Option<bool>,
    pub sign: Option<bool>,
}

//! Why the token did not do what it was asked, named after what the caller can do about it.
//!
//! Nothing here knows the PKCS#11 binding: these errors travel between the worker and the daemon.

use std::fmt;

use super::error_class::ErrorClass;
use super::key::KeyId;

/// A failed request to the token. No variant carries a PIN, a message or key material.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// More is asked than the token can do; nothing was begun. Come back later.
    #[error("the token is busy; try again in {retry_after_seconds} s")]
    Busy { retry_after_seconds: u32 },
    /// The token does not answer, or lost us and could not be brought back yet. It may come back by itself.
    #[error("the token cannot be reached")]
    Unavailable(#[source] Option<FailedCall>),
    /// The token refused the PIN. Its worker does not try it again, so the token does not lock itself.
    #[error("the token refused the PIN; it is not tried again until its worker is restarted")]
    PinRefused,
    /// The worker has no PIN to log in with. It looks again.
    #[error("the token's PIN file cannot be read, or everybody can read it")]
    NoPin,
    /// The token holds no private key of this id.
    #[error("the token holds no key {0}")]
    KeyMissing(KeyId),
    /// The token holds another key under this id, or several.
    #[error("the token holds another key than expected as {0}")]
    KeyMismatch(KeyId),
    /// A new key was asked for under an id that is taken.
    #[error("the token already holds a key {0}")]
    KeyExists(KeyId),
    /// The token, or a key of this type, cannot do this.
    #[error("the token does not support this operation")]
    Unsupported(#[source] Option<FailedCall>),
    /// The token gave a signature that its own public key does not verify. It was thrown away.
    #[error("the token gave a signature that does not verify")]
    BadSignature,
    /// The token made a key but did not keep the attribute it was asked for. The key was destroyed.
    #[error("the token did not keep {attribute} of a new key")]
    AttributeIgnored { attribute: &'static str },
    /// The token refused, and would again.
    #[error("the token refused the request")]
    Refused(#[source] FailedCall),
    /// No token with that label or serial number is there.
    #[error("no token of that label or serial number is present")]
    NoSuchToken,
    /// Several tokens answer to that label: the serial number has to be given.
    #[error("several tokens have that label")]
    AmbiguousToken,
    /// A token of that label exists already; it is left alone.
    #[error("a token of that label exists already")]
    TokenExists,
    /// The module offers no slot with a token that is not initialised.
    #[error("there is no uninitialised token to initialise")]
    NoFreeSlot,
    /// A token label is 1 to 32 bytes long (PKCS#11 v2.40, CK_TOKEN_INFO).
    #[error("a token label is 1 to 32 bytes long")]
    BadLabel,
    /// A module was loaded from another path before: one process uses one module.
    #[error("this process has loaded another PKCS#11 module")]
    AnotherModule,
    /// The system gave no thread to run the token on.
    #[error("a thread for the token could not be started")]
    NoThread(#[source] std::io::Error),
    /// What answers on the worker's socket is no worker of this version.
    #[error("what listens on the token worker's socket is not a worker of this version")]
    NotAWorker,
    /// The key has signed as often as its worker's configuration lets it. Nothing was signed.
    #[error("the key has signed as often as it may; the next signature is free in {retry_after_seconds} s")]
    BudgetExhausted { retry_after_seconds: u64 },
    /// The key signs faster than its worker's configuration lets it. Nothing was signed.
    #[error("the key signs faster than it may; try again in {retry_after_seconds} s")]
    RateLimited { retry_after_seconds: u32 },
    /// What was asked is longer than the worker takes.
    #[error("the request is too long for the token")]
    TooLong,
    /// The key is there but is of another kind: only keys of subjects are exported, and only those of registration authorities decrypt.
    #[error("the key {0} is not one that this may be done with")]
    NotForThis(KeyId),
    /// What was to be opened or decrypted was not made with this key and context, or was changed since.
    #[error("this was not sealed or encrypted so, or was changed since")]
    Undecryptable,
    /// The token sealed a value and does not open it again. It was thrown away.
    #[error("the token sealed a value that it does not open again")]
    BadSeal,
    /// The bytes are no private key that can be taken in.
    #[error("the bytes are no private key of a type that can be taken in")]
    BadKey,
}

impl TokenError {
    /// What a client is told when more is asked than the token can do.
    pub const BUSY: Self = Self::Busy { retry_after_seconds: 1 };

    /// Whether an equal token may do what this one did not.
    pub fn may_be_one_token_s(&self) -> bool {
        match self {
            Self::Busy { .. }
            | Self::Unavailable(_)
            | Self::PinRefused
            | Self::NoPin
            | Self::KeyMissing(_)
            | Self::KeyMismatch(_)
            | Self::BadSignature
            | Self::BadSeal
            | Self::Refused(_)
            | Self::NoSuchToken
            | Self::AmbiguousToken
            | Self::NotAWorker
            | Self::NoThread(_) => true,
            // What limits a key limits it as a whole.
            Self::BudgetExhausted { .. }
            | Self::RateLimited { .. }
            | Self::KeyExists(_)
            | Self::Unsupported(_)
            | Self::AttributeIgnored { .. }
            | Self::TokenExists
            | Self::NoFreeSlot
            | Self::BadLabel
            | Self::AnotherModule
            | Self::NotForThis(_)
            | Self::Undecryptable
            | Self::BadKey
            | Self::TooLong => false,
        }
    }
}

/// One failed call into the module, or of the worker that calls it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FailedCall {
    /// The module returned an error value.
    #[error("{function} returned {value}")]
    Returned { function: Told, value: Told, class: ErrorClass },
    /// The module could not be loaded, or answered what cannot be.
    #[error("the PKCS#11 module cannot be used: {0}")]
    Module(Told),
    /// No answer came in time.
    #[error("there was no answer within {seconds} s")]
    Hung { seconds: u64 },
    /// The session is there but nobody is logged in to it.
    #[error("the token has lost the login")]
    LoggedOut,
    /// The signature could not be counted durably, and so was not made.
    #[error("the signature cannot be counted against the key's budget")]
    Uncounted,
    /// The worker has ended, or never answered.
    #[error("the token's worker is not there")]
    NoWorker,
}

/// A few words of the module's or the binding's, fit for a log: one line of at most 200 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Told(Box<str>);

impl Told {
    pub fn new(text: &str) -> Self {
        Self(text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

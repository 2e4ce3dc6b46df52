//! Errors on their way from the worker to the daemon.

use serde::{Deserialize, Serialize};

use crate::token::error::{FailedCall, TokenError, Told};
use crate::token::error_class::ErrorClass;
use crate::token::key::KeyId;

/// A [`TokenError`] as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    Busy { retry_after_seconds: u32 },
    Unavailable(Option<WireCall>),
    PinRefused,
    NoPin,
    KeyMissing([u8; 16]),
    KeyMismatch([u8; 16]),
    KeyExists([u8; 16]),
    Unsupported(Option<WireCall>),
    BadSignature,
    AttributeIgnored(String),
    Refused(WireCall),
    NoSuchToken,
    AmbiguousToken,
    TokenExists,
    NoFreeSlot,
    BadLabel,
    AnotherModule,
    NoThread(Option<i32>),
    NotAWorker,
    TooLong,
    BudgetExhausted { retry_after_seconds: u64 },
    RateLimited { retry_after_seconds: u32 },
    NotForThis([u8; 16]),
    Undecryptable,
    BadSeal,
    BadKey,
}

/// A [`FailedCall`] as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WireCall {
    Returned { function: String, value: String, class: u8 },
    Module(String),
    Hung { seconds: u64 },
    LoggedOut,
    NoWorker,
    Uncounted,
}

/// The attributes that a token can be caught ignoring.
const ATTRIBUTES: [&str; 16] = [
    "CKA_SENSITIVE",
    "CKA_ALWAYS_SENSITIVE",
    "CKA_EXTRACTABLE",
    "CKA_NEVER_EXTRACTABLE",
    "CKA_LOCAL",
    "CKA_PRIVATE",
    "CKA_TOKEN",
    "CKA_SIGN",
    "CKA_SIGN_RECOVER",
    "CKA_DECRYPT",
    "CKA_UNWRAP",
    "CKA_DERIVE",
    "CKA_ENCRYPT",
    "CKA_WRAP",
    "CKA_VALUE",
    "the key type",
];

impl From<TokenError> for Fault {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Busy { retry_after_seconds } => Self::Busy { retry_after_seconds },
            TokenError::Unavailable(call) => Self::Unavailable(call.map(WireCall::from)),
            TokenError::PinRefused => Self::PinRefused,
            TokenError::NoPin => Self::NoPin,
            TokenError::KeyMissing(id) => Self::KeyMissing(*id.as_bytes()),
            TokenError::KeyMismatch(id) => Self::KeyMismatch(*id.as_bytes()),
            TokenError::KeyExists(id) => Self::KeyExists(*id.as_bytes()),
            TokenError::Unsupported(call) => Self::Unsupported(call.map(WireCall::from)),
            TokenError::BadSignature => Self::BadSignature,
            TokenError::AttributeIgnored { attribute } => Self::AttributeIgnored(attribute.to_owned()),
            TokenError::Refused(call) => Self::Refused(call.into()),
            TokenError::NoSuchToken => Self::NoSuchToken,
            TokenError::AmbiguousToken => Self::AmbiguousToken,
            TokenError::TokenExists => Self::TokenExists,
            TokenError::NoFreeSlot => Self::NoFreeSlot,
            TokenError::BadLabel => Self::BadLabel,
            TokenError::AnotherModule => Self::AnotherModule,
            TokenError::NoThread(source) => Self::NoThread(source.raw_os_error()),
            TokenError::NotAWorker => Self::NotAWorker,
            TokenError::TooLong => Self::TooLong,
            TokenError::BudgetExhausted { retry_after_seconds } => Self::BudgetExhausted { retry_after_seconds },
            TokenError::RateLimited { retry_after_seconds } => Self::RateLimited { retry_after_seconds },
            TokenError::NotForThis(id) => Self::NotForThis(*id.as_bytes()),
            TokenError::Undecryptable => Self::Undecryptable,
            TokenError::BadSeal => Self::BadSeal,
            TokenError::BadKey => Self::BadKey,
        }
    }
}

impl From<Fault> for TokenError {
    fn from(fault: Fault) -> Self {
        match fault {
            // A worker that asks for more patience than a minute is not believed.
            Fault::Busy { retry_after_seconds } => Self::Busy { retry_after_seconds: retry_after_seconds.clamp(1, 60) },
            Fault::Unavailable(call) => Self::Unavailable(call.map(FailedCall::from)),
            Fault::PinRefused => Self::PinRefused,
            Fault::NoPin => Self::NoPin,
            Fault::KeyMissing(id) => Self::KeyMissing(KeyId::from_bytes(id)),
            Fault::KeyMismatch(id) => Self::KeyMismatch(KeyId::from_bytes(id)),
            Fault::KeyExists(id) => Self::KeyExists(KeyId::from_bytes(id)),
            Fault::Unsupported(call) => Self::Unsupported(call.map(FailedCall::from)),
            Fault::BadSignature => Self::BadSignature,
            Fault::AttributeIgnored(name) => {
                let known = ATTRIBUTES.into_iter().find(|attribute| *attribute == name);
                Self::AttributeIgnored { attribute: known.unwrap_or("an attribute") }
            }
            Fault::Refused(call) => Self::Refused(call.into()),
            Fault::NoSuchToken => Self::NoSuchToken,
            Fault::AmbiguousToken => Self::AmbiguousToken,
            Fault::TokenExists => Self::TokenExists,
            Fault::NoFreeSlot => Self::NoFreeSlot,
            Fault::BadLabel => Self::BadLabel,
            Fault::AnotherModule => Self::AnotherModule,
            Fault::NoThread(code) => {
                Self::NoThread(code.map_or_else(|| std::io::ErrorKind::Other.into(), std::io::Error::from_raw_os_error))
            }
            Fault::NotAWorker => Self::NotAWorker,
            Fault::TooLong => Self::TooLong,
            Fault::BudgetExhausted { retry_after_seconds } => Self::BudgetExhausted { retry_after_seconds },
            Fault::RateLimited { retry_after_seconds } => Self::RateLimited { retry_after_seconds: retry_after_seconds.clamp(1, 60) },
            Fault::NotForThis(id) => Self::NotForThis(KeyId::from_bytes(id)),
            Fault::Undecryptable => Self::Undecryptable,
            Fault::BadSeal => Self::BadSeal,
            Fault::BadKey => Self::BadKey,
        }
    }
}

impl From<FailedCall> for WireCall {
    fn from(call: FailedCall) -> Self {
        match call {
            FailedCall::Returned { function, value, class } => {
                Self::Returned { function: function.as_str().to_owned(), value: value.as_str().to_owned(), class: class_number(class) }
            }
            FailedCall::Module(told) => Self::Module(told.as_str().to_owned()),
            FailedCall::Hung { seconds } => Self::Hung { seconds },
            FailedCall::LoggedOut => Self::LoggedOut,
            FailedCall::NoWorker => Self::NoWorker,
            FailedCall::Uncounted => Self::Uncounted,
        }
    }
}

impl From<WireCall> for FailedCall {
    fn from(call: WireCall) -> Self {
        match call {
            WireCall::Returned { function, value, class } => {
                Self::Returned { function: Told::new(&function), value: Told::new(&value), class: class_of(class) }
            }
            WireCall::Module(told) => Self::Module(Told::new(&told)),
            WireCall::Hung { seconds } => Self::Hung { seconds },
            WireCall::LoggedOut => Self::LoggedOut,
            WireCall::NoWorker => Self::NoWorker,
            WireCall::Uncounted => Self::Uncounted,
        }
    }
}

/// The place of a class among all.
pub fn class_number(class: ErrorClass) -> u8 {
    ErrorClass::ALL.iter().position(|known| *known == class).and_then(|place| u8::try_from(place).ok()).unwrap_or(u8::MAX)
}

/// The class of that place; of one that is none, that nothing helps.
pub fn class_of(number: u8) -> ErrorClass {
    ErrorClass::ALL.get(usize::from(number)).copied().unwrap_or(ErrorClass::Fatal)
}

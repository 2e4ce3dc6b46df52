//! Why the token did not do what it was asked, named after what the caller can do about it.

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};

use super::error_class::ErrorClass;
use super::key::KeyId;

/// A failed call of the token. No variant carries a PIN, a message or key material.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// More is asked than the token can do; nothing was begun. Come back later.
    #[error("the token is busy; try again in {retry_after_seconds} s")]
    Busy { retry_after_seconds: u32 },
    /// The token does not answer, or lost us and could not be brought back yet. It may come back by itself.
    #[error("the token cannot be reached")]
    Unavailable(#[source] Option<CallError>),
    /// The token refused the PIN. It is not tried again in this process, so the token does not lock itself.
    #[error("the token refused the PIN; it is not tried again until the process is restarted")]
    PinRefused,
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
    Unsupported(#[source] Option<CallError>),
    /// The token gave a signature that its own public key does not verify. It was thrown away.
    #[error("the token gave a signature that does not verify")]
    BadSignature,
    /// The token made a key but did not keep the attribute it was asked for. The key was destroyed.
    #[error("the token did not keep {attribute} of a new key")]
    AttributeIgnored { attribute: &'static str },
    /// The token refused, and would again.
    #[error("the token refused the request")]
    Refused(#[source] CallError),
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
}

/// One failed call into the module. It shows the function and the value by name and never the paragraph of the standard that explains it.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The module returned an error value.
    #[error("{function:?} returned {value:?}")]
    Returned { function: Function, value: RvError },
    /// The module could not be loaded, or answered what cannot be.
    #[error("the PKCS#11 module cannot be used")]
    Module(#[source] Error),
    /// The module did not return in time.
    #[error("the PKCS#11 module did not return within {seconds} s")]
    Hung { seconds: u64 },
    /// The session is there but nobody is logged in to it.
    #[error("the token has lost the login")]
    LoggedOut,
}

impl CallError {
    /// How far back to go before this call may be made again.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Returned { value, .. } => ErrorClass::of_value(*value),
            Self::Module(error) => ErrorClass::of(error),
            Self::Hung { .. } => ErrorClass::Fatal,
            Self::LoggedOut => ErrorClass::LogInAgain,
        }
    }
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        match error {
            Error::Pkcs11(value, function) => Self::Returned { function, value },
            other @ (Error::LibraryLoading(_)
            | Error::NotSupported
            | Error::TryFromInt(_)
            | Error::TryFromSlice(_)
            | Error::ParseInt(_)
            | Error::Utf8(_)
            | Error::NulError(_)
            | Error::NullFunctionPointer
            | Error::MissingSymbol(_)
            | Error::InvalidValue
            | Error::PinNotSet) => Self::Module(other),
        }
    }
}

/// The end of a call that is not repeated any more.
impl From<CallError> for TokenError {
    fn from(error: CallError) -> Self {
        match error.class() {
            ErrorClass::Retry | ErrorClass::NewSession | ErrorClass::LogInAgain | ErrorClass::InitialiseAgain => {
                Self::Unavailable(Some(error))
            }
            ErrorClass::Fatal => match &error {
                CallError::Returned { value, .. } if means_unsupported(*value) => Self::Unsupported(Some(error)),
                CallError::Returned { .. } | CallError::Module(_) => Self::Refused(error),
                CallError::Hung { .. } | CallError::LoggedOut => Self::Unavailable(Some(error)),
            },
        }
    }
}

fn means_unsupported(value: RvError) -> bool {
    matches!(
        value,
        RvError::FunctionNotSupported
            | RvError::CurveNotSupported
            | RvError::KeySizeRange
            | RvError::KeyTypeInconsistent
            | RvError::KeyFunctionNotPermitted
            | RvError::MechanismInvalid
            | RvError::MechanismParamInvalid
            | RvError::DomainParamsInvalid
            | RvError::RandomNoRng
    )
}

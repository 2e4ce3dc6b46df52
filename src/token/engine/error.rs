//! A failed call into the module, as the binding tells it, and what becomes of it for the caller.

use cryptoki::context::Function;
use cryptoki::error::{Error, RvError};

use super::error_table;
use crate::token::error::{FailedCall, TokenError, Told};
use crate::token::error_class::ErrorClass;

/// One failed call into the module. It shows the function and the value by name and never the paragraph of the standard that explains it.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The module returned an error value.
    #[error("{function:?} returned {value:?}")]
    Returned { function: Function, value: RvError },
    /// The module could not be loaded, or answered what cannot be.
    #[error("the PKCS#11 module cannot be used")]
    Module(#[source] Error),
    /// The session is there but nobody is logged in to it.
    #[error("the token has lost the login")]
    LoggedOut,
}

impl CallError {
    /// How far back to go before this call may be made again.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Returned { value, .. } => error_table::of_value(*value),
            Self::Module(error) => error_table::of(error),
            Self::LoggedOut => ErrorClass::LogInAgain,
        }
    }

    /// Whether the token gives no more sessions. Those that are open are as good as before (PKCS#11 3.1, 5.6.1).
    pub fn is_without_session(&self) -> bool {
        matches!(self, Self::Returned { function: Function::OpenSession, value: RvError::SessionCount })
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

impl From<CallError> for FailedCall {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Returned { function, value } => Self::Returned {
                function: Told::new(&format!("{function:?}")),
                value: Told::new(&format!("{value:?}")),
                class: error_table::of_value(value),
            },
            CallError::Module(error) => Self::Module(Told::new(&error.to_string())),
            CallError::LoggedOut => Self::LoggedOut,
        }
    }
}

/// The end of a call that is not repeated any more.
impl From<CallError> for TokenError {
    fn from(error: CallError) -> Self {
        match error.class() {
            ErrorClass::Retry | ErrorClass::NewSession | ErrorClass::LogInAgain | ErrorClass::InitialiseAgain => {
                Self::Unavailable(Some(error.into()))
            }
            ErrorClass::Fatal => match &error {
                CallError::Returned { value, .. } if means_unsupported(*value) => Self::Unsupported(Some(error.into())),
                CallError::Returned { .. } | CallError::Module(_) => Self::Refused(error.into()),
                CallError::LoggedOut => Self::Unavailable(Some(error.into())),
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

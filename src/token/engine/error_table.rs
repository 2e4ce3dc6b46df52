//! What each PKCS#11 return value asks of the one who got it. One table, without a catch-all, so that a new value of the binding stops
//! the build until somebody has thought about it.

use cryptoki::error::{Error, RvError};

use crate::token::error_class::ErrorClass;

/// The class of an error of the binding.
pub fn of(error: &Error) -> ErrorClass {
    match error {
        Error::Pkcs11(value, _) => of_value(*value),
        Error::LibraryLoading(_)
        | Error::NotSupported
        | Error::TryFromInt(_)
        | Error::TryFromSlice(_)
        | Error::ParseInt(_)
        | Error::Utf8(_)
        | Error::NulError(_)
        | Error::NullFunctionPointer
        | Error::MissingSymbol(_)
        | Error::InvalidValue
        | Error::PinNotSet => ErrorClass::Fatal,
    }
}

/// The class of a return value.
pub fn of_value(value: RvError) -> ErrorClass {
    use RvError::*;
    match value {
        // Somebody or something stopped the call; nothing is wrong with the session.
        Cancel | FunctionCanceled | NoEvent | NextOtp => ErrorClass::Retry,

        // SoftHSM answers CKR_OPERATION_ACTIVE after a failed C_Sign, and only a new session gets rid of that. Handles are
        // found again with every new session, and so are those the token has forgotten.
        OperationActive
        | OperationNotInitialized
        | SessionClosed
        | SessionHandleInvalid
        | SessionCount
        | SessionReadOnly
        | SessionReadOnlyExists
        | SessionReadWriteSoExists
        | SessionExists
        | ObjectHandleInvalid
        | KeyHandleInvalid
        | UnwrappingKeyHandleInvalid
        | WrappingKeyHandleInvalid
        | HostMemory
        | DeviceMemory
        | BufferTooSmall
        | SavedStateInvalid
        | StateUnsaveable => ErrorClass::NewSession,

        // SoftHSM says this of a key that it could not make because others were made and destroyed meanwhile, when nothing is wrong with the
        // login, and to log in again disturbs everybody in the token. It also says no more when its directory is gone: then a new session
        // does not help, and what that did not cure is looked for further back.
        GeneralError => ErrorClass::NewSession,

        // The token went away or forgot us.
        UserNotLoggedIn
        | UserAnotherAlreadyLoggedIn
        | UserTooManyTypes
        | FunctionFailed
        | DeviceError
        | DeviceRemoved
        | TokenNotPresent
        | TokenNotRecognized => ErrorClass::LogInAgain,

        // The list of slots is the one of the last C_Initialize, so an unknown slot needs another one.
        CryptokiNotInitialized | SlotIdInvalid | MutexBad | MutexNotLocked => ErrorClass::InitialiseAgain,

        // Never tried again: each try brings a token nearer to locking itself.
        PinIncorrect | PinInvalid | PinLenRange | PinExpired | PinLocked | PinTooWeak | NewPinMode | UserPinNotInitialized => {
            ErrorClass::Fatal
        }

        // The request is not one this token serves.
        FunctionNotSupported
        | CurveNotSupported
        | KeySizeRange
        | KeyTypeInconsistent
        | KeyFunctionNotPermitted
        | MechanismInvalid
        | MechanismParamInvalid
        | DomainParamsInvalid
        | RandomSeedNotSupported
        | RandomNoRng
        | SessionParallelNotSupported
        | FunctionNotParallel => ErrorClass::Fatal,

        // The request is wrong, or the token refuses it and says so.
        ArgumentsBad
        | NeedToCreateThreads
        | CantLock
        | AttributeReadOnly
        | AttributeSensitive
        | AttributeTypeInvalid
        | AttributeValueInvalid
        | ActionProhibited
        | DataInvalid
        | DataLenRange
        | EncryptedDataInvalid
        | EncryptedDataLenRange
        | KeyNotNeeded
        | KeyChanged
        | KeyNeeded
        | KeyIndigestible
        | KeyNotWrappable
        | KeyUnextractable
        | SignatureInvalid
        | SignatureLenRange
        | TemplateIncomplete
        | TemplateInconsistent
        | TokenWriteProtected
        | UnwrappingKeySizeRange
        | UnwrappingKeyTypeInconsistent
        | UserTypeInvalid
        | WrappedKeyInvalid
        | WrappedKeyLenRange
        | WrappingKeySizeRange
        | WrappingKeyTypeInconsistent
        | InformationSensitive
        | ExceededMaxIterations
        | FipsSelfTestFailed
        | LibraryLoadFailed
        | PublicKeyInvalid
        | FunctionRejected => ErrorClass::Fatal,

        // States that are wished for: whoever may get one of these looks for it before asking for a class.
        UserAlreadyLoggedIn | CryptokiAlreadyInitialized => ErrorClass::Retry,

        // Nobody knows what a vendor means; a fresh login is the most that can be tried without harm.
        VendorDefined(_) | UnknownErrorCode(_) => ErrorClass::LogInAgain,
    }
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;

    use super::*;

    #[test]
    fn what_softhsm_answers_has_its_class() {
        let table = [
            (RvError::OperationActive, ErrorClass::NewSession),
            (RvError::SessionHandleInvalid, ErrorClass::NewSession),
            (RvError::ObjectHandleInvalid, ErrorClass::NewSession),
            (RvError::UserNotLoggedIn, ErrorClass::LogInAgain),
            (RvError::GeneralError, ErrorClass::NewSession),
            (RvError::DeviceRemoved, ErrorClass::LogInAgain),
            (RvError::CryptokiNotInitialized, ErrorClass::InitialiseAgain),
            (RvError::SlotIdInvalid, ErrorClass::InitialiseAgain),
            (RvError::FunctionCanceled, ErrorClass::Retry),
            (RvError::MechanismInvalid, ErrorClass::Fatal),
            (RvError::TemplateInconsistent, ErrorClass::Fatal),
        ];
        for (value, class) in table {
            assert_eq!(of_value(value), class, "{value:?}");
        }
    }

    #[test]
    fn a_pin_is_never_worth_a_repetition() {
        use RvError::*;
        for value in [PinIncorrect, PinInvalid, PinLenRange, PinExpired, PinLocked, UserPinNotInitialized] {
            assert_eq!(of_value(value), ErrorClass::Fatal, "{value:?}");
        }
    }

    #[test]
    fn errors_that_are_not_return_values_are_fatal() {
        assert_eq!(of(&Error::NullFunctionPointer), ErrorClass::Fatal);
        assert_eq!(of(&Error::Pkcs11(RvError::SessionClosed, Function::Sign)), ErrorClass::NewSession);
    }
}

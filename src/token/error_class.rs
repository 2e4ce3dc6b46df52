//! What a failed call asks of the one who made it.

use std::fmt;

/// How far back one has to go before the call may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// The same call on the same session may succeed.
    Retry,
    /// The session (or the object handle found in it) is of no more use; the login stands.
    NewSession,
    /// The login is lost or in doubt.
    LogInAgain,
    /// The module must be finalised and initialised.
    InitialiseAgain,
    /// No repetition helps: the request, the token or the module is wrong.
    Fatal,
}

impl ErrorClass {
    /// Every class, the mildest first.
    pub const ALL: [Self; 5] = [Self::Retry, Self::NewSession, Self::LogInAgain, Self::InitialiseAgain, Self::Fatal];

    /// The stable name that health reports and metrics use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::NewSession => "new-session",
            Self::LogInAgain => "log-in-again",
            Self::InitialiseAgain => "initialise-again",
            Self::Fatal => "fatal",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

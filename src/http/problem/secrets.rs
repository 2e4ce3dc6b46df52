//! How the errors of `secrets` are told.

use super::Problem;
use crate::secrets::SecretError;

impl From<SecretError> for Problem {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::NotFound => Self::not_found("secret"),
            SecretError::NoSuchVersion => Self::not_found("version of the secret"),
            SecretError::OtherVersion { newest } => {
                Self::conflict("version_conflict", format!("Nothing was written: the newest version is {newest}."))
            }
            SecretError::Changed => Self::conflict("conflict", "The secret was changed at the same time; try again."),
            SecretError::Record => Self::internal(error),
            SecretError::Token(error) => error.into(),
            SecretError::Read(error) => error.into(),
            SecretError::Commit(error) => error.into(),
        }
    }
}

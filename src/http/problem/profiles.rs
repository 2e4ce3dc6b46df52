//! How the errors of `profiles` are told.

use super::Problem;
use crate::profiles::ProfileError;

impl From<ProfileError> for Problem {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::NotFound => Self::not_found("role"),
            ProfileError::NameTaken => Self::name_taken(&error),
            ProfileError::Changed => Self::conflict("conflict", "The role was changed at the same time; read it again."),
            ProfileError::Invalid(violations) => Self::invalid(violations),
            ProfileError::Record => Self::internal(error),
            ProfileError::Read(error) => error.into(),
            ProfileError::Commit(error) => error.into(),
        }
    }
}

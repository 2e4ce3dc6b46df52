//! How the errors of `access` are told.

use axum::http::StatusCode;

use super::Problem;
use crate::access::AccessError;

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NotFound(kind) => Self::not_found(kind.name()),
            AccessError::NameTaken(kind) => Self::name_taken(&format_args!("the name is taken by another {kind}")),
            AccessError::Unknown(kind) => Self::field(&format!("{kind}_id"), error),
            AccessError::Escalation => Self::new(StatusCode::FORBIDDEN, "forbidden", "Nobody can give more rights than they have."),
            AccessError::NeedsSystem => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", "Renaming an organization needs a token with the scope system.")
            }
            AccessError::InUse => Self::conflict(
                "organization_in_use",
                "The organization owns authorities, certificates, requests, trust anchors, webhooks or secrets, for which somebody must answer.",
            ),
            AccessError::IsDefault => Self::conflict("default_organization", "The default organization cannot be deleted."),
            AccessError::KeyTaken(Some(holder)) => {
                Self::conflict("key_taken", format!("That key stands for the token {holder}; revoke it first."))
            }
            AccessError::KeyTaken(None) => Self::conflict("key_taken", "That key stands for another token."),
            AccessError::TooManyGenerations => {
                Self::conflict("too_many_generations", format!("Not made: {error}; make it with another token."))
            }
            AccessError::NoRandomness | AccessError::Record => Self::internal(error),
            AccessError::Read(error) => error.into(),
            AccessError::Commit(error) => error.into(),
        }
    }
}

//! How the errors of `storage` are told.

use axum::http::StatusCode;

use super::Problem;
use crate::storage::{CommitError, ReadError};

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        Self::internal(error)
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { .. } => {
                Self::conflict("conflict", "Somebody else changed the same thing at the same time; read it again.")
            }
            CommitError::Full => {
                let detail = "The disk is full: nothing new is issued until there is room; revocation and CRLs go on.";
                Self { cause: Some(error.to_string().into()), ..Self::new(StatusCode::INSUFFICIENT_STORAGE, "storage_full", detail) }
            }
            CommitError::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The request makes a record that is too large."),
            CommitError::Unreadable(error) => error.into(),
            CommitError::Failed | CommitError::Closed => {
                Self::unavailable("storage_failed", "The appliance cannot write durably and acknowledges nothing.", 30, error)
            }
        }
    }
}

//! How the errors of `requests` are told.

use axum::http::StatusCode;

use super::{Problem, sentence, weak_key};
use crate::requests::{RequestError, TransitionError};

impl From<TransitionError> for Problem {
    fn from(error: TransitionError) -> Self {
        let (code, certificate) = match error {
            TransitionError::NotPending(_) => ("request_not_pending", None),
            TransitionError::NotApproved(_) => ("request_not_approved", None),
            TransitionError::AlreadySigned(id) => ("already_signed", Some(Box::new(id))),
            TransitionError::OtherThanApproved => ("request_not_approved", None),
        };
        Self { certificate, ..Self::conflict(code, sentence(&error)) }
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::NotFound => Self::not_found("request"),
            RequestError::Transition(error) => error.into(),
            RequestError::NotAsReviewed => Self::conflict("request_differs", sentence(&error)),
            RequestError::SelfApproval | RequestError::UnapprovedNames(_) => {
                Self::new(StatusCode::FORBIDDEN, "self_approval", sentence(&error))
            }
            RequestError::Policy(violations) => Self::against_policy(violations),
            RequestError::TooManyPending(_) => Self::conflict("too_many_pending_requests", sentence(&error)),
            RequestError::WeakKey(weaknesses) => weak_key(&weaknesses),
            RequestError::Changed => Self::conflict("conflict", "The request was changed at the same time; read it again."),
            RequestError::Encoding | RequestError::Record(_) => Self::internal(error),
            RequestError::Key(error) => error.into(),
            RequestError::Issue(error) => error.into(),
            RequestError::Read(error) => error.into(),
            RequestError::Commit(error) => error.into(),
        }
    }
}

//! How the errors of `lifecycle` are told.

use axum::http::StatusCode;

use super::{Problem, sentence};
use crate::lifecycle::{DeleteError, ImportError, RenewError, RevokeError};

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Known(_) | ImportError::IsAuthority(_) => Self::conflict("already_known", format!("Not imported: {error}.")),
            ImportError::OtherKey => Self::field("private_key_pem", error),
            ImportError::Inventory(error) => error.into(),
            ImportError::Kept(error) => error.into(),
            ImportError::Read(error) => error.into(),
            ImportError::Commit(error) => error.into(),
        }
    }
}

impl From<RevokeError> for Problem {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::NotFound => Self::not_found("certificate"),
            RevokeError::AlreadyRevoked => Self::conflict("already_revoked", "It was revoked before."),
            RevokeError::AlreadyOnHold => Self::conflict("already_revoked", "It is on hold already."),
            RevokeError::NotOnHold => Self::conflict("not_on_hold", "It is not on hold, and nothing else is lifted."),
            RevokeError::Contended => Self::conflict("conflict", "Others decided about it at the same time; read it again."),
            RevokeError::Read(error) => error.into(),
            RevokeError::IsAuthority(_) => Self::conflict("is_authority", format!("Not revoked: {error}.")),
            RevokeError::NotOurs => Self::conflict("not_ours", format!("Not revoked: {error}.")),
            RevokeError::Inventory(error) => error.into(),
            RevokeError::Authority(error) => error.into(),
            RevokeError::Commit(error) => error.into(),
        }
    }
}

impl From<DeleteError> for Problem {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::NotFound => Self::not_found("certificate"),
            DeleteError::Valid(_) => Self::conflict("certificate_valid", format!("Not deleted: {error}.")),
            DeleteError::OnHold => Self::conflict("certificate_on_hold", format!("Not deleted: {error}.")),
            DeleteError::IsAuthority(_) => Self::conflict("is_authority", format!("Not deleted: {error}.")),
            DeleteError::IsResponder => Self::conflict("is_ocsp_responder", format!("Not deleted: {error}.")),
            DeleteError::Inventory(error) => error.into(),
            DeleteError::Authority(error) => error.into(),
            DeleteError::Kept(error) => error.into(),
            DeleteError::Commit(error) => error.into(),
        }
    }
}

impl From<RenewError> for Problem {
    fn from(error: RenewError) -> Self {
        match error {
            RenewError::Revoked => Self::conflict("certificate_revoked", sentence(&error)),
            RenewError::Authority => Self::conflict("is_authority", sentence(&error)),
            RenewError::NotOurs => Self::conflict("not_ours", sentence(&error)),
            RenewError::NoRole(_) => Self::conflict("no_role", sentence(&error)),
            RenewError::ApprovalNeeded => Self::conflict("approval_needed", sentence(&error)),
            RenewError::NotApprover => Self::new(StatusCode::FORBIDDEN, "forbidden", sentence(&error)),
            RenewError::OtherNames(_) => Self::field("csr_pem", error),
            RenewError::Policy(violations) => Self::against_policy(violations),
            RenewError::Unreadable | RenewError::KeyForm(_) => Self::internal(error),
            RenewError::Key(error) => error.into(),
            RenewError::Kept(error) => error.into(),
            RenewError::Inventory(error) => error.into(),
            RenewError::Issue(error) => error.into(),
        }
    }
}

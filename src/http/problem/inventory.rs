//! How the errors of `inventory` are told.

use super::Problem;
use crate::ca::RETRY_AFTER_SECONDS;
use crate::inventory::{AnchorError, InventoryError, KeptKeyError};
use crate::token::TokenError;

impl From<InventoryError> for Problem {
    fn from(error: InventoryError) -> Self {
        match error {
            InventoryError::NotFound => Self::not_found("certificate"),
            InventoryError::Changed => Self::conflict("conflict", "The certificate's labels changed at the same time; read them again."),
            InventoryError::Record => Self::internal(error),
            InventoryError::Read(error) => error.into(),
            InventoryError::Commit(error) => error.into(),
        }
    }
}

impl From<AnchorError> for Problem {
    fn from(error: AnchorError) -> Self {
        match error {
            AnchorError::NotFound => Self::not_found("trust anchor"),
            AnchorError::NameTaken => Self::name_taken(&error),
            AnchorError::Known(_) => Self::conflict("already_known", format!("Not taken: {error}.")),
            AnchorError::NotACa | AnchorError::Key(_) => Self::field("certificate_pem", error),
            AnchorError::Inventory(error) => error.into(),
        }
    }
}

impl From<KeptKeyError> for Problem {
    fn from(error: KeptKeyError) -> Self {
        match error {
            KeptKeyError::Busy => {
                let detail = "More RSA keys are asked for than can be made; try again later, or make the key and sign a CSR.";
                Self::unavailable("key_generation_busy", detail, RETRY_AFTER_SECONDS, error)
            }
            KeptKeyError::NotKept => Self::conflict(
                "no_private_key",
                "The private key is not kept here: its role did not ask for that, or it was made elsewhere.",
            ),
            KeptKeyError::Token(TokenError::KeyMissing(_) | TokenError::KeyMismatch(_)) => {
                Self::unavailable("key_missing", "The token does not hold the private key that was kept in it.", 60, error)
            }
            KeptKeyError::NoRandomness | KeptKeyError::Record | KeptKeyError::OtherKey => Self::internal(error),
            KeptKeyError::Token(error) => error.into(),
            KeptKeyError::Read(error) => error.into(),
            KeptKeyError::Commit(error) => error.into(),
        }
    }
}

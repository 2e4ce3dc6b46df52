//! How the errors of `token` are told.

use axum::http::StatusCode;

use super::Problem;
use crate::token::TokenError;

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Busy { retry_after_seconds } => Self::unavailable(
                "token_busy",
                "The token has more to sign than it can; try again later.",
                u64::from(retry_after_seconds),
                error,
            ),
            TokenError::Unavailable(_) | TokenError::NotAWorker | TokenError::NoSuchToken | TokenError::AmbiguousToken => {
                Self::unavailable("token_unavailable", "The token is away; try again later.", 5, error)
            }
            TokenError::PinRefused | TokenError::NoPin => {
                Self::unavailable("token_pin_refused", "The token cannot be logged in to; an administrator is needed.", 60, error)
            }
            TokenError::BudgetExhausted { .. } => Self {
                cause: Some(error.to_string().into()),
                ..Self::conflict("key_budget_exhausted", "The authority's key has signed as often as the token's worker lets it.")
            },
            TokenError::RateLimited { retry_after_seconds } => Self::unavailable(
                "key_rate_limited",
                "The authority's key signs as fast as the token's worker lets it; try again later.",
                u64::from(retry_after_seconds),
                error,
            ),
            TokenError::KeyMissing(_) | TokenError::KeyMismatch(_) => {
                Self::unavailable("key_missing", "The authority's key is not in the token.", 60, error)
            }
            TokenError::BadSignature | TokenError::BadSeal => {
                Self::unavailable("token_faulty", "The token gave a wrong signature, which was thrown away; try again later.", 5, error)
            }
            TokenError::AttributeIgnored { attribute } => Self {
                cause: Some(error.to_string().into()),
                ..Self::new(
                    StatusCode::BAD_GATEWAY,
                    "token_refused",
                    format!("The token did not keep {attribute} of a new key as it was asked to; the key was destroyed."),
                )
            },
            TokenError::Refused(_) => Self {
                cause: Some(error.to_string().into()),
                ..Self::new(
                    StatusCode::BAD_GATEWAY,
                    "token_refused",
                    "The token does not do what it was asked; the log says what it answered.",
                )
            },
            TokenError::Unsupported(_) => Self {
                cause: Some(error.to_string().into()),
                ..Self::new(StatusCode::NOT_IMPLEMENTED, "token_unsupported", "The token has no keys or signatures of this kind.")
            },
            TokenError::KeyExists(_)
            | TokenError::NotForThis(_)
            | TokenError::Undecryptable
            | TokenError::BadKey
            | TokenError::TooLong
            | TokenError::TokenExists
            | TokenError::NoFreeSlot
            | TokenError::BadLabel
            | TokenError::AnotherModule
            | TokenError::NoThread(_) => Self::internal(error),
        }
    }
}

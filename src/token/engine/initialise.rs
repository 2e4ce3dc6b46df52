//! Making a token out of an empty slot.

use std::path::Path;

use cryptoki::session::UserType;

use super::error::CallError;
use super::module::{Entry, Module, Selection};
use crate::base::secret::SecretString;
use crate::token::error::TokenError;

/// Initialises a token that has not been yet: its label, the security officer's PIN and the user's. Refuses when a token of that label
/// exists, and never touches one that is initialised: C_InitToken destroys every object on it.
pub fn initialise(module: &Path, label: &str, so_pin: &SecretString, user_pin: &SecretString) -> Result<(), TokenError> {
    // CK_TOKEN_INFO has 32 bytes for it, padded with blanks, so a label that ends in one would not be found again.
    if label.is_empty() || label.len() > 32 || label.trim() != label {
        return Err(TokenError::BadLabel);
    }
    let entry = Module::load(module)?.enter();
    let tokens = entry.tokens()?;
    if tokens.iter().any(|(_, info)| info.token_initialized() && info.label() == label) {
        return Err(TokenError::TokenExists);
    }
    let (free, _) = tokens.iter().find(|(_, info)| !info.token_initialized()).ok_or(TokenError::NoFreeSlot)?;
    entry.pkcs11().init_token(*free, so_pin, label).map_err(CallError::from)?;
    set_user_pin(&entry, label, so_pin, user_pin)
}

fn set_user_pin(entry: &Entry<'_>, label: &str, so_pin: &SecretString, user_pin: &SecretString) -> Result<(), TokenError> {
    // The slot may be another one than the token was made in.
    let (slot, _) = entry.find(&Selection { label: Some(label.to_owned()), serial: None })?;
    let seat = entry.open(slot, true)?;
    let outcome = seat.session.login(UserType::So, Some(so_pin)).and_then(|()| {
        let set = seat.session.init_pin(user_pin);
        set.and(seat.session.logout())
    });
    entry.close(seat);
    Ok(outcome.map_err(CallError::from)?)
}

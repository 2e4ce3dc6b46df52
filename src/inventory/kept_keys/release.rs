//! Keys of several certificates, and the end of kept keys.
//!
//! ```text
//!   kept for one ──share──▶ of two ──share──▶ of three …
//!        │                    │ release
//!        │ release            ▼
//!        └──────────────▶ of one ──release──▶ intended ──finish──▶ nothing
//! ```
//!
//! Every step rewrites the key's one record and expects it as it was, so of two at the same time one is a conflict and looks again. Nothing is
//! destroyed while a certificate refers to it, and nothing is left that none refers to.

use super::{Held, KeptKeyError, KeptKeys, KeyOwner, KeyPlace, RecordedKey};
use crate::access::Caller;
use crate::audit::{self, Action, Field};
use crate::base::id::CertId;
use crate::inventory::record::{KeptKeyRecord, TokenKeyRecord};
use crate::storage::{Change, Class, CommitError, Table};

/// What a change did that releases an owner's key; for [`KeptKeys::finish`] once it is durable.
#[derive(Debug)]
#[must_use = "an object of the token that is intended to go is destroyed by `finish`"]
pub struct Released {
    owner: KeyOwner,
    place: KeyPlace,
    is_last: bool,
}

impl Released {
    /// Whether nobody refers to the key any more, so that it is destroyed.
    pub fn is_destroyed(&self) -> bool {
        self.is_last
    }

    /// What the audit trail is told of it.
    pub fn details(&self) -> Vec<(Field, String)> {
        match &self.place {
            KeyPlace::Token { id, .. } => vec![(Field::KeyStorage, "token".to_owned()), (Field::KeyId, id.to_string())],
            KeyPlace::Sealed { .. } => vec![(Field::KeyStorage, "wrapped".to_owned())],
        }
    }
}

/// How often a release that others were faster than looks again.
const ATTEMPTS: usize = 10;

impl KeptKeys {
    /// Adds to the change that releases a certificate that its key is the kept key of another, where that has one.
    pub fn share(&self, change: Change, of: CertId, with: CertId) -> Result<Change, KeptKeyError> {
        let owner = KeyOwner::Certificate(of);
        let Some(Held { under, is_shared, bytes, place, uses }) = self.held(owner)? else { return Ok(change) };
        let uses = uses.checked_add(1).ok_or(KeptKeyError::Record)?;
        let value = KeptKeyRecord::encode(&place, Some(uses)).map_err(|_| KeptKeyError::Record)?;
        let change = change.expect(Table::KeptKeys, &under, Some(&bytes));
        let (change, under) = if is_shared {
            (change.expect(Table::SharedKeys, of.as_bytes(), Some(&under)), under)
        } else {
            // Ids are never used twice, so this is the id of nothing else.
            let own = *CertId::new().as_bytes();
            (change.delete(Table::KeptKeys, &under).put(Table::SharedKeys, of.as_bytes(), &own), own)
        };
        Ok(change.put(Table::KeptKeys, &under, &value).put(Table::SharedKeys, with.as_bytes(), &under))
    }

    /// Adds to a change that the owner has no key any more. An object of the token that nobody refers to then is intended to go: a start that
    /// finds it destroys it.
    pub fn release(&self, change: Change, owner: KeyOwner) -> Result<(Change, Option<Released>), KeptKeyError> {
        let Some(Held { under, is_shared, bytes, place, uses }) = self.held(owner)? else {
            // One that is kept or shared in this moment is not overlooked.
            let change = change.expect_absent(Table::KeptKeys, owner.bytes()).expect_absent(Table::SharedKeys, owner.bytes());
            return Ok((change, None));
        };
        let is_last = uses <= 1;
        let mut change = change.expect(Table::KeptKeys, &under, Some(&bytes));
        if is_shared {
            change = change.expect(Table::SharedKeys, owner.bytes(), Some(&under)).delete(Table::SharedKeys, owner.bytes());
        }
        change = if is_last {
            change.delete(Table::KeptKeys, &under)
        } else {
            let value = KeptKeyRecord::encode(&place, Some(uses.saturating_sub(1))).map_err(|_| KeptKeyError::Record)?;
            change.put(Table::KeptKeys, &under, &value)
        };
        if let (KeyPlace::Token { token, id }, true) = (&place, is_last) {
            let record = RecordedKey { id: *id, token: token.clone(), owner, is_intended: true };
            let value = TokenKeyRecord::encode(&record).map_err(|_| KeptKeyError::Record)?;
            change = change.put(Table::TokenKeys, id.as_bytes(), &value);
        }
        Ok((change, Some(Released { owner, place, is_last })))
    }

    /// Destroys what nobody refers to any more, once that is durable. What a token that is away keeps is destroyed by the next start.
    pub async fn finish(&self, released: Released) {
        let Released { owner, place, is_last } = released;
        if let (KeyPlace::Token { token, id }, true) = (place, is_last) {
            match self.token.of(token.as_ref()) {
                Ok(at) => self.destroy_object(&at, id, owner).await,
                Err(error) => {
                    tracing::warn!(key = %id, %owner, %error, "a key that nobody needs is left in the token until the next start")
                }
            }
        }
    }

    /// Takes an owner its kept key for good: the record first, so that nobody is given the key any more, then the object, unless it is the key of
    /// another certificate too.
    pub async fn destroy(&self, owner: KeyOwner, caller: &Caller) -> Result<(), KeptKeyError> {
        for attempt in 1.. {
            let (change, released) = self.release(Change::new(Class::Essential), owner)?;
            let released = released.ok_or(KeptKeyError::NotKept)?;
            let action = if released.is_last { Action::KeyDestroy } else { Action::KeyRelease };
            let mut entry = caller.origin().entry(action, self.clock.now()).object(owner);
            entry.details.extend(released.details());
            match self.ledger.commit(audit::Change::new(change, entry)).await {
                Ok(_) => {
                    self.finish(released).await;
                    break;
                }
                Err(CommitError::Conflict { .. }) if attempt < ATTEMPTS => {}
                Err(error) => return Err(KeptKeyError::Commit(error)),
            }
        }
        Ok(())
    }
}

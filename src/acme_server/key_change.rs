//! Another key for an account (RFC 8555, 7.3.5): the old key says so, and the new key that it is there.

use super::account::Account;
use super::error::{AcmeError, KeyChangeFault};
use super::jws::{Jwk, JwsFault, Signed, Signer};
use super::request::AccountRequest;
use super::server::AcmeServer;
use super::urls::account_of;
use crate::api::acme as wire;
use crate::audit::{Action, Field};
use crate::storage::{Change, Class, Table};

impl AcmeServer {
    /// Changes the key; the old one signs for the account no more.
    pub async fn change_key(&self, request: AccountRequest) -> Result<Account, AcmeError> {
        let inner = Signed::parse_within(&request.payload).map_err(KeyChangeFault::Jws)?;
        let Signer::Jwk(new_key) = inner.signer.clone() else { return Err(KeyChangeFault::Jws(JwsFault::JwkWanted).into()) };
        let payload = inner.verify(&new_key).map_err(KeyChangeFault::Jws)?;
        if inner.url != request.url {
            return Err(KeyChangeFault::OtherUrl.into());
        }
        let wire::KeyChange { account: named, old_key } = payload.read().map_err(KeyChangeFault::Jws)?;
        if account_of(&named) != Some(request.account.id) {
            return Err(KeyChangeFault::OtherAccount.into());
        }
        let old_key = Jwk::read(&old_key).map_err(|fault| KeyChangeFault::OtherOldKey(Some(fault)))?;
        if old_key != request.account.key {
            return Err(KeyChangeFault::OtherOldKey(None).into());
        }
        let (old, new) = (request.account.key.thumbprint(), new_key.thumbprint());
        if let Some(holder) = self.account_of_key(new)? {
            return Err(AcmeError::KeyTaken(holder.value.id));
        }
        let updated = Account { key: new_key, ..request.account.clone() };
        let entry = request.caller.origin().entry(Action::AcmeAccountKeyChange, self.now()).object(updated.id);
        let entry = entry.detail(Field::KeyThumbprint, updated.key.thumbprint_text());
        let table = Table::AcmeAccountKeys;
        let change = Change::new(Class::Normal).expect_absent(table, &new).put(table, &new, updated.id.as_bytes()).delete(table, &old);
        self.store_account(&request, &updated, change, entry).await?;
        Ok(updated)
    }
}

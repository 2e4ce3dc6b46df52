//! Answering challenges, validating them, and giving authorizations up (RFC 8555, 7.5.1 and 7.5.2).
//!
//! That a client is ready is durable before its name is looked at, so a validation that a crash cut short is begun again by the next start, and one
//! whose result there was no room for a while later.

use super::authorization::{Authorization, AuthorizationStatus, ChallengeState};
use super::error::{AcmeError, Limited, StoredFault, Thing};
use super::identifier;
use super::new_order::name_key;
use super::record::AuthorizationRecord;
use super::request::AccountRequest;
use super::server::{AcmeServer, Stored, later};
use super::sweep::{End, end_key};
use super::unfinished::{TakenUp, Unfinished, Work};
use super::validation::{Attempt, ChallengeKind, ValidationFault};
use crate::access::Caller;
use crate::api::acme as wire;
use crate::audit::{Action, Entry, Field};
use crate::base::id::AcmeAuthorizationId;
use crate::storage::{Change, Class, CommitError, Table};

/// How often a result is written again because the record has changed.
const TRIES: usize = 5;

impl AcmeServer {
    /// The client is ready for a challenge, or asks how far it is. The authorization as it is then.
    pub async fn answer_challenge(
        &self,
        request: &AccountRequest,
        id: AcmeAuthorizationId,
        kind: ChallengeKind,
    ) -> Result<Authorization, AcmeError> {
        let found = self.own_authorization(request.account.id, id, Thing::Challenge)?;
        found.value.challenge(kind).ok_or(AcmeError::NotFound(Thing::Challenge))?;
        if request.is_get() {
            return Ok(found.value);
        }
        // RFC 8555, 7.5.1: a JSON object, which has nothing in it as long as no challenge needs more.
        if !request.payload.value().is_some_and(|value| value.is_object()) {
            return Err(AcmeError::PayloadNoObject);
        }
        let now = self.now();
        let Some(answered) = found.value.clone().answered(kind, now) else { return Ok(found.value) };
        self.limits.look(Limited::FailuresOfName, &name_key(request.account.id, &answered.identifier))?;
        let change = Change::new(Class::Normal).put(Table::AcmeUnfinished, &Unfinished::Authorization(id).key(), &[]);
        let entry = told(request.caller.origin().entry(Action::AcmeChallengeAnswer, now), &answered).detail(Field::Challenge, kind.name());
        let change = change.expect(Table::AcmeAccounts, request.account.id.as_bytes(), Some(&request.stored));
        let change = request.nonce.written(self.written(change, &answered, &found.bytes)?);
        match self.commit(change, entry).await {
            Ok(()) => {}
            Err(CommitError::Conflict { table: Table::AcmeUsedNonces, .. }) => return Err(AcmeError::BadNonce),
            Err(CommitError::Conflict { table: Table::AcmeAccounts, .. }) => return Err(AcmeError::Changed),
            // Answered or given up at the same time: as it is by now.
            Err(CommitError::Conflict { .. }) => {
                return self.own_authorization(request.account.id, id, Thing::Challenge).map(|found| found.value);
            }
            Err(error) => return Err(AcmeError::Commit(error)),
        }
        let server = self.clone();
        tokio::spawn(async move { server.settle(id, kind).await });
        Ok(answered)
    }

    /// Gives an authorization up, when that is what the payload asks for.
    pub async fn update_authorization(
        &self,
        request: &AccountRequest,
        id: AcmeAuthorizationId,
    ) -> Result<(Authorization, AuthorizationStatus), AcmeError> {
        if request.is_get() {
            return self.show_authorization(request, id);
        }
        let found = self.own_authorization(request.account.id, id, Thing::Authorization)?;
        let wire::StatusChange { status } = request.payload.read()?;
        if status.as_deref() != Some("deactivated") {
            return Err(AcmeError::Status);
        }
        let now = self.now();
        let given_up = found.value.deactivated(now)?;
        let entry = told(request.caller.origin().entry(Action::AcmeAuthorizationDeactivate, now), &given_up);
        let change = request.nonce.written(self.written(Change::new(Class::Essential), &given_up, &found.bytes)?);
        match self.commit(change, entry).await {
            Ok(()) => Ok((given_up, AuthorizationStatus::Deactivated)),
            Err(CommitError::Conflict { table: Table::AcmeUsedNonces, .. }) => Err(AcmeError::BadNonce),
            Err(CommitError::Conflict { .. }) => Err(AcmeError::Changed),
            Err(error) => Err(AcmeError::Commit(error)),
        }
    }

    /// Validates a challenge that is under way and writes what came of it.
    pub(super) async fn settle(&self, id: AcmeAuthorizationId, kind: ChallengeKind) {
        let Some(_at_work) = self.under_way.begin(Work::Validate(id, kind)) else { return };
        match self.try_settle(id, kind).await {
            Ok(()) => {}
            // It is under way still, and is begun again.
            Err(error) => {
                tracing::error!(authorization = %id, challenge = kind.name(), %error, "the result of a validation cannot be kept")
            }
        }
    }

    async fn try_settle(&self, id: AcmeAuthorizationId, kind: ChallengeKind) -> Result<(), AcmeError> {
        let Some(found) = self.authorization(id)? else { return Ok(()) };
        let Some(account) = self.account(found.value.account)?.map(|found| found.value) else { return Ok(()) };
        let Some(challenge) = found.value.challenge(kind).filter(|challenge| challenge.state == ChallengeState::Processing) else {
            return Ok(());
        };
        // RFC 8555, 8.1.
        let key_authorization = format!("{}.{}", challenge.token, account.key.thumbprint_text());
        let attempt = Attempt {
            identifier: &found.value.identifier,
            kind,
            token: &challenge.token,
            key_authorization: &key_authorization,
            account_url: &account.url,
            issuer_domains: &self.settings.caa_identities,
        };
        let outcome = self.validator.validate(attempt).await;
        if outcome == Err(ValidationFault::Busy) {
            return self.postpone(id, kind).await;
        }
        let caller = Caller::acme_account(account.id, account.organization, account.project);
        for _ in 0..TRIES {
            let Some(Stored { value, bytes }) = self.authorization(id)? else { return Ok(()) };
            let now = self.now();
            let (decided, action) = match &outcome {
                Ok(()) => (value.met(kind, now, later(now, self.settings.authorization_life)), Action::AcmeChallengeMeet),
                Err(fault) => (value.failed(kind, now, StoredFault::from(fault)), Action::AcmeChallengeFail),
            };
            // Given up meanwhile, or decided by another challenge.
            let Some(decided) = decided else { return Ok(()) };
            let mut entry = told(caller.origin().entry(action, now), &decided).detail(Field::Challenge, kind.name());
            if let Err(fault) = &outcome {
                entry = entry.detail(Field::Fault, fault);
            }
            let change = self.written(Change::new(Class::Normal), &decided, &bytes)?;
            let change = change.delete(Table::AcmeUnfinished, &Unfinished::Authorization(id).key());
            // Its end has moved, and the sweep finds it where it is.
            let change = change.put(Table::AcmeEnds, &end_key(decided.expires, End::Authorization(id)), &[]);
            match self.commit(change, entry).await {
                Ok(()) => {
                    if outcome.is_err() {
                        // What is too much is told when the next is asked for.
                        let _ = self.limits.take(Limited::FailuresOfName, &name_key(account.id, &decided.identifier));
                    }
                    return Ok(());
                }
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(AcmeError::Commit(error)),
            }
        }
        Err(AcmeError::Changed)
    }

    /// A challenge that nobody had the time for is as it was before the client answered it: that says nothing of the client.
    async fn postpone(&self, id: AcmeAuthorizationId, kind: ChallengeKind) -> Result<(), AcmeError> {
        tracing::warn!(authorization = %id, challenge = kind.name(), "too many validations are waiting; the client may ask again");
        for _ in 0..TRIES {
            let Some(Stored { value, bytes }) = self.authorization(id)? else { return Ok(()) };
            let Some(postponed) = value.postponed(kind) else { return Ok(()) };
            let is_under_way = postponed.challenges.iter().any(|challenge| challenge.state == ChallengeState::Processing);
            let mut change = self.written(Change::new(Class::Normal), &postponed, &bytes)?;
            if !is_under_way {
                change = change.delete(Table::AcmeUnfinished, &Unfinished::Authorization(id).key());
            }
            match self.storage.commit(change).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(AcmeError::Commit(error)),
            }
        }
        Err(AcmeError::Changed)
    }

    /// Begins again what nobody is at.
    pub(super) fn resume_authorization(&self, id: AcmeAuthorizationId) -> Result<TakenUp, AcmeError> {
        let Some(Stored { value, bytes }) = self.authorization(id)? else { return Ok(TakenUp::Over(None)) };
        let mut taken_up = TakenUp::Over(Some(bytes));
        if value.status(self.clock.now()) != AuthorizationStatus::Pending {
            return Ok(taken_up);
        }
        for challenge in value.challenges.iter().filter(|challenge| challenge.state == ChallengeState::Processing) {
            if self.under_way.has(Work::Validate(id, challenge.kind)) {
                taken_up = TakenUp::Before;
                continue;
            }
            let (server, kind) = (self.clone(), challenge.kind);
            tokio::spawn(async move { server.settle(id, kind).await });
            taken_up = TakenUp::Now;
        }
        Ok(taken_up)
    }

    /// Adds an authorization to a change, which is a conflict when it is not any more what was read.
    fn written(&self, change: Change, authorization: &Authorization, before: &[u8]) -> Result<Change, AcmeError> {
        let record = AuthorizationRecord::encode(authorization).map_err(|_| AcmeError::Record)?;
        let (table, id) = (Table::AcmeAuthorizations, authorization.id.as_bytes());
        Ok(change.expect(table, id, Some(before)).put(table, id, &record))
    }
}

fn told(entry: Entry, authorization: &Authorization) -> Entry {
    entry.object(authorization.id).detail(Field::SubjectAltNames, identifier::shown(&authorization.identifier).1)
}

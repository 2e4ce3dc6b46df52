//! All requests: taken in, looked at, decided about, deleted.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::MutexGuard;

use super::judgement::judge;
use super::pending::Pending;
use super::record::{RequestRecord, StateRecord};
use super::{Approval, Party, Rejection, State, Status, TransitionError};
use crate::access::{self, Caller};
use crate::audit::{self, Action, Entry, Field, Ledger};
use crate::base::clock::{Clock, from_seconds};
use crate::base::id::{CsrId, OrgId};
use crate::base::turns::Turns;
use crate::ca::{IssueError, Issuer};
use crate::inventory::{KeptKey, KeptKeyError, KeptKeys, KeyOwner, Released};
use crate::policy::Violation;
use crate::storage::{Change, Class, CommitError, ReadError, Storage, Table};
use crate::x509::csr::CertificateRequest;
use crate::x509::weak_key::Weakness;

/// One request.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    pub id: CsrId,
    pub organization: OrgId,
    pub requested_by: Party,
    pub created_at: Timestamp,
    /// Whether it was made here; then its key is kept for it, and once it is signed for its certificate.
    pub is_generated: bool,
    pub csr: CertificateRequest,
    pub state: State,
}

/// Why a request was not taken, found or brought further.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("no such request")]
    NotFound,
    #[error(transparent)]
    Transition(#[from] TransitionError),
    #[error("{0} requests of the organization wait to be decided about already; approve, reject or delete some of them")]
    TooManyPending(usize),
    #[error("what is to be approved is not what was asked for")]
    NotAsReviewed,
    #[error("who asked for it may not approve it")]
    SelfApproval,
    #[error("who asked for it may not add names to what was approved: {0}")]
    UnapprovedNames(String),
    #[error("the policy does not allow it")]
    Policy(Vec<Violation>),
    #[error("the key is weak")]
    WeakKey(Vec<Weakness>),
    #[error("the request was changed by somebody else at the same time")]
    Changed,
    #[error("the token's own request cannot be read back")]
    Encoding,
    #[error("the record of request {0} cannot be read or written")]
    Record(CsrId),
    #[error(transparent)]
    Key(#[from] KeptKeyError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(CommitError),
}

/// The requests of the appliance.
#[derive(Clone)]
pub struct Requests {
    pub(super) storage: Storage,
    pub(super) ledger: Ledger,
    pub(super) kept: KeptKeys,
    pub(super) issuer: Issuer,
    pub(super) clock: Clock,
    /// One signing or deletion of a request at a time, so that the token does not sign what would be thrown away. By the last byte of the id.
    turns: Arc<Turns>,
    pub(super) pending: Pending,
}

impl SigningRequest {
    /// Its common name; empty when it has none.
    pub fn common_name(&self) -> String {
        self.csr.subject().common_names().into_iter().next().unwrap_or_default()
    }

    /// Whether the caller may approve what it asks for: nobody approves what they asked for, nor with a token that was made with theirs, unless the
    /// organisation allows that.
    pub(super) fn may_be_approved_by(&self, caller: &Caller, self_approval: bool) -> bool {
        self_approval || !(Party::of(caller).may_be(&self.requested_by) || self.requested_by.has_made(caller.makers()))
    }
}

impl Requests {
    pub fn new(storage: Storage, ledger: Ledger, kept: KeptKeys, issuer: Issuer, clock: Clock) -> Self {
        Self { storage, ledger, kept, issuer, clock, turns: Arc::default(), pending: Pending::default() }
    }

    /// How many requests of one organisation may be pending.
    pub fn allow_pending(&self, most: usize) {
        self.pending.allow(most);
    }

    /// Takes in a request from outside.
    pub async fn import(&self, csr: CertificateRequest, caller: &Caller) -> Result<SigningRequest, RequestError> {
        let weaknesses = csr.public_key().weaknesses();
        if !weaknesses.is_empty() {
            return Err(RequestError::WeakKey(weaknesses));
        }
        let request = SigningRequest {
            id: CsrId::new(),
            organization: caller.organization(),
            requested_by: Party::of(caller),
            created_at: self.now(),
            is_generated: false,
            csr,
            state: State::Pending,
        };
        let room = self.pending.room(&self.storage, request.organization)?;
        self.store(&request, None, Action::CsrImport, caller).await?;
        room.take();
        Ok(request)
    }

    /// One request of an organisation.
    pub fn get(&self, organization: OrgId, id: CsrId) -> Result<Option<SigningRequest>, RequestError> {
        Ok(self.read(organization, id)?.map(|(request, _)| request))
    }

    /// Approves what was asked for. `reviewed` is the hash of what the caller has looked at, when they say; `self_approval`, whether the
    /// organisation lets people approve what they asked for.
    pub async fn approve(
        &self,
        id: CsrId,
        reviewed: Option<[u8; 32]>,
        self_approval: bool,
        caller: &Caller,
    ) -> Result<SigningRequest, RequestError> {
        let (request, before) = self.read(caller.organization(), id)?.ok_or(RequestError::NotFound)?;
        let request_sha256 = request.csr.info_sha256();
        let approval = Approval { by: Party::of(caller), at: self.now(), request_sha256 };
        let entry = self.entry(Action::CsrApprove, &request, caller);
        let state = request.state.clone().approve(approval)?;
        if reviewed.is_some_and(|reviewed| reviewed != request_sha256) {
            return Err(RequestError::NotAsReviewed);
        }
        if !request.may_be_approved_by(caller, self_approval) {
            return Err(RequestError::SelfApproval);
        }
        // Nobody shall give their word for what can never be signed.
        judge(&request.csr, None, None, self.now()).map_err(RequestError::Policy)?;
        self.advance(request, &before, state, entry).await
    }

    /// Rejects it.
    pub async fn reject(&self, id: CsrId, reason: String, caller: &Caller) -> Result<SigningRequest, RequestError> {
        let (request, before) = self.read(caller.organization(), id)?.ok_or(RequestError::NotFound)?;
        let entry = self.entry(Action::CsrReject, &request, caller).detail(Field::Reason, &reason);
        let state = request.state.clone().reject(Rejection { by: Party::of(caller), at: self.now(), reason })?;
        self.advance(request, &before, state, entry).await
    }

    /// Forgets it. The key of one that was not signed is destroyed; that of one that was belongs to the certificate.
    pub async fn delete(&self, id: CsrId, caller: &Caller) -> Result<(), RequestError> {
        let _alone = self.alone(id).await;
        let (request, before) = self.read(caller.organization(), id)?.ok_or(RequestError::NotFound)?;
        let mut entry = self.entry(Action::CsrDelete, &request, caller);
        let key = id.as_bytes();
        let change = Change::new(Class::Essential)
            .expect(Table::RequestState, key, Some(&before))
            .delete(Table::RequestState, key)
            .delete(Table::Requests, key)
            .delete(Table::RequestsByStatus, &status_key(request.organization, request.state.status(), id))
            .delete(Table::RequestsByOrganization, &organization_key(request.organization, id));
        let mut change = access::released(change, request.organization);
        let mut released = None;
        if request.is_generated && request.state.status() != Status::Signed {
            // With the request in one change: none is left that waits for a signature over a key that is gone.
            (change, released) = self.kept.release(change, KeyOwner::Request(id))?;
            entry.details.extend(released.iter().flat_map(Released::details));
        }
        self.commit(change, entry).await?;
        self.pending.left(request.organization, request.state.status());
        if let Some(released) = released {
            self.kept.finish(released).await;
        }
        Ok(())
    }

    /// A request and the bytes of its state, which a change of it is bound to.
    pub(super) fn read(&self, organization: OrgId, id: CsrId) -> Result<Option<(SigningRequest, Vec<u8>)>, RequestError> {
        // Looked for among the organisation's own: how long that takes does not tell another's from one that never was.
        if !self.storage.contains(Table::RequestsByOrganization, &organization_key(organization, id))? {
            return Ok(None);
        }
        let Some(state) = self.storage.get(Table::RequestState, id.as_bytes())? else { return Ok(None) };
        // Deleted between the two readings.
        let Some(bytes) = self.storage.get(Table::Requests, id.as_bytes())? else { return Ok(None) };
        let request = RequestRecord::decode(id, &bytes, &state).ok_or(RequestError::Record(id))?;
        Ok(Some((request, state)).filter(|(request, _)| request.organization == organization))
    }

    /// Writes a new request, and that its key is kept for it.
    pub(super) async fn store(
        &self,
        request: &SigningRequest,
        key: Option<&KeptKey>,
        action: Action,
        caller: &Caller,
    ) -> Result<(), RequestError> {
        let failed = |_| RequestError::Record(request.id);
        let (value, state) = (RequestRecord::encode(request).map_err(failed)?, StateRecord::encode(&request.state).map_err(failed)?);
        let id = request.id.as_bytes();
        let change = Change::new(Class::Normal);
        let change = key.map_or(Ok(change.clone()), |key| self.kept.keep(change, key))?;
        let change = change
            .expect_absent(Table::RequestState, id)
            .put(Table::Requests, id, &value)
            .put(Table::RequestState, id, &state)
            .put(Table::RequestsByStatus, &status_key(request.organization, request.state.status(), request.id), &[])
            .put(Table::RequestsByOrganization, &organization_key(request.organization, request.id), &[]);
        self.commit(access::owned(change, request.organization), self.entry(action, request, caller)).await
    }

    /// Adds the step from one state to the next to a change, which becomes a conflict when another was faster.
    pub(super) fn step(change: Change, request: &SigningRequest, before: &[u8], to: &State) -> Result<Change, RequestError> {
        let value = StateRecord::encode(to).map_err(|_| RequestError::Record(request.id))?;
        let key = request.id.as_bytes();
        Ok(change
            .expect(Table::RequestState, key, Some(before))
            .put(Table::RequestState, key, &value)
            .delete(Table::RequestsByStatus, &status_key(request.organization, request.state.status(), request.id))
            .put(Table::RequestsByStatus, &status_key(request.organization, to.status(), request.id), &[]))
    }

    /// Waits until nobody else signs or deletes this request.
    pub(super) async fn alone(&self, id: CsrId) -> MutexGuard<'_, ()> {
        let [.., last] = id.as_bytes();
        self.turns.of(*last).await
    }

    pub(super) fn now(&self) -> Timestamp {
        from_seconds(self.clock.now().as_second())
    }

    async fn advance(&self, request: SigningRequest, before: &[u8], to: State, entry: Entry) -> Result<SigningRequest, RequestError> {
        self.commit(Self::step(Change::new(Class::Normal), &request, before, &to)?, entry).await?;
        self.pending.left(request.organization, request.state.status());
        Ok(SigningRequest { state: to, ..request })
    }

    async fn commit(&self, change: Change, entry: Entry) -> Result<(), RequestError> {
        match self.ledger.commit(audit::Change::new(change, entry)).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict { .. }) => Err(RequestError::Changed),
            Err(error) => Err(RequestError::Commit(error)),
        }
    }

    /// What every entry tells of a request: enough to recognise it by when it is gone.
    fn entry(&self, action: Action, request: &SigningRequest, caller: &Caller) -> Entry {
        let names = request.csr.names().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        caller
            .origin()
            .entry(action, self.clock.now())
            .object(request.id)
            .detail(Field::CommonName, request.common_name())
            .detail(Field::SubjectAltNames, names)
            .detail(Field::KeyType, request.csr.public_key().key_type())
            .detail(Field::RequestSha256, hex::encode(request.csr.info_sha256()))
            .detail(Field::RequestedBy, &request.requested_by)
    }
}

/// The key of a request in the index of its organisation, in the order the requests were made.
pub(super) fn organization_key(organization: OrgId, id: CsrId) -> Vec<u8> {
    [organization.as_bytes().as_slice(), id.as_bytes()].concat()
}

/// The same in the index by status.
pub(super) fn status_key(organization: OrgId, status: Status, id: CsrId) -> Vec<u8> {
    [organization.as_bytes().as_slice(), &[status.number()], id.as_bytes()].concat()
}

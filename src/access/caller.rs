//! The caller of a request.

use std::fmt;
use std::sync::Arc;

use super::{Grant, Holder, Maker, Rights, Scope};
use crate::audit::{Actor, Field, Origin};
use crate::base::id::{AcmeAccountId, CaId, OrgId, ProjectId, RequestId, UserId};

/// Who asks, in which organisation. It is made by authentication or by the daemon for its own work, and handed down to whatever is done.
#[derive(Clone, Debug)]
pub struct Caller {
    origin: Origin,
    organization: OrgId,
    project: Option<ProjectId>,
    user: Option<UserId>,
    rights: Rights,
    makers: Arc<[Maker]>,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.actor().fmt(f)
    }
}

impl Caller {
    /// The bearer of an API token, or the holder of the key that stands for one.
    pub fn token(holder: &Holder, request: RequestId) -> Self {
        let Holder { token, rights } = holder;
        let actor = Actor::Token { id: token.id, name: token.name.clone() };
        Self {
            origin: Origin::request(actor, request).within(token.organization),
            organization: token.organization,
            project: token.project,
            user: token.user,
            rights: rights.clone(),
            makers: token.makers.clone(),
        }
    }

    /// Somebody without a token; may do only what is public, and belongs nowhere.
    pub fn anonymous(request: RequestId) -> Self {
        let origin = Origin::request(Actor::Anonymous, request);
        Self { origin, organization: OrgId::NOBODY, project: None, user: None, rights: Rights::default(), makers: Arc::default() }
    }

    /// The holder of an account's key at the ACME server. It has no right of its own: what it may do follows from what it has shown there.
    pub fn acme_account(id: AcmeAccountId, organization: OrgId, project: Option<ProjectId>) -> Self {
        let origin = Origin::of(Actor::AcmeAccount { id }).within(organization);
        Self { origin, organization, project, user: None, rights: Rights::default(), makers: Arc::default() }
    }

    /// The same, of a stranger's request that was signed with the account's key.
    #[must_use]
    pub fn as_acme_account(&self, id: AcmeAccountId, organization: OrgId, project: Option<ProjectId>) -> Self {
        let origin = self.origin.clone().by(Actor::AcmeAccount { id }).within(organization);
        Self { origin, organization, project, user: None, rights: Rights::default(), makers: Arc::default() }
    }

    /// A stranger whose request has shown the organisation it is about.
    #[must_use]
    pub fn within(&self, organization: OrgId) -> Self {
        let origin = self.origin.clone().within(organization);
        Self { origin, organization, project: None, user: None, rights: Rights::default(), makers: Arc::default() }
    }

    /// A process of this machine that came through the break-glass socket: every right, and no secret was shown for it.
    pub fn break_glass(user: u32, process: i32, request: RequestId) -> Self {
        let origin = Origin::request(Actor::BreakGlass { user, process }, request).within(OrgId::DEFAULT);
        Self { origin, organization: OrgId::DEFAULT, project: None, user: None, rights: Rights::all(), makers: Arc::default() }
    }

    /// The daemon itself.
    pub fn system() -> Self {
        Self {
            origin: Origin::system(),
            organization: OrgId::DEFAULT,
            project: None,
            user: None,
            rights: Rights::all(),
            makers: Arc::default(),
        }
    }

    /// The same, with something that all audit entries of its deeds shall tell.
    #[must_use]
    pub fn seen_as(mut self, field: Field, value: impl ToString) -> Self {
        self.origin = self.origin.with(field, value);
        self
    }

    /// The organisation it belongs to: what it makes is owned there, and what is owned elsewhere does not exist for it.
    pub fn organization(&self) -> OrgId {
        self.organization
    }

    /// The project that what it makes is booked on.
    pub fn project(&self) -> Option<ProjectId> {
        self.project
    }

    /// The user whose token it has shown, when it is somebody's.
    pub fn user(&self) -> Option<UserId> {
        self.user
    }

    /// The tokens its own was made with, nearest first.
    pub fn makers(&self) -> &[Maker] {
        &self.makers
    }

    /// The same for a token that it makes.
    pub(super) fn makers_of_what_it_makes(&self) -> Arc<[Maker]> {
        match self.origin.actor() {
            Actor::Token { id, name: _ } => {
                let itself = Maker { token: *id, user: self.user };
                std::iter::once(itself).chain(self.makers.iter().copied()).collect()
            }
            Actor::AcmeAccount { .. } | Actor::BreakGlass { .. } | Actor::System | Actor::Anonymous => Arc::default(),
        }
    }

    /// Whether it holds the scope in its whole organisation, by name or by a wider one.
    pub fn holds(&self, asked: Scope) -> bool {
        self.rights.holds(asked)
    }

    /// Whether it holds the capability on that authority of its organisation.
    pub fn holds_on(&self, asked: Scope, ca: CaId) -> bool {
        self.rights.holds_on(asked, ca)
    }

    /// Whether it holds the capability on any authority.
    pub fn holds_somewhere(&self, asked: Scope) -> bool {
        self.rights.holds_somewhere(asked)
    }

    /// Whether it may administer that organisation's projects, users and tokens: its own, or all with the system right.
    pub fn reaches(&self, organization: OrgId) -> bool {
        organization == self.organization || self.holds(Scope::System)
    }

    /// Whether it may give a right to others: nobody gives more than they have.
    pub fn may_give(&self, grant: &Grant) -> bool {
        self.may_give_all(&Rights::of_grants(std::slice::from_ref(grant)))
    }

    /// The same of many rights.
    pub fn may_give_all(&self, rights: &Rights) -> bool {
        self.rights.include(rights)
    }

    /// What the audit entries of its deeds begin with.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

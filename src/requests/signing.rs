//! Signing what was approved. The certificate and the request's end commit together, or neither does.

use std::net::IpAddr;
use std::sync::Arc;

use super::judgement::judge;
use super::{Party, RequestError, Requests, TransitionError};
use crate::access::Caller;
use crate::audit::Field;
use crate::base::duration::Span;
use crate::base::id::{CertId, CsrId, OrgId};
use crate::ca::{Authority, IssueError, Issued, Order};
use crate::inventory::{KeyOrigin, KeyOwner};
use crate::policy::Approved;
use crate::storage::{Change, Class, CommitError, Table};
use crate::x509::dns_name::DnsName;
use crate::x509::san::{self, RequestedName, SubjectAltName};

/// What the one who signs decides.
pub struct Terms {
    pub authority: Arc<Authority>,
    pub validity: Option<Span>,
    /// Names that stand for those of the request, with the fields they came in.
    pub names: Option<Vec<(String, RequestedName)>>,
    /// Whether the organisation lets people approve what they asked for.
    pub self_approval: bool,
}

impl Requests {
    /// Signs an approved request. Killed at any moment it leaves the request approved and no certificate, or both done.
    pub async fn sign(&self, id: CsrId, terms: Terms, caller: &Caller) -> Result<Issued, RequestError> {
        let _alone = self.alone(id).await;
        let (request, before) = self.read(caller.organization(), id)?.ok_or(RequestError::NotFound)?;
        let (now, certificate) = (self.now(), CertId::new());
        let signed = request.state.clone().sign(request.csr.info_sha256(), Party::of(caller), now, certificate)?;
        // Judged again: what counts is the policy of the moment in which it is signed.
        let own = judge(&request.csr, None, terms.validity, now);
        let approved = match terms.names {
            None => own.map_err(RequestError::Policy)?,
            Some(names) => {
                let approved = judge(&request.csr, Some(names), terms.validity, now).map_err(RequestError::Policy)?;
                let may_add = request.may_be_approved_by(caller, terms.self_approval);
                check_added(own.as_ref().ok(), &approved, may_add)?;
                approved
            }
        };
        let kept = match request.is_generated {
            true => Some(self.kept.of(KeyOwner::Request(id), request.csr.public_key())?.handed_to(KeyOwner::Certificate(certificate))),
            false => None,
        };
        let names = approved.alt_names().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let order = Order {
            id: certificate,
            request: Some(id),
            kept,
            key_origin: if request.is_generated { KeyOrigin::Token } else { KeyOrigin::Requester },
            change: Self::step(Change::new(Class::Normal), &request, &before, &signed)?,
            details: vec![(Field::CsrId, id.to_string()), (Field::SubjectAltNames, names)],
            ..Order::new(terms.authority, approved, request.csr.public_key().clone(), "", caller)
        };
        match self.issuer.issue(order).await {
            Ok(issued) => Ok(issued),
            Err(IssueError::Commit(CommitError::Conflict { table: Table::RequestState, .. })) => {
                Err(self.overtaken(caller.organization(), id)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What became of a request that somebody else brought further while the token signed.
    fn overtaken(&self, organization: OrgId, id: CsrId) -> Result<RequestError, RequestError> {
        let Some((request, _)) = self.read(organization, id)? else { return Ok(RequestError::NotFound) };
        match request.state {
            super::State::Signed(signing) => Ok(TransitionError::AlreadySigned(signing.certificate).into()),
            super::State::Pending | super::State::Approved(_) | super::State::Rejected(_) => Ok(RequestError::Changed),
        }
    }
}

/// Names beyond those that were approved are approved by whoever signs. Who asked could otherwise have something harmless approved and sign
/// something else.
fn check_added(own: Option<&Approved>, approved: &Approved, may_add: bool) -> Result<(), RequestError> {
    let is_approved = |name: &SubjectAltName| own.is_some_and(|own| own.alt_names().contains(name));
    let added: Vec<_> = approved.alt_names().iter().filter(|name| !is_approved(name)).map(ToString::to_string).collect();
    if added.is_empty() || may_add { Ok(()) } else { Err(RequestError::UnapprovedNames(added.join(", "))) }
}

/// A name as people write it: an address, a mailbox, a URI, and a host name otherwise.
pub fn read_name(text: &str) -> RequestedName {
    if let Ok(address) = text.parse::<IpAddr>() {
        return RequestedName::Good(SubjectAltName::Ip(address));
    }
    if text.contains("://") {
        return san::parse_uri(text).map_or_else(|fault| RequestedName::BadUri { text: text.to_owned(), fault }, RequestedName::Good);
    }
    if text.contains('@') {
        return san::parse_email(text).map_or_else(|fault| RequestedName::BadEmail { text: text.to_owned(), fault }, RequestedName::Good);
    }
    match DnsName::parse(text) {
        Ok(name) => RequestedName::Good(SubjectAltName::Dns(name)),
        Err(fault) => RequestedName::BadDns { text: text.to_owned(), fault },
    }
}

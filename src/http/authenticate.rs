//! Who a request comes from, and whether that caller may call its route.
//!
//! A request with an `Authorization` header is judged by its token and by nothing else: the token wins. Without one, a client
//! certificate stands for the token that was made for its key; and at the break-glass socket, the process for itself.
//! The answer holds for the moment it is given, so it is asked for again when a body took its time.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};

use super::app::App;
use super::peer::{LocalPeer, Peer};
use super::problem::Problem;
use super::tls::PeerCertificate;
use crate::access::{Caller, Permission};
use crate::audit::Field;
use crate::base::id::RequestId;

/// What is known of a request before its body is read.
#[derive(Clone)]
pub struct Approach {
    pub id: RequestId,
    pub headers: HeaderMap,
    pub peer: Option<Peer>,
    pub permission: Permission,
}

impl Approach {
    /// Somebody whom nothing is known of but where they are.
    pub fn stranger(&self) -> Caller {
        self.seen(Caller::anonymous(self.id))
    }

    /// Whether it shows something that was to be a token.
    pub fn shows_secret(&self) -> bool {
        self.headers.contains_key(header::AUTHORIZATION)
    }

    /// The caller, who may call the route now.
    pub fn permitted(&self, app: &App) -> Result<Caller, Problem> {
        self.permit(self.caller(app)?)
    }

    /// The caller.
    pub fn caller(&self, app: &App) -> Result<Caller, Problem> {
        if let Some(Peer::Local(LocalPeer { is_admitted: false, .. })) = &self.peer {
            return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", "This socket is for the administrator of the machine alone."));
        }
        if self.permission == Permission::Public {
            return Ok(self.stranger());
        }
        if let Some(header) = self.headers.get(header::AUTHORIZATION) {
            return self.bearer(app, header.to_str().ok());
        }
        match &self.peer {
            Some(Peer::Local(LocalPeer { user, process, .. })) => Ok(Caller::break_glass(*user, *process, self.id)),
            Some(Peer::Network { certificate: Some(certificate), .. }) => self.client(app, certificate),
            Some(Peer::Network { certificate: None, .. }) | None => Err(unauthenticated("Send an API token: Authorization: Bearer chy_…")),
        }
    }

    /// That the caller holds what the route asks for.
    pub fn permit(&self, caller: Caller) -> Result<Caller, Problem> {
        match self.permission {
            Permission::Public => Ok(caller),
            Permission::Scope(scope) if caller.holds(scope) => Ok(caller),
            Permission::ScopeOrOn { scope, capability } if caller.holds(scope) || caller.holds_somewhere(capability) => Ok(caller),
            Permission::Scope(scope) | Permission::ScopeOrOn { scope, .. } => {
                Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", format!("This needs a token with the scope {scope}.")))
            }
        }
    }

    fn bearer(&self, app: &App, header: Option<&str>) -> Result<Caller, Problem> {
        let secret = header.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, secret) = secret.ok_or_else(|| unauthenticated("The Authorization header is not of the form: Bearer chy_…"))?;
        let holder = app.access.of_secret(secret.trim());
        let holder = holder.ok_or_else(|| unauthenticated("The API token is unknown, revoked or expired."))?;
        Ok(self.seen(Caller::token(&holder, self.id)))
    }

    fn client(&self, app: &App, shown: &Arc<PeerCertificate>) -> Result<Caller, Problem> {
        check_standing(app, shown)?;
        let holder = app.access.of_client_key(shown.spki_sha256);
        let holder = holder
            .ok_or_else(|| unauthenticated("No token was made for the key of this client certificate, or it is revoked or expired."))?;
        Ok(self.seen(Caller::token(&holder, self.id)))
    }

    fn seen(&self, caller: Caller) -> Caller {
        let Some(peer) = &self.peer else { return caller };
        let caller = caller.seen_as(Field::Peer, peer);
        match peer.certificate() {
            Some(certificate) => caller.seen_as(Field::ClientCertificate, &certificate.name),
            None => caller,
        }
    }
}

/// That a client certificate counts at this moment. The handshake judged its chain and its purpose; its time may have passed
/// since, and what our own authorities issued may have been revoked.
fn check_standing(app: &App, shown: &PeerCertificate) -> Result<(), Problem> {
    let refused =
        |why: &str| Problem::new(StatusCode::UNAUTHORIZED, "client_certificate_refused", format!("The client certificate {why}."));
    let now = app.clock.now();
    if !shown.is_valid(now) {
        return Err(refused("has expired or is not valid yet"));
    }
    let certificate = &shown.certificate;
    let stored = app.certificates.of_any_organization_by_serial(certificate.serial())?.filter(|stored| stored.der == certificate.der());
    let Some(stored) = stored else {
        // A name alone can be borrowed; the signature cannot.
        let ours = app
            .authorities
            .of_all_organizations()
            .into_iter()
            .any(|authority| authority.subject.der() == certificate.issuer().der() && certificate.is_signed_by(&authority.key.public));
        // One of ours that the store does not know, after a restore, cannot be seen to stand.
        return if ours { Err(refused("is not known to its authority")) } else { Ok(()) };
    };
    if app.certificates.revocation(stored.ca, &stored.serial)?.is_some() {
        return Err(refused("is revoked"));
    }
    match app.authorities.of_any_organization(stored.ca) {
        Some(authority) if authority.revocation().is_some() => Err(refused("is revoked with its authority")),
        Some(_) => Ok(()),
        None => Err(refused("is not known to its authority")),
    }
}

fn unauthenticated(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
}

//! The server's objects in their wire form.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, header};

use crate::acme_server::validation::ChallengeKind;
use crate::acme_server::{
    Account, AcmeServer, Authorization, AuthorizationState, AuthorizationStatus, Base, Challenge, ChallengeState, OrderState, OrderStatus,
    ShownOrder, shown, shown_base,
};
use crate::api::acme as wire;
use crate::base::clock::rfc3339;
use crate::http::problem::Problem;
use crate::http::problem_acme;

/// How soon it is worth asking again what is under way.
pub const ASK_AGAIN_SECONDS: u64 = 2;

/// The response with one more header.
pub fn with(mut response: Response<Body>, name: HeaderName, value: &str) -> Result<Response<Body>, Problem> {
    let value = HeaderValue::from_str(value).map_err(Problem::internal)?;
    response.headers_mut().append(name, value);
    Ok(response)
}

/// The response with a link (RFC 8288).
pub fn linked(response: Response<Body>, url: &str, relation: &str) -> Result<Response<Body>, Problem> {
    with(response, header::LINK, &format!("<{url}>;rel=\"{relation}\""))
}

pub fn account(account: &Account, base: &Base) -> wire::Account {
    wire::Account {
        status: account.status().to_owned(),
        contact: account.contacts.clone(),
        terms_of_service_agreed: account.terms_agreed_at.map(|_| true),
        orders: base.orders(account.id),
    }
}

pub fn order(found: &ShownOrder, server: &AcmeServer, base: &Base) -> Result<wire::Order, Problem> {
    let ShownOrder { order, status } = found;
    let identifier = |name| {
        let (kind, value) = shown(name);
        wire::Identifier { kind: kind.to_owned(), value }
    };
    Ok(wire::Order {
        status: status.name().to_owned(),
        expires: rfc3339(order.expires),
        identifiers: order.identifiers.iter().map(identifier).collect(),
        profile: order.role.to_string(),
        not_before: order.not_before.map(rfc3339),
        not_after: order.not_after.map(rfc3339),
        replaces: order.replaces.map(|id| server.renewal_id(id)).transpose()?.flatten(),
        error: match &order.state {
            OrderState::Invalid(fault) => Some(problem_acme::shown(fault)),
            OrderState::Open | OrderState::Processing { .. } | OrderState::Valid { .. } => None,
        },
        authorizations: order.authorizations.iter().map(|id| base.authorization(*id)).collect(),
        finalize: base.finalize(order.id),
        certificate: order.certificate().map(|id| base.certificate(id)),
    })
}

/// Whether a client is to ask again after a while.
pub fn is_under_way(status: OrderStatus) -> bool {
    match status {
        OrderStatus::Processing => true,
        OrderStatus::Pending | OrderStatus::Ready | OrderStatus::Valid | OrderStatus::Invalid => false,
    }
}

pub fn authorization(
    found: &Authorization,
    status: AuthorizationStatus,
    account: &Account,
    server: &AcmeServer,
    base: &Base,
) -> wire::Authorization {
    let (kind, value) = shown_base(&found.identifier);
    // RFC 8555, 7.1.4: of one that is decided, the challenge that decided it.
    let decides = |challenge: &&Challenge| match (&found.state, &challenge.state) {
        (AuthorizationState::Valid(_), ChallengeState::Valid { .. })
        | (AuthorizationState::Invalid, ChallengeState::Invalid { .. })
        | (AuthorizationState::Pending | AuthorizationState::Deactivated, _) => true,
        (AuthorizationState::Valid(_) | AuthorizationState::Invalid, _) => false,
    };
    wire::Authorization {
        identifier: wire::Identifier { kind: kind.to_owned(), value },
        status: status.name().to_owned(),
        expires: rfc3339(found.expires),
        challenges: found.challenges.iter().filter(decides).map(|one| challenge(found, one, account, server, base)).collect(),
        wildcard: found.is_wildcard(),
    }
}

pub fn challenge(found: &Authorization, one: &Challenge, account: &Account, server: &AcmeServer, base: &Base) -> wire::Challenge {
    let is_persistent = !has_token(one.kind);
    wire::Challenge {
        kind: one.kind.name().to_owned(),
        url: base.challenge(found.id, one.kind),
        status: one.state.name().to_owned(),
        token: has_token(one.kind).then(|| one.token.clone()),
        validated: match one.state {
            ChallengeState::Valid { at } => Some(rfc3339(at)),
            ChallengeState::Pending | ChallengeState::Processing | ChallengeState::Invalid { .. } => None,
        },
        error: match &one.state {
            ChallengeState::Invalid { fault, .. } => Some(problem_acme::shown(fault)),
            ChallengeState::Pending | ChallengeState::Processing | ChallengeState::Valid { .. } => None,
        },
        issuer_domain_names: if is_persistent { server.settings().caa_identities.clone() } else { Vec::new() },
        account_uri: is_persistent.then(|| account.url.clone()),
    }
}

/// The client of draft-ietf-acme-dns-persist shows its account and no token.
fn has_token(kind: ChallengeKind) -> bool {
    match kind {
        ChallengeKind::Http01 | ChallengeKind::Dns01 | ChallengeKind::TlsAlpn01 | ChallengeKind::DnsAccount01 => true,
        ChallengeKind::DnsPersist01 => false,
    }
}

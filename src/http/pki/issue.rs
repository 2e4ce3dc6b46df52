//! `/v1/pki/issue`: a request under a role becomes a certificate; and what all that issues has in common.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::present;
use super::private_key::read_encoding;
use crate::api::pki as wire;
use crate::api::problem::Violation;
use crate::base::clock::rfc3339;
use crate::base::duration::Span;
use crate::base::id::CertId;
use crate::base::secret::{ExposeSecret, SecretString};
use crate::ca::{Authority, Issued, KeyOrder, Order};
use crate::http::call::Call;
use crate::http::idempotency::not_repeated;
use crate::http::problem::Problem;
use crate::http::request_log;
use crate::inventory::{KeyOrigin, KeyOwner};
use crate::policy::{self, Request, Source};
use crate::profiles::{Role, RoleName};
use crate::x509::dns_name::DnsName;
use crate::x509::key::PublicKey;
use crate::x509::pem::{self, Label};
use crate::x509::private_key::{self, Encoding};
use crate::x509::san::{RequestedName, SubjectAltName};

pub async fn issue(mut call: Call) -> Result<Response<Body>, Problem> {
    role(&call)?;
    let body: wire::Issue = call.read().await?;
    let (role, authority) = role(&call)?;
    let mut violations = Vec::new();
    let ttl = read_ttl(body.ttl.as_deref(), &mut violations);
    let encoding = read_encoding(body.private_key_format.as_deref()).unwrap_or_else(|fault| {
        violations.push(fault);
        Encoding::Traditional
    });
    let request = read_issue(body, ttl, &role, &mut violations);
    let approved = decide(&call, &role, request, None, violations)?;
    // Before a key is made for nothing.
    authority.standing(call.app.clock.now())?;
    let key_type = approved.key_type();
    let id = CertId::new();
    let owner = KeyOwner::Certificate(id);
    let wanted = KeyOrder { owner, key_type, keeping: role.key_keeping, token: authority.key.token.as_ref(), caller: &call.caller };
    let key = call.app.subject_keys.make(wanted).await?;
    let pem = private_key::to_pem(key_type, key.private.expose(), encoding).map_err(Problem::internal)?;
    let order = Order::new(authority, approved, key.public, role.name.as_str(), &call.caller);
    let order = Order { id, kept: key.kept, key_origin: KeyOrigin::Given, ..order };
    let issued = call.app.issuer.issue(order).await?;
    respond(&issued, Some(pem))
}

/// What is asked for, with a key that is made here.
fn read_issue(body: wire::Issue, ttl: Option<Span>, role: &Role, violations: &mut Vec<Violation>) -> Request {
    let mut names = Vec::new();
    for (i, text) in body.alt_names.iter().flatten().enumerate() {
        names.push((format!("alt_names[{i}]"), host(text)));
    }
    for (i, text) in body.ip_sans.iter().flatten().enumerate() {
        let field = format!("ip_sans[{i}]");
        match text.parse() {
            Ok(address) => names.push((field, RequestedName::Good(SubjectAltName::Ip(address)))),
            Err(_) => violations.push(Violation::new(&field, "an IPv4 or IPv6 address is wanted".to_owned())),
        }
    }
    Request {
        source: Source::Fields,
        common_names: vec![body.common_name],
        common_name_field: "common_name",
        names,
        key_type: role.policy.key_type,
        key_field: "role",
        ttl,
        key_usage: None,
        key_purposes: Vec::new(),
        asks_for_ca: false,
        left_out: Vec::new(),
    }
}

/// The answer about a certificate that was issued before; without its private key, which was in the first answer if there was one.
pub fn again(call: &Call, id: &str) -> Result<Response<Body>, Problem> {
    let not_found = || Problem::not_found("certificate");
    let id: CertId = id.parse().map_err(|_| not_found())?;
    let stored = call.app.certificates.get(call.caller.organization(), id)?.ok_or_else(not_found)?;
    let authority = call.app.authorities.get(stored.organization, stored.ca).ok_or_else(not_found)?;
    let body = wire::IssuedCertificate {
        id: stored.id.to_string(),
        certificate: pem::encode(Label::Certificate, &stored.der),
        private_key: None,
        ca_chain: authority.chain_pem(),
        serial_number: stored.serial.to_string(),
        not_after: rfc3339(stored.not_after),
        warnings: (stored.key_origin == KeyOrigin::Given).then(|| not_repeated("private_key")).into_iter().collect(),
    };
    let response = present::json(StatusCode::CREATED, &body)?;
    Ok(request_log::about(response, stored.ca, Some(&stored.serial)))
}

/// The role of the path and its authority. Asked for again when the body is there: a client may take half a minute to send
/// it, and a role that was narrowed or an authority that was revoked meanwhile must count.
pub(super) fn role(call: &Call) -> Result<(Arc<Role>, Arc<Authority>), Problem> {
    let role = RoleName::parse(call.parameter("role")).and_then(|name| call.app.roles.get(call.caller.organization(), &name));
    let role = role.ok_or_else(|| Problem::not_found("role"))?;
    let authority = call.app.authorities.get(role.organization, role.ca);
    let authority = authority.ok_or_else(|| Problem::internal("the role's authority is missing"))?;
    call.permit_on(authority.id, "role")?;
    Ok((role, authority))
}

/// Judges the request; what was malformed is told together with what is not allowed, and with what stands against the key that it came with.
pub(super) fn decide(
    call: &Call,
    role: &Role,
    request: Request,
    key: Option<&PublicKey>,
    mut violations: Vec<Violation>,
) -> Result<policy::Approved, Problem> {
    let is_malformed = !violations.is_empty();
    let found = match policy::decide(&role.policy, request, call.app.clock.now()) {
        Ok(approved) if !is_malformed => return Ok(approved),
        Ok(_) => Vec::new(),
        Err(found) => found,
    };
    violations = with_key(call, key, violations, found);
    Err(if is_malformed { Problem::invalid(violations) } else { Problem::not_allowed(violations) })
}

/// What is malformed, what is not allowed, and what issuing would say to the key. It looks at every key itself, so this is asked where something
/// else is refused already, and a failure to know it is no matter then.
pub(super) fn with_key(
    call: &Call,
    key: Option<&PublicKey>,
    mut violations: Vec<Violation>,
    found: Vec<policy::Violation>,
) -> Vec<Violation> {
    violations.extend(found.into_iter().map(Violation::from));
    let refusal = key.and_then(|key| call.app.issuer.judge_key(key).err());
    violations.extend(refusal.map(|error| Problem::from(error).violations).unwrap_or_default());
    violations
}

pub fn read_ttl(text: Option<&str>, violations: &mut Vec<Violation>) -> Option<Span> {
    match text?.parse() {
        Ok(ttl) => Some(ttl),
        Err(fault) => {
            violations.push(Violation::new("ttl", format!("{fault}")));
            None
        }
    }
}

pub(super) fn host(text: &str) -> RequestedName {
    match DnsName::parse(text) {
        Ok(name) => RequestedName::Good(SubjectAltName::Dns(name)),
        Err(fault) => RequestedName::BadDns { text: text.to_owned(), fault },
    }
}

/// The answer to all that issues.
pub fn respond(issued: &Issued, private_key: Option<SecretString>) -> Result<Response<Body>, Problem> {
    let body = wire::IssuedCertificate {
        id: issued.id.to_string(),
        certificate: pem::encode(Label::Certificate, issued.certificate.der()),
        // Written once, into the answer; this copy and the answer are wiped when they are given back.
        private_key: private_key.as_ref().map(|key| key.expose_secret().to_owned()),
        ca_chain: issued.authority.chain_pem(),
        serial_number: issued.certificate.serial().to_string(),
        not_after: rfc3339(issued.certificate.not_after()),
        warnings: issued.warnings.iter().map(ToString::to_string).collect(),
    };
    let response = present::json(StatusCode::CREATED, &body)?;
    Ok(request_log::about(response, issued.authority.id, Some(issued.certificate.serial())))
}

//! `/v1/pki/csr`: requests that a person decides about.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::{issue, present, sign};
use crate::api::pki as wire;
use crate::api::problem::Violation;
use crate::base::clock::rfc3339;
use crate::base::duration::Span;
use crate::base::id::CsrId;
use crate::base::text::is_printable;
use crate::http::call::Call;
use crate::http::problem::Problem;
use crate::requests::{Filter, KeyRequest, SUBJECT_FIELDS, SigningRequest, State, Terms, judge, read_name};
use crate::x509::extension::ExtendedKeyUsage;
use crate::x509::pem::{self, Label};
use crate::x509::san::{RequestedName, SubjectAltName};

const LONGEST_REASON: usize = 500;

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let filter = Filter { status: query.parse("status", "pending, approved, rejected or signed") };
    let limit = query.limit();
    let mark = call.mark(&filter.mark());
    let cursor = query.cursor(&mark);
    query.finish()?;
    let (app, organization) = (call.app.clone(), call.caller.organization());
    // A page reads as many requests as it shows, and their signatures are verified with it.
    let read = move || app.requests.list(organization, filter, (&mark, cursor.as_ref()), limit);
    let page = call.app.long_work.run(organization, read).await??;
    present::json(StatusCode::OK, &present::page(page, |request| summary(&request)))
}

pub async fn create(mut call: Call) -> Result<Response<Body>, Problem> {
    let body: wire::CreateSigningRequest = call.read().await?;
    let wanted = KeyRequest::read(&body, call.app.clock.now())?;
    let made = call.app.requests.generate(wanted, &call.caller).await?;
    present::json(StatusCode::CREATED, &details(&made))
}

pub async fn import(mut call: Call) -> Result<Response<Body>, Problem> {
    let body: wire::ImportSigningRequest = call.read().await?;
    let taken = call.app.requests.import(sign::read_csr(&body.csr_pem)?, &call.caller).await?;
    present::json(StatusCode::CREATED, &details(&taken))
}

pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    present::json(StatusCode::OK, &details(&find(&call)?))
}

pub async fn approve(mut call: Call) -> Result<Response<Body>, Problem> {
    let id = find(&call)?.id;
    let body: wire::ApproveSigningRequest = call.read_or_default().await?;
    let reviewed = body.request_sha256.map(|text| read_hash(&text)).transpose()?;
    present::json(StatusCode::OK, &details(&call.app.requests.approve(id, reviewed, allows_self_approval(&call), &call.caller).await?))
}

pub async fn reject(mut call: Call) -> Result<Response<Body>, Problem> {
    let id = find(&call)?.id;
    let body: wire::RejectSigningRequest = call.read().await?;
    let length = body.reason.chars().count();
    if body.reason.trim().is_empty() || length > LONGEST_REASON || !is_printable(&body.reason) {
        return Err(Problem::field("reason", format!("1 to {LONGEST_REASON} printable characters")));
    }
    present::json(StatusCode::OK, &details(&call.app.requests.reject(id, body.reason, &call.caller).await?))
}

pub async fn sign(mut call: Call) -> Result<Response<Body>, Problem> {
    let request = find(&call)?;
    let body: wire::SignSigningRequest = call.read().await?;
    let mut violations = Vec::new();
    let authority = body.ca_id.parse().ok().and_then(|id| call.app.authorities.get(call.caller.organization(), id));
    if authority.is_none() {
        violations.push(Violation::new("ca_id", "there is no such authority; GET /v1/pki/ca lists them".to_owned()));
    }
    if body.validity_days == Some(0) {
        violations.push(Violation::new("validity_days", "at least 1 day".to_owned()));
    }
    if body.san.as_ref().is_some_and(Vec::is_empty) {
        violations.push(Violation::new("san", "at least one name; leave it out to take those of the request".to_owned()));
    }
    let names = body.san.filter(|texts| !texts.is_empty());
    let names = names.map(|texts| texts.iter().enumerate().map(|(i, text)| (format!("san[{i}]"), read_name(text))).collect());
    let validity = body.validity_days.map(|days| Span::days(u64::from(days)));
    match authority {
        Some(authority) if violations.is_empty() => {
            let terms = Terms { authority, validity, names, self_approval: allows_self_approval(&call) };
            issue::respond(&call.app.requests.sign(request.id, terms, &call.caller).await?, None)
        }
        _ => {
            let found = judge(&request.csr, names, validity, call.app.clock.now()).err().unwrap_or_default();
            violations.extend(found.into_iter().map(Violation::from));
            Err(Problem::invalid(violations))
        }
    }
}

pub async fn delete(call: Call) -> Result<Response<Body>, Problem> {
    call.app.requests.delete(find(&call)?.id, &call.caller).await?;
    Ok(present::no_content())
}

fn find(call: &Call) -> Result<SigningRequest, Problem> {
    let id: CsrId = call.id("id", "request")?;
    call.app.requests.get(call.caller.organization(), id)?.ok_or_else(|| Problem::not_found("request"))
}

/// Whether people of the caller's organisation may approve what they asked for.
fn allows_self_approval(call: &Call) -> bool {
    call.app.access.allows_self_approval(call.caller.organization())
}

fn read_hash(text: &str) -> Result<[u8; 32], Problem> {
    let mut hash = [0; 32];
    let read = hex::decode_to_slice(text, &mut hash);
    read.map(|()| hash).map_err(|_| Problem::field("request_sha256", "the 64 hexadecimal digits that the request shows"))
}

fn summary(request: &SigningRequest) -> wire::SigningRequest {
    let key_type = request.csr.public_key().key_type();
    wire::SigningRequest {
        id: request.id.to_string(),
        status: request.state.status().name().to_owned(),
        source: if request.is_generated { "generated" } else { "imported" }.to_owned(),
        common_name: request.common_name(),
        key_type: key_type.family().to_owned(),
        key_size: key_type.bits(),
        requested_by: request.requested_by.to_string(),
        created_at: rfc3339(request.created_at),
        certificate_id: match &request.state {
            State::Signed(signing) => Some(signing.certificate.to_string()),
            State::Pending | State::Approved(_) | State::Rejected(_) => None,
        },
    }
}

fn details(request: &SigningRequest) -> wire::SigningRequestDetails {
    let csr = &request.csr;
    let names = |wanted: fn(&RequestedName) -> bool| csr.names().iter().filter(|name| wanted(name)).map(ToString::to_string).collect();
    let (approval, rejection, signing) = match &request.state {
        State::Pending => (None, None, None),
        State::Approved(approval) => (Some(approval), None, None),
        State::Rejected(rejection) => (None, Some(rejection), None),
        State::Signed(signing) => (Some(&signing.approval), None, Some(signing)),
    };
    wire::SigningRequestDetails {
        summary: summary(request),
        subject: subject(csr.subject()),
        subject_dn: csr.subject().to_string(),
        san_dns: names(|name| matches!(name, RequestedName::Good(SubjectAltName::Dns(_)))),
        san_ip: names(|name| matches!(name, RequestedName::Good(SubjectAltName::Ip(_)))),
        san_email: names(|name| matches!(name, RequestedName::Good(SubjectAltName::Email(_)))),
        san_uri: names(|name| matches!(name, RequestedName::Good(SubjectAltName::Uri(_)))),
        san_other: names(|name| !matches!(name, RequestedName::Good(_))),
        key_usage: csr.key_usage().into_iter().flat_map(|usage| usage.names()).map(str::to_owned).collect(),
        extended_key_usage: csr
            .extended_key_usage()
            .iter()
            .map(|oid| ExtendedKeyUsage::from_oid(*oid).map_or_else(|| oid.to_string(), |usage| usage.name().to_owned()))
            .collect(),
        asks_for_ca: csr.asks_for_ca(),
        other_extensions: csr.other_extensions().iter().map(ToString::to_string).collect(),
        csr_pem: pem::encode(Label::CertificateRequest, csr.der()),
        request_sha256: hex::encode(csr.info_sha256()),
        approved_by: approval.map(|approval| approval.by.to_string()),
        approved_at: approval.map(|approval| rfc3339(approval.at)),
        rejected_by: rejection.map(|rejection| rejection.by.to_string()),
        rejected_at: rejection.map(|rejection| rfc3339(rejection.at)),
        reason: rejection.map(|rejection| rejection.reason.clone()),
        signed_by: signing.map(|signing| signing.by.to_string()),
        signed_at: signing.map(|signing| rfc3339(signing.at)),
    }
}

/// The subject by the names its fields have in requests.
fn subject(name: &crate::x509::name::DistinguishedName) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for (kind, oid, value) in name.attributes() {
        let field = SUBJECT_FIELDS.iter().find(|(_, known)| kind == Some(*known)).map(|(field, _)| (*field).to_owned());
        let values = fields.entry(field.unwrap_or_else(|| oid.to_string())).or_default();
        if !values.is_empty() {
            values.push_str(", ");
        }
        values.push_str(&value);
    }
    fields
}

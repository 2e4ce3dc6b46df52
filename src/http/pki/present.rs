//! Domain objects in their wire form.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::acme_server::CertificateSource;
use crate::api::pki as wire;
use crate::base::clock::rfc3339;
use crate::base::page::{Cursor, Page};
use crate::ca::{Authority, CrlSchedule, Kind};
use crate::http::problem::Problem;
use crate::inventory::{Labels, Lineage, Revocation, StoredCertificate, TrustAnchor};
use crate::profiles::{KeyKeeping, Role};
use crate::x509::certificate::Certificate;
use crate::x509::pem::{self, Label};
use crate::x509::san::{RequestedName, SubjectAltName};

/// A JSON response.
pub fn json<T: Serialize>(status: StatusCode, body: &T) -> Result<Response<Body>, Problem> {
    // Room for a certificate with its chain, so that most answers are written without growing.
    let mut bytes = Vec::with_capacity(4096);
    serde_json::to_writer(&mut bytes, body).map_err(Problem::internal)?;
    bytes_of(status, "application/json", bytes)
}

/// A response of another media type.
pub fn bytes_of(status: StatusCode, media_type: &'static str, bytes: impl Into<Body>) -> Result<Response<Body>, Problem> {
    let mut response = Response::new(bytes.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    Ok(response)
}

/// An answer that says only that it was done.
pub fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A page of a list.
pub fn page<T, W>(page: Page<T>, show: impl FnMut(T) -> W) -> wire::Page<W> {
    let cursor = page.next.map(|cursor| cursor.to_string());
    wire::Page { has_more: cursor.is_some(), cursor, data: page.items.into_iter().map(show).collect() }
}

/// The first `limit` of one item more than that, and a cursor when there was one more.
pub fn cut<T>(mut items: Vec<T>, limit: usize, filter: &str, key: impl Fn(&T) -> Vec<u8>) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| Cursor::after(filter, &key(last)));
    Page { items, next }
}

pub fn authority(authority: &Authority, issued: u64, is_active: bool, schedule: CrlSchedule) -> wire::Authority {
    let revocation = authority.revocation();
    wire::Authority {
        id: authority.id.to_string(),
        name: authority.name.clone(),
        common_name: authority.common_name.clone(),
        ca_type: match authority.kind {
            Kind::Root => "root",
            Kind::Intermediate => "intermediate",
        }
        .to_owned(),
        parent_ca_id: authority.parent.as_ref().map(|parent| parent.id.to_string()),
        key_type: authority.key.public.key_type().family().to_owned(),
        key_size: authority.key.public.key_type().bits(),
        valid_from: rfc3339(authority.not_before),
        valid_until: rfc3339(authority.not_after),
        is_active,
        certificates_issued: issued,
        created_at: rfc3339(authority.created_at),
        serial_number: authority.serial.to_string(),
        signature_algorithm: authority.algorithm.name().to_owned(),
        path_length: authority.path_length.map(u32::from),
        is_revoked: revocation.is_some(),
        revoked_at: revocation.map(|revocation| rfc3339(revocation.revoked_at)),
        revocation_reason: revocation.map(|revocation| revocation.reason.name().to_owned()),
        crl: authority.crl.shown(schedule),
    }
}

pub fn role(role: &Role) -> wire::Role {
    let policy = &role.policy;
    wire::Role {
        name: role.name.to_string(),
        ca_id: role.ca.to_string(),
        allowed_domains: policy.allowed_domains.iter().map(ToString::to_string).collect(),
        allow_subdomains: policy.allow_subdomains,
        allow_ip_sans: policy.allow_ip_sans,
        max_ttl: policy.max_ttl.to_string(),
        key_type: policy.key_type.family().to_owned(),
        key_bits: policy.key_type.bits(),
        require_cn: policy.require_cn,
        store_private_keys: role.key_keeping != KeyKeeping::None,
        key_storage: role.key_keeping.name().map(str::to_owned),
        no_rev_avail: policy.no_rev_avail,
        acme: role.acme.as_ref().map(|opening| wire::RoleAcme {
            challenges: opening.challenges.iter().map(|challenge| challenge.name().to_owned()).collect(),
            pre_authorized: opening.pre_authorized.iter().map(ToString::to_string).collect(),
            caa: opening.caa,
            allow_dates: opening.allow_dates,
        }),
        created_at: rfc3339(role.created_at),
        updated_at: rfc3339(role.updated_at),
    }
}

pub fn trust_anchor(anchor: &TrustAnchor) -> wire::TrustAnchor {
    let certificate = &anchor.certificate;
    wire::TrustAnchor {
        id: anchor.id.to_string(),
        name: anchor.name.clone(),
        common_name: certificate.subject().common_names().pop().unwrap_or_default(),
        subject: certificate.subject().to_string(),
        serial_number: certificate.serial().to_string(),
        fingerprint_sha256: hex::encode(certificate.sha256()),
        valid_from: rfc3339(certificate.not_before()),
        valid_until: rfc3339(certificate.not_after()),
        certificate_pem: pem::encode(Label::Certificate, certificate.der()),
        created_at: rfc3339(anchor.created_at),
    }
}

pub fn summary(certificate: &StoredCertificate, is_revoked: bool) -> wire::CertificateSummary {
    wire::CertificateSummary {
        id: certificate.id.to_string(),
        common_name: certificate.common_name.clone(),
        issuer_ca_id: certificate.authority().map(|ca| ca.to_string()).unwrap_or_default(),
        serial_number: certificate.serial.to_string(),
        valid_from: rfc3339(certificate.not_before),
        valid_until: rfc3339(certificate.not_after),
        is_revoked,
        project_id: certificate.project.map(|id| id.to_string()),
    }
}

/// A certificate in full. `revocation` is its own or that of an authority above it.
pub fn certificate(
    stored: &StoredCertificate,
    labels: Labels,
    lineage: Lineage,
    revocation: Option<&Revocation>,
    has_private_key: bool,
    source: Option<CertificateSource>,
) -> Result<wire::Certificate, Problem> {
    let read = Certificate::from_der(&stored.der).map_err(Problem::internal)?;
    let names = |addresses: bool| {
        let shown = read.names().iter().filter_map(|name| match name {
            RequestedName::Good(name) => (matches!(name, SubjectAltName::Ip(_)) == addresses).then(|| name.to_string()),
            // Others issue names that we would not.
            RequestedName::BadDns { text, .. } | RequestedName::BadEmail { text, .. } | RequestedName::BadUri { text, .. } => {
                (!addresses).then(|| text.clone())
            }
            RequestedName::BadIp { .. } | RequestedName::Unsupported(_) => None,
        });
        shown.collect()
    };
    let (key_type, key_bits) = read.key_kind();
    Ok(wire::Certificate {
        summary: summary(stored, revocation.is_some()),
        issuer: stored.authority().is_none().then(|| read.issuer().to_string()),
        role: stored.role.clone(),
        csr_id: stored.request.map(|id| id.to_string()),
        renewed_from: lineage.renewed_from.map(|id| id.to_string()),
        renewed_by: lineage.renewed_by.map(|id| id.to_string()),
        acme: source.map(|source| wire::CertificateAcme { account_id: source.account.to_string(), order_id: source.order.to_string() }),
        alt_names: names(false),
        ip_sans: names(true),
        key_type,
        key_bits,
        fingerprint_sha256: hex::encode(read.sha256()),
        created_at: rfc3339(stored.created_at),
        has_private_key,
        tags: labels.tags,
        description: labels.description,
        revoked_at: revocation.map(|revocation| rfc3339(revocation.revoked_at)),
        revocation_reason: revocation.map(|revocation| revocation.reason.name().to_owned()),
    })
}

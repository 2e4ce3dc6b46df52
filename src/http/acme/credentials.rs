//! `/api/v1/organizations/{id}/acme-credentials`: what binds accounts of the ACME server to an organisation.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use jiff::Timestamp;

use crate::acme_server::{AcmeServer, Credential, CredentialRequest};
use crate::api::acme as wire;
use crate::api::problem::Violation;
use crate::base::clock::{from_seconds, rfc3339};
use crate::base::id::{AcmeCredentialId, OrgId};
use crate::base::secret::ExposeSecret;
use crate::base::text::is_printable;
use crate::http::call::Call;
use crate::http::idempotency::not_repeated;
use crate::http::pki::present;
use crate::http::problem::Problem;
use crate::policy::DomainPattern;
use crate::profiles::RoleName;

const LONGEST_LABEL: usize = 128;
const MOST_NAMES: usize = 200;
/// Items of a page on `/api/v1` unless asked for otherwise, and at most.
const PER_PAGE: u32 = 100;

pub async fn create(mut call: Call) -> Result<Response<Body>, Problem> {
    let organization = organization(&call)?;
    let server = server(&call)?;
    let body: wire::CreateCredential = call.read().await?;
    let request = read(&call, organization, body)?;
    let (made, key) = server.credentials().create(request, &call.caller).await.map_err(plain)?;
    let credential = view(&made, call.app.clock.now());
    let body = wire::NewCredential { credential, eab_hmac_key: Some(key.expose_secret().to_owned().into()), warnings: Vec::new() };
    present::json(StatusCode::CREATED, &body)
}

/// The answer about one that was made before; without its key, which was in the first answer.
pub fn again(call: &Call, id: &str) -> Result<Response<Body>, Problem> {
    let id: AcmeCredentialId = id.parse().map_err(|_| not_found())?;
    let made = server(call)?.credentials().get(id).filter(|made| call.caller.reaches(made.organization)).ok_or_else(not_found)?;
    let credential = view(&made, call.app.clock.now());
    present::json(
        StatusCode::CREATED,
        &wire::NewCredential { credential, eab_hmac_key: None, warnings: vec![not_repeated("eab_hmac_key")] },
    )
}

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let organization = organization(&call)?;
    let asked = PageAsked::read(&call)?;
    let all = server(&call)?.credentials().all(organization);
    let now = call.app.clock.now();
    present::json(StatusCode::OK, &asked.cut(&all, |credential| view(credential, now)))
}

pub async fn revoke(call: Call) -> Result<Response<Body>, Problem> {
    let organization = organization(&call)?;
    let id: AcmeCredentialId = call.id("cred_id", "ACME credential")?;
    match server(&call)?.credentials().revoke(organization, id, &call.caller).await.map_err(plain)? {
        true => Ok(present::no_content()),
        false => Err(not_found()),
    }
}

/// Which page of a list is asked for.
#[derive(Clone, Copy)]
pub(super) struct PageAsked {
    number: u32,
    length: u32,
}

impl PageAsked {
    pub fn read(call: &Call) -> Result<Self, Problem> {
        let mut query = call.query();
        let number = query.parse::<u32>("page", "a number from 1").unwrap_or(1).max(1);
        let length = query.parse::<u32>("per_page", "a number from 1 to 100").unwrap_or(PER_PAGE).clamp(1, PER_PAGE);
        query.finish()?;
        Ok(Self { number, length })
    }

    /// How many items come before it, and how many it has at most.
    pub fn range(self) -> (usize, usize) {
        ((self.number as usize - 1).saturating_mul(self.length as usize), self.length as usize)
    }

    /// It, cut out of all there is.
    pub fn cut<T, W>(self, all: &[T], view: impl Fn(&T) -> W) -> wire::NumberedPage<W> {
        let (before, length) = self.range();
        self.of(all.iter().skip(before).take(length).map(view).collect(), all.len())
    }

    /// It, of so many items in total.
    pub fn of<W>(self, data: Vec<W>, total: usize) -> wire::NumberedPage<W> {
        let Self { number: page, length: per_page } = self;
        wire::NumberedPage { data, pagination: wire::Pagination { page, per_page, total: u32::try_from(total).unwrap_or(u32::MAX) } }
    }
}

/// The organisation of the path, when the caller may know of it.
pub(super) fn organization(call: &Call) -> Result<OrgId, Problem> {
    let id: OrgId = call.id("id", "organization")?;
    Ok(call.app.access.organization(id, &call.caller)?.id)
}

pub(super) fn server(call: &Call) -> Result<AcmeServer, Problem> {
    call.app.acme.clone().ok_or_else(|| Problem::conflict("acme_disabled", "There is no ACME server here: acme.enabled is false."))
}

/// Its errors in the words of this family.
pub(super) fn plain(error: crate::acme_server::AcmeError) -> Problem {
    Problem { acme: None, ..error.into() }
}

fn not_found() -> Problem {
    Problem::not_found("ACME credential")
}

fn read(call: &Call, organization: OrgId, body: wire::CreateCredential) -> Result<CredentialRequest, Problem> {
    let wire::CreateCredential { project_id, default_template_id, cluster_label, expires_at, max_uses, allowed_names } = body;
    let mut violations = Vec::new();
    let mut fault = |field: &str, message: &str| violations.push(Violation::new(field, message.to_owned()));
    let project = project_id.and_then(|text| {
        let known = text.parse().ok().and_then(|id| call.app.access.project(id, &call.caller).ok());
        let own = known.filter(|project| project.organization == organization).map(|project| project.id);
        if own.is_none() {
            fault("project_id", "there is no such project in the organization");
        }
        own
    });
    let role = default_template_id.and_then(|text| {
        let known = RoleName::parse(&text).and_then(|name| call.app.roles.get(organization, &name));
        match known {
            Some(role) if role.acme.is_some() => return Some(role.name.clone()),
            Some(_) => fault("default_template_id", "the role is not open to ACME clients; set its field acme"),
            None => fault("default_template_id", "there is no such role; GET /v1/pki/roles lists them"),
        }
        None
    });
    let label = cluster_label.unwrap_or_default();
    if label.chars().count() > LONGEST_LABEL || !is_printable(&label) {
        fault("cluster_label", "at most 128 printable characters");
    }
    let expires_at = expires_at.and_then(|text| {
        let time = text.parse::<Timestamp>().ok().filter(|time| *time > call.app.clock.now());
        if time.is_none() {
            fault("expires_at", "a time to come is wanted, as in 2030-01-01T00:00:00Z");
        }
        time.map(|time| from_seconds(time.as_second()))
    });
    if max_uses == Some(0) {
        fault("max_uses", "at least 1");
    }
    let names = allowed_names.unwrap_or_default();
    if names.len() > MOST_NAMES {
        fault("allowed_names", "at most 200 patterns");
    }
    let mut allowed_names = Vec::new();
    for (i, text) in names.iter().take(MOST_NAMES).enumerate() {
        match DomainPattern::parse(text) {
            Ok(pattern) => allowed_names.push(pattern),
            Err(found) => fault(&format!("allowed_names[{i}]"), &found.to_string()),
        }
    }
    if !violations.is_empty() {
        return Err(Problem::invalid(violations));
    }
    Ok(CredentialRequest { organization, project, role, label, allowed_names, expires_at, max_uses })
}

fn view(credential: &Credential, now: Timestamp) -> wire::Credential {
    wire::Credential {
        id: credential.id.to_string(),
        eab_key_id: credential.key_id(),
        organization_id: credential.organization.to_string(),
        project_id: credential.project.map(|id| id.to_string()),
        default_template_id: credential.role.as_ref().map(ToString::to_string),
        cluster_label: credential.label.clone(),
        allowed_names: credential.allowed_names.iter().map(ToString::to_string).collect(),
        expires_at: credential.expires_at.map(rfc3339),
        max_uses: credential.max_uses,
        uses: credential.uses,
        status: credential.status(now).to_owned(),
        created_at: rfc3339(credential.created_at),
        created_by: credential.created_by.clone(),
        revoked_at: credential.revoked_at.map(rfc3339),
    }
}

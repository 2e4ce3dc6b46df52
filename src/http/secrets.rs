//! `/v1/secrets`.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::call::Call;
use super::pki::present;
use super::problem::Problem;
use crate::access::Scope;
use crate::api::problem::Violation;
use crate::api::secrets as wire;
use crate::base::clock::rfc3339;
use crate::base::secret::SecretBytes;
use crate::base::text::is_printable;
use crate::secrets::{self, Encoding, LONGEST_VALUE, NewVersion, Revealed, Secret, SecretPath};

const LONGEST_DESCRIPTION: usize = 2_000;

pub async fn list(call: Call) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let limit = query.limit();
    let prefix = query.take("prefix").unwrap_or_default();
    let mark = call.mark(&format!("secrets {prefix}"));
    let cursor = query.cursor(&mark);
    query.finish()?;
    if !secrets::is_prefix(&prefix) {
        return Err(Problem::field("prefix", format_args!("what a path begins with: {}", secrets::WANTED)));
    }
    let after = cursor.as_ref().map(|cursor| cursor.key());
    let found = call.app.secrets.list(call.caller.organization(), &prefix, after, limit + 1)?;
    let page = present::cut(found, limit, &mark, |secret| secret.path.as_str().as_bytes().to_vec());
    present::json(StatusCode::OK, &present::page(page, |secret| summary(&secret)))
}

/// What is known of a secret, with a value for who may read it.
pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let version: Option<u32> = query.parse("version", "a number");
    let metadata_only = query.parse::<bool>("metadata_only", "true or false").unwrap_or(false);
    query.finish()?;
    if metadata_only && version.is_some() {
        return Err(Problem::field("version", "a version is of a value, and none is wanted"));
    }
    let path = find(&call)?;
    let organization = call.caller.organization();
    if !metadata_only && call.caller.holds(Scope::SecretsRead) {
        let revealed = call.app.secrets.reveal(organization, &path, version, call.caller.origin()).await?;
        return present::json(StatusCode::OK, &with_value(&revealed)?);
    }
    let secret = call.app.secrets.get(organization, &path)?;
    if version.is_some() {
        let detail = format!("A value needs a token with the scope {}.", Scope::SecretsRead);
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
    }
    present::json(StatusCode::OK, &view(&secret))
}

pub async fn write(mut call: Call) -> Result<Response<Body>, Problem> {
    let path = SecretPath::parse(call.parameter("path"));
    let (path, new) = read(path.ok(), call.read().await?)?;
    let written = call.app.secrets.write(call.caller.organization(), &path, new, call.caller.origin()).await?;
    let status = if written.is_new { StatusCode::CREATED } else { StatusCode::OK };
    present::json(status, &view(&written.secret))
}

fn read(path: Option<SecretPath>, body: wire::WriteSecret) -> Result<(SecretPath, NewVersion), Problem> {
    let wire::WriteSecret { value, encoding, description, expected_version } = body;
    let mut violations = Vec::new();
    if path.is_none() {
        violations.push(Violation::new("path", secrets::WANTED.to_owned()));
    }
    let encoding = encoding.as_deref().map_or(Some(Encoding::default()), Encoding::parse);
    if encoding.is_none() {
        violations.push(Violation::new("encoding", "text or base64".to_owned()));
    }
    let bytes = encoding.unwrap_or_default().decode(value.expose());
    match &bytes {
        None => violations.push(Violation::new("value", "base64 with its padding is wanted (RFC 4648, 4)".to_owned())),
        Some(bytes) if bytes.is_empty() || bytes.len() > LONGEST_VALUE => {
            violations.push(Violation::new("value", format!("1 to {LONGEST_VALUE} bytes")));
        }
        Some(_) => {}
    }
    if description.as_ref().is_some_and(|text| text.chars().count() > LONGEST_DESCRIPTION || !is_printable(text)) {
        violations.push(Violation::new("description", format!("at most {LONGEST_DESCRIPTION} printable characters")));
    }
    match (path, encoding, bytes) {
        (Some(path), Some(encoding), Some(bytes)) if violations.is_empty() => {
            Ok((path, NewVersion { value: SecretBytes::from(bytes), encoding, description, expected_version }))
        }
        _ => Err(Problem::invalid(violations)),
    }
}

pub async fn delete(call: Call) -> Result<Response<Body>, Problem> {
    let path = find(&call)?;
    call.app.secrets.delete(call.caller.organization(), &path, call.caller.origin()).await?;
    Ok(present::no_content())
}

/// The path that is asked for; text that is none names nothing that exists.
fn find(call: &Call) -> Result<SecretPath, Problem> {
    SecretPath::parse(call.parameter("path")).map_err(|_| Problem::not_found("secret"))
}

fn summary(secret: &Secret) -> wire::SecretSummary {
    wire::SecretSummary {
        path: secret.path.to_string(),
        description: secret.description.clone(),
        version: secret.newest(),
        created_at: rfc3339(secret.created_at),
        updated_at: rfc3339(secret.updated_at()),
    }
}

fn view(secret: &Secret) -> wire::Secret {
    let version = |version: &secrets::Version| wire::SecretVersion {
        version: version.number,
        created_at: rfc3339(version.created_at),
        created_by: version.created_by.clone(),
    };
    wire::Secret {
        summary: summary(secret),
        versions: secret.versions.iter().map(version).collect(),
        value_version: None,
        encoding: None,
        value: None,
    }
}

fn with_value(revealed: &Revealed) -> Result<wire::Secret, Problem> {
    let Revealed { secret, version, value } = revealed;
    let text = version.encoding.encode(value.expose()).ok_or_else(|| Problem::internal("a text is none"))?;
    Ok(wire::Secret {
        value_version: Some(version.number),
        encoding: Some(version.encoding.name().to_owned()),
        value: Some(text.into()),
        ..view(secret)
    })
}

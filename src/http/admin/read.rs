//! Reading what the requests of this family have in common: names, rights, and whose a new thing shall be.

use std::str::FromStr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde::Serialize;

use crate::access::{AccessError, Grant, Kind};
use crate::api::problem::Violation;
use crate::base::id::OrgId;
use crate::base::text::is_printable;
use crate::http::call::Call;
use crate::http::pki::present;
use crate::http::problem::Problem;

const LONGEST_NAME: usize = 128;
const LONGEST_DESCRIPTION: usize = 2_000;

/// A fault when the text is no name.
pub fn check_name(name: &str, violations: &mut Vec<Violation>) {
    if name.is_empty() || name.chars().count() > LONGEST_NAME || !is_printable(name) || name.trim() != name {
        violations.push(Violation::new("name", format!("1 to {LONGEST_NAME} printable characters, not beginning or ending with a space")));
    }
}

/// A fault when the text is no description.
pub fn check_description(text: &str, violations: &mut Vec<Violation>) {
    if text.chars().count() > LONGEST_DESCRIPTION || !is_printable(text) {
        violations.push(Violation::new("description", format!("at most {LONGEST_DESCRIPTION} printable characters")));
    }
}

/// The organisation that a new thing is to belong to: the caller's, or the one that is named and that the caller may know of.
pub fn organization(call: &Call, named: Option<&str>, violations: &mut Vec<Violation>) -> OrgId {
    let own = call.caller.organization();
    let Some(named) = named else { return own };
    let known = named.parse().ok().and_then(|id| call.app.access.organization(id, &call.caller).ok());
    if let Some(known) = known {
        return known.id;
    }
    violations.push(Violation::new("organization_id", AccessError::Unknown(Kind::Organization).to_string()));
    own
}

/// Rights that are to be given within an organisation. Nobody gives more than they have, and an authority of others is none.
pub fn grants(call: &Call, organization: OrgId, field: &str, texts: &[String], violations: &mut Vec<Violation>) -> Vec<Grant> {
    let mut grants = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        let mut fault = |message: String| violations.push(Violation::new(&format!("{field}[{i}]"), message));
        match text.parse::<Grant>() {
            Err(found) => fault(found.to_string()),
            Ok(Grant { on: Some(ca), .. }) if call.app.authorities.get(organization, ca).is_none() => {
                fault("there is no such authority; GET /v1/pki/ca lists them".to_owned());
            }
            Ok(grant) if !call.caller.may_give(&grant) => fault("a token cannot give more than it holds".to_owned()),
            Ok(grant) if grants.contains(&grant) => {}
            Ok(grant) => grants.push(grant),
        }
    }
    grants
}

/// An id of a field that names something; a text that is none names nothing that exists.
pub fn id<T: FromStr>(text: Option<&str>, kind: Kind, violations: &mut Vec<Violation>) -> Option<T> {
    let read = text?.parse().ok();
    if read.is_none() {
        violations.push(Violation::new(&format!("{kind}_id"), AccessError::Unknown(kind).to_string()));
    }
    read
}

/// A page of what an organisation has: the caller's, or the one the query names. `found` gives all, in the order of their ids.
pub fn list<T, W: Serialize>(
    call: &Call,
    name: &str,
    found: impl FnOnce(OrgId) -> Vec<Arc<T>>,
    id: impl Fn(&T) -> Vec<u8>,
    view: impl Fn(&T) -> W,
) -> Result<Response<Body>, Problem> {
    let mut query = call.query();
    let limit = query.limit();
    let named = query.take("organization_id");
    let mut violations = Vec::new();
    let organization = organization(call, named.as_deref(), &mut violations);
    let mark = call.mark(&format!("{name} {organization}"));
    let cursor = query.cursor(&mark);
    query.finish()?;
    if !violations.is_empty() {
        return Err(Problem::invalid(violations));
    }
    let behind = |item: &Arc<T>| cursor.as_ref().is_none_or(|cursor| id(item).as_slice() > cursor.key());
    let found = found(organization).into_iter().filter(behind).take(limit + 1).collect();
    let page = present::cut(found, limit, &mark, |item| id(item));
    present::json(StatusCode::OK, &present::page(page, |item| view(&item)))
}

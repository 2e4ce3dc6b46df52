//! The one mapping from errors to problem documents (RFC 9457): an exhaustive match per module error.
//!
//! A problem has two messages: `detail` for the client, and the error itself for the log. The match of each module's errors is in the file of
//! its name; what ACME clients are told stands in `problem_acme`.

mod access;
mod ca;
mod events;
mod inventory;
mod lifecycle;
mod profiles;
mod requests;
mod secrets;
mod storage;
mod token;

use std::fmt::Display;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};

use super::problem_acme::{self, AcmeFace};
use crate::api::problem::{CONTENT_TYPE, ProblemDocument, Violation};
use crate::base::id::{CertId, RequestId};
use crate::base::page::NotACursor;
use crate::policy;
use crate::x509::weak_key::Weakness;

/// A refusal or failure on its way to the client.
#[derive(Debug)]
pub struct Problem {
    pub status: StatusCode,
    /// Stable; listed in docs/api/problems.md.
    pub code: &'static str,
    pub detail: String,
    pub violations: Vec<Violation>,
    /// The certificate that is there already.
    pub certificate: Option<Box<CertId>>,
    /// Seconds after which it is worth trying again.
    pub retry_after: Option<u64>,
    /// For the log alone.
    pub cause: Option<Box<str>>,
    /// How ACME clients are told, who know other documents.
    pub acme: Option<Box<AcmeFace>>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), violations: Vec::new(), certificate: None, retry_after: None, cause: None, acme: None }
    }

    /// The request is malformed: everything that is wrong with it.
    pub fn invalid(violations: Vec<Violation>) -> Self {
        let detail = match violations.len() {
            1 => "The request has a fault; see violations.".to_owned(),
            n => format!("The request has {n} faults; see violations."),
        };
        Self { violations, ..Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail) }
    }

    /// One field is wrong.
    pub fn field(field: &str, message: impl Display) -> Self {
        Self::invalid(vec![Violation::new(field, message.to_string())])
    }

    /// The role, or what holds for approved requests, does not allow what was asked for.
    pub fn against_policy(violations: Vec<policy::Violation>) -> Self {
        Self::not_allowed(violations.into_iter().map(Violation::from).collect())
    }

    /// The same with what else stands against it.
    pub fn not_allowed(violations: Vec<Violation>) -> Self {
        let detail = format!("The rules do not allow this request; {} violation(s).", violations.len());
        Self { violations, ..Self::new(StatusCode::BAD_REQUEST, "policy_violation", detail) }
    }

    /// Several refusals of one request: the first says what it is called, and all say what is wrong.
    pub fn together(refusals: impl IntoIterator<Item = Self>) -> Self {
        let mut refusals = refusals.into_iter();
        let Some(mut first) = refusals.next() else { return Self::internal("nothing is said against what was refused") };
        let told = first.violations.len();
        first.violations.extend(refusals.flat_map(|other| other.violations));
        match (first.violations.len(), first.status) {
            (all, _) if all == told => first,
            (_, StatusCode::BAD_REQUEST) => Self::invalid(first.violations),
            (all, _) => Self { detail: format!("{} The request has {all} faults; see violations.", first.detail), ..first },
        }
    }

    /// Another of its kind has the name.
    pub fn name_taken(error: &impl Display) -> Self {
        Self { violations: vec![Violation::new("name", error.to_string())], ..Self::conflict("name_taken", sentence(error)) }
    }

    /// Names the field of the body that said which object is meant, where the refusal is about that object.
    pub fn about(self, field: &str) -> Self {
        match self.status {
            // Who came at the same time as others has no field at fault.
            _ if self.code == "conflict" => self,
            StatusCode::NOT_FOUND | StatusCode::CONFLICT if self.violations.is_empty() => {
                Self { violations: vec![Violation::new(field, clause(&self.detail))], ..self }
            }
            _ => self,
        }
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("There is no such {what}."))
    }

    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    pub fn internal(cause: impl Display) -> Self {
        let detail = "The appliance failed; its log says why under this request id.";
        Self { cause: Some(cause.to_string().into()), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail) }
    }

    /// The authority's first CRL could not be made yet.
    pub fn no_crl_yet() -> Self {
        Self::unavailable("no_crl_yet", "The authority's CRL is still to be made.", 20, "")
    }

    fn unavailable(code: &'static str, detail: &str, retry_after: u64, cause: impl Display) -> Self {
        Self {
            retry_after: Some(retry_after),
            cause: Some(cause.to_string().into()),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
        }
    }

    /// The response.
    pub fn into_response(self, request: RequestId) -> Response<Body> {
        if self.acme.is_some() {
            return problem_acme::response(self, request);
        }
        let document = ProblemDocument {
            kind: format!("urn:chancery:problem:{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Problem").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code.to_owned(),
            violations: self.violations,
            certificate_id: self.certificate.map(|id| id.to_string()),
            request_id: request.to_string(),
        };
        let mut response = Response::new(Body::from(serde_json::to_vec(&document).unwrap_or_default()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"chancery\""));
        }
        response
    }
}

impl From<Vec<Violation>> for Problem {
    fn from(violations: Vec<Violation>) -> Self {
        Self::invalid(violations)
    }
}

impl From<policy::Violation> for Violation {
    fn from(found: policy::Violation) -> Self {
        Self::new(&found.field, found.fault.to_string())
    }
}

impl From<NotACursor> for Problem {
    fn from(error: NotACursor) -> Self {
        Self::field("cursor", error)
    }
}

fn weak_key(weaknesses: &[Weakness]) -> Problem {
    let violations = weaknesses.iter().map(|w| Violation::new("csr_pem", format!("the key is weak: {w}"))).collect();
    Problem { code: "weak_key", ..Problem::invalid(violations) }
}

/// An error's text as a sentence for the client.
fn sentence(error: &impl Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// The same the other way: a sentence as the message of a violation.
fn clause(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_lowercase(), letters.as_str()))
}

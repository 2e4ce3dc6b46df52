//! The same one mapping for the ACME server: from its errors to the documents and statuses of RFC 8555, 6.7.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::problem::Problem;
use crate::acme_server::{
    AcmeError, Algorithm, BindingFault, ContactFault, DatesFault, ErrorType, FinalizeFault, IdentifierFault, JwsFault, KeyChangeFault,
    NameFault, ProfileFault, ReplacesFault, StoredFault,
};
use crate::api::acme as wire;
use crate::api::problem::CONTENT_TYPE;
use crate::base::id::RequestId;
use crate::lifecycle::RevokeError;

/// What an ACME client is told beside what every problem tells.
#[derive(Debug)]
pub struct AcmeFace {
    pub kind: ErrorType,
    pub algorithms: Vec<String>,
    pub subproblems: Vec<wire::Problem>,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

const URN: &str = "urn:ietf:params:acme:error:";

/// The type as documents have it.
pub fn urn(kind: ErrorType) -> String {
    format!("{URN}{}", kind.name())
}

/// What is kept of a fault, as orders and challenges show it.
pub fn shown(fault: &StoredFault) -> wire::Problem {
    plain(fault.kind, fault.detail.clone())
}

/// A problem that some other part of the server found, in the words of ACME.
pub fn faced(problem: Problem) -> Problem {
    if problem.acme.is_some() {
        return problem;
    }
    let kind = match problem.status {
        StatusCode::TOO_MANY_REQUESTS => ErrorType::RateLimited,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorType::Unauthorized,
        status if status.is_server_error() => ErrorType::ServerInternal,
        _ => ErrorType::Malformed,
    };
    with(problem, kind)
}

/// The response.
pub fn response(problem: Problem, request: RequestId) -> Response<Body> {
    let Problem { status, detail, retry_after, acme, .. } = problem;
    let (kind, algorithms, subproblems, headers) = match acme.map(|face| *face) {
        Some(AcmeFace { kind, algorithms, subproblems, headers }) => (kind, algorithms, subproblems, headers),
        None => (ErrorType::ServerInternal, Vec::new(), Vec::new(), Vec::new()),
    };
    let document = wire::Problem {
        status: Some(status.as_u16()),
        algorithms,
        subproblems,
        request_id: Some(request.to_string()),
        ..plain(kind, detail)
    };
    let mut response = Response::new(Body::from(serde_json::to_vec(&document).unwrap_or_default()));
    *response.status_mut() = status;
    let known = response.headers_mut();
    known.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    if let Some(seconds) = retry_after {
        known.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    for (name, value) in headers {
        known.append(name, value);
    }
    response
}

fn plain(kind: ErrorType, detail: String) -> wire::Problem {
    wire::Problem {
        kind: urn(kind),
        detail,
        status: None,
        identifier: None,
        algorithms: Vec::new(),
        subproblems: Vec::new(),
        request_id: None,
    }
}

fn with(problem: Problem, kind: ErrorType) -> Problem {
    let code = if problem.code == "internal" { problem.code } else { kind.name() };
    let face = AcmeFace { kind, algorithms: Vec::new(), subproblems: Vec::new(), headers: Vec::new() };
    Problem { code, acme: Some(Box::new(face)), ..problem }
}

fn refused(status: StatusCode, kind: ErrorType, detail: impl ToString) -> Problem {
    let mut detail = detail.to_string();
    // A sentence of its own.
    if let Some(first) = detail.get(..1).map(str::to_ascii_uppercase) {
        detail.replace_range(..1, &first);
    }
    with(Problem::new(status, kind.name(), detail + "."), kind)
}

fn bad(kind: ErrorType, detail: impl ToString) -> Problem {
    refused(StatusCode::BAD_REQUEST, kind, detail)
}

impl From<AcmeError> for Problem {
    fn from(error: AcmeError) -> Self {
        let text = error.to_string();
        match error {
            AcmeError::Jws(fault) => of_jws(&fault, &text),
            AcmeError::BadNonce => bad(ErrorType::BadNonce, text),
            // RFC 8555, 6.4.1.
            AcmeError::OtherUrl => refused(StatusCode::UNAUTHORIZED, ErrorType::Unauthorized, text),
            // RFC 9110, 15.5.20.
            AcmeError::OtherHost => refused(StatusCode::MISDIRECTED_REQUEST, ErrorType::Malformed, text),
            AcmeError::PayloadNotEmpty | AcmeError::PayloadNoObject => bad(ErrorType::Malformed, text),
            AcmeError::NoSuchAccount => bad(ErrorType::AccountDoesNotExist, text),
            // RFC 8555, 7.3.6.
            AcmeError::AccountEnded | AcmeError::CredentialEnded => refused(StatusCode::UNAUTHORIZED, ErrorType::Unauthorized, text),
            AcmeError::NotTheirs | AcmeError::MayNotRevoke | AcmeError::OtherKey => {
                refused(StatusCode::FORBIDDEN, ErrorType::Unauthorized, text)
            }
            AcmeError::NotFound(_) => refused(StatusCode::NOT_FOUND, ErrorType::Malformed, text),
            AcmeError::BindingRequired => refused(StatusCode::FORBIDDEN, ErrorType::ExternalAccountRequired, text),
            AcmeError::Binding(fault) => match fault {
                BindingFault::Jws(inner) => of_jws(&inner, &text),
                BindingFault::OtherUrl | BindingFault::OtherKey => bad(ErrorType::Malformed, text),
                BindingFault::NoSuchCredential | BindingFault::Mac => refused(StatusCode::FORBIDDEN, ErrorType::Unauthorized, text),
            },
            AcmeError::Contact(fault) => match fault {
                ContactFault::Scheme => bad(ErrorType::UnsupportedContact, text),
                ContactFault::Address | ContactFault::TooMany => bad(ErrorType::InvalidContact, text),
            },
            AcmeError::TermsNotAgreed => refused(StatusCode::FORBIDDEN, ErrorType::UserActionRequired, text),
            AcmeError::KeyChange(fault) => match fault {
                KeyChangeFault::Jws(inner) => of_jws(&inner, &text),
                KeyChangeFault::OtherUrl | KeyChangeFault::OtherAccount | KeyChangeFault::OtherOldKey(_) => bad(ErrorType::Malformed, text),
            },
            AcmeError::KeyTaken(_) => refused(StatusCode::CONFLICT, ErrorType::Malformed, text),
            AcmeError::Profile(ProfileFault::Unknown | ProfileFault::None) => bad(ErrorType::InvalidProfile, text),
            AcmeError::IdentifierCount => bad(ErrorType::Malformed, text),
            AcmeError::Identifiers(faults) => of_identifiers(&faults),
            AcmeError::Dates(DatesFault::NotAllowed | DatesFault::Form | DatesFault::Range) => bad(ErrorType::Malformed, text),
            AcmeError::Replaces(fault) => match fault {
                ReplacesFault::Form => bad(ErrorType::Malformed, text),
                ReplacesFault::Unknown => refused(StatusCode::NOT_FOUND, ErrorType::Malformed, text),
                // RFC 9773, 5.
                ReplacesFault::AlreadyReplaced => refused(StatusCode::CONFLICT, ErrorType::AlreadyReplaced, text),
            },
            AcmeError::OrderNotReady(_) => refused(StatusCode::FORBIDDEN, ErrorType::OrderNotReady, text),
            AcmeError::Csr(fault) => match fault {
                FinalizeFault::Base64 => bad(ErrorType::Malformed, text),
                FinalizeFault::Csr(_)
                | FinalizeFault::Names(_)
                | FinalizeFault::KindOfName
                | FinalizeFault::AsksForCa
                | FinalizeFault::AccountKey
                | FinalizeFault::UnfitKey
                | FinalizeFault::Policy(_) => bad(ErrorType::BadCsr, text),
            },
            AcmeError::Status | AcmeError::NotDeactivatable(_) | AcmeError::NoCertificate => bad(ErrorType::Malformed, text),
            AcmeError::RevocationReason => bad(ErrorType::BadRevocationReason, text),
            AcmeError::Revoke(fault) => of_revocation(fault, &text),
            AcmeError::Limited(_, wait) => {
                let problem = refused(StatusCode::TOO_MANY_REQUESTS, ErrorType::RateLimited, text);
                Self { retry_after: Some(whole_seconds(wait)), ..problem }
            }
            AcmeError::Changed => {
                let problem = refused(StatusCode::SERVICE_UNAVAILABLE, ErrorType::ServerInternal, text);
                Self { retry_after: Some(1), ..problem }
            }
            AcmeError::NoRandomness | AcmeError::Record => faced(Self::internal(text)),
            AcmeError::Token(error) => faced(error.into()),
            AcmeError::Inventory(error) => faced(error.into()),
            AcmeError::Read(error) => faced(error.into()),
            AcmeError::Commit(error) => faced(error.into()),
        }
    }
}

fn of_jws(fault: &JwsFault, text: &str) -> Problem {
    match fault {
        JwsFault::Algorithm => {
            let mut problem = bad(ErrorType::BadSignatureAlgorithm, text);
            // RFC 8555, 6.2.
            if let Some(face) = &mut problem.acme {
                face.algorithms = Algorithm::ALL.iter().map(|algorithm| algorithm.name().to_owned()).collect();
            }
            problem
        }
        JwsFault::Key(_) => bad(ErrorType::BadPublicKey, text),
        JwsFault::Body(_)
        | JwsFault::NoObject
        | JwsFault::Header(_)
        | JwsFault::Base64(_)
        | JwsFault::Unprotected
        | JwsFault::General
        | JwsFault::Unencoded
        | JwsFault::Critical
        | JwsFault::TwoKeys
        | JwsFault::NoKey
        | JwsFault::KidWanted
        | JwsFault::JwkWanted
        | JwsFault::NoUrl
        | JwsFault::NoNonce
        | JwsFault::NonceInside
        | JwsFault::Nonce
        | JwsFault::Signature => bad(ErrorType::Malformed, text),
    }
}

/// RFC 8555, 6.7.1: one problem for each name, and one over all of them.
fn of_identifiers(faults: &[IdentifierFault]) -> Problem {
    let kinds: Vec<_> = faults.iter().map(|fault| type_of(&fault.fault)).collect();
    let kind = match kinds.split_first() {
        None => ErrorType::Malformed,
        Some((first, rest)) if rest.iter().all(|kind| kind == first) => *first,
        Some(_) => ErrorType::Compound,
    };
    let detail = match faults {
        [IdentifierFault { value, fault, .. }] => format!("{value}: {fault}"),
        _ => format!("{} identifiers cannot be certified; see subproblems", faults.len()),
    };
    let mut problem = bad(kind, detail);
    if let Some(face) = &mut problem.acme {
        face.subproblems = faults
            .iter()
            .zip(kinds)
            .map(|(IdentifierFault { kind: name_kind, value, fault }, kind)| wire::Problem {
                identifier: Some(wire::Identifier { kind: name_kind.clone(), value: value.clone() }),
                ..plain(kind, fault.to_string())
            })
            .collect();
    }
    problem
}

fn type_of(fault: &NameFault) -> ErrorType {
    match fault {
        NameFault::Type => ErrorType::UnsupportedIdentifier,
        NameFault::Twice => ErrorType::Malformed,
        NameFault::Dns(_) | NameFault::Ip(_) | NameFault::Policy(_) | NameFault::Credential | NameFault::NoChallenge(_) => {
            ErrorType::RejectedIdentifier
        }
    }
}

fn of_revocation(error: RevokeError, text: &str) -> Problem {
    match error {
        RevokeError::AlreadyRevoked | RevokeError::AlreadyOnHold => bad(ErrorType::AlreadyRevoked, text),
        RevokeError::NotFound => refused(StatusCode::NOT_FOUND, ErrorType::Malformed, text),
        RevokeError::IsAuthority(_) | RevokeError::NotOurs => refused(StatusCode::FORBIDDEN, ErrorType::Unauthorized, text),
        RevokeError::NotOnHold
        | RevokeError::Inventory(_)
        | RevokeError::Authority(_)
        | RevokeError::Contended
        | RevokeError::Read(_)
        | RevokeError::Commit(_) => faced(error.into()),
    }
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

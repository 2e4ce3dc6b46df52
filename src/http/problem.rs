//! The one mapping from errors to problem documents (RFC 9457): an exhaustive match per module error.
//!
//! A problem has two messages: `detail` for the client, and the error itself for the log.

use std::fmt::Display;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};

use super::problem_acme::{self, AcmeFace};
use crate::access::AccessError;
use crate::api::problem::{CONTENT_TYPE, ProblemDocument, Violation};
use crate::base::id::{CertId, RequestId};
use crate::base::page::NotACursor;
use crate::ca::{AuthorityError, CreateError, CrlError, IssueError, NotStanding, RETRY_AFTER_SECONDS, SubjectKeyError};
use crate::events::webhooks::WebhookError;
use crate::inventory::{AnchorError, InventoryError, KeptKeyError};
use crate::lifecycle::{DeleteError, ImportError, RenewError, RevokeError};
use crate::outbound::OutboundError;
use crate::policy;
use crate::profiles::ProfileError;
use crate::requests::{RequestError, TransitionError};
use crate::secrets::SecretError;
use crate::storage::{CommitError, ReadError};
use crate::token::TokenError;
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
        let violations = violations.into_iter().map(|v| Violation::new(&v.field, v.fault.to_string())).collect::<Vec<_>>();
        let detail = format!("The rules do not allow this request; {} violation(s).", violations.len());
        Self { violations, ..Self::new(StatusCode::BAD_REQUEST, "policy_violation", detail) }
    }

    /// The same with what else is wrong with the request.
    pub fn with(self, others: &[Violation]) -> Self {
        if others.is_empty() { self } else { Self::invalid([others, &self.violations].concat()) }
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

impl From<NotACursor> for Problem {
    fn from(error: NotACursor) -> Self {
        Self::field("cursor", error)
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        Self::internal(error)
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Conflict { .. } => {
                Self::conflict("conflict", "Somebody else changed the same thing at the same time; read it again.")
            }
            CommitError::Full => {
                let detail = "The disk is full: nothing new is issued until there is room; revocation and CRLs go on.";
                Self { cause: Some(error.to_string().into()), ..Self::new(StatusCode::INSUFFICIENT_STORAGE, "storage_full", detail) }
            }
            CommitError::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The request makes a record that is too large."),
            CommitError::Unreadable(error) => error.into(),
            CommitError::Failed | CommitError::Closed => {
                Self::unavailable("storage_failed", "The appliance cannot write durably and acknowledges nothing.", 30, error)
            }
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Busy { retry_after_seconds } => Self::unavailable(
                "token_busy",
                "The token has more to sign than it can; try again later.",
                u64::from(retry_after_seconds),
                error,
            ),
            TokenError::Unavailable(_) | TokenError::NotAWorker | TokenError::NoSuchToken | TokenError::AmbiguousToken => {
                Self::unavailable("token_unavailable", "The token is away; try again later.", 5, error)
            }
            TokenError::PinRefused | TokenError::NoPin => {
                Self::unavailable("token_pin_refused", "The token cannot be logged in to; an administrator is needed.", 60, error)
            }
            TokenError::BudgetExhausted { .. } => Self {
                cause: Some(error.to_string().into()),
                ..Self::conflict("key_budget_exhausted", "The authority's key has signed as often as the token's worker lets it.")
            },
            TokenError::RateLimited { retry_after_seconds } => Self::unavailable(
                "key_rate_limited",
                "The authority's key signs as fast as the token's worker lets it; try again later.",
                u64::from(retry_after_seconds),
                error,
            ),
            TokenError::KeyMissing(_) | TokenError::KeyMismatch(_) => {
                Self::unavailable("key_missing", "The authority's key is not in the token.", 60, error)
            }
            TokenError::BadSignature | TokenError::BadSeal => {
                Self::unavailable("token_faulty", "The token gave a wrong signature, which was thrown away; try again later.", 5, error)
            }
            TokenError::AttributeIgnored { attribute } => Self {
                cause: Some(error.to_string().into()),
                ..Self::new(
                    StatusCode::BAD_GATEWAY,
                    "token_refused",
                    format!("The token did not keep {attribute} of a new key as it was asked to; the key was destroyed."),
                )
            },
            TokenError::Refused(_) => Self {
                cause: Some(error.to_string().into()),
                ..Self::new(
                    StatusCode::BAD_GATEWAY,
                    "token_refused",
                    "The token does not do what it was asked; the log says what it answered.",
                )
            },
            TokenError::Unsupported(_) => Self {
                cause: Some(error.to_string().into()),
                ..Self::new(StatusCode::NOT_IMPLEMENTED, "token_unsupported", "The token has no keys or signatures of this kind.")
            },
            TokenError::KeyExists(_)
            | TokenError::NotForThis(_)
            | TokenError::Undecryptable
            | TokenError::BadKey
            | TokenError::TooLong
            | TokenError::TokenExists
            | TokenError::NoFreeSlot
            | TokenError::BadLabel
            | TokenError::AnotherModule
            | TokenError::NoThread(_) => Self::internal(error),
        }
    }
}

impl From<InventoryError> for Problem {
    fn from(error: InventoryError) -> Self {
        match error {
            InventoryError::NotFound => Self::not_found("certificate"),
            InventoryError::Changed => Self::conflict("conflict", "The certificate's labels changed at the same time; read them again."),
            InventoryError::Record => Self::internal(error),
            InventoryError::Read(error) => error.into(),
            InventoryError::Commit(error) => error.into(),
        }
    }
}

impl From<AnchorError> for Problem {
    fn from(error: AnchorError) -> Self {
        match error {
            AnchorError::NotFound => Self::not_found("trust anchor"),
            AnchorError::NameTaken => Self::conflict("name_taken", "A trust anchor of this name exists."),
            AnchorError::Known(_) => Self::conflict("already_known", format!("Not taken: {error}.")),
            AnchorError::NotACa | AnchorError::Key(_) => Self::field("certificate_pem", error),
            AnchorError::Inventory(error) => error.into(),
        }
    }
}

impl From<SecretError> for Problem {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::NotFound => Self::not_found("secret"),
            SecretError::NoSuchVersion => Self::not_found("version of the secret"),
            SecretError::OtherVersion { newest } => {
                Self::conflict("version_conflict", format!("Nothing was written: the newest version is {newest}."))
            }
            SecretError::Changed => Self::conflict("conflict", "The secret was changed at the same time; try again."),
            SecretError::Record => Self::internal(error),
            SecretError::Token(error) => error.into(),
            SecretError::Read(error) => error.into(),
            SecretError::Commit(error) => error.into(),
        }
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NotFound(kind) => Self::not_found(kind.name()),
            AccessError::NameTaken(kind) => Self::conflict("name_taken", format!("The name is taken by another {kind}.")),
            AccessError::Unknown(kind) => Self::field(&format!("{kind}_id"), error),
            AccessError::Escalation => Self::new(StatusCode::FORBIDDEN, "forbidden", "Nobody can give more rights than they have."),
            AccessError::NeedsSystem => {
                Self::new(StatusCode::FORBIDDEN, "forbidden", "Renaming an organization needs a token with the scope system.")
            }
            AccessError::InUse => Self::conflict(
                "organization_in_use",
                "The organization owns authorities, certificates, requests, trust anchors, webhooks or secrets, for which somebody must answer.",
            ),
            AccessError::IsDefault => Self::conflict("default_organization", "The default organization cannot be deleted."),
            AccessError::KeyTaken(Some(holder)) => {
                Self::conflict("key_taken", format!("That key stands for the token {holder}; revoke it first."))
            }
            AccessError::KeyTaken(None) => Self::conflict("key_taken", "That key stands for another token."),
            AccessError::TooManyGenerations => {
                Self::conflict("too_many_generations", format!("Not made: {error}; make it with another token."))
            }
            AccessError::NoRandomness | AccessError::Record => Self::internal(error),
            AccessError::Read(error) => error.into(),
            AccessError::Commit(error) => error.into(),
        }
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::NotFound => Self::not_found("webhook"),
            WebhookError::TooMany => Self::conflict("too_many_webhooks", format!("Not made: {error}.")),
            WebhookError::Busy => {
                let detail = "A test of the webhook is under way already, or as many messages as are sent at once; try again later.";
                Self::unavailable("webhook_busy", detail, 5, error)
            }
            WebhookError::Unreachable(OutboundError::Disabled) => {
                Self::conflict("outbound_disabled", "The appliance opens no connections by itself: outbound.enabled is false.")
            }
            WebhookError::Unreachable(fault) => Self::field("url", fault),
            WebhookError::NotSecure => Self::field("url", error),
            WebhookError::Roots(fault) => Self::field("ca_pem", fault),
            WebhookError::NoRandomness | WebhookError::Record => Self::internal(error),
            WebhookError::Token(error) => error.into(),
            WebhookError::Read(error) => error.into(),
            WebhookError::Commit(error) => error.into(),
        }
    }
}

impl From<ProfileError> for Problem {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::NotFound => Self::not_found("role"),
            ProfileError::NameTaken => Self::conflict("name_taken", "A role of this name exists."),
            ProfileError::Changed => Self::conflict("conflict", "The role was changed at the same time; read it again."),
            ProfileError::Invalid(violations) => Self::invalid(violations),
            ProfileError::Record => Self::internal(error),
            ProfileError::Read(error) => error.into(),
            ProfileError::Commit(error) => error.into(),
        }
    }
}

impl From<AuthorityError> for Problem {
    fn from(error: AuthorityError) -> Self {
        match error {
            AuthorityError::NotFound => Self::not_found("authority"),
            AuthorityError::Record(_) => Self::internal(error),
            AuthorityError::Inventory(error) => error.into(),
            AuthorityError::Read(error) => error.into(),
            AuthorityError::Commit(error) => error.into(),
        }
    }
}

impl From<NotStanding> for Problem {
    fn from(error: NotStanding) -> Self {
        let code = match &error {
            NotStanding::Revoked(_) => "authority_revoked",
            NotStanding::Expired(_) => "authority_expired",
            NotStanding::NotYetValid(_) => "authority_not_yet_valid",
        };
        Self::conflict(code, format!("Nothing can be signed: {error}."))
    }
}

impl From<IssueError> for Problem {
    fn from(error: IssueError) -> Self {
        let bad_key = |message: String| Self { code: "bad_key", ..Self::field("csr_pem", message) };
        match error {
            IssueError::NotStanding(error) => error.into(),
            IssueError::WeakKey(weaknesses) => weak_key(&weaknesses),
            IssueError::CompromisedKey => bad_key("the key was revoked as compromised; make a new one".to_owned()),
            IssueError::AuthorityKey => bad_key("the key belongs to an authority of this appliance".to_owned()),
            IssueError::OtherKeyType => bad_key("the key is of another type than was approved".to_owned()),
            IssueError::Serial(_) | IssueError::Prepare(_) => Self::internal(error),
            IssueError::Token(error) => error.into(),
            IssueError::Commit(error) => error.into(),
            IssueError::Read(error) => error.into(),
            IssueError::Inventory(error) => error.into(),
            IssueError::Kept(error) => error.into(),
        }
    }
}

impl From<SubjectKeyError> for Problem {
    fn from(error: SubjectKeyError) -> Self {
        match error {
            SubjectKeyError::Failed => Self::internal(error),
            SubjectKeyError::Kept(error) => error.into(),
        }
    }
}

impl From<KeptKeyError> for Problem {
    fn from(error: KeptKeyError) -> Self {
        match error {
            KeptKeyError::Busy => {
                let detail = "More RSA keys are asked for than can be made; try again later, or make the key and sign a CSR.";
                Self::unavailable("key_generation_busy", detail, RETRY_AFTER_SECONDS, error)
            }
            KeptKeyError::NotKept => Self::conflict(
                "no_private_key",
                "The private key is not kept here: its role did not ask for that, or it was made elsewhere.",
            ),
            KeptKeyError::Token(TokenError::KeyMissing(_) | TokenError::KeyMismatch(_)) => {
                Self::unavailable("key_missing", "The token does not hold the private key that was kept in it.", 60, error)
            }
            KeptKeyError::NoRandomness | KeptKeyError::Record | KeptKeyError::OtherKey => Self::internal(error),
            KeptKeyError::Token(error) => error.into(),
            KeptKeyError::Read(error) => error.into(),
            KeptKeyError::Commit(error) => error.into(),
        }
    }
}

impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::NameTaken => Self::conflict("name_taken", "An authority of this name exists."),
            CreateError::NoCrlUrl => Self::field("crl.shards", error),
            CreateError::NoParent => Self::field("parent_ca_id", "there is no such authority"),
            CreateError::NoToken => Self::field("token", error),
            CreateError::ParentNotStanding(error) => error.into(),
            CreateError::SubjectOfAncestor(_) => Self::field("common_name", error),
            CreateError::PathLengthExhausted => Self::field("parent_ca_id", error),
            CreateError::PathLengthTooLong(_) => Self::field("path_length", error),
            CreateError::OutlivesParent(_) => Self::field("validity_days", error),
            CreateError::Issue(error) => error.into(),
            CreateError::Token(error) => error.into(),
            CreateError::Read(error) => error.into(),
            CreateError::Commit(error) => error.into(),
            CreateError::Record => Self::internal(error),
        }
    }
}

impl From<CrlError> for Problem {
    fn from(error: CrlError) -> Self {
        match error {
            CrlError::NotFound => Self::not_found("authority"),
            CrlError::Expired => Self::conflict("authority_expired", "The authority has expired and signs no CRL."),
            CrlError::NoDeltas => {
                Self::conflict("no_delta_crls", "The authority makes no delta CRLs; PATCH /v1/pki/ca/{id} turns them on.")
            }
            CrlError::NoUrl => Self::field("crl.shards", error),
            CrlError::TooLong => Self::conflict("crl_too_long", format!("The CRL before it stays: {error}. Divide it.")),
            CrlError::NoBase => Self::no_crl_yet(),
            CrlError::Authority(error) => error.into(),
            CrlError::Encoding | CrlError::NotAsMeant(_) | CrlError::Record | CrlError::File(_) => Self::internal(error),
            CrlError::Inventory(error) => error.into(),
            CrlError::Token(error) => error.into(),
            CrlError::Commit(error) => error.into(),
            CrlError::Read(error) => error.into(),
        }
    }
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Known(_) | ImportError::IsAuthority(_) => Self::conflict("already_known", format!("Not imported: {error}.")),
            ImportError::OtherKey => Self::field("private_key_pem", error),
            ImportError::Inventory(error) => error.into(),
            ImportError::Kept(error) => error.into(),
            ImportError::Read(error) => error.into(),
            ImportError::Commit(error) => error.into(),
        }
    }
}

impl From<RevokeError> for Problem {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::NotFound => Self::not_found("certificate"),
            RevokeError::AlreadyRevoked => Self::conflict("already_revoked", "It was revoked before."),
            RevokeError::AlreadyOnHold => Self::conflict("already_revoked", "It is on hold already."),
            RevokeError::NotOnHold => Self::conflict("not_on_hold", "It is not on hold, and nothing else is lifted."),
            RevokeError::Contended => Self::conflict("conflict", "Others decided about it at the same time; read it again."),
            RevokeError::Read(error) => error.into(),
            RevokeError::IsAuthority(_) => Self::conflict("is_authority", format!("Not revoked: {error}.")),
            RevokeError::NotOurs => Self::conflict("not_ours", format!("Not revoked: {error}.")),
            RevokeError::Inventory(error) => error.into(),
            RevokeError::Authority(error) => error.into(),
            RevokeError::Commit(error) => error.into(),
        }
    }
}

impl From<DeleteError> for Problem {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::NotFound => Self::not_found("certificate"),
            DeleteError::Valid(_) => Self::conflict("certificate_valid", format!("Not deleted: {error}.")),
            DeleteError::OnHold => Self::conflict("certificate_on_hold", format!("Not deleted: {error}.")),
            DeleteError::IsAuthority(_) => Self::conflict("is_authority", format!("Not deleted: {error}.")),
            DeleteError::IsResponder => Self::conflict("is_ocsp_responder", format!("Not deleted: {error}.")),
            DeleteError::Inventory(error) => error.into(),
            DeleteError::Authority(error) => error.into(),
            DeleteError::Kept(error) => error.into(),
            DeleteError::Commit(error) => error.into(),
        }
    }
}

impl From<TransitionError> for Problem {
    fn from(error: TransitionError) -> Self {
        let (code, certificate) = match error {
            TransitionError::NotPending(_) => ("request_not_pending", None),
            TransitionError::NotApproved(_) => ("request_not_approved", None),
            TransitionError::AlreadySigned(id) => ("already_signed", Some(Box::new(id))),
            TransitionError::OtherThanApproved => ("request_not_approved", None),
        };
        Self { certificate, ..Self::conflict(code, sentence(&error)) }
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::NotFound => Self::not_found("request"),
            RequestError::Transition(error) => error.into(),
            RequestError::NotAsReviewed => Self::conflict("request_differs", sentence(&error)),
            RequestError::SelfApproval | RequestError::UnapprovedNames(_) => {
                Self::new(StatusCode::FORBIDDEN, "self_approval", sentence(&error))
            }
            RequestError::Policy(violations) => Self::against_policy(violations),
            RequestError::TooManyPending(_) => Self::conflict("too_many_pending_requests", sentence(&error)),
            RequestError::WeakKey(weaknesses) => weak_key(&weaknesses),
            RequestError::Changed => Self::conflict("conflict", "The request was changed at the same time; read it again."),
            RequestError::Encoding | RequestError::Record(_) => Self::internal(error),
            RequestError::Key(error) => error.into(),
            RequestError::Issue(error) => error.into(),
            RequestError::Read(error) => error.into(),
            RequestError::Commit(error) => error.into(),
        }
    }
}

impl From<RenewError> for Problem {
    fn from(error: RenewError) -> Self {
        match error {
            RenewError::Revoked => Self::conflict("certificate_revoked", sentence(&error)),
            RenewError::Authority => Self::conflict("is_authority", sentence(&error)),
            RenewError::NotOurs => Self::conflict("not_ours", sentence(&error)),
            RenewError::NoRole(_) => Self::conflict("no_role", sentence(&error)),
            RenewError::ApprovalNeeded => Self::conflict("approval_needed", sentence(&error)),
            RenewError::NotApprover => Self::new(StatusCode::FORBIDDEN, "forbidden", sentence(&error)),
            RenewError::OtherNames(_) => Self::field("csr_pem", error),
            RenewError::Policy(violations) => Self::against_policy(violations),
            RenewError::Unreadable | RenewError::KeyForm(_) => Self::internal(error),
            RenewError::Key(error) => error.into(),
            RenewError::Kept(error) => error.into(),
            RenewError::Inventory(error) => error.into(),
            RenewError::Issue(error) => error.into(),
        }
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

//! Why the server did not do what it was asked.

use std::net::AddrParseError;
use std::time::Duration;

use super::jws::{JwkFault, JwsFault};
use super::validation::{CaaFault, ValidationFault};
use crate::base::id::AcmeAccountId;
use crate::ca::IssueError;
use crate::inventory::InventoryError;
use crate::lifecycle::RevokeError;
use crate::policy;
use crate::profiles::ChallengeKind;
use crate::storage::{CommitError, ReadError};
use crate::token::TokenError;
use crate::x509::csr::CsrFault;
use crate::x509::dns_name::DnsNameFault;

/// The error types of RFC 8555, 6.7, of RFC 9773, 5 and of the profiles' draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorType {
    AccountDoesNotExist,
    AlreadyReplaced,
    AlreadyRevoked,
    BadCsr,
    BadNonce,
    BadPublicKey,
    BadRevocationReason,
    BadSignatureAlgorithm,
    Caa,
    Compound,
    Connection,
    Dns,
    ExternalAccountRequired,
    IncorrectResponse,
    InvalidContact,
    InvalidProfile,
    Malformed,
    OrderNotReady,
    RateLimited,
    RejectedIdentifier,
    ServerInternal,
    Tls,
    Unauthorized,
    UnsupportedContact,
    UnsupportedIdentifier,
    UserActionRequired,
}

/// What does not exist, or not for who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    Order,
    Authorization,
    Challenge,
    Certificate,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    #[error(transparent)]
    Jws(#[from] JwsFault),
    #[error("the nonce was used before, or is too old, or is none of ours")]
    BadNonce,
    #[error("the url in the protected header is not that of the request (RFC 8555, 6.4)")]
    OtherUrl,
    #[error("the host that was asked for is not in the certificate of the listener; acme.url of the configuration names another")]
    OtherHost,
    #[error("the payload must be empty here (RFC 8555, 6.3)")]
    PayloadNotEmpty,
    #[error("the payload must be a JSON object here")]
    PayloadNoObject,
    #[error("there is no such account")]
    NoSuchAccount,
    #[error("the account was deactivated")]
    AccountEnded,
    #[error("the credential that the account was bound to was revoked")]
    CredentialEnded,
    #[error("this is another account's")]
    NotTheirs,
    #[error("there is no such {}", .0.name())]
    NotFound(Thing),
    #[error("new accounts are bound to a credential here: externalAccountBinding is wanted (RFC 8555, 7.3.4)")]
    BindingRequired,
    #[error("the external account binding is wrong: {0}")]
    Binding(#[from] BindingFault),
    #[error(transparent)]
    Contact(#[from] ContactFault),
    #[error("the terms of service must be agreed to")]
    TermsNotAgreed,
    #[error("the key change is wrong: {0}")]
    KeyChange(#[from] KeyChangeFault),
    #[error("the new key is that of another account")]
    KeyTaken(AcmeAccountId),
    #[error(transparent)]
    Profile(#[from] ProfileFault),
    #[error("an order has 1 to {} identifiers", policy::MOST_NAMES)]
    IdentifierCount,
    #[error("not all identifiers can be certified")]
    Identifiers(Vec<IdentifierFault>),
    #[error(transparent)]
    Dates(#[from] DatesFault),
    #[error(transparent)]
    Replaces(#[from] ReplacesFault),
    #[error("the order is not ready: it is {0}")]
    OrderNotReady(&'static str),
    #[error(transparent)]
    Csr(#[from] FinalizeFault),
    #[error("the status can be changed to deactivated and to nothing else")]
    Status,
    #[error("the authorization cannot be deactivated: it is {0}")]
    NotDeactivatable(&'static str),
    #[error("the certificate cannot be read")]
    NoCertificate,
    #[error("the reason is not one that is taken here")]
    RevocationReason,
    #[error("neither has this account ordered the certificate, nor has it authorizations for all of its names")]
    MayNotRevoke,
    #[error("that key is not the certificate's")]
    OtherKey,
    #[error(transparent)]
    Revoke(#[from] RevokeError),
    #[error("too many {}; try again later", .0.name())]
    Limited(Limited, Duration),
    #[error("others changed the same thing again and again")]
    Changed,
    #[error("the operating system gave no random bytes")]
    NoRandomness,
    #[error("a record of the ACME server cannot be read or written")]
    Record,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(CommitError),
}

/// What there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limited {
    AccountsOfCredential,
    AccountsOfAddress,
    WrongBindings,
    OrdersOfAccount,
    OrdersOfCredential,
    OrdersOfName,
    FailuresOfName,
}

/// What is wrong with an external account binding (RFC 8555, 7.3.4).
#[derive(Debug, thiserror::Error)]
pub enum BindingFault {
    #[error(transparent)]
    Jws(JwsFault),
    #[error("its kid is that of no credential, or of one that was revoked, has expired or is used up")]
    NoSuchCredential,
    #[error("its MAC is not that of the credential's key")]
    Mac,
    #[error("its url is not that of the request")]
    OtherUrl,
    #[error("its payload is not the key that signs the request")]
    OtherKey,
}

/// What is wrong with the inner JWS of a key change (RFC 8555, 7.3.5).
#[derive(Debug, thiserror::Error)]
pub enum KeyChangeFault {
    #[error(transparent)]
    Jws(JwsFault),
    #[error("its url is not that of the request")]
    OtherUrl,
    #[error("its account is not the one whose key is to be changed")]
    OtherAccount,
    #[error("its oldKey is not the account's key")]
    OtherOldKey(#[source] Option<JwkFault>),
}

/// What is wrong with the addresses of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContactFault {
    #[error("contacts are mailto: URLs here")]
    Scheme,
    #[error("a mailto: URL of a contact has one address, and no header fields (RFC 8555, 7.3)")]
    Address,
    #[error("at most 10 contacts")]
    TooMany,
}

/// Why there is no profile to issue by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileFault {
    #[error("there is no such profile; the directory lists them")]
    Unknown,
    #[error("neither the order nor the account's credential names a profile; the directory lists them")]
    None,
}

/// Why one identifier of an order cannot be certified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifierFault {
    /// As the order had it.
    pub kind: String,
    pub value: String,
    pub fault: NameFault,
}

/// What is wrong with a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    #[error("identifiers are of the types dns and ip here")]
    Type,
    #[error(transparent)]
    Dns(#[from] DnsNameFault),
    #[error("this is no IP address in the form of RFC 8738, 3")]
    Ip(#[source] Option<AddrParseError>),
    #[error("the name is there twice")]
    Twice,
    #[error(transparent)]
    Policy(policy::Fault),
    #[error("the account's credential is not for this name")]
    Credential,
    #[error("none of the profile's challenges can be met for it ({})", names(.0))]
    NoChallenge(Vec<ChallengeKind>),
}

/// What is wrong with the dates of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatesFault {
    #[error("notBefore and notAfter are not taken for this profile")]
    NotAllowed,
    #[error("notBefore and notAfter are times of RFC 3339")]
    Form,
    #[error("notAfter is later than now and than notBefore, and no later than the profile's longest lifetime allows")]
    Range,
}

/// Why an order does not replace a certificate (RFC 9773, 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplacesFault {
    #[error("replaces is no identifier of a certificate (RFC 9773, 4.1)")]
    Form,
    #[error("replaces names no certificate of this account with a name of this order")]
    Unknown,
    #[error("another order replaces that certificate already")]
    AlreadyReplaced,
}

/// Why a request to finalize does not make a certificate. The order stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum FinalizeFault {
    #[error("the csr is not base64url without padding")]
    Base64,
    #[error(transparent)]
    Csr(#[from] CsrFault),
    #[error("the names of the CSR are not those of the order: {}", .0.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", "))]
    Names(Vec<String>),
    #[error("the CSR asks for names of a kind that the order cannot have")]
    KindOfName,
    #[error("the CSR asks for a CA certificate")]
    AsksForCa,
    #[error("the key of the CSR is the account's (RFC 8555, 11.1)")]
    AccountKey,
    #[error("the key of the CSR is weak, was compromised, or is an authority's")]
    UnfitKey,
    #[error("the profile does not allow it: {}", .0.iter().map(|violation| violation.fault.to_string()).collect::<Vec<_>>().join("; "))]
    Policy(Vec<policy::Violation>),
}

/// Why an order that was to be issued came to nothing. It is kept with the order.
#[derive(Debug, thiserror::Error)]
pub enum OrderFault {
    #[error(transparent)]
    Finalize(#[from] FinalizeFault),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Profile(#[from] ProfileFault),
    #[error(transparent)]
    Caa(#[from] CaaFault),
    #[error("the CSR cannot be read again")]
    Record,
    #[error("the account was deactivated, or the credential that it was bound to was revoked")]
    AccountEnded,
    #[error("an authorization of the order was given up, or the profile does not take it any more")]
    NotAuthorized,
}

impl Thing {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Authorization => "authorization",
            Self::Challenge => "challenge",
            Self::Certificate => "certificate",
        }
    }
}

impl Limited {
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccountsOfCredential => "new accounts of this credential",
            Self::AccountsOfAddress => "new accounts from this address",
            Self::WrongBindings => "wrong bindings to this credential from this address",
            Self::OrdersOfAccount => "orders of this account",
            Self::OrdersOfCredential => "orders of accounts of this credential",
            Self::OrdersOfName => "orders for these very names",
            Self::FailuresOfName => "failed validations of this name",
        }
    }
}

impl ErrorType {
    pub const ALL: [Self; 26] = [
        Self::AccountDoesNotExist,
        Self::AlreadyReplaced,
        Self::AlreadyRevoked,
        Self::BadCsr,
        Self::BadNonce,
        Self::BadPublicKey,
        Self::BadRevocationReason,
        Self::BadSignatureAlgorithm,
        Self::Caa,
        Self::Compound,
        Self::Connection,
        Self::Dns,
        Self::ExternalAccountRequired,
        Self::IncorrectResponse,
        Self::InvalidContact,
        Self::InvalidProfile,
        Self::Malformed,
        Self::OrderNotReady,
        Self::RateLimited,
        Self::RejectedIdentifier,
        Self::ServerInternal,
        Self::Tls,
        Self::Unauthorized,
        Self::UnsupportedContact,
        Self::UnsupportedIdentifier,
        Self::UserActionRequired,
    ];

    /// What stands behind `urn:ietf:params:acme:error:`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccountDoesNotExist => "accountDoesNotExist",
            Self::AlreadyReplaced => "alreadyReplaced",
            Self::AlreadyRevoked => "alreadyRevoked",
            Self::BadCsr => "badCSR",
            Self::BadNonce => "badNonce",
            Self::BadPublicKey => "badPublicKey",
            Self::BadRevocationReason => "badRevocationReason",
            Self::BadSignatureAlgorithm => "badSignatureAlgorithm",
            Self::Caa => "caa",
            Self::Compound => "compound",
            Self::Connection => "connection",
            Self::Dns => "dns",
            Self::ExternalAccountRequired => "externalAccountRequired",
            Self::IncorrectResponse => "incorrectResponse",
            Self::InvalidContact => "invalidContact",
            Self::InvalidProfile => "invalidProfile",
            Self::Malformed => "malformed",
            Self::OrderNotReady => "orderNotReady",
            Self::RateLimited => "rateLimited",
            Self::RejectedIdentifier => "rejectedIdentifier",
            Self::ServerInternal => "serverInternal",
            Self::Tls => "tls",
            Self::Unauthorized => "unauthorized",
            Self::UnsupportedContact => "unsupportedContact",
            Self::UnsupportedIdentifier => "unsupportedIdentifier",
            Self::UserActionRequired => "userActionRequired",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What went wrong with a challenge or an order, as it is kept and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFault {
    pub kind: ErrorType,
    pub detail: String,
}

impl From<&ValidationFault> for StoredFault {
    fn from(fault: &ValidationFault) -> Self {
        Self { kind: fault.problem(), detail: fault.to_string() }
    }
}

impl From<&OrderFault> for StoredFault {
    fn from(fault: &OrderFault) -> Self {
        let kind = match fault {
            OrderFault::Finalize(_) | OrderFault::Record => ErrorType::BadCsr,
            OrderFault::Issue(
                IssueError::WeakKey(_) | IssueError::CompromisedKey | IssueError::AuthorityKey | IssueError::OtherKeyType,
            ) => ErrorType::BadCsr,
            OrderFault::Profile(_) => ErrorType::InvalidProfile,
            OrderFault::Caa(fault) => fault.problem(),
            OrderFault::AccountEnded | OrderFault::NotAuthorized => ErrorType::Unauthorized,
            OrderFault::Issue(
                IssueError::NotStanding(_)
                | IssueError::Serial(_)
                | IssueError::Prepare(_)
                | IssueError::Token(_)
                | IssueError::Commit(_)
                | IssueError::Read(_)
                | IssueError::Inventory(_)
                | IssueError::Kept(_),
            ) => ErrorType::ServerInternal,
        };
        // What failed inside is for the log.
        let detail = match kind {
            ErrorType::ServerInternal => "the appliance could not issue the certificate; its log says why".to_owned(),
            _ => fault.to_string(),
        };
        Self { kind, detail }
    }
}

fn names(challenges: &[ChallengeKind]) -> String {
    challenges.iter().map(|challenge| challenge.name()).collect::<Vec<_>>().join(", ")
}

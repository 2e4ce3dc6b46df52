//! How the errors of `ca` are told.

use super::{Problem, weak_key};
use crate::api::problem::Violation;
use crate::ca::{AuthorityError, CreateError, CrlError, IssueError, NotStanding, PlaceFault, SubjectKeyError};

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

impl From<PlaceFault> for Problem {
    fn from(fault: PlaceFault) -> Self {
        match fault {
            PlaceFault::NoParent => Self::field("parent_ca_id", fault),
            PlaceFault::ParentNotStanding(error) => {
                let violation = Violation::new("parent_ca_id", format!("nothing can be signed: {error}"));
                Self { violations: vec![violation], ..error.into() }
            }
            PlaceFault::SubjectOfAncestor(_) => Self::field("common_name", fault),
            PlaceFault::PathLengthExhausted => Self::field("parent_ca_id", fault),
            PlaceFault::PathLengthTooLong(_) => Self::field("path_length", fault),
            PlaceFault::OutlivesParent(_) => Self::field("validity_days", fault),
            PlaceFault::NoToken => Self::field("token", fault),
            PlaceFault::NameTaken => Self::name_taken(&fault),
            PlaceFault::NoCrlUrl => Self::field("crl.shards", fault),
        }
    }
}

impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Misplaced(faults) => Self::together(faults.into_iter().map(Self::from)),
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

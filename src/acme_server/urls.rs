//! The URLs of the server's resources, under the address by which the client has reached it.

use super::validation::ChallengeKind;
use crate::base::id::{AcmeAccountId, AcmeAuthorizationId, AcmeOrderId, CertId};

/// Where the server is: `https://` and its host, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base(String);

const ROOT: &str = "/api/acme";
const ACCOUNT: &str = "/api/acme/account/";

impl Base {
    /// With the scheme and the host.
    pub fn new(origin: &str) -> Self {
        Self(origin.to_owned())
    }

    /// The URL of a path on this host.
    pub fn of_path(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The URL of one of the resources that there is one of, such as `new-order`.
    pub fn of(&self, name: &str) -> String {
        format!("{}{ROOT}/{name}", self.0)
    }

    pub fn account(&self, id: AcmeAccountId) -> String {
        format!("{}{ACCOUNT}{id}", self.0)
    }

    pub fn orders(&self, id: AcmeAccountId) -> String {
        format!("{}{ACCOUNT}{id}/orders", self.0)
    }

    pub fn order(&self, id: AcmeOrderId) -> String {
        format!("{}{ROOT}/order/{id}", self.0)
    }

    pub fn finalize(&self, id: AcmeOrderId) -> String {
        format!("{}{ROOT}/finalize/{id}", self.0)
    }

    pub fn authorization(&self, id: AcmeAuthorizationId) -> String {
        format!("{}{ROOT}/authz/{id}", self.0)
    }

    pub fn challenge(&self, id: AcmeAuthorizationId, kind: ChallengeKind) -> String {
        format!("{}{ROOT}/challenge/{}", self.0, challenge_id(id, kind))
    }

    pub fn certificate(&self, id: CertId) -> String {
        format!("{}{ROOT}/cert/{id}", self.0)
    }
}

/// The account that a `kid` names. Whatever the host: the appliance may be reached by several, and the signature says whose the request is.
pub fn account_of(kid: &str) -> Option<AcmeAccountId> {
    let (_, path) = kid.strip_prefix("https://")?.split_once('/')?;
    path.strip_prefix(ACCOUNT.trim_start_matches('/'))?.parse().ok()
}

/// A challenge has no id of its own: it is the authorization's of that kind.
pub fn challenge_id(id: AcmeAuthorizationId, kind: ChallengeKind) -> String {
    format!("{id}-{}", kind.name())
}

/// The authorization and the kind of a challenge's id.
pub fn read_challenge_id(text: &str) -> Option<(AcmeAuthorizationId, ChallengeKind)> {
    let (id, kind) = text.split_once('-')?;
    Some((id.parse().ok()?, ChallengeKind::from_name(kind)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_read_again() {
        let base = Base::new("https://ca.example.com:8443");
        let account = AcmeAccountId::new();
        assert_eq!(account_of(&base.account(account)), Some(account));
        assert_eq!(account_of(&base.orders(account)), None);
        assert_eq!(account_of(&base.account(account).replace("https", "http")), None);
        let id = AcmeAuthorizationId::new();
        for kind in ChallengeKind::ALL {
            assert_eq!(read_challenge_id(&challenge_id(id, kind)), Some((id, kind)));
        }
        assert_eq!(read_challenge_id(&id.to_string()), None);
    }
}

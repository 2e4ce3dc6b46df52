//! Profiles: the roles that are open to ACME clients (draft-ietf-acme-profiles).

use std::sync::Arc;

use super::account::Account;
use super::authorization::{Authorization, Proof};
use super::credential::Credential;
use super::error::{AcmeError, ProfileFault};
use super::server::AcmeServer;
use super::validation::{ChallengeKind, Identifier};
use crate::base::id::OrgId;
use crate::profiles::{AcmeOpening, Role, RoleName};
use crate::x509::dns_name::DnsName;

/// A role that is open.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub role: Arc<Role>,
    pub opening: AcmeOpening,
}

/// How many roles the directory shows.
const MOST_SHOWN: usize = 1_000;

impl Profile {
    fn of(role: Arc<Role>) -> Option<Self> {
        let opening = role.acme.clone()?;
        Some(Self { role, opening })
    }

    /// The challenges by which this name may be shown to be the account's.
    pub fn challenges(&self, identifier: &Identifier) -> Vec<ChallengeKind> {
        self.opening.challenges.iter().copied().filter(|kind| identifier.suits(*kind)).collect()
    }

    /// Whether an account need not show that this name is its own: a name that the operator vouches for, and an account that was bound to a
    /// credential which is for this very profile or for this very name. One that is for another profile is vouched for there.
    pub fn pre_authorizes(&self, identifier: &Identifier, credential: Option<&Credential>) -> bool {
        let (Identifier::Dns { .. }, Some(credential)) = (identifier, credential) else { return false };
        let Ok(name) = DnsName::parse(&super::identifier::shown(identifier).1) else { return false };
        let is_of_this = credential.role.as_ref() == Some(&self.role.name);
        let is_for_it = is_of_this || (!credential.allowed_names.is_empty() && credential.admits(&name));
        let subdomains = self.role.policy.allow_subdomains;
        is_for_it && self.opening.pre_authorized.iter().any(|pattern| pattern.admits(&name, subdomains))
    }

    /// Whether what an authorization was given by counts for this profile as it is now.
    pub fn accepts(&self, authorization: &Authorization, proof: Proof, credential: Option<&Credential>) -> bool {
        match proof {
            Proof::Challenge(kind) => self.challenges(&authorization.identifier).contains(&kind),
            Proof::PreAuthorized => self.pre_authorizes(&authorization.identifier, credential),
        }
    }
}

impl AcmeServer {
    /// The profiles that everybody may see, with what each gives: those of the default organisation.
    pub fn profiles(&self) -> Vec<(String, String)> {
        let roles = self.roles.list(OrgId::DEFAULT, None, MOST_SHOWN).into_iter();
        let open = roles.filter(|role| role.acme.is_some());
        open.map(|role| {
            let policy = &role.policy;
            (
                role.name.to_string(),
                format!("Role {}: certificates for {} keys, for {} at most", role.name, policy.key_type, policy.max_ttl),
            )
        })
        .collect()
    }

    /// The profile of an account's order: the one it names, or that of its credential, or the only one there is.
    pub(super) fn profile(&self, account: &Account, credential: Option<&Credential>, named: Option<&str>) -> Result<Profile, AcmeError> {
        if let Some(named) = named {
            let name = RoleName::parse(named).ok_or(ProfileFault::Unknown)?;
            return Ok(self.profile_of(account.organization, &name)?);
        }
        if let Some(name) = credential.and_then(|credential| credential.role.as_ref()) {
            return Ok(self.profile_of(account.organization, name)?);
        }
        let mut open = self.roles.list(account.organization, None, MOST_SHOWN).into_iter().filter_map(Profile::of);
        match (open.next(), open.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) | (None, _) => Err(ProfileFault::None.into()),
        }
    }

    /// The profile of this name, as it is now.
    pub(super) fn profile_of(&self, organization: OrgId, name: &RoleName) -> Result<Profile, ProfileFault> {
        self.roles.get(organization, name).and_then(Profile::of).ok_or(ProfileFault::Unknown)
    }
}

//! The one evaluator: sets of rights, over the whole organisation and on single authorities.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::{Scope, UnknownScope};
use crate::base::id::CaId;

/// A set of scopes that holds with each scope all that it includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Scopes(u32);

/// One right as it is given: a scope, or a capability on one authority. As text `create_cert` or `create_cert@ca_…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    pub scope: Scope,
    /// None for the whole organisation.
    pub on: Option<CaId>,
}

/// The text is no grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantFault {
    #[error(transparent)]
    Scope(#[from] UnknownScope),
    #[error("what stands behind the @ is not the id of an authority")]
    NotAnAuthority,
    #[error(
        "this scope is for a whole organisation; on one authority there are create_ca, create_cert, revoke_cert, export_private_key and delete_ca"
    )]
    NotACapability,
}

/// What somebody may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    everywhere: Scopes,
    /// What is held besides on single authorities.
    on: BTreeMap<CaId, Scopes>,
}

impl Rights {
    /// All there are.
    pub fn all() -> Self {
        Self::of_scopes(Scope::ALL)
    }

    /// These scopes in the whole organisation.
    pub fn of_scopes(scopes: &[Scope]) -> Self {
        Self { everywhere: scopes.iter().fold(Scopes::default(), |all, scope| all.or(Scopes::of(*scope))), on: BTreeMap::new() }
    }

    /// What these grants give together.
    pub fn of_grants(grants: &[Grant]) -> Self {
        let mut rights = Self::default();
        for Grant { scope, on } in grants {
            let scopes = Scopes::of(*scope);
            match on {
                None => rights.everywhere = rights.everywhere.or(scopes),
                Some(ca) => {
                    let held = rights.on.entry(*ca).or_default();
                    *held = held.or(scopes);
                }
            }
        }
        rights
    }

    /// The same without these scopes, but with those that they hold.
    #[must_use]
    pub fn without(mut self, scopes: &[Scope]) -> Self {
        for scope in scopes {
            self.everywhere = self.everywhere.without(*scope);
            for held in self.on.values_mut() {
                *held = held.without(*scope);
            }
        }
        self
    }

    /// What either gives.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        self.everywhere = self.everywhere.or(other.everywhere);
        for (ca, scopes) in &other.on {
            let held = self.on.entry(*ca).or_default();
            *held = held.or(*scopes);
        }
        self
    }

    /// What both give.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let both = |ca: &CaId| (*ca, self.over(*ca).and(other.over(*ca)));
        Self { everywhere: self.everywhere.and(other.everywhere), on: self.on.keys().chain(other.on.keys()).map(both).collect() }
    }

    /// Whether it is held in the whole organisation.
    pub fn holds(&self, asked: Scope) -> bool {
        self.everywhere.contains(asked)
    }

    /// Whether it is held on that authority.
    pub fn holds_on(&self, asked: Scope, ca: CaId) -> bool {
        self.over(ca).contains(asked)
    }

    /// Whether it is held on any authority at all.
    pub fn holds_somewhere(&self, asked: Scope) -> bool {
        self.holds(asked) || self.on.values().any(|scopes| scopes.contains(asked))
    }

    /// Whether these give everything that the others give.
    pub fn include(&self, others: &Self) -> bool {
        self.everywhere.include(others.everywhere) && others.on.iter().all(|(ca, scopes)| self.over(*ca).include(*scopes))
    }

    fn over(&self, ca: CaId) -> Scopes {
        self.everywhere.or(self.on.get(&ca).copied().unwrap_or_default())
    }
}

impl Scopes {
    fn of(scope: Scope) -> Self {
        scope.holds().iter().fold(Self(1 << scope as u32), |all, held| all.or(Self::of(*held)))
    }

    fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u32) != 0
    }

    fn include(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }

    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    fn without(self, scope: Scope) -> Self {
        Self(self.0 & !(1 << scope as u32))
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scope.name())?;
        self.on.map_or(Ok(()), |ca| write!(f, "@{ca}"))
    }
}

impl FromStr for Grant {
    type Err = GrantFault;

    fn from_str(text: &str) -> Result<Self, GrantFault> {
        let Some((scope, ca)) = text.split_once('@') else { return Ok(Self { scope: text.parse()?, on: None }) };
        let scope: Scope = scope.parse()?;
        if !scope.is_capability() {
            return Err(GrantFault::NotACapability);
        }
        Ok(Self { scope, on: Some(ca.parse().map_err(|_| GrantFault::NotAnAuthority)?) })
    }
}

impl From<Scope> for Grant {
    fn from(scope: Scope) -> Self {
        Self { scope, on: None }
    }
}

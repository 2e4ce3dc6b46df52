//! Whether the token holds what the records say: asked once at each start, before anything is signed.
//!
//! A finding is logged, audited and counted for health and metrics. A key that is not what its record says is not used again until a start
//! finds it good; one that is missing is found again by itself when the token has it back.

use std::collections::BTreeMap;

use super::Authorities;
use crate::audit::{self, Action, Actor, Entry, Field, Ledger};
use crate::base::clock::Clock;
use crate::base::id::CaId;
use crate::storage::Class;
use crate::token::{KeyId, KeyRef, StoredKey, Token};

/// What can be wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyFault {
    /// An authority's key is not in its token.
    Missing,
    /// Another key lies under the id of an authority's key.
    Changed,
    /// Several keys lie under the id of an authority's key.
    Ambiguous,
    /// The token would give an authority's private key out: CKA_SENSITIVE is false or CKA_EXTRACTABLE true.
    Exposed,
    /// A key that was made for an authority which does not exist: its creation was cut short.
    Orphaned,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    fault: KeyFault,
    /// The CKA_ID.
    key: Vec<u8>,
    ca: CaId,
}

impl KeyFault {
    /// Every fault.
    pub const ALL: [Self; 5] = [Self::Missing, Self::Changed, Self::Ambiguous, Self::Exposed, Self::Orphaned];

    /// Its name in health, metrics and audit.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Changed => "changed",
            Self::Ambiguous => "ambiguous",
            Self::Exposed => "exposed",
            Self::Orphaned => "orphaned",
        }
    }

    /// Whether the key must not be used though the token has one.
    fn forbids_use(self) -> bool {
        match self {
            Self::Changed | Self::Ambiguous | Self::Exposed => true,
            Self::Missing | Self::Orphaned => false,
        }
    }
}

/// Compares every token with the records, and tells how many keys have which fault. A token that is away is left out: its keys are then not
/// known to be wrong, and nothing can be signed with them either.
pub async fn reconcile(authorities: &Authorities, token: &Token, ledger: &Ledger, clock: &Clock) -> BTreeMap<KeyFault, usize> {
    let mut found = Vec::new();
    for name in token.names() {
        let Some(one) = token.named(&name) else { continue };
        match one.inventories().await {
            Ok(members) => found.extend(compare(authorities, &members, |key| token.is_of(key, &name))),
            Err(error) => tracing::warn!(token = %name, %error, "the keys of a token cannot be compared with the records"),
        }
    }
    // Of equal tokens that lack a key it is said in their health; the others sign with it.
    for authority in authorities.all() {
        if let Err(error) = token.check(&authority.key).await {
            tracing::error!(ca = %authority.id, name = authority.name, key = %authority.key.id, %error, "an authority's key cannot be used");
        }
    }
    let mut counts = BTreeMap::new();
    for finding in &found {
        *counts.entry(finding.fault).or_default() += 1;
        let (fault, key) = (finding.fault.name(), hex::encode(&finding.key));
        tracing::error!(ca = %finding.ca, key, fault, "a key in the token is not as the records say");
        let entry = Entry::done(clock.now(), Actor::System, Action::KeyFinding).object(finding.ca);
        let entry = entry.detail(Field::KeyId, key).detail(Field::Fault, fault);
        if let Err(error) = ledger.commit(audit::Change::entry_only(Class::Essential, entry)).await {
            tracing::error!(%error, "what was found of a key cannot be audited");
        }
    }
    let forbidden = found.iter().filter(|finding| finding.fault.forbids_use());
    token.forbid(forbidden.filter_map(|finding| Some(KeyId::from_bytes(finding.key.as_slice().try_into().ok()?))).collect());
    counts
}

/// `members` are the lists of equal tokens: a key has to be right wherever it is, and is missing when it is nowhere.
fn compare(authorities: &Authorities, members: &[Vec<StoredKey>], is_here: impl Fn(&KeyRef) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let all = authorities.all();
    for authority in all.iter().filter(|authority| is_here(&authority.key)) {
        let id = authority.key.id.as_bytes().as_slice();
        let of_member = |keys: &Vec<StoredKey>| match keys.iter().filter(|key| key.id == id).collect::<Vec<_>>().as_slice() {
            [] => Some(KeyFault::Missing),
            // A token that shows no public half cannot be compared here; every signature is verified all the same.
            [only] if only.public.as_ref().is_some_and(|public| *public != authority.key.public) => Some(KeyFault::Changed),
            [only] if only.attributes.sensitive == Some(false) || only.attributes.extractable == Some(true) => Some(KeyFault::Exposed),
            [_] => None,
            _ => Some(KeyFault::Ambiguous),
        };
        let faults: Vec<_> = members.iter().map(of_member).collect();
        let is_missing = faults.iter().all(|fault| *fault == Some(KeyFault::Missing));
        let fault = faults.into_iter().flatten().find(|fault| is_missing || *fault != KeyFault::Missing);
        found.extend(fault.map(|fault| Finding { fault, key: id.to_vec(), ca: authority.id }));
    }
    // Keys of authorities are labelled with their ids. What others keep in the same token is not ours to judge.
    let labelled = members.iter().flatten().filter_map(|key| Some((key, key.label.parse::<CaId>().ok()?)));
    let orphans = labelled.filter(|(key, _)| !all.iter().any(|authority| authority.key.id.as_bytes().as_slice() == key.id));
    for (key, ca) in orphans {
        let finding = Finding { fault: KeyFault::Orphaned, key: key.id.clone(), ca };
        if !found.contains(&finding) {
            found.push(finding);
        }
    }
    found
}

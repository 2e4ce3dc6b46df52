//! Whether the token holds what the records say: asked once at each start, before anything is signed.
//!
//! A finding is logged, audited and counted for health and metrics. A key that is not what its record says is not used again until a start
//! finds it good; one that is missing is found again by itself when the token has it back.

use std::collections::{BTreeMap, HashSet};

use super::{Authorities, ResponderKey, ResponderKeys};
use crate::audit::{self, Action, Actor, Entry, Field, Ledger};
use crate::base::clock::Clock;
use crate::base::id::CaId;
use crate::inventory::{KeptKeys, RecordedKey};
use crate::storage::Class;
use crate::token::{Inventory, KeyId, KeyProfile, KeyRef, StoredKey, Token};

/// What can be wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyFault {
    /// A key of an authority, or one that is kept for a subject, is not in its token.
    Missing,
    /// Another key lies under the id of an authority's key.
    Changed,
    /// Several keys lie under the id of an authority's key.
    Ambiguous,
    /// The token would give an authority's private key out: CKA_SENSITIVE is false or CKA_EXTRACTABLE true.
    Exposed,
    /// A key that was made for an authority which does not exist, because its creation was cut short; or a subject's that no record knows.
    Orphaned,
    /// A key of the listener that the appliance uses no more.
    Retired,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    fault: KeyFault,
    /// The CKA_ID.
    key: Vec<u8>,
    /// The id of the one whose key it is, or what the label says of that.
    owner: String,
}

impl KeyFault {
    /// Every fault.
    pub const ALL: [Self; 6] = [Self::Missing, Self::Changed, Self::Ambiguous, Self::Exposed, Self::Orphaned, Self::Retired];

    /// Its name in health, metrics and audit.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Changed => "changed",
            Self::Ambiguous => "ambiguous",
            Self::Exposed => "exposed",
            Self::Orphaned => "orphaned",
            Self::Retired => "retired",
        }
    }

    /// Whether the key must not be used though the token has one.
    fn forbids_use(self) -> bool {
        match self {
            Self::Changed | Self::Ambiguous | Self::Exposed => true,
            Self::Missing | Self::Orphaned | Self::Retired => false,
        }
    }
}

/// What stands for the owner of the listener's keys in the audit trail.
const LISTENER: &str = "[tls]";
/// So many findings are told one by one: tokens hold tens of thousands of subjects' keys, and one that was exchanged lacks them all.
const MOST_TOLD: usize = 200;

/// Compares every token with the records, and tells how many keys have which fault. `retired` are keys the listener uses no more. A token that is away is left out: its keys are then not
/// known to be wrong, and nothing can be signed with them either.
pub async fn reconcile(
    authorities: &Authorities,
    (kept, responders): (&KeptKeys, &ResponderKeys),
    retired: &[KeyId],
    token: &Token,
    ledger: &Ledger,
    clock: &Clock,
) -> BTreeMap<KeyFault, usize> {
    let mut found = Vec::new();
    let recorded = kept.recorded().unwrap_or_else(|error| {
        tracing::error!(%error, "the records of kept keys cannot be compared with the tokens");
        Vec::new()
    });
    let responders = responders.recorded(None).unwrap_or_else(|error| {
        tracing::error!(%error, "the records of OCSP responders cannot be compared with the tokens");
        Vec::new()
    });
    for name in token.names() {
        let Some(one) = token.named(&name) else { continue };
        match one.inventories().await {
            Ok(members) => {
                found.extend(compare(authorities, &one, &members, |key| token.is_of(key, &name)));
                found.extend(compare_retired(retired, &members));
                let members: Vec<_> = members.into_iter().map(|member| member.keys).collect();
                found.extend(compare_responders(&responders, &members, &name));
                found.extend(compare_kept(&recorded, &members, &name));
            }
            Err(error) => tracing::warn!(token = %name, %error, "the keys of a token cannot be compared with the records"),
        }
    }
    let mut counts = BTreeMap::new();
    for finding in &found {
        *counts.entry(finding.fault).or_default() += 1;
    }
    for finding in found.iter().take(MOST_TOLD) {
        let (fault, key) = (finding.fault.name(), hex::encode(&finding.key));
        tracing::error!(owner = finding.owner, key, fault, "a key in the token is not as the records say");
        let entry = Entry::done(clock.now(), Actor::System, Action::KeyFinding).object(&finding.owner);
        let entry = entry.detail(Field::KeyId, key).detail(Field::Fault, fault);
        if let Err(error) = ledger.commit(audit::Change::entry_only(Class::Essential, entry)).await {
            tracing::error!(%error, "what was found of a key cannot be audited");
        }
    }
    if found.len() > MOST_TOLD {
        tracing::error!(more = found.len() - MOST_TOLD, "more keys are not as the records say than are told");
    }
    let forbidden = found.iter().filter(|finding| finding.fault.forbids_use());
    token.forbid(forbidden.filter_map(|finding| Some(KeyId::from_bytes(finding.key.as_slice().try_into().ok()?))).collect());
    counts
}

/// `members` are the lists of equal tokens: a key has to be right wherever it is, and is missing when it is nowhere. Of those that lack a key
/// which another has it is said in their health; the others sign with it.
fn compare(authorities: &Authorities, token: &Token, members: &[Inventory], is_here: impl Fn(&KeyRef) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let all = authorities.of_all_organizations();
    for authority in all.iter().filter(|authority| is_here(&authority.key)) {
        let id = authority.key.id.as_bytes().as_slice();
        let of_member = |member: &Inventory| match member.keys.iter().filter(|key| key.id == id).collect::<Vec<_>>().as_slice() {
            [] => Some(KeyFault::Missing),
            // A token that shows no public half cannot be compared here; every signature is verified all the same.
            [only] if only.public.as_ref().is_some_and(|public| *public != authority.key.public) => Some(KeyFault::Changed),
            [only] if only.attributes.sensitive == Some(false) || only.attributes.extractable == Some(true) => Some(KeyFault::Exposed),
            [_] => None,
            _ => Some(KeyFault::Ambiguous),
        };
        let faults: Vec<_> = members.iter().map(of_member).collect();
        let is_missing = faults.iter().all(|fault| *fault == Some(KeyFault::Missing));
        let lacking = members.iter().zip(&faults).filter(|(_, fault)| **fault == Some(KeyFault::Missing) && !is_missing);
        lacking.for_each(|(member, _)| token.lacks_key(member, authority.key.id));
        let fault = faults.into_iter().flatten().find(|fault| is_missing || *fault != KeyFault::Missing);
        found.extend(fault.map(|fault| Finding { fault, key: id.to_vec(), owner: authority.id.to_string() }));
    }
    // Keys of authorities are labelled with their ids. What others keep in the same token is not ours to judge.
    let labelled = members.iter().flat_map(|member| &member.keys).filter_map(|key| Some((key, key.label.parse::<CaId>().ok()?)));
    let orphans = labelled.filter(|(key, _)| !all.iter().any(|authority| authority.key.id.as_bytes().as_slice() == key.id));
    for (key, ca) in orphans {
        let finding = Finding { fault: KeyFault::Orphaned, key: key.id.clone(), owner: ca.to_string() };
        if !found.contains(&finding) {
            found.push(finding);
        }
    }
    found
}

/// Keys the listener had once. By their ids and not by their label, which the listener of another appliance has as well.
fn compare_retired(retired: &[KeyId], members: &[Inventory]) -> Vec<Finding> {
    let there: HashSet<&[u8]> = members.iter().flat_map(|member| &member.keys).map(|key| key.id.as_slice()).collect();
    let left = retired.iter().filter(|id| there.contains(id.as_bytes().as_slice()));
    left.map(|id| Finding { fault: KeyFault::Retired, key: id.as_bytes().to_vec(), owner: LISTENER.to_owned() }).collect()
}

/// The same of the keys of OCSP responders. One that is missing is replaced by another as soon as it is needed.
fn compare_responders(recorded: &[ResponderKey], members: &[Vec<StoredKey>], name: &str) -> Vec<Finding> {
    let there: HashSet<&[u8]> = members.iter().flatten().map(|key| key.id.as_slice()).collect();
    let of_here = recorded.iter().filter(|key| key.is_active() && key.token.as_deref().is_none_or(|token| token == name));
    let missing = of_here.filter(|key| !there.contains(key.id.as_bytes().as_slice())).map(|key| Finding {
        fault: KeyFault::Missing,
        key: key.id.as_bytes().to_vec(),
        owner: key.ca.to_string(),
    });
    let known: HashSet<&[u8]> = recorded.iter().map(|key| key.id.as_bytes().as_slice()).collect();
    let mut told = HashSet::new();
    let labelled =
        members.iter().flatten().filter_map(|key| Some((key, key.label.strip_prefix(ResponderKey::LABEL)?.parse::<CaId>().ok()?)));
    let orphans = labelled.filter(|(key, _)| !known.contains(key.id.as_slice()) && told.insert(&key.id)).map(|(key, ca)| Finding {
        fault: KeyFault::Orphaned,
        key: key.id.clone(),
        owner: ca.to_string(),
    });
    missing.chain(orphans).collect()
}

/// The same of subjects' keys. Their public halves are compared when they are exported; of equal tokens one is enough.
fn compare_kept(recorded: &[RecordedKey], members: &[Vec<StoredKey>], name: &str) -> Vec<Finding> {
    let there: HashSet<&[u8]> = members.iter().flatten().map(|key| key.id.as_slice()).collect();
    let of_here = recorded.iter().filter(|key| !key.is_intended && key.token.as_deref().is_none_or(|token| token == name));
    let missing = of_here.filter(|key| !there.contains(key.id.as_bytes().as_slice())).map(|key| Finding {
        fault: KeyFault::Missing,
        key: key.id.as_bytes().to_vec(),
        owner: key.owner.to_string(),
    });
    let known: HashSet<&[u8]> = recorded.iter().map(|key| key.id.as_bytes().as_slice()).collect();
    let mut told = HashSet::new();
    let orphans = members.iter().flatten().filter_map(|key| Some((key, key.label.strip_prefix(KeyProfile::SUBJECT)?)));
    let orphans = orphans.filter(|(key, _)| !known.contains(key.id.as_slice()) && told.insert(&key.id)).map(|(key, label)| Finding {
        fault: KeyFault::Orphaned,
        key: key.id.clone(),
        owner: label.to_owned(),
    });
    missing.chain(orphans).collect()
}

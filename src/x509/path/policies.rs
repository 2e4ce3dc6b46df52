//! Certificate policies by the graph of RFC 9618, which says the same as the tree of RFC 5280 and cannot grow beyond
//! policies × certificates.

use std::collections::{BTreeMap, BTreeSet};

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280;

use super::{FaultKind, Inputs};
use crate::x509::certificate::Certificate;
use crate::x509::tlv::{self, DerFault, Element};

/// anyPolicy (RFC 5280, 4.2.1.4).
const ANY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32.0");

/// What the four policy extensions of a certificate say.
#[derive(Clone, Debug, Default)]
pub(super) struct PolicyExtensions {
    /// None where the certificate has no policies.
    policies: Option<Vec<ObjectIdentifier>>,
    mappings: Vec<(ObjectIdentifier, ObjectIdentifier)>,
    require_explicit: Option<u32>,
    inhibit_mapping: Option<u32>,
    inhibit_any: Option<u32>,
}

/// The state variables of RFC 5280, 6.1.2.
pub(super) struct PolicyState {
    /// The nodes of each depth by their valid_policy. None when no policy is valid any more.
    graph: Option<Vec<BTreeMap<ObjectIdentifier, Node>>>,
    wanted: Option<BTreeSet<ObjectIdentifier>>,
    explicit: u32,
    mapping: u32,
    any: u32,
}

struct Node {
    parents: BTreeSet<ObjectIdentifier>,
    expected: BTreeSet<ObjectIdentifier>,
}

/// Reads the policy extensions; the error is the extension that cannot be read.
pub(super) fn policy_extensions(certificate: &Certificate) -> Result<PolicyExtensions, ObjectIdentifier> {
    let read = |oid: ObjectIdentifier| certificate.extension(oid).map(move |value| (oid, value));
    let mut found = PolicyExtensions::default();
    if let Some((oid, value)) = read(rfc5280::ID_CE_CERTIFICATE_POLICIES) {
        found.policies = Some(policies(value).map_err(|_| oid)?);
    }
    if let Some((oid, value)) = read(rfc5280::ID_CE_POLICY_MAPPINGS) {
        found.mappings = mappings(value).map_err(|_| oid)?;
    }
    if let Some((oid, value)) = read(rfc5280::ID_CE_POLICY_CONSTRAINTS) {
        (found.require_explicit, found.inhibit_mapping) = constraints(value).map_err(|_| oid)?;
    }
    if let Some((oid, value)) = read(rfc5280::ID_CE_INHIBIT_ANY_POLICY) {
        found.inhibit_any = Some(Element::sole(value, tlv::INTEGER).and_then(skip_certificates).map_err(|_| oid)?);
    }
    Ok(found)
}

impl PolicyState {
    /// For a path of so many certificates below the anchor.
    pub fn new(length: usize, inputs: &Inputs) -> Self {
        let never = u32::try_from(length + 1).unwrap_or(u32::MAX);
        let unless = |inhibited: bool| if inhibited { 0 } else { never };
        let root = Node { parents: BTreeSet::new(), expected: BTreeSet::from([ANY]) };
        Self {
            graph: Some(vec![BTreeMap::from([(ANY, root)])]),
            wanted: inputs.policies.as_ref().map(|policies| policies.iter().copied().collect()),
            explicit: unless(inputs.explicit_policy),
            mapping: unless(inputs.inhibit_policy_mapping),
            any: unless(inputs.inhibit_any_policy),
        }
    }

    /// RFC 5280, 6.1.3 d to f.
    pub fn process(&mut self, extensions: &PolicyExtensions, is_self_issued: bool, is_last: bool) -> Result<(), FaultKind> {
        self.graph = match (self.graph.take(), &extensions.policies) {
            (Some(mut graph), Some(policies)) => {
                let any_counts = self.any > 0 || (!is_last && is_self_issued);
                let level = graph.last().map(|above| level(above, policies, any_counts)).unwrap_or_default();
                graph.push(level);
                prune(graph)
            }
            (None, _) | (_, None) => None,
        };
        if self.explicit == 0 && self.graph.is_none() { Err(FaultKind::Policy) } else { Ok(()) }
    }

    /// RFC 5280, 6.1.4 a, b, h to j.
    pub fn prepare(&mut self, extensions: &PolicyExtensions, is_self_issued: bool) -> Result<(), FaultKind> {
        if extensions.mappings.iter().any(|(from, to)| *from == ANY || *to == ANY) {
            return Err(FaultKind::AnyPolicyMapped);
        }
        self.map(&extensions.mappings);
        if !is_self_issued {
            for counter in [&mut self.explicit, &mut self.mapping, &mut self.any] {
                *counter = counter.saturating_sub(1);
            }
        }
        lower(&mut self.explicit, extensions.require_explicit);
        lower(&mut self.mapping, extensions.inhibit_mapping);
        lower(&mut self.any, extensions.inhibit_any);
        Ok(())
    }

    /// RFC 5280, 6.1.5 a, b and g.
    pub fn wrap_up(&mut self, extensions: &PolicyExtensions) -> Result<(), FaultKind> {
        self.explicit = self.explicit.saturating_sub(1);
        if extensions.require_explicit == Some(0) {
            self.explicit = 0;
        }
        if self.explicit > 0 || self.has_wanted_policy() { Ok(()) } else { Err(FaultKind::Policy) }
    }

    fn map(&mut self, mappings: &[(ObjectIdentifier, ObjectIdentifier)]) {
        let Some(mut graph) = self.graph.take() else { return };
        if mappings.is_empty() {
            self.graph = Some(graph);
            return;
        }
        let mut by_issuer: BTreeMap<ObjectIdentifier, BTreeSet<ObjectIdentifier>> = BTreeMap::new();
        for (from, to) in mappings {
            by_issuer.entry(*from).or_default().insert(*to);
        }
        if let Some(level) = graph.last_mut() {
            for (from, to) in by_issuer {
                if self.mapping == 0 {
                    level.remove(&from);
                } else if let Some(node) = level.get_mut(&from) {
                    node.expected = to;
                } else if let Some(parents) = level.get(&ANY).map(|any| any.parents.clone()) {
                    level.insert(from, Node { parents, expected: to });
                }
            }
        }
        self.graph = prune(graph);
    }

    /// RFC 9618, 5.4: whether a policy that the user wants is valid along the whole path.
    fn has_wanted_policy(&self) -> bool {
        let Some(graph) = &self.graph else { return false };
        let Some(wanted) = &self.wanted else { return true };
        // What anyPolicy of the last certificate leaves open, the user may fill with a policy of his own.
        let is_open = graph.last().is_some_and(|level| level.contains_key(&ANY));
        // The policies under which the path was begun: those that follow from anyPolicy only.
        let begun = graph.iter().flatten().filter(|(policy, node)| **policy != ANY && node.parents.contains(&ANY));
        is_open || begun.map(|(policy, _)| policy).any(|policy| wanted.contains(policy))
    }
}

/// RFC 9618, 5.3 (RFC 5280, 6.1.3 d 1 and 2): the nodes of the next depth.
fn level(above: &BTreeMap<ObjectIdentifier, Node>, policies: &[ObjectIdentifier], any_counts: bool) -> BTreeMap<ObjectIdentifier, Node> {
    let mut expecting: BTreeMap<ObjectIdentifier, BTreeSet<ObjectIdentifier>> = BTreeMap::new();
    for (policy, node) in above {
        for expected in &node.expected {
            expecting.entry(*expected).or_default().insert(*policy);
        }
    }
    let mut level = BTreeMap::new();
    let node = |policy: ObjectIdentifier, parents| Node { parents, expected: BTreeSet::from([policy]) };
    for policy in policies.iter().copied().filter(|policy| *policy != ANY) {
        if let Some(parents) = expecting.get(&policy) {
            level.insert(policy, node(policy, parents.clone()));
        } else if above.contains_key(&ANY) {
            level.insert(policy, node(policy, BTreeSet::from([ANY])));
        }
    }
    if any_counts && policies.contains(&ANY) {
        for (policy, parents) in expecting {
            level.entry(policy).or_insert_with(|| node(policy, parents));
        }
    }
    level
}

/// RFC 9618, 5.3 (RFC 5280, 6.1.3 d 3): what nothing follows from is taken away, from the last depth upwards. None when nothing is left.
fn prune(mut graph: Vec<BTreeMap<ObjectIdentifier, Node>>) -> Option<Vec<BTreeMap<ObjectIdentifier, Node>>> {
    let mut kept: BTreeSet<ObjectIdentifier> = graph.last()?.values().flat_map(|node| node.parents.clone()).collect();
    for level in graph.iter_mut().rev().skip(1) {
        level.retain(|policy, _| kept.contains(policy));
        kept = level.values().flat_map(|node| node.parents.clone()).collect();
    }
    graph.last().is_some_and(|level| !level.is_empty()).then_some(graph)
}

fn lower(counter: &mut u32, to: Option<u32>) {
    *counter = to.map_or(*counter, |to| to.min(*counter));
}

/// certificatePolicies: each policy once (RFC 5280, 4.2.1.4). Qualifiers are for people.
fn policies(value: &[u8]) -> Result<Vec<ObjectIdentifier>, DerFault> {
    let mut reader = Element::sole(value, tlv::SEQUENCE)?.reader();
    let mut found = Vec::new();
    while !reader.is_empty() {
        let policy = reader.expect(tlv::SEQUENCE)?.reader().expect(tlv::OBJECT_IDENTIFIER)?.oid()?;
        if found.contains(&policy) {
            return Err(DerFault::Value);
        }
        found.push(policy);
    }
    Ok(found)
}

fn mappings(value: &[u8]) -> Result<Vec<(ObjectIdentifier, ObjectIdentifier)>, DerFault> {
    let mut reader = Element::sole(value, tlv::SEQUENCE)?.reader();
    let mut found = Vec::new();
    while !reader.is_empty() {
        let mut pair = reader.expect(tlv::SEQUENCE)?.reader();
        found.push((pair.expect(tlv::OBJECT_IDENTIFIER)?.oid()?, pair.expect(tlv::OBJECT_IDENTIFIER)?.oid()?));
        pair.finish()?;
    }
    Ok(found)
}

fn constraints(value: &[u8]) -> Result<(Option<u32>, Option<u32>), DerFault> {
    let mut reader = Element::sole(value, tlv::SEQUENCE)?.reader();
    let explicit = reader.take(tlv::context(0))?.map(skip_certificates).transpose()?;
    let mapping = reader.take(tlv::context(1))?.map(skip_certificates).transpose()?;
    reader.finish()?;
    Ok((explicit, mapping))
}

/// SkipCerts ::= INTEGER (0..MAX); what does not fit is more than any path is long.
fn skip_certificates(number: Element<'_>) -> Result<u32, DerFault> {
    match number.integer()? {
        [0x80..=0xFF, ..] => Err(DerFault::Value),
        octets if octets.len() > 4 => Ok(u32::MAX),
        octets => Ok(octets.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet))),
    }
}

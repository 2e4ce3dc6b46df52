//! Certification Authority Authorization: who may issue for a domain (RFC 8659), for which account and after what proof (RFC 8657).
//!
//! The records that count are those of the name itself or of the nearest name above it that has any. This decides; who asks DNS is
//! [`super::Validator::caa`]. Reports (`iodef`) are not sent.

use super::fault::CaaFault;
use super::issue_value::IssueValue;
use super::{CaaQuestion, Identifier};
use crate::outbound::CaaProperty;

/// Those whose meaning is known. RFC 9495: `issuemail` says nothing of certificates for hosts.
const KNOWN: [&str; 4] = ["issue", "issuewild", "iodef", "issuemail"];

/// The names at which records may stand, from the name up to its last label (RFC 8659, 3).
pub fn climb(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| name.split_once('.').map(|(_, parent)| parent))
}

/// Whether records that stand at a name let the certificate be issued. Not for an empty set.
pub fn decide(name: &str, properties: &[CaaProperty], question: &CaaQuestion<'_>) -> Result<(), CaaFault> {
    let is = |property: &CaaProperty, tag: &str| property.tag.eq_ignore_ascii_case(tag);
    // RFC 8659, 4.1: a critical property that is not understood forbids, whatever the others say.
    if properties.iter().any(|property| property.is_critical && !KNOWN.iter().any(|known| is(property, known))) {
        return Err(CaaFault::Critical { name: name.to_owned() });
    }
    // RFC 8659, 4.3: issuewild, where there is any, takes the place of issue for wildcards, and means nothing for others.
    let is_wildcard = matches!(question.identifier, Identifier::Dns { wildcard: true, .. });
    let of = |tag| properties.iter().filter(move |property| is(property, tag)).peekable();
    let mut relevant = of("issuewild");
    if !is_wildcard || relevant.peek().is_none() {
        relevant = of("issue");
    }
    if relevant.peek().is_none() {
        return Ok(());
    }
    // RFC 8659, 4.2: what does not follow the grammar names nobody.
    let ours: Vec<IssueValue> = relevant
        .filter_map(|property| IssueValue::parse(&property.value).ok())
        .filter(|value| value.names(question.issuer_domains))
        .collect();
    if ours.is_empty() {
        return Err(CaaFault::Forbidden { name: name.to_owned() });
    }
    if ours.iter().any(|value| is_met(value, question)) { Ok(()) } else { Err(CaaFault::OtherParameters { name: name.to_owned() }) }
}

/// RFC 8657, 3 and 4: a parameter that stands twice is met by nobody; others than these two are the domain's own affair.
fn is_met(value: &IssueValue, question: &CaaQuestion<'_>) -> bool {
    let (Ok(account), Ok(methods)) = (value.parameter("accounturi"), value.parameter("validationmethods")) else { return false };
    let method = question.kind.map(super::ChallengeKind::name);
    account.is_none_or(|account| account == question.account_url)
        && methods.is_none_or(|methods| method.is_some_and(|method| methods.split(',').any(|one| one == method)))
}

//! dns-01 (RFC 8555, 8.4), dns-account-01 (draft-ietf-acme-dns-account-label-03) and dns-persist-01 (draft-ietf-acme-dns-persist-01): TXT
//! records, by way of CNAMEs.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::fault::{DnsFault, PersistentFault, Place, ValidationFault};
use super::http::dns_fault;
use super::issue_value::IssueValue;
use super::{Attempt, ChallengeKind};
use crate::outbound::{Outbound, OutboundError, ResolveError};

/// The name at which the record stands.
pub fn record_name(kind: ChallengeKind, name: &str, account_url: &str) -> String {
    match kind {
        ChallengeKind::DnsAccount01 => format!("_{}._acme-challenge.{name}", account_label(account_url)),
        ChallengeKind::DnsPersist01 => format!("_validation-persist.{name}"),
        ChallengeKind::Dns01 | ChallengeKind::Http01 | ChallengeKind::TlsAlpn01 => format!("_acme-challenge.{name}"),
    }
}

pub async fn validate(outbound: &Outbound, attempt: &Attempt<'_>, name: &str, now: Timestamp) -> Result<(), ValidationFault> {
    let name = record_name(attempt.kind, name, attempt.account_url);
    let texts = match outbound.texts(&name).await {
        Ok(texts) => texts,
        // That the record is not there yet is the usual case, and "no such name" would be read as that of the domain.
        Err(OutboundError::Resolve(ResolveError::NoSuchName)) => Vec::new(),
        Err(OutboundError::Disabled) => return Err(ValidationFault::Disabled),
        Err(OutboundError::Resolve(error)) => return Err(ValidationFault::Dns { at: Place::Asked(name), fault: dns_fault(&error) }),
        Err(_) => return Err(ValidationFault::Dns { at: Place::Asked(name), fault: DnsFault::NoAnswer }),
    };
    if texts.is_empty() {
        return Err(ValidationFault::NoText { name });
    }
    match attempt.kind {
        ChallengeKind::DnsPersist01 => decide_persistent(&name, &texts, attempt, now),
        ChallengeKind::Dns01 | ChallengeKind::DnsAccount01 | ChallengeKind::Http01 | ChallengeKind::TlsAlpn01 => {
            let wanted = digest_text(attempt.key_authorization);
            // Others' records may stand beside it, as those of a wildcard and of the name itself do.
            if texts.iter().any(|text| text == wanted.as_bytes()) {
                Ok(())
            } else {
                Err(ValidationFault::WrongText { name, found: texts.len() })
            }
        }
    }
}

/// What the record of dns-01 holds.
pub fn digest_text(key_authorization: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, key_authorization.as_bytes()))
}

/// The draft, 3.2: the first ten bytes of the URL's SHA-256 in base 32 (RFC 4648, 6), in lower case.
pub fn account_label(account_url: &str) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let hash = digest(&SHA256, account_url.as_bytes());
    // Ten bytes are sixteen letters of five bits each.
    let bits = hash.as_ref().iter().take(10).fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    (0..16).rev().map(|place| char::from(ALPHABET[(bits >> (5 * place)) as usize & 31])).collect()
}

/// The draft, 4: one record that names this authority and this account, and wildcards when one is asked for, is enough.
pub fn decide_persistent(name: &str, texts: &[Vec<u8>], attempt: &Attempt<'_>, now: Timestamp) -> Result<(), ValidationFault> {
    let mut fault = None;
    for text in texts {
        let Ok(value) = IssueValue::parse(text) else { continue };
        if !value.names(attempt.issuer_domains) {
            continue;
        }
        match is_persistent(&value, attempt, now) {
            Ok(()) => return Ok(()),
            Err(found) => fault = Some(found),
        }
    }
    Err(match fault {
        Some(fault) => ValidationFault::PersistentRecord { name: name.to_owned(), fault },
        None => ValidationFault::NoPersistentRecord { name: name.to_owned() },
    })
}

fn is_persistent(value: &IssueValue, attempt: &Attempt<'_>, now: Timestamp) -> Result<(), PersistentFault> {
    let parameter = |tag| value.parameter(tag).map_err(|_| PersistentFault::Form);
    let (account, policy, until) = (parameter("accounturi")?, parameter("policy")?, parameter("persistuntil")?);
    // RFC 3986, 6.2.1: compared letter by letter.
    if account != Some(attempt.account_url) {
        return Err(PersistentFault::OtherAccount);
    }
    let until = until.map(|until| {
        let is_number = !until.is_empty() && until.bytes().all(|b| b.is_ascii_digit());
        until.parse::<i64>().ok().filter(|_| is_number).ok_or(PersistentFault::Form)
    });
    if until.transpose()?.is_some_and(|until| now.as_second() > until) {
        return Err(PersistentFault::Expired);
    }
    let is_wildcard = matches!(attempt.identifier, super::Identifier::Dns { wildcard: true, .. });
    if is_wildcard && !policy.is_some_and(|policy| policy.eq_ignore_ascii_case("wildcard")) {
        return Err(PersistentFault::NoWildcard);
    }
    Ok(())
}

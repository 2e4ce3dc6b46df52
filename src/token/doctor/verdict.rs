//! What was found, in terms of what the appliance does with a token.

use std::collections::BTreeSet;

use crate::api::doctor::{Lack, Operation, Outcome, Rate, TokenReport, Trial, Verdict};
use crate::token::engine::SESSIONS;
use crate::x509::algorithm::KeyType;

/// A rate within so much of the best is as good, and fewer sessions leave more to others.
const AS_GOOD: f64 = 0.95;
/// What is kept as values that the token has sealed.
const SEALED: &str = "sealing: secrets under /v1/secrets, the secrets of webhooks, the ACME server, and stored private keys of Ed25519 or with \
                      key_storage \"wrapped\"";

/// Fills in what follows from the trials.
pub fn pass(report: &mut TokenReport, was_tried: bool) {
    report.recommended_sessions = recommended_sessions(&report.rates);
    if report.unusable_because.is_none() && was_tried {
        report.lacking = lacking(report);
        report.unusable_because = unusable_because(report);
    }
    report.verdict = match (&report.unusable_because, was_tried) {
        (Some(_), _) => Verdict::Unusable,
        (None, false) => Verdict::Untried,
        (None, true) if report.lacking.is_empty() => Verdict::Good,
        (None, true) => Verdict::Lesser,
    };
}

fn unusable_because(report: &TokenReport) -> Option<String> {
    let trials = Trials(&report.trials);
    if let Err(Missing { because, .. }) = trials.done(Operation::Random, None) {
        return Some(format!("the appliance does not start without a share of the token's randomness for serial numbers: {because}"));
    }
    let authorities: Vec<_> = KeyType::ALL.into_iter().map(|key_type| trials.authority(key_type)).collect();
    if authorities.iter().any(Result::is_ok) {
        return None;
    }
    // The reason that most types have in common is the token's.
    let reasons: Vec<_> = authorities.into_iter().filter_map(Result::err).map(|missing| missing.because).collect();
    let count = |reason: &String| reasons.iter().filter(|other| *other == reason).count();
    let because = reasons.iter().max_by_key(|reason| count(reason))?;
    Some(format!("an authority with a key of any type would be refused: {because}"))
}

fn lacking(report: &TokenReport) -> Vec<Lack> {
    let trials = Trials(&report.trials);
    let mut lacking = Vec::new();
    let mut unless = |found: Result<(), Missing>, feature: String| {
        lacking.extend(found.err().map(|Missing { operation, key, because }| Lack { feature, operation, key, because }));
    };
    for key_type in KeyType::ALL {
        let authority = trials.authority(key_type);
        let is_made = authority.is_ok();
        unless(authority, format!("authorities with {key_type} keys"));
        if is_made {
            let key = Some(key_type);
            if key_type.family() == "rsa" {
                unless(trials.done(Operation::SignPss, key), format!("signatures with RSASSA-PSS by authorities with {key_type} keys"));
            }
            unless(
                trials.done(Operation::Destroy, key),
                format!("taking a {key_type} key out of the token again when an authority was not finished"),
            );
        }
    }
    unless(trials.done(Operation::Seal, None), SEALED.to_owned());
    for (key_type, family) in [(KeyType::P256, "EC"), (KeyType::Rsa2048, "RSA")] {
        // What the worker does decides; what the module says of the two mechanisms says why.
        let by_worker = |operation, pad, kwp| {
            trials.done(operation, Some(key_type)).map_err(|missing| {
                let by_either = trials.done(pad, Some(key_type)).or_else(|_| trials.done(kwp, Some(key_type)));
                by_either.err().filter(|_| trials.is_tried(kwp, key_type)).unwrap_or(missing)
            })
        };
        if trials.is_tried(Operation::Generate, key_type) {
            let (out, back) = (
                by_worker(Operation::Export, Operation::WrapPad, Operation::WrapKwp),
                by_worker(Operation::Import, Operation::UnwrapPad, Operation::UnwrapKwp),
            );
            unless(out, format!("keeping {family} private keys of subjects in the token, and giving them out"));
            unless(back, format!("taking imported {family} private keys of subjects into the token"));
        }
    }
    let registrar = Some(KeyType::Rsa2048);
    let registered = trials.done(Operation::RegistrationAuthority, registrar);
    // Where no key decrypts at all, that is the reason.
    let registered = registered.map_err(|missing| trials.done(Operation::Decrypt, registrar).err().unwrap_or(missing));
    unless(registered, "keys of registration authorities, which sign and decrypt: SCEP, whose requests are encrypted to one".to_owned());
    for (operation, what) in [(Operation::LoginLost, "a login that the token has lost"), (Operation::ModuleLost, "a reset of the module")] {
        if let Some(trial) = trials.of(operation, None) {
            unless(outcome(trial), format!("service that comes back by itself after {what}"));
        }
    }
    unless(trials.done(Operation::OpenSessions, None), "several sessions at once".to_owned());
    let remains = |because| Err(Missing { operation: Operation::CleanUp, key: None, because });
    match report.left_behind {
        Some(0) => {}
        Some(left) => unless(remains(format!("{left} are left under the label {}", report.label)), "destroying objects".to_owned()),
        None => unless(
            remains(format!("whether any are left under the label {} is not known", report.label)),
            "destroying objects after a trial that ended badly".to_owned(),
        ),
    }
    lacking
}

struct Trials<'a>(&'a [Trial]);

/// What was asked of the token in vain.
struct Missing {
    operation: Operation,
    key: Option<String>,
    because: String,
}

impl<'a> Trials<'a> {
    fn of(&self, operation: Operation, key: Option<KeyType>) -> Option<&'a Trial> {
        let key = key.map(|key| key.to_string());
        self.0.iter().rfind(|trial| trial.operation == operation && trial.key == key)
    }

    /// That it went well, or why not.
    fn done(&self, operation: Operation, key: Option<KeyType>) -> Result<(), Missing> {
        let untried = || Missing { operation, key: key.map(|key| key.to_string()), because: "a trial before it ended badly".to_owned() };
        self.of(operation, key).map_or_else(|| Err(untried()), outcome)
    }

    fn is_tried(&self, operation: Operation, key: KeyType) -> bool {
        self.of(operation, Some(key)).is_some()
    }

    /// That an authority could have such a key.
    fn authority(&self, key: KeyType) -> Result<(), Missing> {
        [Operation::Generate, Operation::Find, Operation::Sign].into_iter().try_for_each(|operation| self.done(operation, Some(key)))
    }
}

fn outcome(trial: &Trial) -> Result<(), Missing> {
    match trial.outcome {
        Outcome::Done => Ok(()),
        Outcome::Lacking | Outcome::Failed | Outcome::Crashed | Outcome::Hung => Err(Missing {
            operation: trial.operation,
            key: trial.key.clone(),
            because: trial.detail.clone().unwrap_or_else(|| "it failed".to_owned()),
        }),
    }
}

/// The smallest number of sessions that is as good as any for every type of key together, each type counting alike.
fn recommended_sessions(rates: &[Rate]) -> Option<usize> {
    let keys: BTreeSet<&str> = rates.iter().map(|rate| rate.key.as_str()).collect();
    let best = |key: &str| rates.iter().filter(|rate| rate.key == key).map(|rate| rate.per_second).fold(0.0, f64::max);
    // A type with which fewer were tried has been found to gain nothing from more.
    let at = |key: &str, sessions: usize| {
        let tried = rates.iter().filter(|rate| rate.key == key && rate.sessions <= sessions);
        tried.max_by_key(|rate| rate.sessions).map_or(0.0, |rate| rate.per_second)
    };
    let share = |sessions: usize| -> f64 { keys.iter().map(|key| at(key, sessions) / best(key).max(f64::MIN_POSITIVE)).sum() };
    let numbers: BTreeSet<usize> = rates.iter().map(|rate| rate.sessions).collect();
    let most = numbers.iter().map(|sessions| share(*sessions)).fold(0.0, f64::max);
    let fewest = numbers.into_iter().find(|sessions| share(*sessions) >= AS_GOOD * most)?;
    Some(fewest.clamp(*SESSIONS.start(), *SESSIONS.end()))
}

#[cfg(test)]
mod tests;

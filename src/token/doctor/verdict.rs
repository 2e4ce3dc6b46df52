//! What was found, in terms of what the appliance does with a token.

use crate::api::doctor::{Lack, Operation, Outcome, Rate, TokenReport, Trial, Verdict};
use crate::x509::algorithm::KeyType;

/// A rate within so much of the best is as good, and fewer sessions leave more to others.
const AS_GOOD: f64 = 0.95;

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
    if let Err(because) = trials.done(Operation::Random, None) {
        return Some(format!("the appliance does not start without a share of the token's randomness for serial numbers: {because}"));
    }
    let authorities: Vec<_> = KeyType::ALL.into_iter().map(|key_type| trials.authority(key_type)).collect();
    if authorities.iter().any(Result::is_ok) {
        return None;
    }
    // The reason that most types have in common is the token's.
    let reasons: Vec<_> = authorities.into_iter().filter_map(Result::err).collect();
    let count = |reason: &String| reasons.iter().filter(|other| *other == reason).count();
    let because = reasons.iter().max_by_key(|reason| count(reason))?;
    Some(format!("an authority with a key of any type would be refused: {because}"))
}

fn lacking(report: &TokenReport) -> Vec<Lack> {
    let trials = Trials(&report.trials);
    let mut lacking = Vec::new();
    let mut unless = |found: Result<(), String>, feature: String| lacking.extend(found.err().map(|because| Lack { feature, because }));
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
    let seals = trials.done(Operation::Seal, None);
    unless(seals.clone(), "sealing: secrets under /v1/secrets, and stored private keys with key_storage \"wrapped\"".to_owned());
    for key_type in [KeyType::P256, KeyType::Rsa2048, KeyType::Ed25519] {
        // Only a pair of both directions under one number is of use.
        let either = |pad, kwp| trials.done(pad, Some(key_type)).or_else(|_| trials.done(kwp, Some(key_type)));
        let family = match key_type.family() {
            "ec" => "EC",
            "rsa" => "RSA",
            _ => "Ed25519",
        };
        let (out, back) = (either(Operation::WrapPad, Operation::WrapKwp), either(Operation::UnwrapPad, Operation::UnwrapKwp));
        // What cannot be wrapped is kept under a sealing key instead.
        if key_type == KeyType::Ed25519 && seals.is_ok() {
            continue;
        }
        if trials.is_tried(Operation::Generate, key_type) {
            unless(out, format!("giving out stored {family} private keys of subjects"));
            unless(back, format!("taking in imported {family} private keys of subjects"));
        }
    }
    unless(trials.done(Operation::Decrypt, Some(KeyType::Rsa2048)), "SCEP, whose requests are encrypted to an RSA key".to_owned());
    for (operation, what) in [(Operation::LoginLost, "a login that the token has lost"), (Operation::ModuleLost, "a reset of the module")] {
        if let Some(trial) = trials.of(operation, None) {
            unless(outcome(trial), format!("service that comes back by itself after {what}"));
        }
    }
    unless(trials.done(Operation::OpenSessions, None), "several sessions at once".to_owned());
    match report.left_behind {
        Some(0) => {}
        Some(left) => unless(Err(format!("{left} are left under the label {}", report.label)), "destroying objects".to_owned()),
        None => unless(
            Err(format!("whether any are left under the label {} is not known", report.label)),
            "destroying objects after a trial that ended badly".to_owned(),
        ),
    }
    lacking
}

struct Trials<'a>(&'a [Trial]);

impl<'a> Trials<'a> {
    fn of(&self, operation: Operation, key: Option<KeyType>) -> Option<&'a Trial> {
        let key = key.map(|key| key.to_string());
        self.0.iter().rfind(|trial| trial.operation == operation && trial.key == key)
    }

    /// That it went well, or why not.
    fn done(&self, operation: Operation, key: Option<KeyType>) -> Result<(), String> {
        self.of(operation, key).map_or_else(|| Err("a trial before it ended badly".to_owned()), outcome)
    }

    fn is_tried(&self, operation: Operation, key: KeyType) -> bool {
        self.of(operation, Some(key)).is_some()
    }

    /// That an authority could have such a key.
    fn authority(&self, key: KeyType) -> Result<(), String> {
        [Operation::Generate, Operation::Find, Operation::Sign].into_iter().try_for_each(|operation| self.done(operation, Some(key)))
    }
}

fn outcome(trial: &Trial) -> Result<(), String> {
    match trial.outcome {
        Outcome::Done => Ok(()),
        Outcome::Lacking | Outcome::Failed | Outcome::Crashed | Outcome::Hung => {
            Err(trial.detail.clone().unwrap_or_else(|| "it failed".to_owned()))
        }
    }
}

/// The smallest number of sessions that is as good as any for every type of key together, each type counting alike.
fn recommended_sessions(rates: &[Rate]) -> Option<usize> {
    let best = |key: &str| rates.iter().filter(|rate| rate.key == key).map(|rate| rate.per_second).fold(0.0, f64::max);
    let share = |sessions: usize| -> f64 {
        let these = rates.iter().filter(|rate| rate.sessions == sessions);
        these.map(|rate| rate.per_second / best(&rate.key).max(f64::MIN_POSITIVE)).sum()
    };
    let mut numbers: Vec<usize> = rates.iter().map(|rate| rate.sessions).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let most = numbers.iter().map(|sessions| share(*sessions)).fold(0.0, f64::max);
    // The pool has 2 to 8.
    numbers.into_iter().find(|sessions| share(*sessions) >= AS_GOOD * most).map(|sessions| sessions.clamp(2, 8))
}

#[cfg(test)]
mod tests;

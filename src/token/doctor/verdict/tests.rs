use super::*;

fn tried(operation: Operation, key: Option<KeyType>, outcome: Outcome) -> Trial {
    let detail = (outcome != Outcome::Done).then(|| format!("{operation:?} said no"));
    Trial { operation, key: key.map(|key| key.to_string()), outcome, detail, milliseconds: 1 }
}

/// A token that can everything.
fn good() -> TokenReport {
    use Operation::*;
    let mut trials = [OpenSessions, Random, Seal, LoginLost, ModuleLost].map(|operation| tried(operation, None, Outcome::Done)).to_vec();
    for key_type in KeyType::ALL {
        let operations: &[Operation] = match key_type.family() {
            "rsa" => &[Generate, Find, Sign, SignPss, Destroy],
            _ => &[Generate, Find, Sign, Destroy],
        };
        trials.extend(operations.iter().map(|operation| tried(*operation, Some(key_type), Outcome::Done)));
    }
    for key_type in [KeyType::P256, KeyType::Rsa2048, KeyType::Ed25519] {
        trials.extend([WrapPad, UnwrapPad].map(|operation| tried(operation, Some(key_type), Outcome::Done)));
        trials.push(tried(WrapKwp, Some(key_type), Outcome::Lacking));
    }
    trials.push(tried(Decrypt, Some(KeyType::Rsa2048), Outcome::Done));
    TokenReport { trials, left_behind: Some(0), label: "mark".to_owned(), ..TokenReport::default() }
}

/// The same but for these trials.
fn without(changed: &[(Operation, Option<KeyType>)]) -> TokenReport {
    let mut report = good();
    for (operation, key) in changed {
        let key = key.map(|key| key.to_string());
        let trial = report.trials.iter_mut().find(|trial| trial.operation == *operation && trial.key == key).unwrap();
        trial.outcome = Outcome::Lacking;
        trial.detail = Some(format!("{operation:?} said no"));
    }
    pass(&mut report, true);
    report
}

fn features(report: &TokenReport) -> Vec<&str> {
    report.lacking.iter().map(|lack| lack.feature.as_str()).collect()
}

#[test]
fn one_number_of_key_wrap_is_enough() {
    let report = without(&[]);
    assert_eq!((report.verdict, features(&report).len()), (Verdict::Good, 0), "{:?}", report.lacking);
}

#[test]
fn what_is_lacking_is_said_as_a_feature() {
    let report = without(&[(Operation::Generate, Some(KeyType::Ed25519)), (Operation::Seal, None)]);
    assert_eq!(report.verdict, Verdict::Lesser);
    let found = features(&report);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("ed25519") && found[1].contains("key_storage"), "{found:?}");
    assert_eq!(report.lacking[0].because, "Generate said no");
}

#[test]
fn an_ed25519_key_that_cannot_be_wrapped_is_sealed_where_the_token_seals() {
    let wrap = (Operation::WrapPad, Some(KeyType::Ed25519));
    assert_eq!(without(&[wrap]).verdict, Verdict::Good);
    let report = without(&[wrap, (Operation::Seal, None)]);
    assert!(features(&report).iter().any(|feature| feature.contains("Ed25519 private keys")), "{:?}", report.lacking);
}

#[test]
fn a_token_without_any_key_for_an_authority_is_unusable_and_says_why() {
    let all = KeyType::ALL.map(|key_type| (Operation::Sign, Some(key_type)));
    let report = without(&all);
    assert_eq!(report.verdict, Verdict::Unusable);
    assert!(report.unusable_because.unwrap().contains("Sign said no"));
    assert_eq!(without(&all[1..]).verdict, Verdict::Lesser);
    assert_eq!(without(&[(Operation::Random, None)]).verdict, Verdict::Unusable);
}

#[test]
fn what_was_left_behind_is_no_good_sign() {
    for left in [None, Some(2)] {
        let mut report = TokenReport { left_behind: left, ..good() };
        pass(&mut report, true);
        assert_eq!(report.verdict, Verdict::Lesser);
        assert!(report.lacking[0].because.contains("mark"), "{:?}", report.lacking);
    }
}

#[test]
fn looking_is_no_verdict() {
    let mut report = TokenReport::default();
    pass(&mut report, false);
    assert_eq!((report.verdict, report.lacking.len()), (Verdict::Untried, 0));
}

#[test]
fn as_few_sessions_as_are_as_good() {
    let rates = |of: &[(&str, usize, f64)]| -> Vec<Rate> {
        of.iter().map(|(key, sessions, per_second)| Rate { key: (*key).to_owned(), sessions: *sessions, per_second: *per_second }).collect()
    };
    assert_eq!(recommended_sessions(&[]), None);
    // Flat: the pool's least.
    assert_eq!(recommended_sessions(&rates(&[("a", 1, 100.0), ("a", 2, 101.0), ("a", 4, 99.0)])), Some(2));
    assert_eq!(recommended_sessions(&rates(&[("a", 1, 100.0), ("a", 2, 200.0), ("a", 4, 390.0), ("a", 8, 400.0)])), Some(4));
    // Each type counts alike, however fast it is.
    let two = [("fast", 1, 9_000.0), ("fast", 4, 8_900.0), ("slow", 1, 10.0), ("slow", 4, 40.0)];
    assert_eq!(recommended_sessions(&rates(&two)), Some(4));
}

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
    for key_type in [KeyType::P256, KeyType::Rsa2048] {
        trials.extend([Export, Import].map(|operation| tried(operation, Some(key_type), Outcome::Done)));
    }
    trials.extend([Decrypt, RegistrationAuthority].map(|operation| tried(operation, Some(KeyType::Rsa2048), Outcome::Done)));
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
fn an_ed25519_key_is_sealed_and_never_wrapped() {
    let wrap = (Operation::WrapPad, Some(KeyType::Ed25519));
    assert_eq!(without(&[wrap]).verdict, Verdict::Good);
    for report in [without(&[wrap, (Operation::Seal, None)]), without(&[(Operation::Seal, None)])] {
        assert_eq!(features(&report).len(), 1, "{:?}", report.lacking);
        assert!(report.lacking[0].feature.contains("Ed25519") && report.lacking[0].operation == Operation::Seal, "{:?}", report.lacking);
    }
}

#[test]
fn a_registration_authority_needs_a_key_that_signs_and_decrypts() {
    let rsa = Some(KeyType::Rsa2048);
    // NSS decrypts, with a key that does nothing else.
    let report = without(&[(Operation::RegistrationAuthority, rsa)]);
    let [lack] = report.lacking.as_slice() else { panic!("{:?}", report.lacking) };
    assert!(lack.feature.contains("SCEP"), "{lack:?}");
    assert_eq!((lack.operation, lack.key.as_deref()), (Operation::RegistrationAuthority, Some("rsa-2048")));
    // And where nothing decrypts that is why.
    let report = without(&[(Operation::Decrypt, rsa), (Operation::RegistrationAuthority, rsa)]);
    assert_eq!(report.lacking.iter().map(|lack| lack.operation).collect::<Vec<_>>(), [Operation::Decrypt]);
}

#[test]
fn what_the_worker_does_with_a_subject_s_key_decides_and_the_mechanism_says_why() {
    let ec = Some(KeyType::P256);
    let report = without(&[(Operation::Export, ec)]);
    assert_eq!(report.lacking.iter().map(|lack| lack.operation).collect::<Vec<_>>(), [Operation::Export]);
    // The other number, which the token lacks as well, was asked last.
    let report = without(&[(Operation::Export, ec), (Operation::WrapPad, ec)]);
    assert_eq!(report.lacking.iter().map(|lack| lack.operation).collect::<Vec<_>>(), [Operation::WrapKwp]);
    assert!(report.lacking[0].feature.contains("EC private keys") && report.lacking[0].because.contains("WrapKwp"), "{:?}", report.lacking);
    assert_eq!(without(&[(Operation::WrapPad, ec)]).verdict, Verdict::Good);
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
    // One that computes elsewhere gains on and on; what another type gained nothing from is not held against it.
    let away = [("away", 4, 400.0), ("away", 8, 800.0), ("away", 16, 1_600.0), ("away", 32, 3_200.0), ("near", 4, 50.0), ("near", 8, 50.0)];
    assert_eq!(recommended_sessions(&rates(&away)), Some(32));
    assert_eq!(recommended_sessions(&rates(&[("away", 64, 9.0), ("away", 128, 18.0)])), Some(64));
}

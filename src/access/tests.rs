use super::*;

#[test]
fn wider_scopes_hold_narrower_ones() {
    assert!(Scope::PkiAdmin.includes(Scope::PkiRead));
    assert!(Scope::PkiIssue.includes(Scope::PkiRead));
    assert!(!Scope::PkiIssue.includes(Scope::PkiAdmin));
    for scope in Scope::ALL {
        assert_eq!(scope.name().parse(), Ok(scope));
        assert!(scope.includes(scope));
    }
    assert_eq!("pki:all".parse::<Scope>(), Err(UnknownScope));
}

#[test]
fn what_is_kept_of_a_text_has_no_secret_in_it() {
    let secret = "chy_abcdefghijklmnopqrstuvwxyz0123456789-_ABCDE";
    for (text, kept) in [
        ("nothing", "nothing"),
        ("chy_short is no secret", "chy_short is no secret"),
        (secret, "chy_[withheld]"),
        (&format!("/v1/admin/tokens/{secret}"), "/v1/admin/tokens/chy_[withheld]"),
        (&format!("{secret}, \"{secret}\"."), "chy_[withheld], \"chy_[withheld]\"."),
        ("\"-----BEGIN EC PRIVATE KEY-----\\nMHc\"", "[withheld: there was a private key in it]"),
    ] {
        assert_eq!(without_secrets(text), kept);
    }
}

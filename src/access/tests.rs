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

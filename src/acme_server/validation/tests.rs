use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::fault::ValidationFault;
use super::gates::{Gates, Sought};
use super::issue_value::IssueValue;
use super::*;
use crate::outbound::CaaProperty;

const ACCOUNT: &str = "https://ca.example/api/acme/account/1";

fn host(name: &str, wildcard: bool) -> Identifier {
    Identifier::Dns { name: name.to_owned(), wildcard }
}

fn properties(records: &[(u8, &str, &str)]) -> Vec<CaaProperty> {
    let property = |(flags, tag, value): &(u8, &str, &str)| CaaProperty {
        is_critical: flags & 128 != 0,
        tag: (*tag).to_owned(),
        value: value.as_bytes().to_vec(),
    };
    records.iter().map(property).collect()
}

fn decided(records: &[(u8, &str, &str)], wildcard: bool, kind: Option<ChallengeKind>) -> Result<(), CaaFault> {
    let identifier = host("www.example.com", wildcard);
    let issuer_domains = ["ca.example".to_owned()];
    let question = CaaQuestion { identifier: &identifier, account_url: ACCOUNT, kind, issuer_domains: &issuer_domains };
    caa::decide("example.com", &properties(records), &question)
}

#[test]
fn challenges_are_called_as_iana_lists_them() {
    for kind in ChallengeKind::ALL {
        assert_eq!(ChallengeKind::from_name(kind.name()), Some(kind));
    }
    assert_eq!(["tls-sni-01", "HTTP-01"].map(ChallengeKind::from_name), [None, None]);
}

#[test]
fn wildcards_are_for_dns_and_addresses_are_not() {
    use ChallengeKind::{Dns01, DnsAccount01, DnsPersist01, Http01, TlsAlpn01};
    let suiting = |identifier: &Identifier| ChallengeKind::ALL.into_iter().filter(|kind| identifier.suits(*kind)).collect::<Vec<_>>();
    assert_eq!(suiting(&host("example.com", false)), ChallengeKind::ALL);
    assert_eq!(suiting(&host("example.com", true)), [Dns01, DnsAccount01, DnsPersist01]);
    assert_eq!(suiting(&Identifier::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST))), [Http01, TlsAlpn01]);
}

#[test]
fn the_climb_goes_up_to_the_last_label() {
    assert_eq!(caa::climb("a.b.example").collect::<Vec<_>>(), ["a.b.example", "b.example", "example"]);
    assert_eq!(caa::climb("localhost").collect::<Vec<_>>(), ["localhost"]);
}

/// RFC 8659, 4.2 to 4.4, with its own examples.
#[test]
fn issue_names_who_may() {
    let allowed: &[&[(u8, &str, &str)]] = &[
        &[(0, "issue", "ca.example")],
        &[(0, "ISSUE", " \tCA.Example. \t")],
        &[(0, "issue", "ca1.example.net"), (0, "issue", "ca.example")],
        &[(0, "issue", "ca.example; account=230123")],
        &[(128, "issue", "ca.example")],
        &[(0, "issue", "%%%%%"), (0, "issue", "ca.example")],
        // Nothing that concerns certificates of hosts that are no wildcards.
        &[(0, "iodef", "mailto:security@example.com")],
        &[(128, "iodef", "mailto:security@example.com")],
        &[(0, "issuewild", ";")],
        &[(0, "issuemail", ";")],
        &[(0, "tbs", "Unknown")],
        &[(0, "tbs", "Unknown"), (0, "issue", "ca.example;")],
    ];
    for records in allowed {
        assert_eq!(decided(records, false, None), Ok(()), "{records:?}");
    }
    let forbidden: &[&[(u8, &str, &str)]] = &[
        &[(0, "issue", ";")],
        &[(0, "issue", "")],
        &[(0, "issue", "ca1.example.net")],
        &[(0, "issue", "ca.example.net")],
        &[(0, "issue", "sub.ca.example")],
        &[(0, "issue", "%%%%%")],
        &[(0, "issue", "ca.example ca.example")],
        &[(0, "issue", "ca.example; account")],
        &[(0, "issue", "ca.example; ;a=b")],
        &[(0, "issue", "\u{e4}.example")],
    ];
    for records in forbidden {
        assert_eq!(decided(records, false, None), Err(CaaFault::Forbidden { name: "example.com".to_owned() }), "{records:?}");
    }
}

#[test]
fn issuewild_takes_the_place_of_issue_for_wildcards() {
    let only_wild = [(0, "issue", ";"), (0, "issuewild", "ca.example")];
    assert_eq!(decided(&only_wild, true, None), Ok(()));
    assert!(decided(&only_wild, false, None).is_err());
    let no_wild = [(0, "issue", "ca.example"), (0, "issuewild", ";")];
    assert!(decided(&no_wild, true, None).is_err());
    assert_eq!(decided(&no_wild, false, None), Ok(()));
    let no_word_of_wildcards = [(0, "issue", "ca.example")];
    assert_eq!(decided(&no_word_of_wildcards, true, None), Ok(()));
}

#[test]
fn a_critical_property_that_is_not_known_forbids() {
    let records = [(0, "issue", "ca.example"), (128, "tbs", "Unknown")];
    assert_eq!(decided(&records, false, None), Err(CaaFault::Critical { name: "example.com".to_owned() }));
}

/// RFC 8657, 3 to 5.
#[test]
fn accounts_and_methods_are_held_to() {
    let value = |parameters: &str| format!("ca.example{parameters}");
    let verdict = |parameters: &str, kind| decided(&[(0, "issue", &value(parameters))], false, kind);
    let http = Some(ChallengeKind::Http01);
    for good in [
        "",
        &format!("; accounturi={ACCOUNT}"),
        "; validationmethods=http-01",
        "; validationmethods=dns-01,http-01",
        &format!("; accounturi={ACCOUNT}; validationmethods=http-01"),
        "; future=1",
    ] {
        assert_eq!(verdict(good, http), Ok(()), "{good}");
    }
    for bad in [
        "; accounturi=https://ca.example/api/acme/account/2",
        "; accounturi=",
        "; validationmethods=dns-01",
        "; validationmethods=",
        "; validationmethods=HTTP-01",
        "; validationmethods=ca-http-01",
        &format!("; accounturi={ACCOUNT}; accounturi={ACCOUNT}"),
        "; validationmethods=http-01; ValidationMethods=http-01",
    ] {
        assert_eq!(verdict(bad, http), Err(CaaFault::OtherParameters { name: "example.com".to_owned() }), "{bad}");
    }
    // What nobody validated was validated by none of them.
    assert!(verdict("; validationmethods=http-01", None).is_err());
    assert_eq!(verdict(&format!("; accounturi={ACCOUNT}"), None), Ok(()));
    // Another property may be met.
    let two = [(0, "issue", "ca.example; validationmethods=dns-01"), (0, "issue", "ca.example; validationmethods=http-01")];
    assert_eq!(decided(&two, false, http), Ok(()));
}

#[test]
fn the_page_may_end_in_white_space_and_nothing_else() {
    for good in ["token.print", "token.print\n", "token.print\r\n\t "] {
        assert!(http::is_answer(good.as_bytes(), "token.print"), "{good:?}");
    }
    for bad in ["", "token.prin", "token.printx", " token.print", "token.print\n.", "token.print\0", "TOKEN.print"] {
        assert!(!http::is_answer(bad.as_bytes(), "token.print"), "{bad:?}");
    }
}

#[test]
fn records_stand_at_the_names_of_their_documents() {
    // RFC 8555, 8.4, and the example of draft-ietf-acme-dns-account-label, 3.2.
    let at = |kind| dns::record_name(kind, "example.org", "https://example.com/acme/acct/ExampleAccount");
    assert_eq!(at(ChallengeKind::Dns01), "_acme-challenge.example.org");
    assert_eq!(at(ChallengeKind::DnsAccount01), "_ujmmovf2vn55tgye._acme-challenge.example.org");
    assert_eq!(at(ChallengeKind::DnsPersist01), "_validation-persist.example.org");
    // SHA-256 of nothing, in base64url.
    assert_eq!(dns::digest_text(""), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
}

fn persistent(texts: &[&str], wildcard: bool) -> Result<(), ValidationFault> {
    let identifier = host("example.org", wildcard);
    let issuer_domains = ["ca.example".to_owned(), "other.example".to_owned()];
    let attempt = Attempt {
        identifier: &identifier,
        kind: ChallengeKind::DnsPersist01,
        token: "",
        key_authorization: "",
        account_url: ACCOUNT,
        issuer_domains: &issuer_domains,
    };
    let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    dns::decide_persistent("_validation-persist.example.org", &texts, &attempt, Timestamp::from_second(1_000_000).unwrap())
}

#[test]
fn a_persistent_record_names_authority_and_account() {
    let own = format!("ca.example; accounturi={ACCOUNT}");
    for good in [
        vec![own.clone()],
        vec![format!("Other.Example.;accounturi={ACCOUNT}")],
        vec!["somebody else's".to_owned(), format!("x.example; accounturi={ACCOUNT}"), own.clone()],
        vec!["ca.example; accounturi=https://ca.example/9".to_owned(), own.clone()],
        vec![format!("{own}; persistUntil=1000000")],
        vec![format!("{own}; policy=else; future=1")],
    ] {
        let texts: Vec<&str> = good.iter().map(String::as_str).collect();
        assert_eq!(persistent(&texts, false), Ok(()), "{good:?}");
    }
    let name = || "_validation-persist.example.org".to_owned();
    let fault = |fault| Err(ValidationFault::PersistentRecord { name: name(), fault });
    for (bad, wanted) in [
        ("x.example".to_owned(), Err(ValidationFault::NoPersistentRecord { name: name() })),
        ("ca.example; accounturi".to_owned(), Err(ValidationFault::NoPersistentRecord { name: name() })),
        ("ca.example".to_owned(), fault(PersistentFault::OtherAccount)),
        ("ca.example; accounturi=HTTPS://ca.example/api/acme/account/1".to_owned(), fault(PersistentFault::OtherAccount)),
        (format!("{own}; accounturi={ACCOUNT}"), fault(PersistentFault::Form)),
        (format!("{own}; persistUntil=999999"), fault(PersistentFault::Expired)),
        (format!("{own}; persistUntil=+1000001"), fault(PersistentFault::Form)),
        (format!("{own}; persistUntil="), fault(PersistentFault::Form)),
        (format!("{own}; persistUntil=2026-01-01"), fault(PersistentFault::Form)),
    ] {
        assert_eq!(persistent(&[&bad], false), wanted, "{bad}");
    }
    assert_eq!(persistent(&[&own], true), fault(PersistentFault::NoWildcard));
    assert_eq!(persistent(&[&format!("{own}; policy=else")], true), fault(PersistentFault::NoWildcard));
    assert_eq!(persistent(&[&format!("{own}; Policy=WildCard")], true), Ok(()));
}

#[test]
fn addresses_are_asked_for_in_reverse() {
    let name = |text: &str| tls_alpn::server_name(&Identifier::Ip(text.parse().unwrap()));
    assert_eq!(name("192.0.2.7"), "7.2.0.192.in-addr.arpa");
    // RFC 8738, 6.
    assert_eq!(name("2001:db8::1"), "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

#[test]
fn a_fault_shows_neither_address_nor_answer() {
    let at = || Place::Redirect(2);
    assert_eq!(
        ValidationFault::Connection { at: at(), fault: ConnectionFault::NotAllowed }.to_string(),
        "connection to the place that redirect 2 leads to: it has an address that this server is not allowed to connect to"
    );
    assert_eq!(
        ValidationFault::WrongText { name: "_acme-challenge.a.example".to_owned(), found: 3 }.to_string(),
        "none of the 3 TXT records at _acme-challenge.a.example is the digest of the key authorization"
    );
}

fn settings() -> ValidationSettings {
    ValidationSettings { at_once: 3, at_once_for_account: 2, at_once_for_name: 1, waiting: 4, ..ValidationSettings::default() }
}

/// Whether a turn comes at once.
async fn comes<'a>(gates: &'a Gates, account: &str, name: &str) -> Option<gates::Turn<'a>> {
    tokio::time::timeout(Duration::from_millis(50), gates.turn(account, name)).await.ok().and_then(Result::ok)
}

#[tokio::test]
async fn each_gate_holds_its_own() {
    let gates = Gates::new(&settings());
    let first = comes(&gates, "a", "one").await.unwrap();
    assert!(comes(&gates, "b", "one").await.is_none(), "one at a time for a name");
    let second = comes(&gates, "a", "two").await.unwrap();
    assert!(comes(&gates, "a", "three").await.is_none(), "two at a time for an account");
    let third = comes(&gates, "b", "three").await.unwrap();
    assert!(comes(&gates, "c", "four").await.is_none(), "three at a time in all");
    drop(second);
    drop(comes(&gates, "c", "four").await.unwrap());
    drop((first, third));
    assert!(gates.is_idle(), "nothing is kept of those who are gone, or gave up");
}

#[tokio::test]
async fn who_waits_for_a_name_holds_nobody_else_up() {
    let gates = std::sync::Arc::new(Gates::new(&settings()));
    let slow = comes(&gates, "a", "wrong").await.unwrap();
    let waiting: Vec<_> = (0..1_000)
        .map(|number| {
            let gates = gates.clone();
            tokio::spawn(async move { gates.turn(&format!("account {number}"), "wrong").await.map(drop) })
        })
        .collect();
    tokio::task::yield_now().await;
    drop(comes(&gates, "b", "good").await.expect("another name's turn comes"));
    drop(slow);
    for one in waiting {
        assert_eq!(one.await.unwrap(), Ok(()));
    }
    assert!(gates.is_idle());
}

#[test]
fn too_many_are_turned_away() {
    let gates = Gates::new(&settings());
    let visitors: Vec<_> = (0..4).map(|_| gates.enter().unwrap()).collect();
    assert_eq!(gates.enter().err(), Some(ValidationFault::Busy));
    assert_eq!(gates.enter().err(), Some(ValidationFault::Busy), "one who was turned away is not counted");
    drop(visitors);
    assert!(gates.enter().is_ok());
}

#[tokio::test]
async fn a_fault_is_told_to_others_when_it_would_be_theirs() {
    let gates = Gates::new(&settings());
    let sought = |at: &str| Sought { kind: ChallengeKind::Http01, at: at.to_owned() };
    let refused = |at| ValidationFault::Connection { at, fault: ConnectionFault::Refused(80) };
    gates.remember(sought("a.example"), &refused(Place::Asked("a.example".to_owned())));
    gates.remember(sought("b.example"), &refused(Place::Redirect(1)));
    gates.remember(sought("c.example"), &ValidationFault::WrongPage { at: Place::Asked(String::new()) });
    assert!(gates.known(&sought("a.example")).is_some());
    assert!(gates.known(&Sought { kind: ChallengeKind::TlsAlpn01, at: "a.example".to_owned() }).is_none());
    assert!(gates.known(&sought("b.example")).is_none(), "another token may be redirected elsewhere");
    assert!(gates.known(&sought("c.example")).is_none(), "another key has another page");
}

proptest! {
    /// Whatever stands in a record: it is read or refused, and what is read has the form it claims.
    #[test]
    fn issue_values_are_read_or_refused(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(read) = IssueValue::parse(&value) {
            prop_assert!(read.issuer.is_none_or(|issuer| !issuer.is_empty() && !issuer.contains([' ', ';', '='])));
        }
    }

    /// What follows the grammar is read, however it is spaced.
    #[test]
    fn well_formed_issue_values_are_read(
        domain in "[a-z0-9]{1,9}(-[a-z0-9]{1,9})?(\\.[a-z]{1,9}){0,3}",
        parameters in proptest::collection::vec(("[a-z0-9]{1,9}", "[!-:<-~]{0,20}"), 0..5),
        space in "[ \t]{0,3}",
    ) {
        let mut text = format!("{space}{domain}{space}");
        for (tag, value) in &parameters {
            text += &format!(";{space}{tag}{space}={space}{value}{space}");
        }
        let read = IssueValue::parse(text.as_bytes()).map_err(|_| TestCaseError::fail(text.clone()))?;
        prop_assert!(read.names(std::slice::from_ref(&domain)));
        for (tag, value) in &parameters {
            let is_twice = parameters.iter().filter(|(other, _)| other == tag).count() > 1;
            prop_assert_eq!(read.parameter(tag).ok(), (!is_twice).then_some(Some(value.as_str())));
        }
    }
}

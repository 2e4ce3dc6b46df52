//! Patterns against names, and that nothing is approved that no rule admits.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;
use crate::base::clock::from_seconds;
use crate::x509::dns_name::DnsName;
use crate::x509::extension::KeyUsage;
use crate::x509::name::AttributeType;
use crate::x509::san::{RequestedName, SubjectAltName};

fn dns(text: &str) -> DnsName {
    DnsName::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn admits(pattern: &str, name: &str, allow_subdomains: bool) -> bool {
    DomainPattern::parse(pattern).unwrap().admits(&dns(name), allow_subdomains)
}

#[test]
fn patterns_admit_by_whole_labels() {
    // Pattern, name, admitted without and with subdomains.
    for (pattern, name, exact, below) in [
        ("example.com", "example.com", true, true),
        ("EXAMPLE.com", "example.COM", true, true),
        ("example.com", "www.example.com", false, true),
        ("example.com", "a.b.example.com", false, true),
        ("example.com", "*.example.com", false, true),
        ("example.com", "badexample.com", false, false),
        ("example.com", "com", false, false),
        ("example.com", "example.com.evil.org", false, false),
        ("*.example.com", "example.com", false, false),
        ("*.example.com", "www.example.com", true, true),
        ("*.example.com", "*.example.com", true, true),
        ("*.example.com", "a.b.example.com", false, true),
        ("*.example.com", "*.b.example.com", false, true),
        ("*.example.com", "wwwexample.com", false, false),
        ("*.internal", "db.internal", true, true),
        ("internal", "db.internal", false, true),
        ("localhost", "localhost", true, true),
    ] {
        assert_eq!(admits(pattern, name, false), exact, "{pattern} {name} without subdomains");
        assert_eq!(admits(pattern, name, true), below, "{pattern} {name} with subdomains");
    }
}

#[test]
fn patterns_that_say_too_much_or_nothing_are_refused() {
    assert_eq!(DomainPattern::parse("*"), Err(PatternFault::Everything));
    assert_eq!(DomainPattern::parse("*."), Err(PatternFault::Everything));
    for text in ["*.*.example.com", "a*.example.com", "www.*.com", "**.example.com"] {
        assert_eq!(DomainPattern::parse(text), Err(PatternFault::Wildcard), "{text}");
    }
    for text in ["", ".example.com", "example.com.", "10.0.0.1", "ex ample.com", "bücher.example", "*.10.0.0.1"] {
        assert!(matches!(DomainPattern::parse(text), Err(PatternFault::Name(_))), "{text}");
    }
    for text in ["example.com", "*.example.com", "*.internal"] {
        assert_eq!(DomainPattern::parse(text).unwrap().to_string(), text);
    }
}

fn policy(domains: &[String], allow_subdomains: bool, allow_ip_sans: bool, require_cn: bool) -> Policy {
    Policy {
        allowed_domains: domains.iter().map(|text| DomainPattern::parse(text).unwrap()).collect(),
        allow_subdomains,
        allow_ip_sans,
        require_cn,
        max_ttl: Span::days(30),
        key_type: KeyType::P256,
        no_rev_avail: false,
        extended_key_usage: vec![ExtendedKeyUsage::ServerAuth],
    }
}

fn request(source: Source, common_name: Option<&str>, names: &[SubjectAltName]) -> Request {
    Request {
        source,
        common_names: common_name.into_iter().map(str::to_owned).collect(),
        common_name_field: "common_name",
        names: names.iter().map(|name| ("names".to_owned(), RequestedName::Good(name.clone()))).collect(),
        key_type: KeyType::P256,
        key_field: "key",
        ttl: None,
        key_usage: None,
        key_purposes: Vec::new(),
        asks_for_ca: false,
        left_out: Vec::new(),
    }
}

const NOW: i64 = 1_800_000_000;

#[test]
fn the_lifetime_is_what_was_asked_for_within_the_longest() {
    let policy = policy(&["example.com".to_owned()], false, false, true);
    for (ttl, seconds) in [(None, 30 * 86_400), (Some(Span::seconds(1)), 1), (Some(Span::days(30)), 30 * 86_400)] {
        let request = Request { ttl, ..request(Source::Fields, Some("example.com"), &[]) };
        let approved = decide(&policy, request, from_seconds(NOW)).unwrap();
        assert_eq!(approved.not_after(), from_seconds(NOW + seconds));
        assert_eq!(approved.not_before(), from_seconds(NOW - 300));
    }
    let long = Request { ttl: Some(Span::seconds(30 * 86_400 + 1)), ..request(Source::Fields, Some("example.com"), &[]) };
    let faults = decide(&policy, long, from_seconds(NOW)).unwrap_err();
    assert_eq!(faults, [Violation { field: "ttl".to_owned(), fault: Fault::TtlTooLong(Span::days(30)) }]);
}

/// The rule said again in other words: label by label from the right.
fn admitted(domains: &[String], allow_subdomains: bool, name: &str) -> bool {
    let labels = |text: &str| text.rsplit('.').map(str::to_owned).collect::<Vec<_>>();
    let name = labels(name);
    domains.iter().any(|pattern| {
        let pattern = labels(pattern);
        let below = pattern.last().is_some_and(|label| label == "*");
        let base = &pattern[..pattern.len() - usize::from(below)];
        let under = name.len() > base.len() && name[..base.len()] == *base;
        let depth = name.len().saturating_sub(base.len());
        if below { under && (depth == 1 || allow_subdomains) } else { name == base || (under && allow_subdomains) }
    })
}

/// Few labels, so that names and patterns often meet.
fn label() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "aa", "ab", "com"])
}

fn host() -> impl Strategy<Value = String> {
    prop::collection::vec(label(), 1..4).prop_map(|labels| labels.join("."))
}

fn pattern() -> impl Strategy<Value = String> {
    (any::<bool>(), host()).prop_map(|(below, host)| if below { format!("*.{host}") } else { host })
}

/// A host name, perhaps a wildcard, which needs two labels behind it.
fn name() -> impl Strategy<Value = String> {
    (any::<bool>(), host()).prop_map(|(wild, host)| if wild && host.contains('.') { format!("*.{host}") } else { host })
}

fn san() -> impl Strategy<Value = SubjectAltName> {
    let other = prop::sample::select(vec![
        SubjectAltName::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SubjectAltName::Email("a@a.com".to_owned()),
        SubjectAltName::Uri("https://a.com/".to_owned()),
    ]);
    prop_oneof![8 => name().prop_map(|text| SubjectAltName::Dns(dns(&text))), 1 => other]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_name_is_approved_exactly_when_a_pattern_admits_it(
        domains in prop::collection::vec(pattern(), 0..3),
        switches in any::<(bool, bool, bool, bool)>(),
        common_name in prop::option::of(name()),
        names in prop::collection::vec(san(), 0..4),
    ) {
        let (allow_subdomains, allow_ip_sans, require_cn, from_csr) = switches;
        let policy = policy(&domains, allow_subdomains, allow_ip_sans, require_cn);
        let source = if from_csr { Source::Csr } else { Source::Fields };
        let good = |name: &SubjectAltName| match name {
            SubjectAltName::Dns(name) => admitted(&domains, allow_subdomains, name.as_str()),
            SubjectAltName::Ip(_) => allow_ip_sans,
            SubjectAltName::Email(_) | SubjectAltName::Uri(_) => false,
        };
        let own = common_name.as_deref().map(|text| SubjectAltName::Dns(dns(text)));
        let is_named = own.as_ref().is_none_or(|own| !from_csr || names.is_empty() || names.contains(own));
        let expected = names.iter().chain(&own).all(good)
            && is_named
            && (own.is_some() || !require_cn)
            && (own.is_some() || !names.is_empty());
        match decide(&policy, request(source, common_name.as_deref(), &names), from_seconds(NOW)) {
            Ok(approved) => {
                prop_assert!(expected, "approved: {:?} of {:?}", approved.alt_names(), domains);
                prop_assert!(!approved.alt_names().is_empty());
                prop_assert!(approved.alt_names().iter().all(good));
                prop_assert!(approved.alt_names().iter().all(|name| names.contains(name) || Some(name) == own.as_ref()));
                prop_assert!(names.iter().chain(&own).all(|name| approved.alt_names().contains(name)), "nothing is dropped");
                prop_assert_eq!(approved.common_name(), common_name.as_deref());
            }
            Err(violations) => {
                prop_assert!(!expected, "refused: {:?}", violations);
                prop_assert!(!violations.is_empty());
            }
        }
    }
}

fn approved(
    source: Source,
    subject: &[(AttributeType, &str)],
    names: &[SubjectAltName],
    change: impl FnOnce(&mut Request),
) -> Result<Approved, Vec<Violation>> {
    let subject: Vec<_> = subject.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect();
    let of_kind = |kind| subject.iter().filter(move |(known, _)| *known == kind).map(|(_, text)| text.clone());
    let mut asked = Request { common_names: of_kind(AttributeType::CommonName).collect(), ..request(source, None, names) };
    change(&mut asked);
    decide_approved(&ApprovalPolicy::DEFAULT, asked, &subject, from_seconds(NOW))
}

#[test]
fn a_person_decides_about_names_and_the_rest_is_judged_as_ever() {
    let names = [
        SubjectAltName::Dns(dns("any.host.example")),
        SubjectAltName::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SubjectAltName::Email("a@example.com".to_owned()),
        SubjectAltName::Uri("spiffe://example/x".to_owned()),
    ];
    let subject = [(AttributeType::Country, "DE"), (AttributeType::Organization, "Example"), (AttributeType::CommonName, "Some Service")];
    let good = approved(Source::Fields, &subject, &names, |_| {}).unwrap();
    assert_eq!(good.alt_names(), names);
    assert_eq!(good.subject().to_string(), "CN=Some Service,O=Example,C=DE");
    assert_eq!(good.extended_key_usage(), [ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth]);
    assert_eq!(good.not_after(), from_seconds(NOW + 90 * 86_400));
    let faults = approved(Source::Fields, &subject, &names, |request| {
        request.asks_for_ca = true;
        request.ttl = Some(Span::days(826));
        request.key_usage = Some(KeyUsage::KEY_CERT_SIGN);
        request.key_purposes = vec![ExtendedKeyUsage::CodeSigning.oid()];
    })
    .unwrap_err();
    let expected = [
        Fault::KeyUsage("keyCertSign".to_owned()),
        Fault::ExtendedKeyUsage("codeSigning".to_owned()),
        Fault::TtlTooLong(Span::days(825)),
        Fault::AsksForCa,
    ];
    assert_eq!(faults.iter().map(|violation| &violation.fault).collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
    assert_eq!(faults[2].field, "validity_days");
    let committing = KeyUsage::DIGITAL_SIGNATURE.union(KeyUsage::CONTENT_COMMITMENT);
    let given = approved(Source::Fields, &subject, &names, |request| request.key_usage = Some(committing)).unwrap();
    assert_eq!(given.key_usage(), committing);
}

#[test]
fn what_a_subject_says_of_hosts_and_mailboxes_is_among_the_names() {
    use AttributeType::{CommonName, EmailAddress};
    let other = [SubjectAltName::Dns(dns("other.example"))];
    let mailbox = SubjectAltName::Email("a@example.com".to_owned());
    // The common name, the names beside it, and those that come of it.
    for (common_name, beside, added) in [
        ("www.example.com", &other[..], Some(SubjectAltName::Dns(dns("www.example.com")))),
        ("www.example.com.", &other, Some(SubjectAltName::Dns(dns("www.example.com")))),
        ("127.0.0.1", &other, Some(SubjectAltName::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)))),
        ("alice", &other, None),
        ("alice", &[], Some(SubjectAltName::Dns(dns("alice")))),
        ("Alice Example", &other, None),
    ] {
        let wanted: Vec<_> = added.iter().chain(beside).cloned().collect();
        let given = approved(Source::Fields, &[(CommonName, common_name)], beside, |_| {}).unwrap();
        assert_eq!(given.alt_names(), wanted, "{common_name}");
        // Names that somebody gave are all there are.
        let by_hand = approved(Source::Csr, &[(CommonName, common_name)], beside, |_| {});
        assert_eq!(by_hand.is_ok(), added.is_none(), "{common_name}");
    }
    let given = approved(Source::Fields, &[(EmailAddress, "a@example.com")], &other, |_| {}).unwrap();
    assert_eq!(given.alt_names(), [other[0].clone(), mailbox.clone()]);
    let fault = approved(Source::Csr, &[(EmailAddress, "a@example.com")], &other, |_| {}).unwrap_err();
    assert_eq!(fault[0].fault, Fault::EmailNotASan("a@example.com".to_owned()));
    let mail = approved(Source::Fields, &[(EmailAddress, "a@example.com")], &[], |_| {}).unwrap();
    assert_eq!(mail.extended_key_usage(), [ExtendedKeyUsage::ClientAuth, ExtendedKeyUsage::EmailProtection]);
    assert_eq!(approved(Source::Fields, &[(CommonName, "Alice Example")], &[], |_| {}).unwrap_err()[0].fault, Fault::NoName);
    let two = approved(Source::Fields, &[(CommonName, "a.example"), (CommonName, "b.example")], &other, |_| {}).unwrap_err();
    assert_eq!(two[0].fault, Fault::SeveralCommonNames);
}

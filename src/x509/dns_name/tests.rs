use proptest::prelude::*;

use super::*;
use DnsNameFault as F;

fn fault(text: &str) -> F {
    DnsName::parse(text).expect_err(text)
}

#[test]
fn ordinary_names_are_taken() {
    for (given, kept) in [
        ("www.example.com", "www.example.com"),
        ("WWW.Example.COM", "www.example.com"),
        ("localhost", "localhost"),
        ("a.b-c.d1", "a.b-c.d1"),
        ("1and1.de", "1and1.de"),
        ("3com.com", "3com.com"),
        ("10.in-addr.arpa", "10.in-addr.arpa"),
        ("*.example.com", "*.example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("*.xn--bcher-kva.example", "*.xn--bcher-kva.example"),
        ("a--b.example", "a--b.example"),
    ] {
        assert_eq!(DnsName::parse(given).unwrap().as_str(), kept);
    }
}

#[test]
fn characters_that_no_host_name_has() {
    assert_eq!(fault(""), F::Empty);
    assert_eq!(fault("www.example.com\0.evil.com"), F::Control('\0'));
    assert_eq!(fault("www.example.com\n"), F::Control('\n'));
    assert_eq!(fault("bücher.example"), F::NonAscii('ü'));
    assert_eq!(fault("www.ex ample.com"), F::Character { label: "ex ample".into(), character: ' ' });
    assert_eq!(fault("a,b.com"), F::Character { label: "a,b".into(), character: ',' });
    assert_eq!(fault("_dmarc.example.com"), F::Underscore("_dmarc".into()));
    assert_eq!(fault("https://example.com"), F::Character { label: "https://example".into(), character: ':' });
}

#[test]
fn labels_have_bounds() {
    let (l63, l64) = ("a".repeat(63), "a".repeat(64));
    assert!(DnsName::parse(&format!("{l63}.com")).is_ok());
    assert_eq!(fault(&format!("{l64}.com")), F::LabelTooLong { label: l64.clone(), length: 64 });
    let n253 = format!("{l63}.{l63}.{l63}.{}", "b".repeat(61));
    assert_eq!(n253.len(), 253);
    assert!(DnsName::parse(&n253).is_ok());
    assert_eq!(fault(&format!("{n253}b")), F::NameTooLong(254));
    assert_eq!(fault("example.com."), F::TrailingDot);
    assert_eq!(fault("a..b"), F::EmptyLabel);
    assert_eq!(fault(".b"), F::EmptyLabel);
    assert_eq!(fault("."), F::EmptyLabel);
    assert_eq!(fault("-a.com"), F::LeadingHyphen("-a".into()));
    assert_eq!(fault("a-.com"), F::TrailingHyphen("a-".into()));
}

#[test]
fn addresses_are_not_names() {
    assert_eq!(fault("10.0.0.1"), F::IpAddress);
    assert_eq!(fault("2001:db8::1"), F::IpAddress);
    assert_eq!(fault("10.0.1"), F::NumericTopLabel("1".into()));
    assert_eq!(fault("12345"), F::NumericTopLabel("12345".into()));
    assert_eq!(fault("www.example.42"), F::NumericTopLabel("42".into()));
}

#[test]
fn a_wildcard_is_the_whole_leftmost_label() {
    assert_eq!(fault("*"), F::BareWildcard);
    assert_eq!(fault("*.com"), F::WideWildcard);
    assert_eq!(fault("a*.example.com"), F::PartialWildcard("a*".into()));
    assert_eq!(fault("*a.example.com"), F::PartialWildcard("*a".into()));
    assert_eq!(fault("www.*.example.com"), F::MiddleWildcard);
    assert_eq!(fault("*.*.example.com"), F::MiddleWildcard);
    assert_eq!(fault("*.*"), F::MiddleWildcard);
    assert_eq!(fault("www.a*.com"), F::MiddleWildcard);
    assert_eq!(fault("*."), F::TrailingDot);
    assert_eq!(fault("*..com"), F::EmptyLabel);
}

#[test]
fn punycode_round_trips_or_is_refused() {
    for bad in ["xn--.example", "xn--a.example", "xn--abc.example", "xn--0.example", "xn--\u{7a}zzzzzzzzzz.example", "xn--ascii.example"] {
        assert!(matches!(fault(bad), F::Punycode(_) | F::TrailingHyphen(_)), "{bad}: {:?}", fault(bad));
    }
    // Upper-case letters inside the encoded label decode to a name that is mapped, so that it does not come back.
    assert!(matches!(fault("xn--Bcher-Kva-.example"), F::TrailingHyphen(_)));
    assert_eq!(fault("ab--c.example"), F::ReservedLabel("ab--c".into()));
}

#[test]
fn base_and_subdomains() {
    let name = |text| DnsName::parse(text).unwrap();
    assert!(name("*.example.com").is_wildcard());
    assert_eq!(name("*.example.com").base(), "example.com");
    assert_eq!(name("example.com").base(), "example.com");
    assert!(name("a.b.example.com").is_subdomain_of("Example.com"));
    assert!(name("*.example.com").is_subdomain_of("example.com"));
    assert!(!name("example.com").is_subdomain_of("example.com"));
    assert!(!name("badexample.com").is_subdomain_of("example.com"));
    assert!(!name("example.com").is_subdomain_of("www.example.com"));
    assert!(!name("example.com").is_subdomain_of(""));
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_taken_is_stable(text in "\\PC{0,40}|[a-zA-Z0-9*._-]{0,70}|xn--[a-z0-9-]{0,20}") {
        if let Ok(name) = DnsName::parse(&text) {
            prop_assert_eq!(name.as_str(), text.to_ascii_lowercase());
            prop_assert_eq!(DnsName::parse(name.as_str()).unwrap(), name);
        }
    }
}

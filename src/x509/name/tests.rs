use proptest::prelude::*;

use super::*;
use AttributeType as T;

fn name(attributes: &[(T, &str)]) -> Result<DistinguishedName, Vec<NameFault>> {
    DistinguishedName::from_attributes(&attributes.iter().map(|(kind, value)| (*kind, (*value).to_owned())).collect::<Vec<_>>())
}

fn parsed(text: &str) -> Vec<(String, String)> {
    let name = DistinguishedName::parse_rfc4514(text).unwrap_or_else(|faults| panic!("{text}: {faults:?}"));
    name.attributes().into_iter().map(|(kind, oid, value)| (kind.map_or(oid.to_string(), |k| k.short_name().into()), value)).collect()
}

fn problem(text: &str) -> SyntaxProblem {
    match DistinguishedName::parse_rfc4514(text).expect_err(text).as_slice() {
        [NameFault::Syntax { problem, .. }] => *problem,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn string_types_are_those_of_rfc_5280() {
    let der = name(&[
        (T::Country, "DE"),
        (T::SerialNumber, "42"),
        (T::EmailAddress, "a@b.c"),
        (T::DomainComponent, "de"),
        (T::CommonName, "Müller"),
    ])
    .unwrap();
    let tags: Vec<u8> = der.rdns().flatten().map(|(_, value)| value.tag).collect();
    assert_eq!(tags, [tlv::PRINTABLE_STRING, tlv::PRINTABLE_STRING, tlv::IA5_STRING, tlv::IA5_STRING, tlv::UTF8_STRING]);
    assert_eq!(der.common_names(), ["Müller"]);
    assert_eq!(DistinguishedName::from_der(der.der()).unwrap(), der);
}

#[test]
fn all_faults_are_told_at_once() {
    let long = "x".repeat(65);
    let faults = name(&[
        (T::CommonName, &long),
        (T::Country, "Germany"),
        (T::Organization, ""),
        (T::Locality, "a\0b"),
        (T::SerialNumber, "a@b"),
        (T::EmailAddress, "ü@b.c"),
        (T::Title, " x"),
        (T::Surname, "a\u{202E}b"),
    ])
    .unwrap_err();
    assert_eq!(
        faults,
        [
            NameFault::TooLong { attribute: T::CommonName, length: 65 },
            NameFault::Country,
            NameFault::Empty(T::Organization),
            NameFault::Control { attribute: T::Locality, character: '\0' },
            NameFault::Character { attribute: T::SerialNumber, character: '@' },
            NameFault::Character { attribute: T::EmailAddress, character: 'ü' },
            NameFault::Padded(T::Title),
            NameFault::Control { attribute: T::Surname, character: '\u{202E}' },
        ]
    );
    assert_eq!(faults[0].to_string(), "CN has 65 characters: at most 64 are allowed");
}

#[test]
fn bounds_count_characters() {
    for kind in T::ALL.into_iter().filter(|kind| *kind != T::Country) {
        let letter = if kind.string_tag() == tlv::UTF8_STRING { "ä" } else { "a" };
        assert!(name(&[(kind, &letter.repeat(kind.upper_bound()))]).is_ok(), "{kind:?}");
        assert!(name(&[(kind, &letter.repeat(kind.upper_bound() + 1))]).is_err(), "{kind:?}");
    }
    for bad in ["D", "de", "D1", "DEU", "Ä"] {
        assert_eq!(name(&[(T::Country, bad)]), Err(vec![NameFault::Country]));
    }
}

#[test]
fn the_empty_name() {
    let empty = DistinguishedName::from_attributes(&[]).unwrap();
    assert!(empty.is_empty() && empty == DistinguishedName::empty() && empty.to_string().is_empty());
    assert!(DistinguishedName::parse_rfc4514("").unwrap().is_empty());
    assert!(!DistinguishedName::common_name("x").unwrap().is_empty());
}

#[test]
fn foreign_names_are_kept_and_shown() {
    // BMPString, TeletexString, an unknown type and a value that is no string, in a SET that is not even sorted.
    let mut der = Vec::new();
    tlv::write(&mut der, tlv::SEQUENCE, |out| {
        tlv::write(out, tlv::SET, |out| {
            for (oid, tag, value) in
                [("2.5.4.10", 0x1E, &b"\0A\x20\xAC"[..]), ("2.5.4.3", 0x14, b"M\xFCller"), ("1.2.3.4", 0x0C, b"x"), ("2.5.4.11", 2, &[5])]
            {
                tlv::write(out, tlv::SEQUENCE, |out| {
                    tlv::write_oid(out, ObjectIdentifier::new(oid).unwrap());
                    tlv::write_value(out, tag, value);
                });
            }
        });
    });
    let name = DistinguishedName::from_der(&der).unwrap();
    assert_eq!(name.der(), der);
    assert_eq!(name.to_string(), "O=A€+CN=Müller+1.2.3.4=#0c0178+OU=#020105");
    assert_eq!(name.common_names(), ["Müller"]);
}

#[test]
fn what_is_not_a_name_is_refused() {
    for bad in [&[][..], &[0x30], &[0x31, 0], &[0x30, 2, 0x31, 0], &[0x30, 2, 0x30, 0], &[0x30, 0, 0]] {
        assert!(DistinguishedName::from_der(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_examples_of_rfc_4514() {
    let pair = |kind: &str, value: &str| (kind.to_owned(), value.to_owned());
    assert_eq!(parsed("UID=jsmith,DC=example,DC=net"), [pair("DC", "net"), pair("DC", "example"), pair("UID", "jsmith")]);
    assert_eq!(parsed("CN=James \\\"Jim\\\" Smith\\, III,DC=example")[1], pair("CN", "James \"Jim\" Smith, III"));
    assert_eq!(parsed("CN=Lu\\C4\\8Di\\C4\\87"), [pair("CN", "Lučić")]);
    assert_eq!(parsed("1.3.6.1.4.1.1466.0=#04024869"), [pair("1.3.6.1.4.1.1466.0", "#04024869")]);
    let multi = DistinguishedName::parse_rfc4514("OU=Sales+CN=J.  Smith,DC=example,DC=net").unwrap();
    assert_eq!(multi.rdns().last().unwrap().len(), 2);
    assert_eq!(parsed(" CN = a b , O = c "), [pair("O", "c"), pair("CN", "a b")]);
}

#[test]
fn texts_that_are_not_names() {
    assert_eq!(problem("CN"), SyntaxProblem::Type);
    assert_eq!(problem("=x"), SyntaxProblem::Type);
    assert_eq!(problem("CN=a,"), SyntaxProblem::Type);
    assert_eq!(problem("C N=a"), SyntaxProblem::Type);
    assert_eq!(problem("1.x=a"), SyntaxProblem::Type);
    assert_eq!(problem("FOO=a"), SyntaxProblem::UnknownType);
    assert_eq!(problem("CN=a\\"), SyntaxProblem::Escape);
    assert_eq!(problem("CN=a\\x"), SyntaxProblem::Escape);
    assert_eq!(problem("CN=a\\é"), SyntaxProblem::Escape);
    assert_eq!(problem("CN=\"a\""), SyntaxProblem::Unescaped);
    assert_eq!(problem("CN=a;b"), SyntaxProblem::Unescaped);
    assert_eq!(problem("CN=\\FF"), SyntaxProblem::Utf8);
    assert_eq!(problem("CN=#0c0"), SyntaxProblem::Hex);
    assert_eq!(problem("CN=#0c0261"), SyntaxProblem::Hex);
    assert_eq!(problem("CN=#0é"), SyntaxProblem::Hex);
    assert_eq!(problem("CN=a+CN=a"), SyntaxProblem::Duplicate);
    assert!(matches!(DistinguishedName::parse_rfc4514("CN=a,é=b").unwrap_err()[..], [NameFault::Syntax { position: 6, .. }]));
    // Rules of values hold for text as well, in every part.
    assert_eq!(DistinguishedName::parse_rfc4514("CN=,C=xx").unwrap_err(), [NameFault::Empty(T::CommonName), NameFault::Country]);
    assert!(DistinguishedName::parse_rfc4514("CN=a\\00b").is_err());
    assert!(DistinguishedName::parse_rfc4514("CN=#0c03610062").is_err());
}

#[test]
fn every_type_is_found_by_name_and_oid() {
    for kind in T::ALL {
        assert_eq!(T::from_oid(kind.oid()), Some(kind));
        assert_eq!(T::from_name(&kind.short_name().to_lowercase()), Some(kind));
    }
    assert_eq!(T::from_name("commonName"), Some(T::CommonName));
}

proptest! {
    #[test]
    fn names_come_back_from_their_text(values in proptest::collection::vec((0usize..15, "[ -~äß€\u{1F511}]{1,20}"), 0..5)) {
        let attributes: Vec<_> = values.into_iter().map(|(kind, value)| (T::ALL[kind], value)).collect();
        if let Ok(name) = DistinguishedName::from_attributes(&attributes) {
            prop_assert_eq!(DistinguishedName::parse_rfc4514(&name.to_string()).unwrap(), name);
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}|(CN|O|1\\.2|c)=[#\\\\a-f0-9+, =\"é]{0,20}") {
        if let Ok(name) = DistinguishedName::parse_rfc4514(&text) {
            prop_assert!(DistinguishedName::from_der(name.der()).is_ok());
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), place in 0usize..60, value: u8) {
        let mut real = DistinguishedName::parse_rfc4514("CN=Some One+OU=x,O=Example GmbH,C=DE").unwrap().der().to_vec();
        if let Some(byte) = real.get_mut(place) { *byte = value; }
        for der in [bytes, real] {
            if let Ok(name) = DistinguishedName::from_der(&der) {
                let _ = (name.to_string(), name.attributes(), name.common_names(), name.is_empty());
                prop_assert_eq!(name.der(), &der[..]);
            }
        }
    }
}

use proptest::prelude::*;

use super::*;

fn every_kind() -> Vec<SubjectAltName> {
    vec![
        SubjectAltName::Dns(DnsName::parse("*.example.com").unwrap()),
        SubjectAltName::Ip("192.0.2.1".parse().unwrap()),
        SubjectAltName::Ip("2001:db8::1".parse().unwrap()),
        parse_email("Some.One+tag@Example.com").unwrap(),
        parse_uri("spiffe://prod.example/ns/web?x=%2F").unwrap(),
    ]
}

#[test]
fn every_kind_comes_back() {
    let names = every_kind();
    let read = decode_san(&encode_san(&names)).unwrap();
    assert_eq!(read, names.into_iter().map(RequestedName::Good).collect::<Vec<_>>());
}

#[test]
fn bad_names_are_kept_beside_good_ones() {
    let mut der = Vec::new();
    tlv::write(&mut der, tlv::SEQUENCE, |out| {
        tlv::write_value(out, DNS, b"good.example");
        tlv::write_value(out, DNS, b"bad.example\0.evil");
        tlv::write_value(out, DNS, &[0xFF]);
        tlv::write_value(out, IP, &[1, 2, 3, 4, 255, 255, 255, 255]);
        tlv::write_value(out, EMAIL, b"nobody");
        tlv::write_value(out, URI, b"/path");
        tlv::write_value(out, OTHER_NAME, &[]);
        tlv::write_value(out, DIRECTORY_NAME, &[]);
    });
    let names = decode_san(&der).unwrap();
    assert_eq!(names.len(), 8);
    assert!(matches!(&names[0], RequestedName::Good(SubjectAltName::Dns(_))));
    assert!(matches!(&names[1], RequestedName::BadDns { fault: DnsNameFault::Control('\0'), .. }));
    assert!(matches!(&names[2], RequestedName::BadDns { fault: DnsNameFault::NonAscii(_), .. }));
    assert_eq!(names[3], RequestedName::BadIp { octets: 8 });
    assert!(matches!(&names[4], RequestedName::BadEmail { fault: EmailFault::Shape, .. }));
    assert!(matches!(&names[5], RequestedName::BadUri { fault: UriFault::Relative, .. }));
    assert_eq!(names[6..], [RequestedName::Unsupported("otherName"), RequestedName::Unsupported("directoryName")]);
}

#[test]
fn what_is_not_general_names_is_a_fault() {
    assert_eq!(decode_san(&[0x30, 0]), Err(DerFault::Value));
    assert_eq!(decode_san(&[0x30, 2, 0x89, 0]), Err(DerFault::Tag));
    assert_eq!(decode_san(&[0x30, 2, 0x82, 1]), Err(DerFault::Incomplete));
    assert_eq!(decode_san(&[0x30, 2, 0x82, 0, 0]), Err(DerFault::Trailing));
}

#[test]
fn email_addresses() {
    for good in ["a@b.example", "o'brien@example.com", "first.last@sub.example.com"] {
        assert!(parse_email(good).is_ok(), "{good}");
    }
    let fault = |text: &str| parse_email(text).unwrap_err();
    assert_eq!(fault("example.com"), EmailFault::Shape);
    assert_eq!(fault("a@b@example.com"), EmailFault::Shape);
    assert_eq!(fault("@example.com"), EmailFault::Shape);
    assert_eq!(fault("a@"), EmailFault::Shape);
    assert_eq!(fault("ä@example.com"), EmailFault::Character('ä'));
    assert_eq!(fault("a\0@example.com"), EmailFault::Character('\0'));
    assert_eq!(fault("a b@example.com"), EmailFault::Character(' '));
    assert_eq!(fault("a..b@example.com"), EmailFault::Dots);
    assert_eq!(fault(".a@example.com"), EmailFault::Dots);
    assert!(matches!(fault(&format!("{}@example.com", "a".repeat(65))), EmailFault::TooLong(77)));
    assert!(matches!(fault("a@[192.0.2.1]"), EmailFault::Domain(_)));
    assert!(matches!(fault("a@*.example.com"), EmailFault::Domain(_)));
}

#[test]
fn uris() {
    for good in [
        "https://example.com",
        "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
        "spiffe://a_b/x",
        "ldap://[2001:db8::7]/c=GB?x",
        "http://u@h:80/",
    ] {
        assert!(parse_uri(good).is_ok(), "{good}");
    }
    let fault = |text: &str| parse_uri(text).unwrap_err();
    assert_eq!(fault("example.com"), UriFault::Relative);
    assert_eq!(fault("1http:x"), UriFault::Relative);
    assert_eq!(fault("http:"), UriFault::Relative);
    assert_eq!(fault(""), UriFault::Relative);
    assert_eq!(fault("http://a/ü"), UriFault::Character('ü'));
    assert_eq!(fault("http://a/ b"), UriFault::Character(' '));
    assert_eq!(fault("http://a/%2"), UriFault::Percent);
    assert_eq!(fault("http://a/%zz"), UriFault::Percent);
    assert_eq!(fault("http:///x"), UriFault::Host);
    assert_eq!(fault("http://:80/x"), UriFault::Host);
    assert_eq!(fault(&format!("http://{}", "a".repeat(2048))), UriFault::TooLong(2055));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = decode_san(&bytes);
        let mut wrapped = Vec::new();
        tlv::write_value(&mut wrapped, tlv::SEQUENCE, &bytes);
        let _ = decode_san(&wrapped);
    }

    #[test]
    fn mutated_names_do_not_panic(place in 0usize..90, value: u8) {
        let mut der = encode_san(&every_kind());
        if let Some(byte) = der.get_mut(place) { *byte = value; }
        let _ = decode_san(&der);
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}|[a-z:/@%.]{0,20}") {
        let _ = (parse_email(&text), parse_uri(&text));
    }
}

use proptest::prelude::*;

use super::read::RawExtension;
use super::*;
use crate::x509::san::SubjectAltName;
use crate::x509::tlv::Reader;

fn written(fill: impl FnOnce(&mut Vec<u8>)) -> (ObjectIdentifier, bool, String) {
    let mut out = Vec::new();
    fill(&mut out);
    let all = read::extensions(Reader::new(&out)).unwrap();
    let [RawExtension { oid, critical, value }] = all[..] else { panic!("{all:?}") };
    (oid, critical, hex::encode(value))
}

#[test]
fn basic_constraints_are_critical_and_leave_defaults_out() {
    let write = |constraints| written(|out| write::basic_constraints(out, constraints));
    assert_eq!(write(BasicConstraints::leaf()), (BASIC_CONSTRAINTS, true, "3000".into()));
    assert_eq!(write(BasicConstraints::ca(None)), (BASIC_CONSTRAINTS, true, "30030101ff".into()));
    assert_eq!(write(BasicConstraints::ca(Some(0))), (BASIC_CONSTRAINTS, true, "30060101ff020100".into()));
    assert_eq!(write(BasicConstraints::ca(Some(200))), (BASIC_CONSTRAINTS, true, "30070101ff020200c8".into()));
    for constraints in
        [BasicConstraints::leaf(), BasicConstraints::ca(None), BasicConstraints::ca(Some(0)), BasicConstraints::ca(Some(255))]
    {
        let der = hex::decode(write(constraints).2).unwrap();
        assert_eq!(BasicConstraints::from_der(&der), Ok(constraints));
    }
    assert_eq!(BasicConstraints::from_der(&[0x30, 3, 1, 1, 0]), Ok(BasicConstraints::leaf()));
    assert_eq!(BasicConstraints::from_der(&[0x30, 4, 2, 2, 3, 0xE8]), Ok(BasicConstraints { ca: false, path_len: Some(255) }));
    assert!(BasicConstraints::from_der(&[0x30, 3, 2, 1, 0xFF]).is_err());
    assert!(BasicConstraints::from_der(&[0x30, 3, 1, 1, 1]).is_err());
}

#[test]
fn key_usage_drops_trailing_zero_bits() {
    let write = |usage| written(|out| write::key_usage(out, usage));
    let ca = KeyUsage::KEY_CERT_SIGN.union(KeyUsage::CRL_SIGN);
    assert_eq!(write(ca), (KEY_USAGE, true, "03020106".into()));
    assert_eq!(write(KeyUsage::DIGITAL_SIGNATURE), (KEY_USAGE, true, "03020780".into()));
    assert_eq!(write(KeyUsage::DECIPHER_ONLY), (KEY_USAGE, true, "0303070080".into()));
    let mut nothing = Vec::new();
    write::key_usage(&mut nothing, KeyUsage::empty());
    assert!(nothing.is_empty());
    for bits in 1u16..512 {
        let usage = KeyUsage(bits << 7);
        let der = hex::decode(write(usage).2).unwrap();
        assert_eq!(KeyUsage::from_der(&der), Ok(usage));
    }
    assert_eq!(KeyUsage::from_der(&[3, 2, 0, 0x80]), Ok(KeyUsage::DIGITAL_SIGNATURE), "foreign trailing zeros are read");
    for bad in [&[3u8, 0][..], &[3, 1, 1], &[3, 2, 8, 0], &[3, 2, 7, 0x81], &[3, 4, 0, 1, 2, 3]] {
        assert!(KeyUsage::from_der(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn usages_have_names() {
    let usage: KeyUsage = [KeyUsage::CRL_SIGN, KeyUsage::DIGITAL_SIGNATURE].into_iter().collect();
    assert_eq!(usage.to_string(), "digitalSignature, cRLSign");
    assert!(usage.contains(KeyUsage::CRL_SIGN) && !usage.contains(KeyUsage::KEY_CERT_SIGN));
    assert_eq!(usage.difference(KeyUsage::CRL_SIGN), usage.intersection(KeyUsage::DIGITAL_SIGNATURE));
    for (flag, name) in KeyUsage::FLAGS {
        assert_eq!(name.parse(), Ok(flag));
    }
    assert_eq!("key_encipherment".parse(), Ok(KeyUsage::KEY_ENCIPHERMENT));
    assert_eq!("non-repudiation".parse(), Ok(KeyUsage::CONTENT_COMMITMENT));
    assert!("signing".parse::<KeyUsage>().is_err());
    for purpose in ExtendedKeyUsage::ALL {
        assert_eq!(purpose.name().parse(), Ok(purpose));
        assert_eq!(ExtendedKeyUsage::from_oid(purpose.oid()), Some(purpose));
    }
    assert_eq!("server_auth".parse(), Ok(ExtendedKeyUsage::ServerAuth));
}

#[test]
fn purposes_are_critical_only_for_time_stamping() {
    let write = |purposes: &[ExtendedKeyUsage]| written(|out| write::extended_key_usage(out, purposes));
    let (oid, critical, der) = write(&[ExtendedKeyUsage::ServerAuth, ExtendedKeyUsage::ClientAuth]);
    assert_eq!((oid, critical), (EXTENDED_KEY_USAGE, false));
    assert_eq!(
        ExtendedKeyUsage::list_from_der(&hex::decode(der).unwrap()).unwrap(),
        [ExtendedKeyUsage::ServerAuth.oid(), ExtendedKeyUsage::ClientAuth.oid()]
    );
    assert!(write(&[ExtendedKeyUsage::TimeStamping]).1);
    assert!(ExtendedKeyUsage::list_from_der(&[0x30, 0]).is_err());
}

#[test]
fn key_ids_and_urls_come_back() {
    let (oid, critical, der) = written(|out| write::authority_key_id(out, &[1, 2, 3]));
    assert_eq!((oid, critical), (AUTHORITY_KEY_ID, false));
    assert_eq!(read::authority_key_id(&hex::decode(der).unwrap()), Ok(Some(&[1u8, 2, 3][..])));
    assert_eq!(read::authority_key_id(&[0x30, 0]), Ok(None));
    let (oid, _, der) = written(|out| write::subject_key_id(out, &[9]));
    assert_eq!((oid, der.as_str()), (SUBJECT_KEY_ID, "040109"));
    let urls = ["http://a/1.crl".to_owned(), "http://b/1.crl".to_owned()];
    let (oid, critical, der) = written(|out| write::crl_urls(out, &urls));
    assert_eq!((oid, critical), (CRL_DISTRIBUTION_POINTS, false));
    assert_eq!(read::crl_urls(&hex::decode(der).unwrap()).unwrap(), urls);
    let (oid, critical, der) = written(|out| write::authority_info(out, &urls[..1], &urls[1..]));
    assert_eq!((oid, critical), (AUTHORITY_INFO_ACCESS, false));
    assert_eq!(read::authority_info(&hex::decode(der).unwrap()).unwrap(), (urls[..1].to_vec(), urls[1..].to_vec()));
}

#[test]
fn alternative_names_are_critical_without_a_subject() {
    let names = [SubjectAltName::Ip("192.0.2.1".parse().unwrap())];
    assert_eq!(written(|out| write::subject_alt_name(out, &names, true)), (SUBJECT_ALT_NAME, true, "30068704c0000201".into()));
    assert!(!written(|out| write::subject_alt_name(out, &names, false)).1);
}

#[test]
fn nothing_to_say_writes_nothing() {
    let mut out = Vec::new();
    write::extended_key_usage(&mut out, &[]);
    write::authority_key_id(&mut out, &[]);
    write::subject_alt_name(&mut out, &[], false);
    write::crl_urls(&mut out, &[]);
    write::authority_info(&mut out, &[], &[]);
    assert!(out.is_empty());
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), tag in prop::sample::select(vec![tlv::SEQUENCE, tlv::BIT_STRING, tlv::OCTET_STRING])) {
        let mut wrapped = Vec::new();
        tlv::write_value(&mut wrapped, tag, &bytes);
        for der in [bytes, wrapped] {
            let _ = (KeyUsage::from_der(&der), BasicConstraints::from_der(&der), ExtendedKeyUsage::list_from_der(&der));
            let _ = (read::extensions(Reader::new(&der)), read::authority_key_id(&der), read::subject_key_id(&der));
            let _ = (read::crl_urls(&der), read::authority_info(&der));
        }
    }
}

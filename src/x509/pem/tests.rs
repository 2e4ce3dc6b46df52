use proptest::prelude::*;

use super::*;
use crate::x509::key::tests::{openssl, openssl_private_key};

const P256: [&str; 3] = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// A certificate and a request, PEM of openssl.
fn certificate_and_request() -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    std::fs::write(&path, openssl_private_key(&P256)).unwrap();
    let key = path.to_str().unwrap();
    let request = text(openssl(&["req", "-new", "-key", key, "-subj", "/CN=a.example"], b""));
    (text(openssl(&["req", "-x509", "-key", key, "-subj", "/CN=a.example"], b"")), request)
}

#[test]
fn what_openssl_writes_is_read_and_written_alike() {
    let (certificate, request) = certificate_and_request();
    for (pem, label, command) in [(&certificate, Label::Certificate, "x509"), (&request, Label::CertificateRequest, "req")] {
        let der = decode_one(pem, label).unwrap();
        assert_eq!(der, openssl(&[command, "-outform", "DER"], pem.as_bytes()));
        assert_eq!(encode(label, &der), *pem);
    }
    let key = openssl_private_key(&P256);
    let public = text(openssl(&["pkey", "-pubout"], &key));
    assert_eq!(encode(Label::PublicKey, &decode_one(&public, Label::PublicKey).unwrap()), public);
    let key = text(key);
    assert_eq!(encode(Label::PrivateKey, &decode_one(&key, Label::PrivateKey).unwrap()), key);
}

#[test]
fn other_writers_are_understood() {
    let (certificate, request) = certificate_and_request();
    let der = decode_one(&request, Label::CertificateRequest).unwrap();
    let explained = text(openssl(&["req", "-text"], request.as_bytes()));
    for variant in [
        request.replace('\n', "\r\n"),
        request.replace('\n', " \t\n"),
        request.replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
        format!("\u{feff}{request}"),
        format!("{explained}\nRegards\n"),
        request.trim_end().to_owned(),
        request.lines().map(|line| format!("  {line}\n")).collect(),
    ] {
        assert_eq!(decode_one(&variant, Label::CertificateRequest).as_ref(), Ok(&der), "{variant}");
    }
    let der = decode_one(&certificate, Label::Certificate).unwrap();
    let renamed = certificate.replace("CERTIFICATE", "X509 CERTIFICATE");
    assert_eq!(decode_one(&renamed, Label::Certificate).as_ref(), Ok(&der));
    let trusted = text(openssl(&["x509", "-trustout", "-addtrust", "serverAuth"], certificate.as_bytes()));
    assert!(trusted.contains(TRUSTED));
    assert_eq!(decode_one(&trusted, Label::Certificate), Ok(der), "only the certificate part");
}

#[test]
fn several_blocks_are_read_up_to_the_most() {
    let (certificate, _) = certificate_and_request();
    let chain = certificate.repeat(3);
    assert_eq!(decode_all(&chain, Label::Certificate, 3).unwrap().len(), 3);
    assert_eq!(decode_all(&chain, Label::Certificate, 2), Err(PemFault::TooMany { most: 2 }));
    assert_eq!(decode_one(&chain, Label::Certificate), Err(PemFault::TooMany { most: 1 }));
}

#[test]
fn faults_say_what_was_found_and_what_is_wanted() {
    let (certificate, request) = certificate_and_request();
    let wanted = Label::CertificateRequest;
    let fault = decode_one(&certificate, wanted).unwrap_err();
    assert_eq!(fault, PemFault::WrongLabel { wanted, found: Found::Known(Label::Certificate) });
    assert_eq!(fault.to_string(), "the PEM block is CERTIFICATE; CERTIFICATE REQUEST is wanted");
    assert_eq!(decode_one("hello", wanted), Err(PemFault::NoBlock { wanted }));
    assert_eq!(decode_one("", wanted), Err(PemFault::NoBlock { wanted }));
    assert_eq!(decode_one(&request.replace("-----END", "-----AND"), wanted), Err(PemFault::NoEnd));
    let unended: String = request.lines().take(3).map(|line| format!("{line}\n")).collect();
    assert_eq!(decode_one(&unended, wanted), Err(PemFault::NoEnd));
    assert_eq!(decode_one(&format!("{unended}{request}"), wanted), Err(PemFault::NoEnd));
    assert_eq!(decode_one(&request.replace("END CERTIFICATE REQUEST", "END CERTIFICATE"), wanted), Err(PemFault::OtherEnd));
    assert_eq!(decode_one(&request.replacen("MI", "M!", 1), wanted), Err(PemFault::Base64));
    assert_eq!(decode_one("-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n", wanted), Err(PemFault::Base64));
    let unknown = request.replace("CERTIFICATE REQUEST", "secret <script>");
    assert_eq!(decode_one(&unknown, wanted), Err(PemFault::WrongLabel { wanted, found: Found::Other }));
    assert_eq!(decode_one(&" ".repeat(MOST_BYTES + 1), wanted), Err(PemFault::TooLarge));
}

#[test]
fn a_private_key_is_told_first_and_not_repeated() {
    let (certificate, request) = certificate_and_request();
    let key = text(openssl_private_key(&P256));
    let encrypted = text(openssl(&["pkcs8", "-topk8", "-passout", "pass:secret"], key.as_bytes()));
    let wanted = Label::CertificateRequest;
    for sent in [
        key.clone(),
        format!("{request}{key}"),
        format!("{certificate}{key}"),
        encrypted,
        key.replace("PRIVATE", "OPENSSH PRIVATE"),
        key.replace("PRIVATE", "EC PRIVATE"),
    ] {
        let fault = decode_one(&sent, wanted).unwrap_err();
        assert_eq!(fault, PemFault::PrivateKeySent { wanted });
        assert!(!format!("{fault} {fault:?}").contains(key.lines().nth(1).unwrap()));
    }
    assert_eq!(
        decode_one(&key, Label::EcPrivateKey),
        Err(PemFault::WrongLabel { wanted: Label::EcPrivateKey, found: Found::Known(Label::PrivateKey) })
    );
    let old = text(openssl(&["ec", "-aes128", "-passout", "pass:secret"], key.as_bytes()));
    let sec1 = old.replace("BEGIN PRIVATE", "BEGIN EC PRIVATE").replace("END PRIVATE", "END EC PRIVATE");
    assert_eq!(decode_one(&sec1, Label::EcPrivateKey), Err(PemFault::Headers));
}

#[test]
fn no_copy_of_what_is_written_is_left_behind() {
    for length in [0, 1, 2, 3, 47, 48, 49, 96, 121, 1000] {
        for label in Label::ALL {
            let pem = encode(label, &vec![7; length]);
            assert_eq!(pem.capacity(), pem.len(), "the buffer never grew");
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(der in proptest::collection::vec(any::<u8>(), 1..300), place in 0..Label::ALL.len()) {
        let label = Label::ALL[place];
        prop_assert_eq!(decode_one(&encode(label, &der), label), Ok(der));
    }

    #[test]
    fn no_text_panics(text in ".*", inner in "(-----(BEGIN|END) (CERTIFICATE|TRUSTED CERTIFICATE)-----\n|[A-Za-z0-9+/=: ]{0,70}\n|.){0,12}") {
        let _ = decode_all(&text, Label::Certificate, 3);
        let _ = decode_all(&inner, Label::Certificate, 3);
        let _ = decode_one(&inner, Label::EcPrivateKey);
    }
}

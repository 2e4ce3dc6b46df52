use std::process::Command;

use proptest::prelude::*;

use super::*;

/// The private key, as PEM, that `openssl genpkey -algorithm …` makes.
pub(crate) fn openssl_private_key(algorithm: &[&str]) -> Vec<u8> {
    openssl(&[&["genpkey", "-algorithm"], algorithm].concat(), b"")
}

pub(crate) fn openssl_public_key(algorithm: &[&str]) -> PublicKey {
    let spki = openssl(&["pkey", "-pubout", "-outform", "DER"], &openssl_private_key(algorithm));
    PublicKey::from_spki_der(&spki).unwrap()
}

/// Runs openssl with this input and returns what it prints; it must succeed.
pub(crate) fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    use std::io::Write;
    use std::process::Stdio;
    let mut child =
        Command::new("openssl").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A child that needs no input may have closed its end already.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

const OFFERED: [(&[&str], KeyType); 7] = [
    (&["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], KeyType::Rsa2048),
    (&["RSA", "-pkeyopt", "rsa_keygen_bits:3072"], KeyType::Rsa3072),
    (&["RSA", "-pkeyopt", "rsa_keygen_bits:4096"], KeyType::Rsa4096),
    (&["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], KeyType::P256),
    (&["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], KeyType::P384),
    (&["EC", "-pkeyopt", "ec_paramgen_curve:P-521"], KeyType::P521),
    (&["ED25519"], KeyType::Ed25519),
];

fn spki_of(arguments: &[&str]) -> Vec<u8> {
    openssl(&["pkey", "-pubout", "-outform", "DER"], &openssl_private_key(arguments))
}

fn p256_spki() -> Vec<u8> {
    spki_of(&["EC", "-pkeyopt", "ec_paramgen_curve:P-256"])
}

#[test]
fn every_offered_key_of_openssl_is_read_and_written_alike() {
    for (arguments, key_type) in OFFERED {
        let spki = spki_of(arguments);
        let key = PublicKey::from_spki_der(&spki).unwrap();
        assert_eq!(key.key_type(), key_type);
        assert_eq!(key.spki_der(), spki);
        assert!(spki.ends_with(key.bits()));
        assert_eq!(PublicKey::from_parts(key_type, key.bits()), Ok(key.clone()));
        assert_eq!(key.spki_sha256(), sha256(&spki));
        assert_eq!(key.key_identifier(), sha256(key.bits())[..20]);
        for other in KeyType::ALL.into_iter().filter(|other| *other != key_type) {
            assert!(PublicKey::from_parts(other, key.bits()).is_err(), "{key_type} as {other}");
        }
    }
}

#[test]
fn signatures_of_openssl_verify() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.pem");
    std::fs::write(&path, openssl_private_key(&["EC", "-pkeyopt", "ec_paramgen_curve:P-256"])).unwrap();
    let key = PublicKey::from_spki_der(&openssl(&["pkey", "-in", path.to_str().unwrap(), "-pubout", "-outform", "DER"], b"")).unwrap();
    let signature = openssl(&["dgst", "-sha256", "-sign", path.to_str().unwrap()], b"a message");
    let algorithm = key.key_type().default_algorithm();
    assert!(key.verify(algorithm, b"a message", &signature));
    assert!(!key.verify(algorithm, b"another message", &signature));
    assert!(!key.verify(SignatureAlgorithm::Ed25519, b"a message", &signature));
}

#[test]
fn keys_that_are_not_offered_are_refused_by_name() {
    let fault = |arguments: &[&str]| PublicKey::from_spki_der(&spki_of(arguments)).unwrap_err();
    assert_eq!(fault(&["RSA", "-pkeyopt", "rsa_keygen_bits:1024"]), KeyFault::RsaSize(1024));
    assert_eq!(fault(&["RSA", "-pkeyopt", "rsa_keygen_bits:2047"]), KeyFault::RsaSize(2047));
    assert_eq!(fault(&["RSA", "-pkeyopt", "rsa_keygen_bits:2056"]), KeyFault::RsaSize(2056));
    assert!(matches!(fault(&["EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"]), KeyFault::UnsupportedCurve(_)));
    assert!(matches!(fault(&["EC", "-pkeyopt", "ec_paramgen_curve:P-224"]), KeyFault::UnsupportedCurve(_)));
    for algorithm in ["ED448", "X25519", "RSA-PSS"] {
        assert!(matches!(fault(&[algorithm]), KeyFault::UnsupportedAlgorithm(_)), "{algorithm}");
    }
    let explicit = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"];
    assert_eq!(fault(&explicit), KeyFault::ExplicitCurve);
    let pem = openssl_private_key(&["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    for (form, expected) in [("compressed", KeyFault::CompressedPoint), ("hybrid", KeyFault::Encoding)] {
        let spki = openssl(&["ec", "-pubout", "-conv_form", form, "-outform", "DER"], &pem);
        assert_eq!(PublicKey::from_spki_der(&spki), Err(expected), "{form}");
    }
}

#[test]
fn points_off_the_curve_are_refused() {
    for curve in ["ec_paramgen_curve:P-256", "ec_paramgen_curve:P-384", "ec_paramgen_curve:P-521"] {
        let spki = spki_of(&["EC", "-pkeyopt", curve]);
        let mut moved = spki.clone();
        *moved.last_mut().unwrap() ^= 1;
        assert_eq!(PublicKey::from_spki_der(&moved), Err(KeyFault::PointOffCurve));
        let key = PublicKey::from_spki_der(&spki).unwrap();
        let zero = [&[4][..], &vec![0; key.bits().len() - 1]].concat();
        assert_eq!(PublicKey::from_parts(key.key_type(), &zero), Err(KeyFault::PointOffCurve));
        assert_eq!(PublicKey::from_parts(key.key_type(), &key.bits()[..key.bits().len() - 1]), Err(KeyFault::Length));
        // The identity has an encoding of its own.
        assert_eq!(PublicKey::from_parts(key.key_type(), &[0]), Err(KeyFault::Encoding));
        assert_eq!(PublicKey::from_parts(key.key_type(), &[]), Err(KeyFault::Encoding));
    }
}

#[test]
fn parameters_are_as_the_rfcs_say() {
    let rsa = spki_of(&["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]);
    let key = PublicKey::from_spki_der(&rsa).unwrap();
    let spki = |oid: ObjectIdentifier, parameters: Option<AnyRef<'_>>, bits: &[u8]| {
        let algorithm = AlgorithmIdentifierRef { oid, parameters };
        SubjectPublicKeyInfoRef { algorithm, subject_public_key: BitStringRef::from_bytes(bits).unwrap() }.to_der().unwrap()
    };
    let absent = PublicKey::from_spki_der(&spki(rfc5912::RSA_ENCRYPTION, None, key.bits())).unwrap();
    assert_eq!(absent, key);
    assert_eq!(absent.spki_der(), rsa, "one key has one SPKI");
    let some = AnyRef::new(Tag::Integer, &[1]).unwrap();
    assert_eq!(PublicKey::from_spki_der(&spki(rfc5912::RSA_ENCRYPTION, Some(some), key.bits())), Err(KeyFault::Parameters));
    assert_eq!(PublicKey::from_spki_der(&spki(rfc8410::ID_ED_25519, Some(AnyRef::NULL), &[1; 32])), Err(KeyFault::Parameters));
    assert_eq!(PublicKey::from_spki_der(&spki(rfc8410::ID_ED_25519, None, &[1; 33])), Err(KeyFault::Length));
    for parameters in [None, Some(AnyRef::NULL)] {
        assert_eq!(PublicKey::from_spki_der(&spki(rfc5912::ID_EC_PUBLIC_KEY, parameters, &[4; 65])), Err(KeyFault::UnnamedCurve));
    }
    assert_eq!(PublicKey::from_spki_der(&[rsa, vec![0]].concat()), Err(KeyFault::Encoding), "nothing may follow");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = PublicKey::from_spki_der(&bytes);
        for key_type in KeyType::ALL {
            let _ = PublicKey::from_parts(key_type, &bytes);
        }
    }
}

#[test]
fn no_changed_byte_panics() {
    for spki in [p256_spki(), spki_of(&["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]), spki_of(&["ED25519"])] {
        for place in 0..spki.len() {
            for bit in 0..8 {
                let mut changed = spki.clone();
                changed[place] ^= 1 << bit;
                if let Ok(key) = PublicKey::from_spki_der(&changed) {
                    assert!(key.bits().len() >= 32);
                }
            }
            let _ = PublicKey::from_spki_der(&spki[..place]);
        }
    }
}

use secrecy::ExposeSecret;

use super::*;
use crate::x509::key::tests::{openssl, openssl_private_key};

#[test]
fn openssl_reads_every_key_in_both_encodings() {
    for key_type in KeyType::ALL {
        let generated = generate(key_type).unwrap();
        assert_eq!(generated.public.key_type(), key_type);
        assert_eq!(generated.public.weaknesses(), []);
        for encoding in [Encoding::Traditional, Encoding::Pkcs8] {
            let pem = to_pem(key_type, &generated.pkcs8, encoding).unwrap();
            let pem = pem.expose_secret();
            let label = match (key_type.family(), encoding) {
                ("ec", Encoding::Traditional) => "EC PRIVATE KEY",
                ("rsa", Encoding::Traditional) => "RSA PRIVATE KEY",
                _ => "PRIVATE KEY",
            };
            assert!(pem.starts_with(&format!("-----BEGIN {label}-----\n")));
            let public = openssl(&["pkey", "-pubout", "-outform", "DER"], pem.as_bytes());
            assert_eq!(public, generated.public.spki_der(), "{key_type} {encoding:?}");
            openssl(&["pkey", "-check", "-noout"], pem.as_bytes());
        }
    }
}

#[test]
fn what_is_written_is_what_openssl_writes() {
    for (arguments, key_type) in [
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..], KeyType::P256),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], KeyType::P384),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-521"], KeyType::P521),
        (&["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], KeyType::Rsa2048),
        (&["ED25519"], KeyType::Ed25519),
    ] {
        let pkcs8 = openssl_private_key(arguments);
        let der = pem::decode_one(std::str::from_utf8(&pkcs8).unwrap(), Label::PrivateKey).unwrap();
        assert_eq!(to_pem(key_type, &der, Encoding::Pkcs8).unwrap().expose_secret().as_bytes(), pkcs8);
        let traditional = match key_type {
            KeyType::Ed25519 => pkcs8,
            _ => openssl(&["pkey", "-traditional"], &pkcs8),
        };
        assert_eq!(to_pem(key_type, &der, Encoding::Traditional).unwrap().expose_secret().as_bytes(), traditional);
    }
}

/// Tokens leave parameters and public key out of the wrapped ECPrivateKey.
#[test]
fn a_bare_private_key_gets_its_public_key_back() {
    let whole = generate(KeyType::P256).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&lc::ECDSA_P256_SHA256_ASN1_SIGNING, &whole.pkcs8).unwrap();
    let scalar = AsBigEndian::<EcPrivateKeyBin<'_>>::as_be_bytes(&pair.private_key()).unwrap();
    let mut bare = Vec::new();
    tlv::write(&mut bare, tlv::SEQUENCE, |out| {
        tlv::write_small(out, 0);
        tlv::write(out, tlv::SEQUENCE, |out| {
            tlv::write_oid(out, rfc5912::ID_EC_PUBLIC_KEY);
            tlv::write_oid(out, rfc5912::SECP_256_R_1);
        });
        tlv::write(out, tlv::OCTET_STRING, |out| {
            tlv::write(out, tlv::SEQUENCE, |out| {
                tlv::write_small(out, 1);
                tlv::write_value(out, tlv::OCTET_STRING, scalar.as_ref());
            });
        });
    });
    for encoding in [Encoding::Traditional, Encoding::Pkcs8] {
        let expected = to_pem(KeyType::P256, &whole.pkcs8, encoding).unwrap();
        assert_eq!(to_pem(KeyType::P256, &bare, encoding).unwrap().expose_secret(), expected.expose_secret());
    }
}

/// aws-lc-rs' other form of Ed25519 is version 2, which openssl 3.0 refuses.
#[test]
fn version_2_of_ed25519_is_written_as_version_1() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let pem = to_pem(KeyType::Ed25519, pair.to_pkcs8().unwrap().as_ref(), Encoding::Traditional).unwrap();
    assert_eq!(openssl(&["pkey", "-pubout", "-outform", "DER"], pem.expose_secret().as_bytes())[12..], *pair.public_key().as_ref());
}

#[test]
fn a_key_of_another_type_is_refused() {
    let keys: Vec<_> =
        [KeyType::Rsa2048, KeyType::P256, KeyType::P384, KeyType::Ed25519].map(|key_type| (key_type, generate(key_type).unwrap())).into();
    for (key_type, key) in &keys {
        for other in KeyType::ALL.into_iter().filter(|other| other != key_type) {
            assert_eq!(to_pem(other, &key.pkcs8, Encoding::Pkcs8).err(), Some(PrivateKeyFault::NotOfType), "{key_type} as {other}");
        }
        for length in [0, 1, 20, key.pkcs8.len() - 1] {
            assert_eq!(to_pem(*key_type, &key.pkcs8[..length], Encoding::Pkcs8).err(), Some(PrivateKeyFault::NotOfType));
        }
    }
}

#[test]
fn a_written_key_does_not_print() {
    let pem = to_pem(KeyType::P256, &generate(KeyType::P256).unwrap().pkcs8, Encoding::Traditional).unwrap();
    assert!(!format!("{pem:?}").contains("BEGIN"));
}

#[test]
fn every_form_of_openssl_s_is_read_and_becomes_ours() {
    for (arguments, key_type) in [
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..], KeyType::P256),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], KeyType::P384),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-521"], KeyType::P521),
        (&["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], KeyType::Rsa2048),
        (&["RSA", "-pkeyopt", "rsa_keygen_bits:3072"], KeyType::Rsa3072),
        (&["ED25519"], KeyType::Ed25519),
    ] {
        let text = openssl_private_key(arguments);
        let der = pem::decode_one(std::str::from_utf8(&text).unwrap(), Label::PrivateKey).unwrap();
        let key = read(&der).unwrap();
        assert_eq!((key.public.key_type(), key.pkcs8.as_slice()), (key_type, der.as_slice()));
        assert_eq!(key.public.spki_der(), openssl(&["pkey", "-pubout", "-outform", "DER"], &text));
        let label = match key_type {
            KeyType::Ed25519 => continue,
            KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096 => Label::RsaPrivateKey,
            KeyType::P256 | KeyType::P384 | KeyType::P521 => Label::EcPrivateKey,
        };
        let text = openssl(&["pkey", "-traditional"], &text);
        let traditional = pem::decode_one(std::str::from_utf8(&text).unwrap(), label).unwrap();
        let key = read(&from_traditional(label, &traditional).unwrap()).unwrap();
        assert_eq!(key.pkcs8.as_slice(), der, "{key_type}");
    }
}

#[test]
fn what_is_no_key_of_an_offered_type_is_told_by_its_fault() {
    let of = |arguments: &[&str]| {
        let text = openssl_private_key(arguments);
        read(&pem::decode_one(std::str::from_utf8(&text).unwrap(), Label::PrivateKey).unwrap()).err()
    };
    assert_eq!(of(&["RSA", "-pkeyopt", "rsa_keygen_bits:1024"]), Some(ReadFault::RsaSize(1024)));
    assert_eq!(of(&["EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"]), Some(ReadFault::Curve("1.3.132.0.10".parse().unwrap())));
    let explicit = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"];
    assert_eq!(of(&explicit), Some(ReadFault::ExplicitCurve));
    assert_eq!(of(&["X25519"]), Some(ReadFault::Algorithm("1.3.101.110".parse().unwrap())));
    let mut key = generate(KeyType::P256).unwrap().pkcs8.to_vec();
    let last = key.len() - 1;
    key[last] ^= 1;
    assert_eq!(read(&key).err(), Some(ReadFault::Inconsistent));
    assert!(matches!(read(b"").err(), Some(ReadFault::Encoding(_))));
    key.push(0);
    assert_eq!(read(&key).err(), Some(ReadFault::Encoding(DerFault::Trailing)));
}

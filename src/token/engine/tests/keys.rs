//! Keys and signatures.

use std::path::Path;
use std::process::Command;

use super::setup::{Home, Token, label, module, new_key, secret, those_made};
use crate::token::engine::initialise;
use crate::token::request::{Answer, Ask, KeyName};
use crate::token::{KeyAttributes, KeyId, KeyRef, TokenError};
use crate::x509::algorithm::{Hash, KeyType, SignatureAlgorithm};

const MESSAGE: &[u8] = b"to be signed";

#[tokio::test]
async fn every_key_type_signs_with_each_of_its_algorithms() {
    let home = Home::new();
    let token = home.open();
    let key_types = those_made(&KeyType::ALL);
    for key_type in &key_types {
        let key_type = *key_type;
        let key = new_key(&token, key_type).await;
        for algorithm in SignatureAlgorithm::ALL {
            let outcome = token.sign(&key, algorithm, MESSAGE).await;
            if key_type.signs_with(algorithm) {
                let signature = outcome.unwrap_or_else(|e| panic!("{key_type} {algorithm}: {e:?}"));
                assert!(key.public.verify(algorithm, MESSAGE, &signature), "{key_type} {algorithm}");
                openssl_verifies(home.dir.path(), &key, algorithm, &signature);
            } else {
                assert!(matches!(outcome, Err(TokenError::Unsupported(None))), "{key_type} {algorithm}: {outcome:?}");
            }
        }
    }
    assert_eq!(token.health().signatures, 3 * 6 + (key_types.len() as u64 - 3));
    assert!(token.health().reachable);
}

#[tokio::test]
async fn a_generated_key_is_kept_as_it_was_asked_for() {
    let home = Home::new();
    let token = home.open();
    let wanted = KeyAttributes {
        sensitive: true,
        always_sensitive: true,
        extractable: false,
        never_extractable: true,
        local: true,
        private: true,
        token: true,
    };
    let key_types = those_made(&[KeyType::Rsa2048, KeyType::P384, KeyType::Ed25519]);
    for key_type in key_types.iter().copied() {
        let id = KeyId::random().unwrap();
        let made = token.generate(id, "ca", key_type).await.unwrap();
        assert_eq!(made.attributes, wanted);
        assert_eq!(made.public.key_type(), key_type);
        assert_eq!(token.find(id).await.unwrap(), Some(made.public.clone()));
        token.check(&KeyRef { token: None, id, public: made.public }).await.unwrap();
        // An id names one pair: a second one of the same id would make both unusable.
        assert!(matches!(token.generate(id, "again", key_type).await, Err(TokenError::KeyExists(taken)) if taken == id));
    }
    // The token is the truth: another process finds the same keys.
    let listing = Command::new("pkcs11-tool")
        .arg("--module")
        .arg(module())
        .args(["--token-label", label(), "--login", "--pin", "1234-5678", "--list-objects", "--type", "privkey"])
        .output()
        .unwrap();
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    assert_eq!(listing.matches("sensitive, always sensitive, never extractable, local").count(), key_types.len(), "{listing}");
    assert_eq!(listing.matches("Usage:      sign\n").count(), key_types.len(), "{listing}");
}

#[tokio::test]
async fn keys_outlive_the_token_that_was_open() {
    let home = Home::new();
    let token = home.open();
    let key = new_key(&token, KeyType::P256).await;
    drop(token);
    let token = home.open();
    token.check(&key).await.unwrap();
    token.sign(&key, SignatureAlgorithm::Ecdsa(Hash::Sha256), MESSAGE).await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_not_there_or_another_is_told_apart() {
    let home = Home::new();
    let token = home.open();
    let key = new_key(&token, KeyType::P256).await;
    let other = new_key(&token, KeyType::P256).await;
    let algorithm = SignatureAlgorithm::Ecdsa(Hash::Sha256);

    let missing = KeyRef { token: None, id: KeyId::random().unwrap(), public: key.public.clone() };
    assert!(matches!(token.sign(&missing, algorithm, MESSAGE).await, Err(TokenError::KeyMissing(id)) if id == missing.id));
    assert!(matches!(token.check(&missing).await, Err(TokenError::KeyMissing(_))));
    assert_eq!(token.find(missing.id).await.unwrap(), None);

    let swapped = KeyRef { token: None, id: key.id, public: other.public.clone() };
    assert!(matches!(token.sign(&swapped, algorithm, MESSAGE).await, Err(TokenError::KeyMismatch(id)) if id == key.id));
    assert!(matches!(token.check(&swapped).await, Err(TokenError::KeyMismatch(_))));

    // The same with the handle known.
    token.sign(&key, algorithm, MESSAGE).await.unwrap();
    assert!(matches!(token.sign(&swapped, algorithm, MESSAGE).await, Err(TokenError::KeyMismatch(_))));
    token.sign(&key, algorithm, MESSAGE).await.unwrap();
    assert!(token.health().failures >= 5);
}

#[tokio::test]
async fn a_destroyed_key_is_gone_and_destroying_nothing_is_no_error() {
    let home = Home::new();
    let token = home.open();
    let key = new_key(&token, KeyType::P256).await;
    let algorithm = SignatureAlgorithm::Ecdsa(Hash::Sha256);
    token.sign(&key, algorithm, MESSAGE).await.unwrap();
    token.destroy(key.id).await.unwrap();
    token.destroy(key.id).await.unwrap();
    assert_eq!(token.find(key.id).await.unwrap(), None);
    assert!(matches!(token.sign(&key, algorithm, MESSAGE).await, Err(TokenError::KeyMissing(_))));
}

#[tokio::test]
async fn random_bytes_are_as_many_as_asked() {
    let home = Home::new();
    let token = home.open();
    let (one, two) = (token.random(32).await.unwrap(), token.random(32).await.unwrap());
    assert_eq!((one.len(), two.len()), (32, 32));
    assert_ne!(one, two);
}

#[tokio::test]
async fn the_inventory_shows_every_private_key_whoever_made_it() {
    let home = Home::new();
    let token = home.open();
    let mut ours = [new_key(&token, KeyType::P256).await, new_key(&token, KeyType::Rsa2048).await];
    let foreign = Command::new("pkcs11-tool")
        .arg("--module")
        .arg(module())
        .args(["--token-label", label(), "--login", "--pin", "1234-5678", "--keypairgen", "--key-type", "EC:prime256v1"])
        .args(["--id", "0102", "--label", "foreign"])
        .output()
        .unwrap();
    assert!(foreign.status.success(), "{}", String::from_utf8_lossy(&foreign.stderr));
    let Answer::Inventory(mut keys) = token.ask(Ask::Inventory).await.unwrap() else { panic!() };
    keys.sort_by(|a, b| (a.id.len(), &a.id).cmp(&(b.id.len(), &b.id)));
    ours.sort_by_key(|key| key.id);
    assert_eq!((keys.len(), keys[0].id.as_slice(), keys[0].label.as_str()), (3, &[1, 2][..], "foreign"));
    for (key, found) in ours.iter().zip(&keys[1..]) {
        assert_eq!((found.id.as_slice(), &found.public), (&key.id.as_bytes()[..], &Some(key.public.clone())));
        assert_eq!((found.attributes.extractable, found.attributes.local, found.attributes.sign), (Some(false), Some(true), Some(true)));
    }
}

#[tokio::test]
async fn a_forgotten_key_is_found_again() {
    let home = Home::new();
    let token = home.open();
    let key = new_key(&token, KeyType::P256).await;
    let name = KeyName::from(&key);
    token.sign(&key, key.public.key_type().default_algorithm(), MESSAGE).await.unwrap();
    token.ask(Ask::Forget { id: name.id }).await.unwrap();
    token.sign(&key, key.public.key_type().default_algorithm(), MESSAGE).await.unwrap();
}

#[test]
fn a_token_is_initialised_once() {
    let home = Home::new();
    let again = |label| initialise(&module(), label, &secret("so-pin"), &secret("user-pin"));
    assert!(matches!(again(label()), Err(TokenError::TokenExists)));
    for label in ["", " x", "x ", "123456789012345678901234567890123"] {
        assert!(matches!(again(label), Err(TokenError::BadLabel)), "{label:?}");
    }
    // SoftHSM always has one more empty slot, and Kryoptic was given more.
    again("second").unwrap();
    assert!(home.open_with_pin("1234-5678").is_ok());
}

#[test]
fn a_token_is_chosen_by_label_or_serial() {
    let home = Home::new();
    initialise(&module(), "second", &secret("so-pin"), &secret("user-pin")).unwrap();
    let open = |label: Option<&str>, serial: Option<&str>| {
        let mut config = home.config();
        (config.label, config.serial) = (label.map(str::to_owned), serial.map(str::to_owned));
        config.pin = home.pin("user-pin");
        Token::open(config)
    };
    assert!(matches!(open(None, None), Err(TokenError::AmbiguousToken)));
    assert!(matches!(open(Some("third"), None), Err(TokenError::NoSuchToken)));
    assert!(matches!(open(Some("second"), Some("0000000000000000")), Err(TokenError::NoSuchToken)));
    open(Some("second"), None).unwrap();
}

/// By a tool we did not write.
fn openssl_verifies(dir: &Path, key: &KeyRef, algorithm: SignatureAlgorithm, signature: &[u8]) {
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let (public, message, signed) = (write("key.der", key.public.spki_der()), write("message", MESSAGE), write("signature", signature));
    let mut openssl = Command::new("openssl");
    openssl.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER"]);
    openssl.arg("-inkey").arg(public).arg("-in").arg(message).arg("-sigfile").arg(signed);
    let digest = |hash| match hash {
        Hash::Sha256 => "sha256",
        Hash::Sha384 => "sha384",
        Hash::Sha512 => "sha512",
    };
    match algorithm {
        SignatureAlgorithm::RsaPkcs1(hash) | SignatureAlgorithm::Ecdsa(hash) => {
            openssl.args(["-digest", digest(hash)]);
        }
        SignatureAlgorithm::RsaPss(hash) => {
            openssl.args(["-digest", digest(hash), "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"]);
        }
        SignatureAlgorithm::Ed25519 => {}
    }
    let output = openssl.output().unwrap();
    assert!(output.status.success(), "{algorithm}: {}", String::from_utf8_lossy(&output.stderr));
}

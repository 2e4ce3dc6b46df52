//! Keys that may leave the token and values that are sealed by it.

use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;

use super::setup::{Home, Token, label, module, new_key};
use crate::base::secret::{ExposeSecret, SecretBytes};
use crate::token::key::GeneratedKey;
use crate::token::request::{Answer, Ask, DecryptionScheme, KeyProfile, OaepHash};
use crate::token::{KeyId, KeyRef, TokenError};
use crate::x509::algorithm::KeyType;
use crate::x509::pem::{self, Label};
use crate::x509::private_key::{self, Encoding};

const WRAPPABLE: [KeyType; 6] = [KeyType::Rsa2048, KeyType::Rsa3072, KeyType::Rsa4096, KeyType::P256, KeyType::P384, KeyType::P521];

async fn made(token: &Token, profile: KeyProfile) -> KeyRef {
    let id = KeyId::random().unwrap();
    let Answer::Generated(made) = token.ask(Ask::Generate { id, label: "test".to_owned(), profile }).await.unwrap() else { panic!() };
    KeyRef { token: None, id, public: made.public }
}

async fn export(token: &Token, key: &KeyRef) -> Result<SecretBytes, TokenError> {
    match token.ask(Ask::Export { key: key.into() }).await? {
        Answer::Secret(pkcs8) => Ok(pkcs8),
        other => panic!("{other:?}"),
    }
}

async fn import(token: &Token, id: KeyId, pkcs8: &[u8]) -> Result<GeneratedKey, TokenError> {
    match token.ask(Ask::Import { id, label: "test".to_owned(), pkcs8: pkcs8.to_vec().into() }).await? {
        Answer::Generated(made) => Ok(made),
        other => panic!("{other:?}"),
    }
}

async fn seal(token: &Token, value: &[u8], context: &'static [u8]) -> Result<Vec<u8>, TokenError> {
    match token.ask(Ask::Seal { value: value.to_vec().into(), context: Bytes::from_static(context) }).await? {
        Answer::Bytes(sealed) => Ok(sealed),
        other => panic!("{other:?}"),
    }
}

async fn open(token: &Token, sealed: &[u8], context: &'static [u8]) -> Result<SecretBytes, TokenError> {
    match token.ask(Ask::Open { sealed: Bytes::copy_from_slice(sealed), context: Bytes::from_static(context) }).await? {
        Answer::Secret(value) => Ok(value),
        other => panic!("{other:?}"),
    }
}

async fn decrypt(token: &Token, key: &KeyRef, scheme: DecryptionScheme, input: &[u8]) -> Result<SecretBytes, TokenError> {
    match token.ask(Ask::Decrypt { key: key.into(), scheme, input: Bytes::copy_from_slice(input) }).await? {
        Answer::Secret(plain) => Ok(plain),
        other => panic!("{other:?}"),
    }
}

fn pkcs11_tool(arguments: &[&str]) -> String {
    let mut command = Command::new("pkcs11-tool");
    command.arg("--module").arg(module()).args(["--token-label", label(), "--login", "--pin", "1234-5678"]).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child = Command::new("openssl").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}");
    output.stdout
}

#[tokio::test]
async fn a_subject_s_key_leaves_the_token_and_is_the_one_that_was_made_there() {
    let home = Home::new();
    let token = home.open();
    for key_type in WRAPPABLE {
        let key = made(&token, KeyProfile::Subject(key_type)).await;
        let pkcs8 = export(&token, &key).await.unwrap();
        for encoding in [Encoding::Pkcs8, Encoding::Traditional] {
            let pem = private_key::to_pem(key_type, pkcs8.expose(), encoding).unwrap();
            let public = openssl(&["pkey", "-pubout", "-outform", "DER"], pem.expose_secret().as_bytes());
            assert_eq!(public, key.public.spki_der(), "{key_type} {encoding:?}");
        }
        let algorithm = key_type.default_algorithm();
        let signature = token.sign(&key, algorithm, b"message".as_slice()).await.unwrap();
        assert!(key.public.verify(algorithm, b"message", &signature), "{key_type}");
        token.destroy(key.id).await.unwrap();
        assert!(matches!(export(&token, &key).await, Err(TokenError::KeyMissing(_))), "{key_type}");
    }
    let key = made(&token, KeyProfile::Subject(KeyType::P256)).await;
    // Private, and alone: objects make the token slow.
    let listing = pkcs11_tool(&["--list-objects"]);
    assert_eq!(listing.matches("Private Key Object").count(), 1, "{listing}");
    assert_eq!(listing.matches("Public Key Object").count(), 0, "{listing}");
    assert!(
        listing.contains("label:      subject:test") && listing.contains("Access:     sensitive, always sensitive, extractable, local"),
        "{listing}"
    );
    // Another key of that id is told apart.
    let other = made(&token, KeyProfile::Subject(KeyType::P256)).await;
    let swapped = KeyRef { token: None, id: key.id, public: other.public };
    assert!(matches!(export(&token, &swapped).await, Err(TokenError::KeyMismatch(_))));
    // Nothing of it stays: the wrapping keys were objects of a session.
    assert!(!pkcs11_tool(&["--list-objects", "--type", "secrkey"]).contains("AES"));
    assert!(token.health().reachable);
}

#[tokio::test]
async fn no_other_key_leaves_the_token() {
    let home = Home::new();
    let token = home.open();
    let authority = new_key(&token, KeyType::P256).await;
    assert!(matches!(export(&token, &authority).await, Err(TokenError::NotForThis(id)) if id == authority.id));
    let registrar = made(&token, KeyProfile::RegistrationAuthority(KeyType::Rsa2048)).await;
    assert!(matches!(export(&token, &registrar).await, Err(TokenError::NotForThis(_))));
    // Somebody else's, which the token would wrap.
    let id = "00112233445566778899aabbccddeeff";
    pkcs11_tool(&["--keypairgen", "--key-type", "EC:prime256v1", "--id", id, "--label", "theirs", "--sensitive", "--extractable"]);
    let id: KeyId = id.parse().unwrap();
    let theirs = KeyRef { token: None, id, public: token.find(id).await.unwrap().unwrap() };
    assert!(matches!(export(&token, &theirs).await, Err(TokenError::NotForThis(_))));
    // By its name alone an authority's key becomes no subject's: the token itself refuses.
    pkcs11_tool(&["--list-objects"]);
    assert!(token.health().reachable);
    assert!(matches!(
        token
            .ask(Ask::Generate {
                id: KeyId::random().unwrap(),
                label: "ra".to_owned(),
                profile: KeyProfile::RegistrationAuthority(KeyType::P256)
            })
            .await,
        Err(TokenError::Unsupported(None))
    ));
}

#[tokio::test]
async fn a_key_of_openssl_s_goes_in_and_comes_out_again() {
    let home = Home::new();
    let token = home.open();
    for (arguments, key_type) in [
        (&["RSA", "-pkeyopt", "rsa_keygen_bits:2048"][..], KeyType::Rsa2048),
        (&["RSA", "-pkeyopt", "rsa_keygen_bits:3072"], KeyType::Rsa3072),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], KeyType::P256),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], KeyType::P384),
        (&["EC", "-pkeyopt", "ec_paramgen_curve:P-521"], KeyType::P521),
    ] {
        let text = openssl(&[&["genpkey", "-algorithm"], arguments].concat(), &[]);
        let pkcs8 = pem::decode_one(std::str::from_utf8(&text).unwrap(), Label::PrivateKey).unwrap();
        let id = KeyId::random().unwrap();
        let imported = import(&token, id, &pkcs8).await.unwrap();
        let attributes = imported.attributes;
        assert!(attributes.sensitive && attributes.private && attributes.token && attributes.extractable, "{attributes:?}");
        assert!(!attributes.local && !attributes.never_extractable, "{attributes:?}");
        let key = KeyRef { token: None, id, public: imported.public };
        assert_eq!(key.public.key_type(), key_type);
        assert_eq!(export(&token, &key).await.unwrap().expose(), pkcs8, "{key_type}");
        assert!(matches!(import(&token, id, &pkcs8).await, Err(TokenError::KeyExists(taken)) if taken == id));
    }
    assert_eq!(pkcs11_tool(&["--list-objects", "--type", "privkey"]).matches("Usage:      sign\n").count(), 5);
    let text = openssl(&["genpkey", "-algorithm", "ED25519"], &[]);
    let ed25519 = pem::decode_one(std::str::from_utf8(&text).unwrap(), Label::PrivateKey).unwrap();
    let id = KeyId::random().unwrap();
    assert!(matches!(import(&token, id, &ed25519).await, Err(TokenError::Unsupported(None))));
    assert!(matches!(import(&token, id, b"no key").await, Err(TokenError::BadKey)));
    assert!(token.health().reachable);
    assert_eq!(pkcs11_tool(&["--list-objects", "--type", "privkey"]).matches("Private Key Object").count(), 5);
}

#[tokio::test]
async fn what_is_sealed_is_opened_with_its_context_and_not_after_a_change() {
    let home = Home::new();
    let token = home.open();
    for length in [0, 1, 32, 1_000, 65_536] {
        let value = vec![7; length];
        let sealed = seal(&token, &value, b"a/1").await.unwrap();
        assert_eq!(open(&token, &sealed, b"a/1").await.unwrap().expose(), value);
        assert_eq!(sealed.len(), length + 17 + 12 + 16 + 16);
    }
    let sealed = seal(&token, b"value", b"a/1").await.unwrap();
    assert_ne!(sealed, seal(&token, b"value", b"a/1").await.unwrap());
    assert!(matches!(open(&token, &sealed, b"a/2").await, Err(TokenError::Undecryptable)));
    for place in [0, 20, 30, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        assert!(matches!(open(&token, &changed, b"a/1").await, Err(TokenError::Undecryptable)), "{place}");
    }
    let mut other_key = sealed.clone();
    other_key[5] ^= 1;
    assert!(matches!(open(&token, &other_key, b"a/1").await, Err(TokenError::KeyMissing(_))));
    for length in [0, 16, 17, 29, 44, 60] {
        assert!(matches!(open(&token, &sealed[..length], b"a/1").await, Err(TokenError::Undecryptable)), "{length}");
    }
    // A value that was changed is no fault of the token's.
    assert!(token.health().reachable && token.health().last_error_class.is_none());
    // The key is found again by another process, and no request destroys it.
    let id = KeyId::from_bytes(sealed[1..17].try_into().unwrap());
    token.destroy(id).await.unwrap();
    drop(token);
    let token = home.open();
    assert_eq!(open(&token, &sealed, b"a/1").await.unwrap().expose(), b"value");
    seal(&token, b"value", b"a/1").await.unwrap();
    let listing = pkcs11_tool(&["--list-objects", "--type", "secrkey"]);
    assert_eq!(listing.matches("Secret Key Object; AES length 32").count(), 1, "{listing}");
    assert!(
        listing.contains("encrypt, decrypt\n") && listing.contains("sensitive, always sensitive, never extractable, local"),
        "{listing}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_seal_first_make_one_key() {
    let home = Home::new();
    let token = home.open();
    let first: Vec<_> = (0..32)
        .map(|_| {
            let token = token.clone();
            tokio::spawn(async move { seal(&token, b"value", b"").await.unwrap() })
        })
        .collect();
    for task in first {
        assert_eq!(open(&token, &task.await.unwrap(), b"").await.unwrap().expose(), b"value");
    }
    assert_eq!(pkcs11_tool(&["--list-objects", "--type", "secrkey"]).matches("Secret Key Object").count(), 1);
}

#[tokio::test]
async fn a_registration_authority_s_key_decrypts_and_no_other() {
    let home = Home::new();
    let token = home.open();
    let key = made(&token, KeyProfile::RegistrationAuthority(KeyType::Rsa2048)).await;
    let public = home.dir.path().join("public.der");
    std::fs::write(&public, key.public.spki_der()).unwrap();
    let secret = [0x5A; 32];
    let pkcs1 = DecryptionScheme::Pkcs1 { length: 32 };
    let encrypted = encrypt(&public, &["-pkeyopt", "rsa_padding_mode:pkcs1"], &secret);
    assert_eq!(decrypt(&token, &key, pkcs1, &encrypted).await.unwrap().expose(), secret);
    // What is wrong looks like something, each time another.
    let mut changed = encrypted.clone();
    changed[100] ^= 1;
    let answers = [decrypt(&token, &key, pkcs1, &changed).await.unwrap(), decrypt(&token, &key, pkcs1, &changed).await.unwrap()];
    assert!(answers.iter().all(|answer| answer.len() == 32 && answer.expose() != secret));
    assert_ne!(answers[0], answers[1]);
    assert_eq!(decrypt(&token, &key, DecryptionScheme::Pkcs1 { length: 16 }, &encrypted).await.unwrap().len(), 16);
    let oaep = DecryptionScheme::Oaep(OaepHash::Sha1);
    let encrypted = encrypt(&public, &["-pkeyopt", "rsa_padding_mode:oaep"], &secret);
    assert_eq!(decrypt(&token, &key, oaep, &encrypted).await.unwrap().expose(), secret);
    let mut changed = encrypted.clone();
    changed[100] ^= 1;
    assert!(matches!(decrypt(&token, &key, oaep, &changed).await, Err(TokenError::Undecryptable)));
    // It goes on working after those, and says of nothing that the token is away.
    assert_eq!(decrypt(&token, &key, oaep, &encrypted).await.unwrap().expose(), secret);
    assert!(token.health().reachable);
    // SoftHSM 2.6.1 has SHA-1 alone; a token that has more is asked for more.
    match decrypt(&token, &key, DecryptionScheme::Oaep(OaepHash::Sha256), &encrypted).await {
        Err(TokenError::Unsupported(_) | TokenError::Refused(_) | TokenError::Undecryptable) => {}
        other => panic!("{other:?}"),
    }
    for profile in [KeyProfile::AuthoritySigning(KeyType::Rsa2048), KeyProfile::Subject(KeyType::Rsa2048)] {
        let other = made(&token, profile).await;
        assert!(matches!(decrypt(&token, &other, pkcs1, &encrypted).await, Err(TokenError::NotForThis(_))), "{profile:?}");
    }
}

fn encrypt(public: &Path, options: &[&str], input: &[u8]) -> Vec<u8> {
    let arguments = ["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey", public.to_str().unwrap()];
    openssl(&[&arguments, options].concat(), input)
}

/// SoftHSM 2.6.1 is not safe when two threads make key pairs; objects of a session are made while it makes one.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_exported_and_values_sealed_while_keys_are_made() {
    let home = Home::new();
    let token = home.open();
    let key = made(&token, KeyProfile::Subject(KeyType::P256)).await;
    let sealed = seal(&token, b"value", b"").await.unwrap();
    let makers = tokio::spawn({
        let token = token.clone();
        async move {
            for _ in 0..40 {
                let key = made(&token, KeyProfile::Subject(KeyType::P256)).await;
                token.destroy(key.id).await.unwrap();
            }
        }
    });
    let users: Vec<_> = (0..4)
        .map(|_| {
            let (token, key, sealed) = (token.clone(), key.clone(), sealed.clone());
            tokio::spawn(async move {
                for _ in 0..60 {
                    export(&token, &key).await.unwrap();
                    assert_eq!(open(&token, &sealed, b"").await.unwrap().expose(), b"value");
                    let again = seal(&token, b"other", b"x").await.unwrap();
                    assert_eq!(open(&token, &again, b"x").await.unwrap().expose(), b"other");
                }
            })
        })
        .collect();
    for task in users.into_iter().chain([makers]) {
        task.await.unwrap();
    }
    assert!(token.health().last_error_class.is_none(), "{:?}", token.health());
}

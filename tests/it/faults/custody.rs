//! The module fails while a key leaves the token or comes in, and while a value is sealed, opened or decrypted: what comes out is right or
//! nothing, and nothing is left behind.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use chancery::base::secret::SecretBytes;
use chancery::token::keeper::Keeper;
use chancery::token::{DecryptionScheme, KeyId, KeyRef, OaepHash, Place, Token, TokenConfig, TokenError};
use chancery::x509::algorithm::KeyType;
use chancery::x509::private_key;
use tokio::runtime::Runtime;

use super::shim::Shim;
use crate::appliance::run;
use crate::load;
use crate::token_tool::token_tool;

const FUNCTIONS: [&str; 8] =
    ["C_CreateObject", "C_WrapKey", "C_UnwrapKey", "C_EncryptInit", "C_Encrypt", "C_DecryptInit", "C_Decrypt", "C_DestroyObject"];
/// One of each kind of cure, one that says it cannot, a lie, and an end.
const ACTIONS: [&str; 7] = ["before 0x30", "before 0xB3", "before 0x70", "after 0x05", "after 0x31", "flip", "abort"];
const VALUE: &[u8] = b"a value to be sealed";
const SECRET: [u8; 32] = [0x5A; 32];
/// What modules may say of a wrong padding, and what they may say of anything.
const ANSWERS: [&str; 13] =
    ["0x05", "0x06", "0x20", "0x21", "0x30", "0x31", "0x40", "0x41", "0x91", "0xB3", "0x101", "0x150", "0x80000001"];
const DECRYPTED: &str = "decrypted";
const PATIENCE: Duration = Duration::from_secs(30);

struct Custody {
    runtime: Runtime,
    shim: Shim,
    token: Token,
    subject: KeyRef,
    registrar: KeyRef,
    sealed: Vec<u8>,
    encrypted: [Vec<u8>; 2],
    scratch: tempfile::TempDir,
}

impl Custody {
    /// A token behind the shim, with a key of each kind, and no daemon before it.
    fn new() -> Self {
        let shim = Shim::new();
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("appliance");
        let mut appliance = shim.start(&dir);
        assert!(appliance.stop());
        let keeper = Keeper::start(Path::new(env!("CARGO_BIN_EXE_chanceryd")), &dir.join("token.toml"), scratch.path()).unwrap();
        let config = TokenConfig { name: "default".to_owned(), workers: vec![Place::Kept(keeper)], queue: 100 };
        let token = Token::open(vec![config], PATIENCE).unwrap();
        let runtime = load::runtime();
        let (subject, registrar, sealed) = runtime.block_on(async {
            let id = KeyId::random().unwrap();
            let made = token.generate_subject(id, "test", KeyType::P256).await.unwrap();
            let subject = KeyRef { token: None, id, public: made.public };
            let id = KeyId::random().unwrap();
            let made = token.generate_registration_authority(id, "test", KeyType::Rsa2048).await.unwrap();
            let registrar = KeyRef { token: None, id, public: made.public };
            (subject, registrar, token.seal(SecretBytes::from(VALUE.to_vec()), b"context").await.unwrap())
        });
        let encrypted = ["pkcs1", "oaep"].map(|padding| encrypt(scratch.path(), &registrar, padding));
        Self { runtime, shim, token, subject, registrar, sealed, encrypted, scratch }
    }

    /// Every operation once: what failed, and what was wrong.
    fn all(&self) -> (Vec<TokenError>, Vec<&'static str>) {
        let (mut failed, mut wrong) = (Vec::new(), Vec::new());
        self.runtime.block_on(async {
            let mut judge = |what, outcome: Result<bool, TokenError>| match outcome {
                Ok(true) => {}
                Ok(false) => wrong.push(what),
                Err(error) => failed.push(error),
            };
            let token = &self.token;
            let exported = token.export(&self.subject).await;
            judge("export", exported.map(|pkcs8| private_key::read(pkcs8.expose()).unwrap().public == self.subject.public));
            let key = private_key::generate(KeyType::P256).unwrap();
            let id = KeyId::random().unwrap();
            match token.import(id, "imported", key.pkcs8.clone().into()).await {
                Ok(made) => {
                    judge("import", Ok(made.public == key.public));
                    judge("destroy", token.destroy(id).await.map(|()| true));
                }
                Err(error) => judge("import", Err(error)),
            }
            judge("unseal", token.unseal(&self.sealed, b"context").await.map(|value| value.expose() == VALUE));
            match token.seal(SecretBytes::from(VALUE.to_vec()), b"other").await {
                Ok(sealed) => judge("seal", token.unseal(&sealed, b"other").await.map(|value| value.expose() == VALUE)),
                Err(error) => judge("seal", Err(error)),
            }
            let pkcs1 = DecryptionScheme::Pkcs1 { length: 32 };
            // A decryption that fails is answered with random bytes, for nobody may know that it failed.
            judge("decrypt", token.decrypt(&self.registrar, pkcs1, &self.encrypted[0]).await.map(|plain| plain.len() == 32));
            let oaep = DecryptionScheme::Oaep(OaepHash::Sha1);
            judge(DECRYPTED, token.decrypt(&self.registrar, oaep, &self.encrypted[1]).await.map(|plain| plain.expose() == SECRET));
        });
        (failed, wrong)
    }

    fn decrypt(&self, encrypted: &[u8], scheme: DecryptionScheme) -> Result<SecretBytes, TokenError> {
        self.runtime.block_on(self.token.decrypt(&self.registrar, scheme, encrypted))
    }

    /// The private and the secret keys of the token, asked past the shim.
    fn objects(&self) -> (usize, usize) {
        let listing = token_tool(&self.scratch.path().join("appliance"), &["--list-objects"]);
        (listing.matches("Private Key Object").count(), listing.matches("Secret Key Object").count())
    }

    /// How long it takes until everything succeeds again.
    #[track_caller]
    fn await_all(&self, what: &str) -> Duration {
        let begun = Instant::now();
        loop {
            match self.all() {
                (failed, wrong) if failed.is_empty() && wrong.is_empty() => return begun.elapsed(),
                (failed, wrong) => assert!(begun.elapsed() < PATIENCE, "after {what}: {failed:?} {wrong:?}\n{}", self.shim.last_calls(30)),
            }
        }
    }
}

fn encrypt(scratch: &Path, key: &KeyRef, padding: &str) -> Vec<u8> {
    let (public, plain, encrypted) = (scratch.join("public.der"), scratch.join("plain"), scratch.join(padding));
    std::fs::write(&public, key.public.spki_der()).unwrap();
    std::fs::write(&plain, SECRET).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["pkeyutl", "-encrypt", "-pubin", "-keyform", "DER", "-inkey"]).arg(&public).arg("-in").arg(&plain);
    run(openssl.arg("-out").arg(&encrypted).args(["-pkeyopt", &format!("rsa_padding_mode:{padding}")]));
    std::fs::read(encrypted).unwrap()
}

#[test]
fn what_leaves_or_enters_the_token_is_right_or_nothing_however_the_module_fails() {
    let custody = Custody::new();
    assert_eq!(custody.objects(), (2, 1));
    custody.await_all("nothing");
    for function in FUNCTIONS {
        for action in ACTIONS {
            // What cannot be destroyed stays, which is no fault of whoever wants to destroy it.
            if function == "C_DestroyObject" && (action.starts_with("before") || action == "abort") {
                continue;
            }
            let rules = format!("{function} always {action}\n");
            let hits = custody.shim.all_hits();
            custody.shim.set(&rules);
            let (failed, mut wrong) = custody.all();
            custody.shim.set("");
            assert!(custody.shim.all_hits() > hits, "{rules}: it never happened");
            // Nothing tells a wrong decryption from a right one of something else; a key that is wrong opens no message.
            wrong.retain(|what| *what != DECRYPTED || rules != "C_Decrypt always flip\n");
            assert!(wrong.is_empty(), "{rules}: {wrong:?} gave something else");
            let took = custody.await_all(&rules);
            let left = custody.objects();
            println!("{}: {} failed, all well after {took:.2?}, {left:?} keys", rules.trim(), failed.len());
            assert_eq!(left, (2, 1), "left behind by {rules}");
        }
    }
}

#[test]
fn a_wrapping_that_never_returns_is_ended_by_the_default_time() {
    let custody = Custody::new();
    for function in ["C_WrapKey", "C_UnwrapKey", "C_Encrypt", "C_Decrypt"] {
        let hits = custody.shim.all_hits();
        custody.shim.set(&format!("{function} always hang\n"));
        let (failed, wrong) = custody.all();
        custody.shim.set("");
        assert!(custody.shim.all_hits() > hits, "{function}: it never happened");
        assert!(wrong.is_empty(), "{function}: {wrong:?}");
        let took = custody.await_all(function);
        println!("{function} hangs: {} failed, all well after {took:.2?}", failed.len());
        assert!(took <= Duration::from_secs(5) * 3, "back after {took:?}");
        assert_eq!(custody.objects(), (2, 1), "left behind by {function}");
    }
}

const PKCS1: DecryptionScheme = DecryptionScheme::Pkcs1 { length: 32 };

#[test]
fn nothing_that_a_module_says_of_a_decryption_tells_a_wrong_padding_from_a_right_one() {
    let custody = Custody::new();
    let [pkcs1, oaep] = &custody.encrypted;
    assert_eq!(custody.decrypt(pkcs1, PKCS1).unwrap().expose(), SECRET);
    let well = custody.token.health();
    for answer in ANSWERS {
        let hits = custody.shim.hits("C_Decrypt");
        custody.shim.set(&format!("C_Decrypt always after {answer}\n"));
        let [first, second] = [(); 2].map(|()| custody.decrypt(pkcs1, PKCS1).unwrap_or_else(|error| panic!("{answer}: {error:?}")));
        assert_eq!((first.len(), second.len()), (32, 32), "{answer}");
        assert!(first.expose() != SECRET && first != second, "{answer}: random bytes, others each time");
        // One answer whatever was wrong, and none that the token is away.
        let refused = custody.decrypt(oaep, DecryptionScheme::Oaep(OaepHash::Sha1));
        assert!(matches!(refused, Err(TokenError::Undecryptable)), "{answer}: {refused:?}");
        assert!(custody.shim.hits("C_Decrypt") >= hits + 3, "{answer}: it never happened");
        custody.shim.set("");
        assert_eq!(custody.decrypt(pkcs1, PKCS1).unwrap().expose(), SECRET, "after {answer}");
    }
    let after = custody.token.health();
    assert!(after.reachable);
    assert_eq!(after.last_error_class, well.last_error_class, "nobody can read from metrics that a decryption failed");

    // A token that is really away says so, whatever C_Decrypt said.
    for rules in [
        "C_Decrypt always before 0x30\nC_GetSessionInfo always before 0x30\n",
        "C_Decrypt always before 0x40\nC_GetTokenInfo always before 0xE0\n",
        "C_GetSessionInfo always before 0xB3\n",
        "C_DecryptInit always before 0x32\n",
    ] {
        custody.shim.set(rules);
        let refused = custody.decrypt(pkcs1, PKCS1);
        assert!(matches!(refused, Err(TokenError::Unavailable(_))), "{rules}: {refused:?}");
        custody.shim.set("");
        custody.await_all(rules);
    }
}

#[test]
fn a_wrong_padding_takes_the_calls_that_a_right_one_takes() {
    const CALLS: [&str; 8] = [
        "C_OpenSession",
        "C_CloseSession",
        "C_Login",
        "C_FindObjectsInit",
        "C_GetSessionInfo",
        "C_GetTokenInfo",
        "C_DecryptInit",
        "C_Decrypt",
    ];
    let custody = Custody::new();
    let right = &custody.encrypted[0];
    let mut wrong = right.clone();
    wrong[100] ^= 1;
    let calls = |encrypted: &[u8]| {
        let before = CALLS.map(|function| custody.shim.calls(function));
        for _ in 0..20 {
            assert_eq!(custody.decrypt(encrypted, PKCS1).unwrap().len(), 32);
        }
        let after = CALLS.map(|function| custody.shim.calls(function));
        std::array::from_fn::<_, 8, _>(|at| (CALLS[at], after[at] - before[at]))
    };
    // Every thread of the worker has been asked by then.
    calls(right);
    let mut compared = Vec::new();
    // What else the worker asks its token now and then may fall into one of the two.
    for _ in 0..5 {
        let (of_right, of_wrong) = (calls(right), calls(&wrong));
        if of_right == of_wrong {
            return;
        }
        compared.push((of_right, of_wrong));
    }
    panic!("{compared:#?}");
}

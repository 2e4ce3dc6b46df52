//! Everything a token can lose, taken up again without a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::setup::{Home, Token, label, module, new_key, processor_time, secret, tasks};
use crate::token::engine::module::{Module, Selection};
use crate::token::{ErrorClass, KeyRef, TokenError};
use crate::x509::algorithm::{Hash, KeyType, SignatureAlgorithm};

const P256: SignatureAlgorithm = SignatureAlgorithm::Ecdsa(Hash::Sha256);

async fn sign(token: &Token, key: &KeyRef) -> Result<Vec<u8>, TokenError> {
    token.sign(key, P256, "message").await
}

/// A repair within a moment of the last one is refused, so tests wait that long.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(60)).await;
}

/// Signs until it works again, for at most three seconds.
async fn sign_again(token: &Token, key: &KeyRef) {
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        match sign(token, key).await {
            Ok(_) => return,
            Err(TokenError::Unavailable(_)) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test]
async fn a_wrong_pin_is_tried_once() {
    let home = Home::new();
    assert!(matches!(home.open_with_pin("wrong"), Err(TokenError::PinRefused)));
    // Not even with the right one: this process has had its try.
    assert!(matches!(home.open_with_pin("1234-5678"), Err(TokenError::PinRefused)));
}

#[tokio::test]
async fn a_pin_that_is_refused_later_stays_refused() {
    let home = Home::new();
    let token = home.open();
    let key = new_key(&token, KeyType::P256).await;
    settle().await;
    // Somebody changes the PIN and logs us out.
    let module = Module::load(&module()).unwrap();
    {
        let entry = module.enter();
        let (slot, _) = entry.find(&Selection { label: Some(label().to_owned()), serial: None }).unwrap();
        let seat = entry.open(slot, true).unwrap();
        seat.session.set_pin(&secret("1234-5678"), &secret("changed")).unwrap();
        seat.session.logout().unwrap();
        entry.close(seat);
    }
    assert!(matches!(sign(&token, &key).await, Err(TokenError::PinRefused)));
    assert!(matches!(sign(&token, &key).await, Err(TokenError::PinRefused)));
    assert!(matches!(token.random(8).await, Err(TokenError::PinRefused)));
    assert!(matches!(token.destroy(key.id).await, Err(TokenError::PinRefused)));
    assert!(!token.health().reachable);
}

#[tokio::test]
async fn a_lost_login_is_made_again() {
    let home = Home::new();
    let token = home.open();
    let key = new_key(&token, KeyType::P256).await;
    for _ in 0..5 {
        sign(&token, &key).await.unwrap();
        settle().await;
        log_out();
        sign(&token, &key).await.unwrap();
    }
    assert_eq!(token.health().failures, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_recover_once_and_not_each() {
    let home = Home::new();
    let mut config = home.config();
    config.sessions = 8;
    let token = Token::open(config).unwrap();
    let key = new_key(&token, KeyType::P256).await;
    for _ in 0..64 {
        sign(&token, &key).await.unwrap();
    }
    settle().await;
    let before = token.engine.pool.link.epoch();
    log_out();
    tasks(16, &token, &key, |_, token, key| async move {
        for _ in 0..20 {
            sign(&token, &key).await.unwrap();
        }
    })
    .await;
    assert_eq!(token.engine.pool.link.epoch(), before + 1);
}

#[tokio::test]
async fn a_finalised_module_is_initialised_again() {
    let home = Home::new();
    let token = home.open();
    let key = new_key(&token, KeyType::P256).await;
    sign(&token, &key).await.unwrap();
    settle().await;
    Module::load(&module()).unwrap().enter().pkcs11().clone().finalize().unwrap();
    sign(&token, &key).await.unwrap();
    assert_eq!(token.health().last_error_class, Some(ErrorClass::InitialiseAgain));
    // And the sessions that were lost with it are lost for every worker, also when another token had it done.
    settle().await;
    let module = Module::load(&module()).unwrap();
    let incarnation = module.enter().incarnation();
    module.initialise_again(incarnation).unwrap();
    sign(&token, &key).await.unwrap();
    new_key(&token, KeyType::P256).await;
    assert_eq!(token.health().failures, 0);
}

#[tokio::test]
async fn sessions_closed_behind_our_back_are_opened_again() {
    let home = Home::new();
    let token = home.open();
    let key = new_key(&token, KeyType::P256).await;
    sign(&token, &key).await.unwrap();
    settle().await;
    // Finalised and initialised by somebody else in the process: every handle we have is void, and we were not told.
    let pkcs11 = Module::load(&module()).unwrap().enter().pkcs11().clone();
    pkcs11.clone().finalize().unwrap();
    pkcs11.initialize(cryptoki::context::CInitializeArgs::new(cryptoki::context::CInitializeFlags::OS_LOCKING_OK)).unwrap();
    sign(&token, &key).await.unwrap();
    assert_eq!(token.health().failures, 0);
}

#[tokio::test]
async fn a_token_directory_that_comes_back_is_taken_up_again() {
    let home = Home::new();
    let token = home.open();
    let key = new_key(&token, KeyType::P256).await;
    for directory in [home.token(), home.tokens()] {
        sign(&token, &key).await.unwrap();
        settle().await;
        let away = move_away(&home, &directory);
        let gone = sign(&token, &key).await;
        assert!(matches!(gone, Err(TokenError::Unavailable(_))), "{gone:?}");
        assert!(!token.health().reachable);
        assert!(matches!(token.find(key.id).await, Err(TokenError::Unavailable(_))));
        assert!(matches!(token.generate(key.id, "x", KeyType::P256).await, Err(TokenError::Unavailable(_))));
        std::fs::rename(&away, &directory).unwrap();
        sign_again(&token, &key).await;
        assert!(token.health().reachable);
        token.check(&key).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_comes_and_goes_under_load_is_only_away() {
    let home = Home::new();
    let mut config = home.config();
    config.sessions = 4;
    let token = Token::open(config).unwrap();
    let key = new_key(&token, KeyType::P256).await;
    let stop = Arc::new(AtomicBool::new(false));
    let signers: Vec<_> = (0..16)
        .map(|_| {
            let (token, key, stop) = (token.clone(), key.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let (mut signed, mut away) = (0, 0);
                while !stop.load(Ordering::Relaxed) {
                    match sign(&token, &key).await {
                        Ok(_) => signed += 1,
                        Err(TokenError::Unavailable(_)) => {
                            away += 1;
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                        Err(error) => panic!("{error:?}"),
                    }
                }
                (signed, away)
            })
        })
        .collect();
    for (round, directory) in [home.token(), home.tokens(), home.token(), home.tokens()].into_iter().enumerate() {
        settle().await;
        let away = move_away(&home, &directory);
        tokio::time::sleep(Duration::from_millis(20 + 150 * u64::try_from(round).unwrap())).await;
        std::fs::rename(&away, &directory).unwrap();
        sign_again(&token, &key).await;
    }
    stop.store(true, Ordering::Relaxed);
    for signer in signers {
        let (signed, _) = signer.await.unwrap();
        assert!(signed > 0);
    }
    assert!(token.health().reachable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_gone_is_no_load() {
    let home = Home::new();
    let token = home.open();
    let key = new_key(&token, KeyType::P256).await;
    sign(&token, &key).await.unwrap();
    settle().await;
    let directory = home.tokens();
    let away = move_away(&home, &directory);
    let before = processor_time();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) {
        assert!(sign(&token, &key).await.is_err());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let used = processor_time() - before;
    assert!(used < Duration::from_millis(500), "{used:?} of processor time in a second without a token");
    std::fs::rename(&away, &directory).unwrap();
    sign_again(&token, &key).await;
}

#[tokio::test]
async fn an_object_that_comes_back_is_found_again() {
    let home = Home::new();
    let token = home.open();
    let key = new_key(&token, KeyType::P256).await;
    let other = new_key(&token, KeyType::P256).await;
    sign(&token, &key).await.unwrap();
    settle().await;
    let objects = objects_of(&home);
    let keep = home.dir.path().join("kept");
    std::fs::create_dir(&keep).unwrap();
    for object in &objects {
        std::fs::rename(object, keep.join(object.file_name().unwrap())).unwrap();
    }
    touch_generation(&home);
    let gone = sign(&token, &key).await;
    assert!(matches!(gone, Err(TokenError::KeyMissing(id)) if id == key.id), "{gone:?}");
    for object in &objects {
        std::fs::rename(keep.join(object.file_name().unwrap()), object).unwrap();
    }
    touch_generation(&home);
    sign(&token, &key).await.unwrap();
    sign(&token, &other).await.unwrap();
}

#[test]
fn nothing_shows_the_pin() {
    let home = Home::new();
    let token = home.open();
    assert!(!format!("{token:?} {:?}", home.config()).contains("1234-5678"));
    drop(token);
    let refused = home.open_with_pin("secret-pin").unwrap_err();
    assert!(!format!("{refused:?} {refused}").contains("secret-pin"));
}

fn log_out() {
    let entry = Module::load(&module()).unwrap().enter();
    let (slot, _) = entry.find(&Selection { label: Some(label().to_owned()), serial: None }).unwrap();
    let seat = entry.open(slot, false).unwrap();
    seat.session.logout().unwrap();
    entry.close(seat);
}

fn move_away(home: &Home, directory: &Path) -> PathBuf {
    // Out of the directory of tokens, where SoftHSM would take it for a token.
    let away = home.dir.path().join("away");
    std::fs::rename(directory, &away).unwrap();
    away
}

fn objects_of(home: &Home) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(home.token()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|e| e == "object") && path.file_stem().is_some_and(|s| s != "token")).collect()
}

/// SoftHSM looks at its directory again when the number in this file has changed.
fn touch_generation(home: &Home) {
    let path = home.token().join("generation");
    let mut bytes = std::fs::read(&path).unwrap();
    if let Some(last) = bytes.last_mut() {
        *last = last.wrapping_add(1);
    }
    std::fs::write(path, bytes).unwrap();
}

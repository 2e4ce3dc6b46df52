//! Many at once, too many at once, and those who left.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::setup::{Home, Token, new_key, tasks, those_made};
use crate::token::TokenError;
use crate::token::engine::worker::{Reply, Ticket};
use crate::token::request::Ask;
use crate::x509::algorithm::{Hash, KeyType, SignatureAlgorithm};

const P256: SignatureAlgorithm = SignatureAlgorithm::Ecdsa(Hash::Sha256);

#[tokio::test(flavor = "multi_thread")]
async fn eight_tasks_sign_while_keys_are_made() {
    let home = Home::new();
    let token = home.open();
    let key = new_key(&token, KeyType::P256).await;
    let making = tokio::spawn({
        let token = token.clone();
        async move {
            let some = [KeyType::Rsa2048, KeyType::P256, KeyType::Ed25519, KeyType::P384, KeyType::Rsa2048];
            for key_type in those_made(&some) {
                new_key(&token, key_type).await;
            }
        }
    });
    tasks(8, &token, &key, |task, token, key| async move {
        for turn in 0..200 {
            let message = format!("message {turn} of task {task}");
            token.sign(&key, P256, message.into_bytes()).await.unwrap();
        }
    })
    .await;
    making.await.unwrap();
    let health = token.health();
    assert_eq!((health.signatures, health.failures, health.last_error_class), (1_600, 0, None));
    assert_eq!(health.sessions, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_asked_for_at_once_are_made_one_after_the_other() {
    let home = Home::new();
    let token = home.open();
    let makers: Vec<_> = (0..12)
        .map(|_| {
            let token = token.clone();
            tokio::spawn(async move { new_key(&token, KeyType::P256).await })
        })
        .collect();
    for maker in makers {
        let key = maker.await.unwrap();
        token.sign(&key, P256, "x").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_busy_at_once() {
    let home = Home::new();
    let mut config = home.config();
    config.queue = 4;
    let token = Token::open(config).unwrap();
    let key = new_key(&token, KeyType::Rsa4096).await;
    let algorithm = KeyType::Rsa4096.default_algorithm();
    let attempts: Vec<_> = (0..64)
        .map(|_| {
            let (token, key) = (token.clone(), key.clone());
            tokio::spawn(async move {
                let started = Instant::now();
                (token.sign(&key, algorithm, "x").await, started.elapsed())
            })
        })
        .collect();
    let (mut signed, mut busy) = (0, 0);
    for attempt in attempts {
        match attempt.await.unwrap() {
            (Ok(_), _) => signed += 1,
            (Err(TokenError::Busy { retry_after_seconds: 1 }), waited) => {
                assert!(waited < Duration::from_millis(100), "{waited:?}");
                busy += 1;
            }
            (Err(other), _) => panic!("{other:?}"),
        }
    }
    assert!(signed >= 4 && busy >= 1, "{signed} signed, {busy} busy");
    // And it recovers by itself.
    token.sign(&key, algorithm, "x").await.unwrap();
}

#[tokio::test]
async fn who_has_left_is_not_signed_for() {
    let home = Home::new();
    let token = home.open();
    let key = new_key(&token, KeyType::Rsa4096).await;
    let algorithm = KeyType::Rsa4096.default_algorithm();
    // Two to keep both sessions at work, and twenty whose callers go away at once.
    let running = [token.sign(&key, algorithm, "a"), token.sign(&key, algorithm, "b")];
    let mut running = running.map(Box::pin);
    for future in &mut running {
        assert!(poll_once(future).await.is_none());
    }
    for _ in 0..20 {
        let mut leaving = Box::pin(token.sign(&key, algorithm, "c"));
        assert!(poll_once(&mut leaving).await.is_none());
    }
    for future in running {
        future.await.unwrap();
    }
    token.sign(&key, algorithm, "d").await.unwrap();
    assert_eq!((token.health().signatures, token.health().failures), (3, 0));
}

#[tokio::test]
async fn what_has_waited_too_long_is_not_signed() {
    let home = Home::new();
    let token = home.open();
    let key = new_key(&token, KeyType::P256).await;
    let (reply, answer) = oneshot::channel();
    let ask = Ask::Sign { key: (&key).into(), algorithm: P256, input: Bytes::from_static(&[7; 32]) };
    let reply = Reply { send: Box::new(move |outcome| drop(reply.send(outcome))), is_wanted: Box::new(|| true) };
    let queued = Instant::now().checked_sub(Duration::from_secs(11)).unwrap();
    token.engine.pool.demand.comes();
    token.engine.pool.queue.as_ref().unwrap().send(Ticket { queued, ask, reply }).unwrap();
    assert!(matches!(answer.await.unwrap(), Err(TokenError::Busy { .. })));
    assert_eq!((token.health().signatures, token.health().failures), (0, 1));
}

/// Polls a future once, so that it has begun.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[test]
fn no_more_sessions_sign_than_the_token_gives() {
    let fitting = crate::token::engine::fitting;
    for (wanted, most, sessions) in [(8, None, 8), (8, Some(10), 8), (8, Some(9), 7), (24, Some(16), 14), (2, Some(2), 1), (2, Some(0), 1)]
    {
        assert_eq!(fitting(wanted, most), sessions, "{wanted} of {most:?}");
    }
}

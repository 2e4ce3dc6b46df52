//! What the worker's process costs: the same signatures, through the same queue and verified alike, asked of the engine in this process and
//! of a worker over its socket, in turns.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chancery::token::engine::Reply;
use chancery::token::request::{self, Answer, Ask};
use chancery::token::{KeyRef, Token};
use chancery::x509::algorithm::KeyType;

use crate::keys::{self, Keys};
use crate::process::{self, Shares};
use crate::settings::Settings;
use crate::table;

/// Requests under way at once, as when that many connections sign.
const AT_ONCE: u64 = 48;
/// The length of what is hashed and signed, that of a certificate.
const MESSAGE_BYTES: usize = 520;
/// How often the two ways take turns.
const SLICES: u32 = 10;

/// What one way did in its slices.
#[derive(Default)]
struct Made {
    signatures: u64,
    elapsed: Duration,
    /// Processor time of this process and its children.
    used: Duration,
    stolen: f64,
}

pub fn measure(settings: &Settings, keys: &Keys) {
    let token = keys::worker();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut rows = Vec::new();
    for (kind, key) in &keys.keys {
        let (mut inside, mut across) = (Made::default(), Made::default());
        for _ in 0..SLICES {
            inside.add_slice(&runtime, settings.time / SLICES, || in_this_process(keys, key));
            across.add_slice(&runtime, settings.time / SLICES, || by_the_worker(&token, key));
        }
        rows.push(inside.row(*kind, "in this process", &inside));
        rows.push(across.row(*kind, "by the worker", &inside));
    }
    table::print("The process boundary", &["key", "signed", "a second", "of that inside", "processor time", "stolen"], &rows);
}

impl Made {
    /// Keeps [`AT_ONCE`] requests under way for so long.
    fn add_slice<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        runtime: &tokio::runtime::Runtime,
        time: Duration,
        sign: impl Fn() -> F,
    ) {
        let (shares, before, begun) = (Shares::now(), process::processor_time_of_all(std::process::id()), Instant::now());
        self.signatures += runtime.block_on(async {
            let mut running = tokio::task::JoinSet::new();
            (0..AT_ONCE).for_each(|_| drop(running.spawn(sign())));
            let mut made = 0;
            while let Some(done) = running.join_next().await {
                done.expect("a signature");
                made += 1;
                if begun.elapsed() < time {
                    running.spawn(sign());
                }
            }
            made
        });
        self.elapsed += begun.elapsed();
        self.used += process::processor_time_of_all(std::process::id()) - before;
        self.stolen += shares.stolen_since() * begun.elapsed().as_secs_f64();
    }

    fn per_second(&self) -> f64 {
        self.signatures as f64 / self.elapsed.as_secs_f64()
    }

    fn row(&self, kind: KeyType, how: &str, whole: &Self) -> Vec<String> {
        vec![
            kind.to_string(),
            how.to_owned(),
            table::rate(self.per_second()),
            table::ratio(self.per_second(), whole.per_second()),
            table::each(self.used, self.signatures),
            table::share(self.stolen / self.elapsed.as_secs_f64()),
        ]
    }
}

fn by_the_worker(token: &Token, key: &KeyRef) -> impl Future<Output = ()> + Send + 'static {
    let (token, key) = (token.clone(), key.clone());
    async move {
        let signature = token.sign(&key, key.public.key_type().default_algorithm(), message()).await;
        signature.expect("a signature that verifies");
    }
}

/// What the worker does with a request, and the daemon with its answer, without the socket between them.
fn in_this_process(keys: &Keys, key: &KeyRef) -> impl Future<Output = ()> + Send + 'static {
    let (engine, key) = (keys.engine.clone(), key.clone());
    async move {
        let (algorithm, message) = (key.public.key_type().default_algorithm(), message());
        let ask = Ask::Sign { key: (&key).into(), algorithm, input: request::input(algorithm, &message) };
        let (send, answer) = tokio::sync::oneshot::channel();
        engine.submit(ask, Reply { send: Box::new(move |outcome| drop(send.send(outcome))), is_wanted: Box::new(|| true) });
        match answer.await.expect("an answer").expect("a signature") {
            Answer::Bytes(signature) => assert!(key.public.verify(algorithm, &message, &signature)),
            _ => panic!("another answer than a signature"),
        }
    }
}

fn message() -> Bytes {
    Bytes::from_static(&[0x30; MESSAGE_BYTES])
}

//! OCSP over kept-alive plain HTTP: answers of the cache by what a core gives, and answers with a nonce, each signed for its asker, by what the
//! token gives.

use std::io::Write;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use chancery::x509::algorithm::KeyType;
use chancery::x509::certificate::Certificate;
use chancery::x509::key::PublicKey;
use chancery::x509::ocsp::{IdHash, Issuer, OcspRequest};
use chancery::x509::pem::{self, Label};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::client::Connection;
use crate::daemon::{self, Daemon};
use crate::keys::Keys;
use crate::process::{OutOfTheWay, Shares};
use crate::raw::Signatures;
use crate::settings::Settings;
use crate::{process, requests, table};

/// Certificates that are asked about in turns.
const CERTIFICATES: usize = 64;
const SLICES: u32 = 5;
/// How many clients the connections are of: to one address alone, a part of the token is given.
const CLIENTS: u8 = 8;
const VERIFYING: Duration = Duration::from_millis(500);

/// Whole requests, asked in turns by every connection.
type Posts = Arc<[Vec<u8>]>;

#[derive(Default)]
struct Found {
    answers: u64,
    elapsed: Duration,
    daemon: Duration,
    client: Duration,
    stolen: f64,
}

pub fn measure(settings: &Settings, keys: &Keys) {
    let dir = daemon::directory();
    // Once to make its configuration, to which the rates of this measurement are added.
    Daemon::start(dir.path(), &[]).end(Signal::SIGTERM);
    let mut file = std::fs::File::options().append(true).open(dir.path().join("chancery.toml")).expect("the configuration");
    file.write_all(b"\n[limits.addresses]\nper_second = 1000000\nburst = 1000000\n").expect("the configuration");
    let daemon = Daemon::start(dir.path(), &settings.under);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (mut cached, mut signed) = (Vec::new(), Vec::new());
    for kind in settings.kinds() {
        let (plain, with_nonce) = runtime.block_on(prepare(&daemon, dir.path(), kind, settings.requests));
        let (plain, with_nonce): (Posts, Posts) = (plain.into(), with_nonce.into());
        let address = address(dir.path());
        let load = |posts: &Posts, time| runtime.block_on(load(&address, posts, settings.connections, time));
        load(&plain, settings.warm);
        let mut found = Found::default();
        found.add(&daemon, || load(&plain, settings.time));
        cached.push((kind, found));
        load(&with_nonce, settings.warm);
        let (mut found, mut raw) = (Found::default(), Signatures::default());
        for _ in 0..SLICES {
            raw.add_slice(keys, kind, settings.raw / SLICES);
            found.add(&daemon, || load(&with_nonce, settings.time / SLICES));
        }
        signed.push((kind, found, raw));
    }
    print(&cached, &signed);
    println!("daemon: {:.0} MiB resident; load average {} at the end", process::resident_mib(daemon.process()), process::load_average());
}

fn print(cached: &[(KeyType, Found)], signed: &[(KeyType, Found, Signatures)]) {
    let rows: Vec<_> = cached
        .iter()
        .map(|(kind, found)| {
            vec![
                kind.to_string(),
                table::rate(found.per_second()),
                table::each(found.daemon, found.answers),
                table::each(found.client, found.answers),
                table::rate(found.answers as f64 / found.daemon.as_secs_f64()),
                table::share(found.stolen / found.elapsed.as_secs_f64()),
            ]
        })
        .collect();
    let columns = ["authority", "a second", "daemon's processor time", "client's", "a second of a core", "stolen"];
    table::print("OCSP, answers of the cache, POST over plain HTTP", &columns, &rows);
    let rows: Vec<_> = signed
        .iter()
        .map(|(kind, found, raw)| {
            vec![
                kind.to_string(),
                table::rate(found.per_second()),
                table::rate(raw.per_second()),
                table::ratio(found.per_second(), raw.per_second()),
                table::each(found.daemon, found.answers),
                table::each(raw.used, raw.made),
                verification(*kind),
                table::share(found.stolen / found.elapsed.as_secs_f64()),
            ]
        })
        .collect();
    let columns = [
        "authority",
        "a second",
        "the token's raw rate",
        "of it",
        "daemon's and worker's processor time",
        "signing",
        "verifying",
        "stolen",
    ];
    table::print("OCSP, answers with a nonce, signed for the asker", &columns, &rows);
}

/// What it takes to verify a signature of that kind, which is done with each before it is given.
fn verification(kind: KeyType) -> String {
    let message = [7; 300];
    let random = SystemRandom::new();
    let (public, signature) = match kind {
        KeyType::P256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
            (pair.public_key().as_ref().to_vec(), pair.sign(&random, &message).expect("a signature").as_ref().to_vec())
        }
        KeyType::Rsa2048 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature).expect("a signature");
            (pair.public_key().as_ref().to_vec(), signature)
        }
        KeyType::Rsa3072 | KeyType::Rsa4096 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => return "-".to_owned(),
    };
    let key = PublicKey::from_parts(kind, &public).expect("a public key");
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < VERIFYING {
        assert!(key.verify(kind.default_algorithm(), &message, &signature), "the signature verifies");
        count += 1;
    }
    table::each(begun.elapsed(), count)
}

impl Found {
    fn add(&mut self, daemon: &Daemon, load: impl FnOnce() -> (Duration, u64)) {
        let shares = Shares::now();
        let (before, own) = (process::processor_time_of_all(daemon.process()), process::processor_time(std::process::id()));
        let (elapsed, answers) = load();
        self.daemon += process::processor_time_of_all(daemon.process()) - before;
        self.client += process::processor_time(std::process::id()) - own;
        self.stolen += shares.stolen_since() * elapsed.as_secs_f64();
        self.elapsed += elapsed;
        self.answers += answers;
    }

    fn per_second(&self) -> f64 {
        self.answers as f64 / self.elapsed.as_secs_f64()
    }
}

fn address(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("http.addr")).expect("the address of the plain listener").trim().to_owned()
}

/// Requests about certificates of a new authority: without a nonce, and as many with one as are wanted.
async fn prepare(daemon: &Daemon, dir: &Path, kind: KeyType, with_nonce: usize) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let role = format!("ocsp-{kind}");
    daemon.make_role(&role, kind.family(), kind.bits()).await;
    let mut asked = Vec::new();
    let mut chain = String::new();
    for csr in requests::csrs(CERTIFICATES) {
        let issued = daemon.post(&format!("/v1/pki/sign/{role}"), json!({ "csr_pem": csr })).await;
        chain = issued["ca_chain"][0].as_str().expect("a chain").to_owned();
        asked.push(read(issued["certificate"].as_str().expect("a certificate")));
    }
    let authority = read(&chain);
    let key = authority.public_key().expect("a key");
    let issuer = Issuer { name: authority.subject().der(), key_bits: key.bits() };
    let path = asked[0].ocsp_urls()[0].split_once(&address(dir)).expect("the URL of the responder").1.to_owned();
    let post = |nonce: Option<&[u8]>, number: usize| {
        let body = OcspRequest::write(IdHash::Sha1, issuer, asked[number % CERTIFICATES].serial(), nonce);
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.into_bytes(), body].concat()
    };
    let nonce = |number: usize| (number as u128).to_be_bytes();
    (
        (0..CERTIFICATES).map(|number| post(None, number)).collect(),
        (0..with_nonce).map(|number| post(Some(&nonce(number)), number)).collect(),
    )
}

fn read(pem: &str) -> Certificate {
    Certificate::from_der(&pem::decode_one(pem, Label::Certificate).expect("PEM")).expect("a certificate")
}

/// Keeps every connection busy for so long, and counts.
async fn load(address: &str, posts: &Posts, connections: usize, time: Duration) -> (Duration, u64) {
    let _quiet = OutOfTheWay::begin();
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|number| tokio::spawn(ask_until(number, address.to_owned(), posts.clone(), next.clone(), begun + time)))
        .collect();
    let mut answers = 0;
    for task in tasks {
        answers += task.await.expect("a task of the client");
    }
    (begun.elapsed(), answers)
}

async fn ask_until(number: usize, address: String, posts: Posts, next: Arc<AtomicUsize>, end: Instant) -> u64 {
    let from = Ipv4Addr::new(127, 0, 0, 1 + number as u8 % CLIENTS);
    let mut connection = Connection::plain(from, address.parse().expect("an address")).await.expect("a connection");
    let mut answers = 0;
    while Instant::now() < end {
        let post = &posts[next.fetch_add(1, Ordering::Relaxed) % posts.len()];
        let (status, body) = connection.ask(post).await.expect("an answer");
        // A refusal has five bytes.
        assert!(status == 200 && body.len() > 100, "status {status}: {body:02X?}");
        answers += 1;
    }
    answers
}

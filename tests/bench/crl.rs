//! What a CRL of very many costs, beside writing down the same entries and nothing else; how soon a delta CRL is there after a revocation; and how
//! many revocations a minute there are while certificates are issued.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chancery::audit::{self, Action, Actor, Entry, Field, Ledger};
use chancery::base::clock::{Clock, from_seconds};
use chancery::base::id::CaId;
use chancery::inventory::{CrlPart, Revocation, revocation_key};
use chancery::storage::{Change, Class, Options, Storage, Table};
use chancery::x509::algorithm::{Hash, SignatureAlgorithm};
use chancery::x509::crl::{CrlDraft, CrlEntry};
use chancery::x509::reason::RevocationReason;
use chancery::x509::serial::Serial;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::client::Connection;
use crate::daemon::{self, Daemon};
use crate::process::Shares;
use crate::settings::Settings;
use crate::{process, requests, table};

const IN_ONE_CHANGE: usize = 2_000;
/// Full CRLs and delta CRLs that are made.
const ROUNDS: usize = 5;
const DELTAS: usize = 20;
/// Clients that revoke, and clients that issue.
const REVOKING: usize = 16;
const ISSUING: usize = 8;

pub fn measure(settings: &Settings) {
    let count = settings.revoked;
    let straight = straight(count);
    let dir = daemon::directory();
    let daemon = Daemon::start(dir.path(), &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (ca, issued) = runtime.block_on(prepare(&daemon));
    daemon.end(Signal::SIGTERM);
    let begun = Instant::now();
    fill(&dir.path().join("data"), ca, count);
    println!("\n{count} revocations written in {:.0} s", begun.elapsed().as_secs_f64());

    let daemon = Daemon::start(dir.path(), &[]);
    let mut rows = vec![vec!["DER of the entries, in memory".to_owned(), format!("{straight:.2} s"), String::new(), String::new()]];
    runtime.block_on(async {
        // What the start has brought about is over.
        regenerate(&daemon, ca, "full").await;
        for _ in 0..ROUNDS {
            let (shares, before) = (Shares::now(), process::resident_mib(daemon.process()));
            let peak = Peak::watch(daemon.process());
            let (took, made) = regenerate(&daemon, ca, "full").await;
            assert_eq!(made["revoked_certificates"].as_u64(), Some(count as u64));
            let more = peak.end() - before;
            rows.push(vec![
                "a full CRL made, signed, checked, published".to_owned(),
                format!("{:.2} s", took.as_secs_f64()),
                format!("{more:.0} MiB"),
                table::share(shares.stolen_since()),
            ]);
        }
        let mut times = Vec::with_capacity(DELTAS);
        let mut connection = daemon.connector.connect().await.expect("a connection");
        for id in &issued {
            let body = json!({"certificate_id": id, "reason": "superseded"});
            ask(&mut connection, &daemon.token, "/v1/pki/revoke", body, 200).await;
            times.push(regenerate(&daemon, ca, "delta").await.0);
        }
        times.sort_unstable();
        let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
        rows.push(vec!["a delta CRL after one revocation, median".to_owned(), milliseconds(median), String::new(), String::new()]);
        rows.push(vec!["the longest of them".to_owned(), milliseconds(longest), String::new(), String::new()]);
    });
    table::print(&format!("CRLs with {count} entries"), &["what", "time", "more memory", "stolen"], &rows);
    runtime.block_on(revocations(settings, &daemon));
    daemon.end(Signal::SIGTERM);
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Seconds for the bytes of so many entries.
fn straight(count: usize) -> f64 {
    let begun = Instant::now();
    let draft = CrlDraft {
        issuer: b"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01a",
        signature: SignatureAlgorithm::Ecdsa(Hash::Sha256),
        this_update: from_seconds(1_700_000_000),
        next_update: from_seconds(1_700_086_400),
        number: 1,
        authority_key_id: &[1; 20],
        distribution_point: None,
        base: None,
        delta_urls: &[],
    };
    let entries = (0..count).map(|number| CrlEntry {
        serial: serial(number),
        revoked_at: from_seconds(1_700_000_000 + number as i64),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
    });
    let tbs = draft.to_tbs(entries).expect("a CRL");
    let took = begun.elapsed().as_secs_f64();
    println!("\n{} MB of DER", tbs.len() / 1_000_000);
    took
}

/// Spread over all there are, as random ones are.
fn serial(number: usize) -> Serial {
    let mut random = [0x5A; 16];
    random[..8].copy_from_slice(&(number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    random[8..].copy_from_slice(&(number as u64).to_be_bytes());
    Serial::from_random(random)
}

async fn prepare(daemon: &Daemon) -> (CaId, Vec<String>) {
    let body = json!({"name": "crl", "common_name": "CRL", "ca_type": "root", "key_type": "ec", "key_size": 256,
                      "crl": {"delta": true, "period": "24h", "validity": "48h", "delta_period": "12h"}});
    let authority = daemon.post("/v1/pki/ca", body).await;
    let role = json!({"name": "crl", "ca_id": authority["id"], "allowed_domains": ["example.com"], "allow_subdomains": true,
                      "max_ttl": "720h", "key_type": "ec", "key_bits": 256});
    daemon.post("/v1/pki/roles", role).await;
    let mut issued = Vec::with_capacity(DELTAS);
    for csr in requests::csrs(DELTAS) {
        let made = daemon.post("/v1/pki/sign/crl", json!({ "csr_pem": csr })).await;
        issued.push(made["id"].as_str().expect("an id").to_owned());
    }
    (authority["id"].as_str().and_then(|id| id.parse().ok()).expect("the id of an authority"), issued)
}

/// Writes the records that revoking writes, many in a change.
fn fill(data: &Path, ca: CaId, count: usize) {
    let (storage, _) = Storage::open(data, Options::default()).expect("the store opens");
    let ledger = Ledger::new(storage);
    let now = Clock::System.now().as_second();
    for first in (0..count).step_by(IN_ONE_CHANGE) {
        let mut change = Change::new(Class::Normal);
        for number in first..count.min(first + IN_ONE_CHANGE) {
            let revocation = Revocation {
                certificate: None,
                part: CrlPart::Whole,
                revoked_at: from_seconds(now - number as i64),
                reason: RevocationReason::Superseded,
                invalidity_date: None,
                not_after: from_seconds(now + 86_400 * 90),
            };
            change = change.put(Table::Revocations, &revocation_key(ca, &serial(number)), &revocation.encode().expect("a record"));
        }
        let entry = Entry::done(Clock::System.now(), Actor::System, Action::CertificateRevoke).detail(Field::Count, IN_ONE_CHANGE);
        ledger.commit_blocking(audit::Change::new(change, entry)).expect("the change commits");
    }
}

async fn regenerate(daemon: &Daemon, ca: CaId, kind: &str) -> (Duration, Value) {
    let mut connection = daemon.connector.connect().await.expect("a connection");
    let begun = Instant::now();
    let made = ask(&mut connection, &daemon.token, &format!("/api/v1/ca/{ca}/crl/regenerate"), json!({"type": kind}), 200).await;
    (begun.elapsed(), made)
}

async fn ask(connection: &mut Connection, token: &str, path: &str, body: Value, wanted: u16) -> Value {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let (status, body) = connection.ask([head, body].concat().as_bytes()).await.expect("an answer");
    assert_eq!(status, wanted, "{path}: {}", String::from_utf8_lossy(body));
    serde_json::from_slice(body).expect("JSON")
}

/// Revokes what others issue at the same time.
async fn revocations(settings: &Settings, daemon: &Daemon) {
    let csrs = requests::csrs(32);
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<String>();
    let receiver = tokio::sync::Mutex::new(receiver);
    let (issued, revoked) = (AtomicU64::new(0), AtomicU64::new(0));
    let end = Instant::now() + settings.time;
    let begun = Instant::now();
    let issue = async |number: usize| {
        let mut connection = daemon.connector.connect().await.expect("a connection");
        for at in number.. {
            if Instant::now() >= end {
                break;
            }
            let body = json!({ "csr_pem": csrs[at % csrs.len()] });
            let made = ask(&mut connection, &daemon.token, "/v1/pki/sign/crl", body, 201).await;
            issued.fetch_add(1, Ordering::Relaxed);
            sender.send(made["id"].as_str().expect("an id").to_owned()).expect("somebody revokes");
        }
    };
    let revoke = async || {
        let mut connection = daemon.connector.connect().await.expect("a connection");
        while Instant::now() < end {
            let next = tokio::time::timeout(Duration::from_millis(100), async { receiver.lock().await.recv().await }).await;
            let Ok(Some(id)) = next else { continue };
            ask(&mut connection, &daemon.token, "/v1/pki/revoke", json!({"certificate_id": id}), 200).await;
            revoked.fetch_add(1, Ordering::Relaxed);
        }
    };
    futures_util::future::join(
        futures_util::future::join_all((0..ISSUING).map(&issue)),
        futures_util::future::join_all((0..REVOKING).map(|_| revoke())),
    )
    .await;
    let a_minute = |count: &AtomicU64| table::rate(count.load(Ordering::Relaxed) as f64 * 60.0 / begun.elapsed().as_secs_f64());
    let rows = [vec!["issued".to_owned(), a_minute(&issued)], vec!["revoked".to_owned(), a_minute(&revoked)]];
    table::print("Revoking while others issue", &["what", "a minute"], &rows);
}

/// The most memory a process has while it is watched.
struct Peak {
    is_over: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<f64>,
}

impl Peak {
    fn watch(process: u32) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ended = is_over.clone();
        let thread = std::thread::spawn(move || {
            let mut most: f64 = 0.0;
            while !ended.load(Ordering::Relaxed) {
                most = most.max(process::resident_mib(process));
                std::thread::sleep(Duration::from_millis(5));
            }
            most
        });
        Self { is_over, thread }
    }

    fn end(self) -> f64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the watch ends")
    }
}

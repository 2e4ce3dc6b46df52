//! `POST /v1/pki/sign` over kept-alive TLS connections: every certificate stored and audited.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chancery::x509::algorithm::KeyType;

use crate::client::Connector;
use crate::daemon::{self, Daemon};
use crate::keys::Keys;
use crate::process::{OutOfTheWay, Shares};
use crate::raw::{JournalRate, Signatures};
use crate::settings::Settings;
use crate::{process, requests, table};

/// The token's own rate and the daemon's are measured in turns, because a machine changes from one second to the next.
const SLICES: u32 = 5;

/// What one measurement found.
struct Found {
    kind: KeyType,
    raw: Signatures,
    elapsed: Duration,
    /// From the first byte sent to the last received, in ascending order.
    latencies: Vec<Duration>,
    daemon: Duration,
    client: Duration,
    /// Seconds of one whole machine that the hypervisor took.
    stolen: f64,
}

pub fn measure(settings: &Settings, keys: &Keys, journal: &JournalRate) {
    let csrs = requests::csrs(settings.requests);
    let dir = daemon::directory();
    let daemon = Daemon::start(dir.path(), &settings.under);
    let found: Vec<_> = settings.kinds().into_iter().map(|kind| measure_kind(settings, keys, &csrs, &daemon, kind)).collect();
    print(&found, journal);
    println!("daemon: {:.0} MiB resident; load average {} at the end", process::resident_mib(daemon.process()), process::load_average());
}

fn measure_kind(settings: &Settings, keys: &Keys, csrs: &[String], daemon: &Daemon, kind: KeyType) -> Found {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let role = format!("bench-{kind}");
    runtime.block_on(daemon.make_role(&role, kind.family(), kind.bits()));
    let posts: Arc<[Vec<u8>]> = requests::posts(csrs, &role, &daemon.token).into();
    runtime.block_on(load(daemon, &posts, settings.connections, settings.warm));
    let mut found = Found {
        kind,
        raw: Signatures::default(),
        elapsed: Duration::ZERO,
        latencies: Vec::new(),
        daemon: Duration::ZERO,
        client: Duration::ZERO,
        stolen: 0.0,
    };
    for _ in 0..SLICES {
        found.raw.add_slice(keys, kind, settings.raw / SLICES);
        let shares = Shares::now();
        let (daemon_before, client_before) =
            (process::processor_time_of_all(daemon.process()), process::processor_time(std::process::id()));
        let (elapsed, latencies) = runtime.block_on(load(daemon, &posts, settings.connections, settings.time / SLICES));
        found.daemon += process::processor_time_of_all(daemon.process()) - daemon_before;
        found.client += process::processor_time(std::process::id()) - client_before;
        found.stolen += shares.stolen_since() * elapsed.as_secs_f64();
        found.elapsed += elapsed;
        found.latencies.extend(latencies);
    }
    found.latencies.sort_unstable();
    found
}

/// Keeps every connection busy for so long.
async fn load(daemon: &Daemon, posts: &Arc<[Vec<u8>]>, connections: usize, time: Duration) -> (Duration, Vec<Duration>) {
    let _quiet = OutOfTheWay::begin();
    let next = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let tasks: Vec<_> =
        (0..connections).map(|_| tokio::spawn(ask_until(daemon.connector.clone(), posts.clone(), next.clone(), begun + time))).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        match task.await.expect("a task of the client") {
            Ok(part) => latencies.extend(part),
            Err(fault) => panic!("{fault}\n{}", daemon.log()),
        }
    }
    (begun.elapsed(), latencies)
}

async fn ask_until(connector: Connector, posts: Arc<[Vec<u8>]>, next: Arc<AtomicUsize>, end: Instant) -> Result<Vec<Duration>, String> {
    let mut connection = connector.connect().await.map_err(|error| format!("no connection: {error}"))?;
    let mut latencies = Vec::with_capacity(4096);
    let mut now = Instant::now();
    while now < end {
        let post = &posts[next.fetch_add(1, Ordering::Relaxed) % posts.len()];
        let (status, body) = connection.ask(post).await.map_err(|error| format!("no answer: {error}"))?;
        if status != 201 {
            return Err(format!("status {status}: {}", String::from_utf8_lossy(body)));
        }
        let done = Instant::now();
        latencies.push(done - now);
        now = done;
    }
    Ok(latencies)
}

fn print(found: &[Found], journal: &JournalRate) {
    let micros = |found: &Found, time: Duration| table::each(time, found.latencies.len() as u64);
    let rows: Vec<_> = found
        .iter()
        .map(|Found { kind, raw, .. }| {
            vec![
                kind.to_string(),
                format!("{} sessions", raw.sessions),
                table::rate(raw.per_second()),
                table::each(raw.used, raw.made),
                table::share(raw.stolen / raw.elapsed.as_secs_f64()),
            ]
        })
        .collect();
    table::print("The token's raw rate", &["key", "how", "signatures a second", "processor time", "stolen"], &rows);
    let percentile = |found: &Found, part: usize| {
        let at = found.latencies.len() * part / 100;
        found.latencies.get(at).map_or_else(String::new, |time| format!("{:.1} ms", time.as_secs_f64() * 1e3))
    };
    let rows: Vec<_> = found
        .iter()
        .map(|found| {
            let per_second = found.latencies.len() as f64 / found.elapsed.as_secs_f64();
            vec![
                found.kind.to_string(),
                table::rate(per_second),
                percentile(found, 50),
                percentile(found, 99),
                table::ratio(per_second, found.raw.per_second()),
                table::ratio(per_second, journal.single),
                table::ratio(per_second, journal.grouped),
                table::share(found.stolen / found.elapsed.as_secs_f64()),
            ]
        })
        .collect();
    let columns = ["authority", "a second", "p50", "p99", "of the token", "of the journal by 1", "by 32", "stolen"];
    table::print("POST /v1/pki/sign, P-256 requests, stored and audited", &columns, &rows);
    let rows: Vec<_> = found
        .iter()
        .map(|found| {
            let all = (found.daemon + found.client).as_secs_f64() / found.latencies.len().max(1) as f64;
            let signature = found.raw.used.as_secs_f64() / found.raw.made.max(1) as f64;
            vec![
                found.kind.to_string(),
                micros(found, found.daemon),
                micros(found, found.client),
                format!("{:.1} raw signatures", all / signature),
            ]
        })
        .collect();
    table::print("Processor time of a certificate", &["authority", "daemon and worker", "load client", "together"], &rows);
}

//! `POST /v1/pki/sign` over kept-alive TLS connections: every certificate stored and audited.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chancery::x509::algorithm::KeyType;

use crate::client::Connector;
use crate::daemon::{self, Daemon};
use crate::raw::Raw;
use crate::settings::Settings;
use crate::{process, requests, table};

/// What one measurement found.
struct Found {
    kind: KeyType,
    elapsed: Duration,
    /// From the first byte sent to the last received, in ascending order.
    latencies: Vec<Duration>,
    daemon: Duration,
    client: Duration,
}

pub fn measure(settings: &Settings, raw: &Raw) {
    let csrs = requests::csrs(settings.requests);
    let dir = daemon::directory();
    let daemon = Daemon::start(dir.path(), &settings.under);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let found = settings.kinds().into_iter().map(|kind| {
        let role = format!("bench-{kind}");
        runtime.block_on(daemon.make_role(&role, kind.family(), kind.bits()));
        let posts: Arc<[Vec<u8>]> = requests::posts(&csrs, &role, &daemon.token).into();
        runtime.block_on(load(&daemon, &posts, settings.connections, settings.warm));
        let (daemon_before, client_before) =
            (process::processor_time_of_all(daemon.process()), process::processor_time(std::process::id()));
        let (elapsed, latencies) = runtime.block_on(load(&daemon, &posts, settings.connections, settings.time));
        Found {
            kind,
            elapsed,
            latencies,
            daemon: process::processor_time_of_all(daemon.process()) - daemon_before,
            client: process::processor_time(std::process::id()) - client_before,
        }
    });
    let found: Vec<_> = found.collect();
    print(&found, raw);
    println!("daemon: {:.0} MiB resident; load average {} at the end", process::resident_mib(daemon.process()), process::load_average());
}

/// Keeps every connection busy for so long.
async fn load(daemon: &Daemon, posts: &Arc<[Vec<u8>]>, connections: usize, time: Duration) -> (Duration, Vec<Duration>) {
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
    let elapsed = begun.elapsed();
    latencies.sort_unstable();
    (elapsed, latencies)
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

fn print(found: &[Found], raw: &Raw) {
    let rate = |found: &Found| found.latencies.len() as f64 / found.elapsed.as_secs_f64();
    let percentile = |found: &Found, part: usize| {
        let at = found.latencies.len() * part / 100;
        found.latencies.get(at).map_or_else(String::new, |time| format!("{:.1} ms", time.as_secs_f64() * 1e3))
    };
    let rows: Vec<_> = found
        .iter()
        .map(|found| {
            let per_second = rate(found);
            vec![
                found.kind.to_string(),
                table::rate(per_second),
                percentile(found, 50),
                percentile(found, 99),
                table::ratio(per_second, raw.signatures_of(found.kind)),
                table::ratio(per_second, raw.journal_single),
                table::ratio(per_second, raw.journal_grouped),
            ]
        })
        .collect();
    let columns = ["authority", "a second", "p50", "p99", "of the token", "of the journal by 1", "by 32"];
    table::print("POST /v1/pki/sign, P-256 requests, stored and audited", &columns, &rows);
    let micros = |found: &Found, time: Duration| table::each(time, found.latencies.len() as u64);
    let rows: Vec<_> =
        found.iter().map(|found| vec![found.kind.to_string(), micros(found, found.daemon), micros(found, found.client)]).collect();
    table::print("Processor time of a certificate", &["authority", "daemon and worker", "load client"], &rows);
}

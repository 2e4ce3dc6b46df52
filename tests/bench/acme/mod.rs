//! Full ACME orders a second, of names that need no proof any more: newOrder, finalize, and the certificate fetched; a request in between for
//! what a server wants besides. Pebble and Caddy's `acme_server` are measured in the same run, in turns, by the same client.

mod client;
mod jose;
mod responder;
mod servers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use self::client::{Answers, Client, Wanted};
use self::servers::{DOMAIN, Subject};
use crate::keys::Keys;
use crate::process::Shares;
use crate::raw::Signatures;
use crate::settings::Settings;
use crate::{daemon, process, table};

/// All are measured in turns, because a machine changes from one second to the next.
const SLICES: u32 = 5;

/// One of them, its clients, and what was found.
struct Found {
    subject: Subject,
    /// Each with an account of its own, and the names it orders.
    clients: Vec<(Client, Arc<[Wanted]>)>,
    raw: Signatures,
    elapsed: Duration,
    /// From the first byte sent to the last received, in ascending order.
    latencies: Vec<Duration>,
    requests: u64,
    server: Duration,
    client: Duration,
    /// Seconds of one whole machine that the hypervisor took.
    stolen: f64,
}

pub fn measure(settings: &Settings, keys: &Keys) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let dir = daemon::directory();
    let daemon = servers::appliance(settings, dir.path());
    let mut subjects = runtime.block_on(servers::ours(settings, &daemon, dir.path()));
    let answers = Answers::default();
    // Under a profiler it is ours that is looked at.
    let mut others = Vec::new();
    if settings.under.is_empty() {
        let responding = runtime.block_on(responder::start(answers.clone()));
        others.push(servers::pebble());
        others.push(
            responding.map_err(|error| format!("caddy: it asks port 80 of 127.0.0.1: {error}")).and_then(|()| servers::caddy(answers)),
        );
    }
    let mut programs = Vec::new();
    for other in others {
        match other {
            Ok((subject, program)) => {
                subjects.push(subject);
                programs.push(program);
            }
            Err(fault) => println!("\nnot measured: {fault}"),
        }
    }
    let mut found: Vec<_> = subjects.into_iter().map(|subject| prepare(settings, &runtime, subject)).collect();
    for _ in 0..SLICES {
        for found in &mut found {
            found.add_slice(settings, keys, &runtime);
        }
    }
    for found in &mut found {
        found.latencies.sort_unstable();
    }
    print(&found);
    println!("daemon: {:.0} MiB resident; load average {} at the end", process::resident_mib(daemon.process()), process::load_average());
}

/// Accounts, and one order for each name, whose authorization is reused from then on.
fn prepare(settings: &Settings, runtime: &Runtime, subject: Subject) -> Found {
    let each = (settings.requests / settings.connections).max(1);
    let mut clients = Vec::new();
    for number in 0..settings.connections {
        let name = |of: usize| subject.looked_at.map_or_else(|| format!("host-{of}-{number}.{DOMAIN}"), str::to_owned);
        let wanted: Arc<[Wanted]> = (0..each).map(|of| Wanted::new(&name(of))).collect();
        clients.push((runtime.block_on(Client::register(subject.site.clone())), wanted));
    }
    let mut found = Found {
        subject,
        clients,
        raw: Signatures::default(),
        elapsed: Duration::ZERO,
        latencies: Vec::new(),
        requests: 0,
        server: Duration::ZERO,
        client: Duration::ZERO,
        stolen: 0.0,
    };
    runtime.block_on(async {
        for (client, wanted) in &mut found.clients {
            let names = if found.subject.looked_at.is_some() { 1 } else { wanted.len() };
            for wanted in &wanted[..names] {
                wanted.check(&client.order(wanted).await);
            }
        }
    });
    runtime.block_on(found.load(settings.warm));
    found
}

impl Found {
    fn add_slice(&mut self, settings: &Settings, keys: &Keys, runtime: &Runtime) {
        if let Some(kind) = self.subject.ours {
            self.raw.add_slice(keys, kind, settings.raw / SLICES);
        }
        runtime.block_on(async {
            for (client, _) in &mut self.clients {
                client.connect().await;
            }
        });
        let requests = self.requests();
        let (server, client) = (process::processor_time_of_all(self.subject.process), process::processor_time(std::process::id()));
        let shares = Shares::now();
        let (elapsed, latencies) = runtime.block_on(self.load(settings.time / SLICES));
        self.server += process::processor_time_of_all(self.subject.process) - server;
        self.client += process::processor_time(std::process::id()) - client;
        self.stolen += shares.stolen_since() * elapsed.as_secs_f64();
        self.requests += self.requests() - requests;
        self.elapsed += elapsed;
        self.latencies.extend(latencies);
    }

    fn requests(&self) -> u64 {
        self.clients.iter().map(|(client, _)| client.requests).sum()
    }

    /// Keeps every client busy for so long.
    async fn load(&mut self, time: Duration) -> (Duration, Vec<Duration>) {
        let begun = Instant::now();
        let clients = std::mem::take(&mut self.clients);
        let tasks: Vec<_> = clients.into_iter().map(|(client, wanted)| tokio::spawn(order_until(client, wanted, begun + time))).collect();
        let mut all = Vec::new();
        for task in tasks {
            let (client, wanted, latencies) = task.await.expect("a task of the client");
            self.clients.push((client, wanted));
            all.extend(latencies);
        }
        (begun.elapsed(), all)
    }

    fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

async fn order_until(mut client: Client, wanted: Arc<[Wanted]>, end: Instant) -> (Client, Arc<[Wanted]>, Vec<Duration>) {
    let mut latencies = Vec::with_capacity(1024);
    let mut now = Instant::now();
    for wanted in wanted.iter().cycle() {
        if now >= end {
            break;
        }
        client.order(wanted).await;
        let done = Instant::now();
        latencies.push(done - now);
        now = done;
    }
    (client, wanted, latencies)
}

fn print(all: &[Found]) {
    let percentile = |found: &Found, part: usize| {
        let at = found.latencies.len() * part / 100;
        found.latencies.get(at).map_or_else(String::new, |time| format!("{:.1} ms", time.as_secs_f64() * 1e3))
    };
    let rows: Vec<_> = all
        .iter()
        .map(|found| {
            let orders = found.latencies.len() as u64;
            vec![
                found.subject.name.clone(),
                table::rate(found.per_second()),
                percentile(found, 50),
                percentile(found, 99),
                format!("{:.1}", found.requests as f64 / orders.max(1) as f64),
                table::each(found.server, orders),
                table::each(found.client, orders),
                table::share(found.stolen / found.elapsed.as_secs_f64()),
            ]
        })
        .collect();
    let columns = ["server", "a second", "p50", "p99", "requests each", "server's processor time", "client's", "stolen"];
    table::print("Full ACME orders, the authorizations valid before", &columns, &rows);
    for found in all {
        if let Some(name) = found.subject.looked_at {
            println!(
                "{}: it knows no name as valid; it asked for {name} by http-01 in each order, and was answered at once",
                found.subject.name
            );
        }
    }
    let (ours, others): (Vec<_>, Vec<_>) = all.iter().partition(|found| found.subject.ours.is_some());
    let rows: Vec<_> = ours
        .iter()
        .map(|found| {
            let raw = found.raw.per_second();
            let mut row = vec![
                found.subject.name.clone(),
                format!("{}/s", table::rate(raw)),
                table::ratio(found.per_second(), raw),
                table::each(found.raw.used, found.raw.made),
            ];
            row.extend(others.iter().map(|other| format!("{:.1} times", found.per_second() / other.per_second())));
            row
        })
        .collect();
    let mut columns = vec!["server", "token raw", "of the token", "a raw signature"];
    let names: Vec<_> = others.iter().map(|other| format!("{}'s rate", other.subject.name.split(',').next().unwrap_or_default())).collect();
    columns.extend(names.iter().map(String::as_str));
    table::print("Beside the token, and beside the others", &columns, &rows);
}

//! Full ACME orders a second, of names that need no proof any more: newOrder, finalize, and the certificate fetched; a request in between for
//! what a server wants besides. Pebble and Caddy's `acme_server` are measured in the same run, in turns, by the same client.
//!
//! Caddy validates the names of each order anew. Its orders are therefore made, validated while the clock stands, and then completed; and once
//! more with the clock running all the time.

mod client;
mod jose;
mod responder;
mod servers;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::runtime::Runtime;

use self::client::{Answers, Begun, Client, Wanted};
use self::servers::{DOMAIN, Names, OWN_NAME, Subject};
use crate::keys::Keys;
use crate::process::Shares;
use crate::raw::Signatures;
use crate::settings::Settings;
use crate::{daemon, process, table};

/// All are measured in turns, because a machine changes from one second to the next.
const SLICES: u32 = 5;
/// How many orders a client has open at once where they are validated in between.
const OPEN: usize = 8;

/// One of them, its clients, and what was found.
struct Found {
    subject: Subject,
    /// Each with an account of its own, and the names it orders.
    clients: Vec<(Client, Vec<Wanted>)>,
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

/// Where the clocks stood.
struct Mark {
    begun: Instant,
    shares: Shares,
    requests: u64,
    server: Duration,
    client: Duration,
}

pub fn measure(settings: &Settings, keys: &Keys) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let dir = daemon::directory();
    let daemon = servers::appliance(settings, dir.path());
    let mut subjects = runtime.block_on(servers::ours(settings, &daemon, dir.path()));
    let answers = Answers::default();
    // Under a profiler it is ours that is looked at.
    let mut programs = Vec::new();
    if settings.under.is_empty() {
        match servers::pebble() {
            Ok((subject, program)) => {
                subjects.push(subject);
                programs.push(program);
            }
            Err(fault) => println!("\nPebble is not measured: {fault}"),
        }
        match runtime
            .block_on(responder::start(answers.clone()))
            .map_err(|error| format!("port 80: {error}"))
            .and_then(|()| servers::caddy(answers))
        {
            Ok((both, program)) => {
                subjects.extend(both);
                programs.push(program);
            }
            Err(fault) => println!("\nCaddy is not measured: {fault}"),
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
    let names = match subject.names {
        Names::Known => (settings.requests / settings.connections).max(1),
        Names::ValidatedBetween | Names::ValidatedWithin => 1,
    };
    let mut clients = Vec::new();
    for number in 0..settings.connections {
        let name = |of: usize| match subject.names {
            Names::Known => format!("host-{of}-{number}.{DOMAIN}"),
            Names::ValidatedBetween | Names::ValidatedWithin => OWN_NAME.to_owned(),
        };
        let wanted = (0..names).map(|of| Wanted::new(&name(of))).collect();
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
    runtime.block_on(join_all(found.clients.iter_mut().map(|(client, wanted)| async {
        for wanted in wanted {
            wanted.check(&client.order(wanted).await);
        }
    })));
    runtime.block_on(join_all(found.clients.iter_mut().map(|client| order_until(client, Instant::now() + settings.warm))));
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
            match self.subject.names {
                Names::Known | Names::ValidatedWithin => {
                    let mark = self.mark();
                    let latencies =
                        join_all(self.clients.iter_mut().map(|client| order_until(client, mark.begun + settings.time / SLICES))).await;
                    self.add(mark);
                    self.latencies.extend(latencies.into_iter().flatten());
                }
                Names::ValidatedBetween => self.in_steps().await,
            }
        });
    }

    /// All clients make orders; then they have them validated, which is not measured; then they complete them.
    async fn in_steps(&mut self) {
        let mark = self.mark();
        let begun = join_all(self.clients.iter_mut().map(begin)).await;
        self.add(mark);
        join_all(self.clients.iter_mut().zip(&begun).map(|((client, _), begun)| async move {
            for (begun, _) in begun {
                client.validate(begun).await;
            }
        }))
        .await;
        let mark = self.mark();
        let latencies = join_all(self.clients.iter_mut().zip(begun).map(|(client, begun)| complete(client, begun))).await;
        self.add(mark);
        self.latencies.extend(latencies.into_iter().flatten());
    }

    fn mark(&self) -> Mark {
        Mark {
            requests: self.clients.iter().map(|(client, _)| client.requests).sum(),
            server: process::processor_time_of_all(self.subject.process),
            client: process::processor_time(std::process::id()),
            shares: Shares::now(),
            begun: Instant::now(),
        }
    }

    fn add(&mut self, since: Mark) {
        let elapsed = since.begun.elapsed();
        let now = self.mark();
        self.elapsed += elapsed;
        self.requests += now.requests - since.requests;
        self.server += now.server - since.server;
        self.client += now.client - since.client;
        self.stolen += since.shares.stolen_since() * elapsed.as_secs_f64();
    }

    fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Orders one name after the other until then; how long each order took.
async fn order_until((client, wanted): &mut (Client, Vec<Wanted>), end: Instant) -> Vec<Duration> {
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
    latencies
}

async fn begin((client, wanted): &mut (Client, Vec<Wanted>)) -> Vec<(Begun, Duration)> {
    let mut all = Vec::with_capacity(OPEN);
    for wanted in wanted.iter().cycle().take(OPEN) {
        let begun = Instant::now();
        all.push((client.begin(wanted).await, begun.elapsed()));
    }
    all
}

/// How long each order took, together with its beginning.
async fn complete((client, wanted): &mut (Client, Vec<Wanted>), all: Vec<(Begun, Duration)>) -> Vec<Duration> {
    let mut latencies = Vec::with_capacity(OPEN);
    for (wanted, (begun, took)) in wanted.iter().cycle().zip(all) {
        let now = Instant::now();
        client.complete(wanted, begun).await;
        latencies.push(took + now.elapsed());
    }
    latencies
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
        match found.subject.names {
            Names::Known => {}
            Names::ValidatedBetween => println!("{}: the clock stood while it asked for {OWN_NAME} by http-01", found.subject.name),
            Names::ValidatedWithin => println!("{}: it asked for {OWN_NAME} by http-01, and was answered at once", found.subject.name),
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
    let names: Vec<_> = others.iter().map(|other| format!("rate of {}", other.subject.name)).collect();
    columns.extend(names.iter().map(String::as_str));
    table::print("Beside the token, and beside the others", &columns, &rows);
}

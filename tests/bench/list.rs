//! How soon a page of certificates is there, whatever the filter, when there are very many; and how soon such an appliance starts.

use std::path::Path;
use std::time::{Duration, Instant};

use chancery::audit::{self, Action, Actor, Entry, Field, Ledger};
use chancery::base::clock::{Clock, from_seconds};
use chancery::base::id::{CaId, CertId, OrgId};
use chancery::inventory::{self, Certificates, CrlPart, Revocation, StoredCertificate, revocation_key};
use chancery::storage::{Change, Class, Options, Storage, Table};
use chancery::x509::reason::RevocationReason;
use chancery::x509::serial::Serial;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::client::Connection;
use crate::daemon::{self, Daemon};
use crate::settings::Settings;
use crate::{process, requests, table};

/// Authorities of the organization that asks; as many certificates belong to another one.
const AUTHORITIES: usize = 8;
/// Pages that are asked for with each filter.
const PAGES: usize = 400;
/// Certificates in one change: its most bytes hold them.
const IN_ONE_CHANGE: usize = 500;
/// Certificates end within these days.
const DAYS: i64 = 400;

pub fn measure(settings: &Settings) {
    let dir = daemon::directory();
    let daemon = Daemon::start(dir.path(), &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (authorities, foreign, model) = runtime.block_on(prepare(&daemon));
    daemon.end(Signal::SIGTERM);
    let begun = Instant::now();
    fill(&dir.path().join("data"), &model, &authorities, &foreign, settings.listed);
    println!("\n{} certificates written in {:.0} s", settings.listed, begun.elapsed().as_secs_f64());

    let mut rows = Vec::new();
    for (when, signal) in [("after a clean stop", Signal::SIGKILL), ("after a kill", Signal::SIGTERM)] {
        let begun = Instant::now();
        let daemon = Daemon::start(dir.path(), &[]);
        let took = begun.elapsed();
        let resident = process::resident_mib(daemon.process());
        rows.push(vec![when.to_owned(), format!("{:.2} s", took.as_secs_f64()), format!("{resident:.0} MiB")]);
        if signal == Signal::SIGTERM {
            let ca = &authorities[0];
            let lists = [
                ("no filter", String::new()),
                ("include_revoked", "include_revoked=true".to_owned()),
                ("ca_id", format!("ca_id={ca}")),
                ("expiring_within=30d", "expiring_within=30d".to_owned()),
                ("ca_id, expiring_within=30d", format!("ca_id={ca}&expiring_within=30d")),
                ("ca_id, expiring_within=390d, include_revoked", format!("ca_id={ca}&expiring_within=390d&include_revoked=true")),
                ("an authority of others", format!("ca_id={}", foreign[0])),
            ];
            let measured = lists.map(|(name, query)| runtime.block_on(page_through(&daemon, name, &query)));
            let title = format!("Pages of 100 out of {} certificates, one after the other", settings.listed);
            table::print(&title, &["filter", "pages", "median", "p99", "longest"], &measured);
            println!("{:.0} MiB resident after that", process::resident_mib(daemon.process()));
        }
        daemon.end(signal);
    }
    table::print(&format!("Starting with {} certificates", settings.listed), &["when", "ready after", "resident"], &rows);
}

/// The authorities of the organization that asks and of another, and the serial number of a certificate that is copied.
async fn prepare(daemon: &Daemon) -> (Vec<CaId>, Vec<CaId>, String) {
    daemon.make_role("list", "ec", 256).await;
    let csr = requests::csrs(1).remove(0);
    let issued = daemon.post("/v1/pki/sign/list", json!({ "csr_pem": csr })).await;
    let mut authorities = Vec::new();
    let mut foreign = Vec::new();
    let other = daemon.post("/v1/admin/organizations", json!({"name": "other"})).await;
    let token = json!({"name": "other", "scopes": ["pki:admin"], "ttl": "1h", "organization_id": other["id"]});
    let token = daemon.post("/v1/admin/tokens", token).await;
    for number in 0..AUTHORITIES {
        let body = json!({"name": format!("a{number}"), "common_name": "A", "ca_type": "root", "key_type": "ec"});
        authorities.push(id(&daemon.post("/v1/pki/ca", body.clone()).await));
        foreign.push(id(&daemon.post_as(token["token"].as_str().expect("a token"), "/v1/pki/ca", body).await));
    }
    (authorities, foreign, issued["serial_number"].as_str().expect("a serial number").to_owned())
}

fn id(made: &Value) -> CaId {
    made["id"].as_str().and_then(|id| id.parse().ok()).expect("the id of an authority")
}

/// Writes the records that issuing writes, many in a change and without a token: copies of one certificate with other serial numbers, spread over the
/// authorities and over time. One in ten is revoked.
fn fill(data: &Path, model: &str, authorities: &[CaId], foreign: &[CaId], count: usize) {
    let (storage, _) = Storage::open(data, Options::default()).expect("the store opens");
    let ledger = Ledger::new(storage.clone());
    let certificates = Certificates::new(storage, ledger.clone(), Clock::System);
    let model: Serial = model.parse().expect("a serial number");
    let model = certificates.by_serial(OrgId::DEFAULT, &model).expect("the store can be read").expect("the model is there");
    let foreign_owner = owner(ledger.storage(), foreign[0]);
    let now = Clock::System.now().as_second();
    for first in (0..count).step_by(IN_ONE_CHANGE) {
        let mut change = Change::new(Class::Normal);
        for number in first..count.min(first + IN_ONE_CHANGE) {
            let is_foreign = number % 2 == 1;
            let of = if is_foreign { foreign } else { authorities };
            let mut certificate = copy(&model);
            certificate.ca = of[(number / 2) % of.len()];
            certificate.organization = if is_foreign { foreign_owner } else { OrgId::DEFAULT };
            // Spread by a prime, so that neighbours in one order are none in the other.
            certificate.not_after = from_seconds(now + (number as i64 * 7_919) % (DAYS * 86_400));
            change = inventory::add(change, &certificate).expect("a change");
            if number % 20 < 2 {
                let revocation = Revocation {
                    certificate: Some(certificate.id),
                    part: CrlPart::Whole,
                    revoked_at: certificate.created_at,
                    reason: RevocationReason::Superseded,
                    invalidity_date: None,
                    not_after: certificate.not_after,
                };
                let key = revocation_key(certificate.ca, &certificate.serial);
                change = change.put(Table::Revocations, &key, &revocation.encode().expect("a record"));
            }
        }
        let entry = Entry::done(Clock::System.now(), Actor::System, Action::CertificateIssue).detail(Field::Count, IN_ONE_CHANGE);
        ledger.commit_blocking(audit::Change::new(change, entry)).expect("the change commits");
    }
}

/// The organization of an authority.
fn owner(storage: &Storage, ca: CaId) -> OrgId {
    let authorities = chancery::ca::Authorities::load(storage).expect("the authorities");
    authorities.of_any_organization(ca).expect("it is there").organization
}

fn copy(model: &StoredCertificate) -> StoredCertificate {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).expect("random bytes");
    let serial = Serial::from_random(random);
    let at = model.der.windows(16).position(|window| window == model.serial.as_bytes()).expect("a serial number of 16 bytes");
    let mut der = model.der.clone();
    der[at..at + 16].copy_from_slice(serial.as_bytes());
    StoredCertificate { id: CertId::new(), serial, der, ..model.clone() }
}

/// Asks for page after page, and from the beginning when there is no more.
async fn page_through(daemon: &Daemon, name: &str, query: &str) -> Vec<String> {
    let mut connection = daemon.connector.connect().await.expect("a connection");
    let mut times = Vec::with_capacity(PAGES);
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES {
        let after = cursor.map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let begun = Instant::now();
        let page = ask(&mut connection, &daemon.token, &format!("/v1/pki/certificates?limit=100&{query}{after}")).await;
        times.push(begun.elapsed());
        cursor = page["cursor"].as_str().map(str::to_owned);
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let shown = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    vec![name.to_owned(), PAGES.to_string(), shown(at(0.5)), shown(at(0.99)), shown(at(1.0))]
}

async fn ask(connection: &mut Connection, token: &str, path: &str) -> Value {
    let path = path.trim_end_matches('&').replace("&&", "&");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    let (status, body) = connection.ask(request.as_bytes()).await.expect("an answer");
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(body));
    serde_json::from_slice(body).expect("JSON")
}

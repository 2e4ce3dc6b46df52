//! An appliance behind the shim, under load from several clients whose connections stay, and the books of all it answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chancery::client::{CertificateFilter, Client, CrlForm};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::aftermath;
use super::books::{self, Attempt, Books};
use super::shim::Shim;
use crate::appliance::Appliance;
use crate::load;

const SIGNERS: usize = 5;
/// Who was refused waits a little: this is a test of faults, not of how fast one can be refused.
const AFTER_REFUSAL: Duration = Duration::from_millis(20);
/// A list, a CRL or a certificate may take this long on a machine that does other things.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// So many calls in a row have to succeed before the service counts as back.
const BACK: usize = 25;
/// The appliance, its load and its books. Ends with [`Siege::lift`].
pub struct Siege {
    pub appliance: Appliance,
    pub shim: Shim,
    pub ca: String,
    runtime: Runtime,
    scratch: TempDir,
    process: u32,
    csrs: Arc<Vec<String>>,
    books: Arc<Mutex<Books>>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Siege {
    /// Starts the appliance behind the shim and the clients.
    pub fn lay() -> Self {
        Self::lay_with("")
    }

    /// The same with lines for the configuration of the token's worker.
    pub fn lay_with(worker: &str) -> Self {
        let shim = Shim::new();
        let scratch = TempDir::new().expect("a directory for the appliance");
        let dir = scratch.path().join("appliance");
        let start = || shim.start(&dir);
        let mut appliance = start();
        if !worker.is_empty() {
            assert!(appliance.stop());
            let file = appliance.path("token.toml");
            let made = std::fs::read_to_string(&file).expect("the worker's configuration");
            std::fs::write(&file, format!("{worker}{made}")).expect("the worker's configuration");
            appliance = start();
        }
        let ca = appliance.root("root", "ec", 256);
        appliance.role("web", &ca, json!({}));
        let csrs = Arc::new(load::requests(SIGNERS, scratch.path()));
        let process = appliance.process_id();
        let mut siege = Self {
            appliance,
            shim,
            ca,
            runtime: load::runtime(),
            scratch,
            process,
            csrs,
            books: Arc::default(),
            stop: Arc::default(),
            tasks: JoinSet::new(),
        };
        siege.start_clients();
        siege.await_service(Instant::now());
        siege
    }

    /// What was answered to calls that began and ended between these moments.
    pub fn attempts(&self, from: Instant, until: Instant) -> Vec<Attempt> {
        let books = self.books.lock().unwrap();
        books.attempts.iter().filter(|attempt| attempt.began >= from && attempt.ended <= until).cloned().collect()
    }

    /// How many certificates were answered so far.
    pub fn issued(&self) -> usize {
        self.books.lock().unwrap().certificates.len()
    }

    /// Waits until every call succeeds again. Returns how long after `since` the last refusal came or, if there was none, the first success.
    #[track_caller]
    pub fn await_service(&self, since: Instant) -> Duration {
        const PATIENCE: Duration = Duration::from_secs(60);
        loop {
            {
                let mut books = self.books.lock().unwrap();
                let after: Vec<&Attempt> = books.attempts.iter().filter(|attempt| attempt.ended > since).collect();
                let in_a_row = after.iter().rev().take_while(|attempt| attempt.refused.is_none() && attempt.began > since).count();
                if in_a_row >= BACK {
                    let first = &after[after.len() - in_a_row];
                    let took = first.ended.max(after[..after.len() - in_a_row].last().map_or(since, |last| last.ended)) - since;
                    books.attempts.clear();
                    return took;
                }
                let last = after.last().map(|attempt| format!("{:?}", attempt.refused));
                assert!(
                    since.elapsed() < PATIENCE,
                    "the service did not come back; last: {last:?}\n{}\n{}",
                    self.shim.last_calls(20),
                    last_lines(&self.appliance.log())
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// That nothing has gone wrong so far, and that the daemon is the one that was started.
    #[track_caller]
    pub fn assert_sound(&self) {
        let books = self.books.lock().unwrap();
        assert!(books.wrongs.is_empty(), "{:#?}\n{}", books.wrongs, last_lines(&self.appliance.log()));
        let status = std::fs::read_to_string(format!("/proc/{}/stat", self.process)).expect("the daemon is there");
        assert!(!status.contains(") Z "), "the daemon has ended:\n{}", last_lines(&self.appliance.log()));
    }

    /// That a refusal is a problem document by its media type too, which the client does not look at.
    #[track_caller]
    pub fn assert_problem_document(&self) {
        let answer = self.appliance.call("POST", "/v1/pki/sign/web", Some(json!({"csr_pem": self.csrs[0]})));
        let (code, _) = answer.refused(answer.status);
        assert!(books::is_documented(answer.status, &code), "{}", answer.text());
    }

    /// How many reads were answered so far, and the slowest of them.
    pub fn reads(&self) -> (usize, Duration) {
        let books = self.books.lock().unwrap();
        (books.reads, books.slowest_read)
    }

    /// Ends the load and looks for everything that was answered.
    pub fn lift(mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.runtime.block_on(std::mem::take(&mut self.tasks).join_all());
        self.assert_sound();
        let books = std::mem::take(&mut *self.books.lock().unwrap());
        aftermath::assert_whole(&self.runtime, &load::client(&self.appliance), &self.ca, &books, self.scratch.path());
        assert!(self.appliance.stop(), "a clean stop after all:\n{}", last_lines(&self.appliance.log()));
        assert!(!self.appliance.log().contains("panicked"), "{}", self.appliance.log());
        chancery::audit::verify(&self.appliance.path("data")).expect("the audit trail is whole");
        println!(
            "{} certificates answered, all there, listed and verified; {} reads, the slowest in {:.2?}",
            books.certificates.len(),
            books.reads,
            books.slowest_read
        );
    }

    fn start_clients(&mut self) {
        for signer in 0..SIGNERS {
            // A client of its own each: connections of its own.
            let (client, books, stop) = self.client();
            let csr = self.csrs[signer].clone();
            self.tasks.spawn_on(
                async move {
                    while !stop.load(Ordering::SeqCst) {
                        let began = Instant::now();
                        let outcome = load::sign(&client, "web", &csr).await;
                        let refused = books.lock().unwrap().signed(began, outcome);
                        if refused {
                            tokio::time::sleep(AFTER_REFUSAL).await;
                        }
                    }
                },
                self.runtime.handle(),
            );
        }
        let (client, books, stop) = self.client();
        let ca = self.ca.clone();
        self.tasks.spawn_on(
            async move {
                while !stop.load(Ordering::SeqCst) {
                    let began = Instant::now();
                    let outcome = client.publish_crl(&ca).await;
                    books.lock().unwrap().published(began, outcome.map(|answer| answer.value.crl_number));
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            self.runtime.handle(),
        );
        let (client, books, stop) = self.client();
        let ca = self.ca.clone();
        self.tasks.spawn_on(
            async move {
                while !stop.load(Ordering::SeqCst) {
                    read_all(&client, &books, &ca).await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            self.runtime.handle(),
        );
    }

    fn client(&self) -> (Client, Arc<Mutex<Books>>, Arc<AtomicBool>) {
        (load::client(&self.appliance), self.books.clone(), self.stop.clone())
    }
}

/// What needs no signature and goes on whatever the token does: CRL, authority, list, one certificate; and a revocation.
async fn read_all(client: &Client, books: &Mutex<Books>, ca: &str) {
    let some = books.lock().unwrap().certificates.first().cloned();
    let began = Instant::now();
    let mut outcomes = vec![
        ("the CRL", client.crl(ca, CrlForm::Der).await.map(drop)),
        ("the authority's certificate", client.authority_certificate(ca).await.map(drop)),
        ("the list", client.certificates(&CertificateFilter { limit: Some(20), ..Default::default() }).await.map(drop)),
    ];
    if let Some(certificate) = some {
        outcomes.push(("a certificate", client.certificate_pem(&certificate.id).await.map(drop)));
    }
    let took = began.elapsed();
    let mut books = books.lock().unwrap();
    books.reads += outcomes.len();
    books.slowest_read = books.slowest_read.max(took);
    if took > READ_WITHIN {
        books.wrongs.push(format!("{} reads took {took:?}", outcomes.len()));
    }
    for (what, outcome) in outcomes {
        if let Err(error) = outcome {
            books.wrongs.push(format!("{what} was not served: {error:?}"));
        }
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

//! An appliance behind the shim, under load from several clients whose connections stay, and the books of all it answered.

use std::collections::{BTreeMap, HashSet};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chancery::client::{CertificateFilter, Client, ClientError, CrlForm};
use chancery::x509::certificate::Certificate;
use chancery::x509::crl::Crl;
use chancery::x509::pem::{self, Label};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::shim::Shim;
use crate::appliance::Appliance;
use crate::load::{self, Answered};

const SIGNERS: usize = 5;
/// Who was refused waits a little: this is a test of faults, not of how fast one can be refused.
const AFTER_REFUSAL: Duration = Duration::from_millis(20);
/// A list, a CRL or a certificate may take this long on a machine that does other things.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// So many calls in a row have to succeed before the service counts as back.
const BACK: usize = 25;
/// What is answered and its codes, as it is promised to clients.
const DOCUMENTED: &str = include_str!("../../../docs/api/problems.md");

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

/// One call that needs the token.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub began: Instant,
    pub ended: Instant,
    /// The status and code of a refusal.
    pub refused: Option<(u16, String)>,
}

#[derive(Default)]
struct Books {
    attempts: Vec<Attempt>,
    certificates: Vec<Answered>,
    serials: HashSet<String>,
    reads: usize,
    slowest_read: Duration,
    crl_number: u64,
    /// What must never happen.
    wrongs: Vec<String>,
}

impl Siege {
    /// Starts the appliance behind the shim and the clients.
    pub fn lay() -> Self {
        let shim = Shim::new();
        let scratch = TempDir::new().expect("a directory for the appliance");
        let appliance = Appliance::start_with(&scratch.path().join("appliance"), |command| {
            command.arg("--module").arg(shim.module());
        });
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
        assert!(is_documented(answer.status, &code), "{}", answer.text());
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
        let client = load::client(&self.appliance);
        load::assert_there(&self.runtime, &client, &books.certificates);
        let root = self.runtime.block_on(client.authority_certificate(&self.ca)).expect("the authority's certificate").into_value();
        self.assert_verify(&books.certificates, &root.certificate_pem);
        self.assert_listed(&client, &books);
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

    /// By our own reader one by one, and by openssl, many in one run.
    fn assert_verify(&self, certificates: &[Answered], root: &str) {
        let der = |text: &str| pem::decode_one(text, Label::Certificate).expect("PEM");
        let key = Certificate::from_der(&der(root)).expect("a certificate").public_key().expect("a key");
        let root_file = self.scratch.path().join("root.pem");
        std::fs::write(&root_file, root).expect("a file");
        for part in certificates.chunks(500) {
            let mut openssl = Command::new("openssl");
            openssl.args(["verify", "-x509_strict", "-CAfile"]).arg(&root_file);
            for answered in part {
                let read = Certificate::from_der(&der(&answered.pem)).expect("a certificate");
                assert!(read.is_signed_by(&key), "a wrong signature went out: {}", answered.pem);
                assert_eq!(read.serial().to_string(), answered.serial);
                let file = self.scratch.path().join(format!("{}.pem", answered.id));
                std::fs::write(&file, &answered.pem).expect("a file");
                openssl.arg(file);
            }
            crate::appliance::run(&mut openssl);
        }
    }

    fn assert_listed(&self, client: &Client, books: &Books) {
        let (listed, counted, crl) = self.runtime.block_on(async {
            let mut filter =
                CertificateFilter { ca_id: Some(self.ca.clone()), include_revoked: Some(true), limit: Some(1000), ..Default::default() };
            let mut listed = Vec::new();
            loop {
                let page = client.certificates(&filter).await.expect("a page").into_value();
                listed.extend(page.data.into_iter().map(|summary| summary.serial_number));
                filter.cursor = page.cursor;
                if filter.cursor.is_none() {
                    break;
                }
            }
            let counted = client.authority(&self.ca).await.expect("the authority").into_value().certificates_issued;
            (listed, counted, client.crl(&self.ca, CrlForm::Der).await.expect("the CRL"))
        });
        let unique: HashSet<_> = listed.iter().collect();
        assert_eq!(unique.len(), listed.len(), "a serial number is there twice");
        assert_eq!(listed.len() as u64, counted, "the counter and the list agree");
        assert!(books.serials.iter().all(|serial| unique.contains(serial)), "a certificate that was answered is not listed");
        let number = Crl::from_der(&crl).expect("a CRL").number().expect("its number");
        assert!(number >= books.crl_number, "CRL {number} is handed out after {}", books.crl_number);
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

impl Books {
    fn signed(&mut self, began: Instant, outcome: Result<Answered, ClientError>) -> bool {
        let refused = self.attempt(began, outcome.as_ref().map(drop));
        if let Ok(answered) = outcome {
            if !self.serials.insert(answered.serial.clone()) {
                self.wrongs.push(format!("the serial number {} was answered twice", answered.serial));
            }
            self.certificates.push(answered);
        }
        refused
    }

    fn published(&mut self, began: Instant, outcome: Result<u64, ClientError>) {
        self.attempt(began, outcome.as_ref().map(drop));
        if let Ok(number) = outcome {
            if number <= self.crl_number {
                self.wrongs.push(format!("CRL number {number} was answered after {}", self.crl_number));
            }
            self.crl_number = number;
        }
    }

    fn attempt(&mut self, began: Instant, outcome: Result<(), &ClientError>) -> bool {
        let refused = outcome.err().map(|error| {
            match error.problem() {
                Some(problem) if is_documented(problem.status, &problem.code) => {}
                Some(problem) => self.wrongs.push(format!("an answer that is not documented: {problem:?}")),
                None => self.wrongs.push(format!("no problem document: {error:?}")),
            }
            error.problem().map_or((0, String::new()), |problem| (problem.status, problem.code.clone()))
        });
        let is_refused = refused.is_some();
        self.attempts.push(Attempt { began, ended: Instant::now(), refused });
        is_refused
    }
}

/// Whether docs/api/problems.md has that status with that code. That the appliance itself is at fault is never the token's doing.
pub fn is_documented(status: u16, code: &str) -> bool {
    status >= 501 && DOCUMENTED.lines().any(|line| line.starts_with(&format!("| {status} | ")) && line.contains(&format!("`{code}`")))
}

/// The codes of refusals with their numbers, for the report.
pub fn tally(attempts: &[Attempt]) -> String {
    let mut codes = BTreeMap::new();
    for attempt in attempts {
        let code = attempt.refused.as_ref().map_or("issued".to_owned(), |(status, code)| format!("{status} {code}"));
        *codes.entry(code).or_insert(0) += 1;
    }
    codes.iter().map(|(code, count)| format!("{count} {code}")).collect::<Vec<_>>().join(", ")
}

fn last_lines(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

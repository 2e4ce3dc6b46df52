//! Killed at any moment, nothing that was answered is lost.
//!
//! CHANCERY_CRASH_ROUNDS says how often (50), CHANCERY_CRASH_SEED repeats a run's choices.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chancery::client::{CertificateFilter, Client, ClientError, CrlForm};
use chancery::x509::crl::Crl;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::appliance::Appliance;
use crate::load::{self, Answered, Choices};

/// No call takes this long while the daemon lives, however busy the machine is.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
/// What the appliance is to be ready within after a kill.
const READY: Duration = Duration::from_secs(2);
/// What one start may take on a machine that does other things meanwhile; the median must keep to what is promised.
const READY_WHEN_BUSY: Duration = Duration::from_secs(15);
const SIGNERS: usize = 6;

/// What was answered, over all rounds.
#[derive(Default)]
struct Books {
    certificates: Vec<Answered>,
    serials: HashSet<String>,
    /// Revocations that were answered, by the certificate's place in `certificates`.
    revoked: Vec<usize>,
    /// Certificates whose revocation was asked for, answered or not.
    asked: HashSet<usize>,
    /// The highest number of a CRL that was seen.
    crl_number: u64,
    crls: usize,
    /// What went wrong before the kill.
    faults: Vec<String>,
}

#[test]
fn nothing_that_was_answered_is_lost_by_kill_9() {
    let rounds: usize = std::env::var("CHANCERY_CRASH_ROUNDS").ok().map_or(50, |text| text.parse().expect("a number of rounds"));
    let mut choices = Choices::from_environment("CHANCERY_CRASH_SEED");
    let runtime = load::runtime();
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("appliance");
    let csrs = Arc::new(load::requests(SIGNERS, scratch.path()));

    let mut appliance = Appliance::start_in(&dir);
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let books = Arc::new(Mutex::new(Books::default()));
    let mut starts = Vec::with_capacity(rounds);
    let mut checked = (0, 0);
    for round in 1..=rounds {
        // Now and then it is killed before anything was asked of it.
        let load_for = if choices.below(10) == 0 { choices.below(20) } else { 50 + choices.below(700) };
        let kill_now = Arc::new(AtomicBool::new(false));
        let tasks = work(&runtime, &load::client(&appliance).with_timeout(ANSWERED_WITHIN), &ca, &csrs, &books, &kill_now, &mut choices);
        std::thread::sleep(Duration::from_millis(load_for));
        kill_now.store(true, Ordering::SeqCst);
        appliance.kill();
        runtime.block_on(tasks.join_all());

        if round <= 50 || round % 25 == 0 {
            let report = chancery::audit::verify(&dir.join("data")).unwrap_or_else(|error| panic!("round {round}: {error}"));
            assert!(report.entries > 0);
        }
        if choices.below(4) == 0 {
            kill_while_starting(&dir, Duration::from_millis(choices.below(250)));
        }
        let begun = Instant::now();
        appliance = Appliance::start_in(&dir);
        starts.push(begun.elapsed());
        let mut books = books.lock().unwrap();
        assert!(books.faults.is_empty(), "round {round}: {:#?}", books.faults);
        checked = check(&runtime, &load::client(&appliance), &ca, &mut books, checked, &mut choices);
    }

    let mut books = books.lock().unwrap();
    check_all(&runtime, &load::client(&appliance), &ca, &mut books);
    assert!(appliance.stop(), "a clean stop after all:\n{}", appliance.log());
    assert!(!appliance.log().contains("panicked"), "{}", appliance.log());
    assert_eq!(chancery::audit::verify(&dir.join("data")).unwrap().torn_bytes, 0);
    starts.sort();
    let (median, most) = (starts[starts.len() / 2], starts[starts.len() - 1]);
    let Books { certificates, revoked, crls, .. } = &*books;
    println!(
        "{rounds} kills: {} certificates, {} revocations, {crls} CRLs answered; ready again after {median:?} (median), {most:?} (most)",
        certificates.len(),
        revoked.len()
    );
    assert!(certificates.len() > rounds, "there was load");
    assert!(median < READY, "ready again after {median:?}");
    assert!(most < READY_WHEN_BUSY, "ready again after {most:?}");
}

/// Signers, one who revokes and one who publishes CRLs, until the daemon is killed.
fn work(
    runtime: &Runtime,
    client: &Client,
    ca: &str,
    csrs: &Arc<Vec<String>>,
    books: &Arc<Mutex<Books>>,
    kill_now: &Arc<AtomicBool>,
    choices: &mut Choices,
) -> tokio::task::JoinSet<()> {
    let mut tasks = tokio::task::JoinSet::new();
    let handle = runtime.handle();
    for signer in 0..SIGNERS {
        let (client, csrs, books, kill_now) = (client.clone(), csrs.clone(), books.clone(), kill_now.clone());
        tasks.spawn_on(
            async move {
                loop {
                    match load::sign(&client, "web", &csrs[signer]).await {
                        Ok(answered) => books.lock().unwrap().signed(answered),
                        Err(error) => return ended(&books, &kill_now, &error),
                    }
                }
            },
            handle,
        );
    }
    let (theirs, book, kill) = (client.clone(), books.clone(), kill_now.clone());
    let mut choose = Choices::new(choices.below(u64::MAX));
    tasks.spawn_on(
        async move {
            loop {
                tokio::time::sleep(Duration::from_millis(5 + choose.below(60))).await;
                let chosen = book.lock().unwrap().choose(&mut choose);
                let Some((place, certificate)) = chosen else {
                    if kill.load(Ordering::SeqCst) {
                        return;
                    }
                    continue;
                };
                match load::revoke(&theirs, &certificate).await {
                    Ok(()) => book.lock().unwrap().revoked.push(place),
                    Err(error) => return ended(&book, &kill, &error),
                }
            }
        },
        handle,
    );
    let (client, books, kill_now, ca) = (client.clone(), books.clone(), kill_now.clone(), ca.to_owned());
    let pause = Duration::from_millis(20 + choices.below(200));
    tasks.spawn_on(
        async move {
            loop {
                tokio::time::sleep(pause).await;
                match client.publish_crl(&ca).await {
                    Ok(answer) => books.lock().unwrap().published(answer.value.crl_number),
                    Err(error) => return ended(&books, &kill_now, &error),
                }
            }
        },
        handle,
    );
    tasks
}

/// A call failed: because the daemon was killed, or for a reason that is a fault.
fn ended(books: &Mutex<Books>, kill_now: &AtomicBool, error: &ClientError) {
    // Now and then the client's pool waits for a connection that nobody will open any more, with no socket left: then its own limit ends it.
    let is_cut_off = matches!(error, ClientError::Interrupted { .. } | ClientError::Unreachable { .. } | ClientError::TimedOut { .. });
    if !is_cut_off || !kill_now.load(Ordering::SeqCst) {
        books.lock().unwrap().faults.push(format!("{error:?}"));
    }
}

impl Books {
    fn signed(&mut self, answered: Answered) {
        if !self.serials.insert(answered.serial.clone()) {
            self.faults.push(format!("the serial number {} was answered twice", answered.serial));
        }
        self.certificates.push(answered);
    }

    /// A certificate nobody has asked to revoke yet.
    fn choose(&mut self, choices: &mut Choices) -> Option<(usize, Answered)> {
        let place = choices.below(self.certificates.len() as u64) as usize;
        let certificate = self.certificates.get(place)?.clone();
        self.asked.insert(place).then_some((place, certificate))
    }

    fn published(&mut self, number: u64) {
        self.crls += 1;
        if number <= self.crl_number {
            self.faults.push(format!("CRL number {number} was answered after {}", self.crl_number));
        }
        self.crl_number = number;
    }
}

fn kill_while_starting(dir: &Path, after: Duration) {
    let mut child = Appliance::command(dir).spawn().expect("chanceryd starts");
    std::thread::sleep(after);
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
}

/// Looks for everything of this round and for some of what is older. Returns how much was looked at.
fn check(
    runtime: &Runtime,
    client: &Client,
    ca: &str,
    books: &mut Books,
    (certificates, revoked): (usize, usize),
    choices: &mut Choices,
) -> (usize, usize) {
    const OLDER: usize = 40;
    let mut sample = books.certificates[certificates..].to_vec();
    sample.extend((0..OLDER.min(certificates)).map(|_| books.certificates[choices.below(certificates as u64) as usize].clone()));
    load::assert_there(runtime, client, &sample);

    let mut places = books.revoked[revoked..].to_vec();
    places.extend((0..10.min(revoked)).map(|_| books.revoked[choices.below(revoked as u64) as usize]));
    runtime.block_on(async {
        for place in places {
            let Answered { id, serial, .. } = &books.certificates[place];
            let found = client.certificate(id).await.expect("a revoked certificate").into_value();
            assert!(found.summary.is_revoked, "the revocation of {serial} was answered and is not there");
            assert_eq!(found.revocation_reason.as_deref(), Some("superseded"));
        }
        let authority = client.authority(ca).await.expect("the authority").into_value();
        let answered = books.certificates.len() as u64;
        assert!(authority.certificates_issued >= answered, "{} counted, {answered} answered", authority.certificates_issued);
        let der = client.crl(ca, CrlForm::Der).await.expect("a CRL");
        let number = Crl::from_der(&der).ok().and_then(|crl| crl.number()).expect("its number");
        assert!(number >= books.crl_number, "CRL {number} is handed out after {} was answered", books.crl_number);
        books.crl_number = number;
    });
    (books.certificates.len(), books.revoked.len())
}

/// Looks for everything, through the lists and the CRL too.
fn check_all(runtime: &Runtime, client: &Client, ca: &str, books: &mut Books) {
    let (listed, issued, crl) = runtime.block_on(async {
        let filter = CertificateFilter { ca_id: Some(ca.to_owned()), include_revoked: Some(true), ..CertificateFilter::default() };
        let listed: Vec<_> = load::listed(client, filter).await.into_iter().map(|summary| summary.serial_number).collect();
        let issued = client.authority(ca).await.expect("the authority").into_value().certificates_issued;
        let published = client.publish_crl(ca).await.expect("a CRL").into_value();
        assert!(published.crl_number > books.crl_number, "{} after {}", published.crl_number, books.crl_number);
        (listed, issued, client.crl(ca, CrlForm::Der).await.expect("the CRL"))
    });
    let unique: HashSet<_> = listed.iter().collect();
    assert_eq!(unique.len(), listed.len(), "a serial number is there twice");
    assert_eq!(listed.len() as u64, issued, "the counter and the list agree");
    let missing = books.serials.iter().filter(|serial| !unique.contains(serial)).count();
    assert_eq!(missing, 0, "certificates that were answered are not listed");
    let crl = Crl::from_der(&crl).expect("a CRL");
    let on_crl: HashSet<String> = crl.entries().map(|entry| entry.serial.to_string()).collect();
    for place in &books.revoked {
        let serial = &books.certificates[*place].serial;
        assert!(on_crl.contains(serial), "{serial} is revoked and not on the CRL");
    }
}

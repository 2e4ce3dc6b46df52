//! Killed at any moment, a request is before a step or after it, and never has two certificates.
//!
//! CHANCERY_REQUEST_CRASH_ROUNDS says how often (10), CHANCERY_REQUEST_CRASH_SEED repeats a run's choices.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chancery::api::pki::{ApproveSigningRequest, CreateSigningRequest, ImportSigningRequest, RejectSigningRequest, SignSigningRequest};
use chancery::client::{CertificateFilter, Client, ClientError};

use crate::appliance::Appliance;
use crate::load::{self, Choices};

const WORKERS: u64 = 4;

/// How far a request was answered to be, and how far it may be at most because of what was asked and not answered.
#[derive(Clone, Debug)]
struct Known {
    answered: &'static str,
    asked: &'static str,
    certificate: Option<String>,
}

type Books = Arc<Mutex<BTreeMap<String, Known>>>;

#[test]
fn a_kill_leaves_a_request_before_a_step_or_after_it() {
    let rounds: usize = std::env::var("CHANCERY_REQUEST_CRASH_ROUNDS").ok().map_or(10, |text| text.parse().expect("a number of rounds"));
    let mut choices = Choices::from_environment("CHANCERY_REQUEST_CRASH_SEED");
    let runtime = load::runtime();
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("appliance");
    let csrs = Arc::new(load::requests(WORKERS as usize, scratch.path()));
    let mut appliance = Appliance::start_in(&dir);
    let ca = appliance.root("root", "ec", 256);
    let books = Books::default();
    let faults = Arc::new(Mutex::new(Vec::new()));
    for round in 1..=rounds {
        let client = load::client(&appliance);
        let killed = Arc::new(AtomicBool::new(false));
        let mut tasks = tokio::task::JoinSet::new();
        for worker in 0..WORKERS {
            let (client, ca, csr) = (client.clone(), ca.clone(), csrs[worker as usize].clone());
            let (books, faults, killed) = (books.clone(), faults.clone(), killed.clone());
            let mut choose = Choices::new(choices.below(u64::MAX));
            let work = async move {
                loop {
                    if let Err(error) = bring_further(&client, &ca, &csr, &books, &mut choose).await {
                        let is_cut_off = matches!(error, ClientError::Interrupted { .. } | ClientError::Unreachable { .. });
                        if !is_cut_off || !killed.load(Ordering::SeqCst) {
                            faults.lock().unwrap().push(format!("{error:?}"));
                        }
                        return;
                    }
                }
            };
            tasks.spawn_on(work, runtime.handle());
        }
        std::thread::sleep(Duration::from_millis(30 + choices.below(500)));
        killed.store(true, Ordering::SeqCst);
        appliance.kill();
        runtime.block_on(tasks.join_all());
        assert!(faults.lock().unwrap().is_empty(), "round {round}: {:#?}", faults.lock().unwrap());
        chancery::audit::verify(&dir.join("data")).unwrap_or_else(|error| panic!("round {round}: {error}"));
        appliance = Appliance::start_in(&dir);
        runtime.block_on(check(&load::client(&appliance), &books, round));
    }
    let books = books.lock().unwrap();
    let of = |status: &str| books.values().filter(|known| known.answered == status).count();
    println!("{rounds} kills: {} requests, {} signed, {} approved, {} rejected", books.len(), of("signed"), of("approved"), of("rejected"));
    assert!(of("signed") >= rounds, "there was load");
    assert!(appliance.stop() && !appliance.log().contains("panicked"), "{}", appliance.log());
}

/// A request of one's own from its beginning to its end, with a step left out now and then.
async fn bring_further(client: &Client, ca: &str, csr: &str, books: &Books, choose: &mut Choices) -> Result<(), ClientError> {
    let id = if choose.below(3) == 0 {
        let subject = [("common_name".to_owned(), "made.example.com".to_owned())].into();
        let body = CreateSigningRequest { subject, ..CreateSigningRequest::default() };
        client.create_signing_request(&body).await?.into_value().summary.id
    } else {
        client.import_signing_request(&ImportSigningRequest { csr_pem: csr.to_owned() }).await?.into_value().summary.id
    };
    let note = |answered, asked, certificate| books.lock().unwrap().insert(id.clone(), Known { answered, asked, certificate });
    note("pending", "pending", None);
    match choose.below(8) {
        0 => return Ok(()),
        1 => {
            note("pending", "rejected", None);
            client.reject_signing_request(&id, &RejectSigningRequest { reason: "no".to_owned() }).await?;
            note("rejected", "rejected", None);
            return Ok(());
        }
        _ => {}
    }
    note("pending", "approved", None);
    client.approve_signing_request(&id, &ApproveSigningRequest::default()).await?;
    note("approved", "approved", None);
    if choose.below(8) == 0 {
        return Ok(());
    }
    note("approved", "signed", None);
    let body = SignSigningRequest { ca_id: ca.to_owned(), validity_days: Some(1), san: None };
    let issued = client.sign_signing_request(&id, &body).await?.into_value();
    note("signed", "signed", Some(issued.id));
    Ok(())
}

/// Looks that every request is where it was answered to be or where it was asked to go, and that certificates and requests name each other.
async fn check(client: &Client, books: &Books, round: usize) {
    let mut of_request: HashMap<String, Vec<String>> = HashMap::new();
    for summary in load::listed(client, CertificateFilter::default()).await {
        let certificate = client.certificate(&summary.id).await.expect("a certificate").into_value();
        if let Some(request) = certificate.csr_id {
            of_request.entry(request).or_default().push(summary.id);
        }
    }
    let mut cursor = None;
    let mut found = BTreeMap::new();
    loop {
        let page = client.signing_requests(None, cursor.as_deref()).await.expect("a page").into_value();
        found.extend(page.data.into_iter().map(|request| (request.id.clone(), request)));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    let mut books = books.lock().unwrap();
    for (id, known) in books.iter() {
        let request = found.get(id).unwrap_or_else(|| panic!("round {round}: {id} was answered and is not there"));
        assert!(
            [known.answered, known.asked].contains(&request.status.as_str()),
            "round {round}: {id} is {}, not {known:?}",
            request.status
        );
        if let Some(certificate) = &known.certificate {
            assert_eq!(request.certificate_id.as_ref(), Some(certificate), "round {round}: {id}");
        }
    }
    for request in found.values() {
        let certificates = of_request.remove(&request.id).unwrap_or_default();
        let named: Vec<_> = request.certificate_id.iter().cloned().collect();
        assert_eq!(certificates, named, "round {round}: {} is {}", request.id, request.status);
        assert_eq!(request.status == "signed", !named.is_empty(), "round {round}: {}", request.id);
        let status = match request.status.as_str() {
            "pending" => "pending",
            "approved" => "approved",
            "rejected" => "rejected",
            _ => "signed",
        };
        books.insert(request.id.clone(), Known { answered: status, asked: status, certificate: request.certificate_id.clone() });
    }
    assert!(of_request.is_empty(), "round {round}: certificates without their requests: {of_request:?}");
}

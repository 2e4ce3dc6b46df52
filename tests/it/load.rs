//! Many requests at once over kept connections, for the tests that curl is too slow for.

use std::path::Path;
use std::process::Command;

use chancery::api::pki::{CertificateSummary, Revoke, Sign};
use chancery::client::{CertificateFilter, Client, ClientError, Endpoint};
use tokio::runtime::Runtime;

use crate::appliance::{Appliance, run};

/// A certificate that was answered, which from then on must never be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub id: String,
    pub pem: String,
    pub serial: String,
}

/// A repeatable source of choices (splitmix64); its seed is printed so that a failure can be had again.
pub struct Choices(u64);

impl Choices {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed an environment variable names, or a new one.
    pub fn from_environment(name: &str) -> Self {
        let given = std::env::var(name).ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64));
        println!("{name}={seed}");
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end.max(1)
    }
}

/// A runtime for clients, small beside the daemon that shares the machine.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// A client with every right.
pub fn client(appliance: &Appliance) -> Client {
    client_as(appliance, appliance.admin_token())
}

/// A client with this token.
pub fn client_as(appliance: &Appliance, token: String) -> Client {
    let endpoint = Endpoint { base_url: appliance.base_url(), ca_file: Some(appliance.path("ca.pem")), token: Some(token.into()) };
    Client::new(endpoint).expect("a client")
}

/// Certificate requests by openssl with P-256 keys, for `load-1.example.com` and so on.
pub fn requests(count: usize, dir: &Path) -> Vec<String> {
    let request = |number: usize| {
        let (key, csr) = (dir.join(format!("{number}.key")), dir.join(format!("{number}.csr")));
        let subject = format!("/CN=load-{number}.example.com");
        let mut command = Command::new("openssl");
        command.args(["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", &subject]);
        command.arg("-addext").arg(format!("subjectAltName=DNS:load-{number}.example.com")).arg("-keyout").arg(key).arg("-out").arg(&csr);
        run(&mut command);
        std::fs::read_to_string(csr).expect("a request")
    };
    (1..=count).map(request).collect()
}

/// Has one request signed under a role.
pub async fn sign(client: &Client, role: &str, csr: &str) -> Result<Answered, ClientError> {
    let body = Sign { csr_pem: csr.to_owned(), ttl: None, san: None };
    let issued = client.sign(role, &body).await?.into_value();
    Ok(Answered { id: issued.id, pem: issued.certificate, serial: issued.serial_number })
}

/// Revokes one certificate for a reason that leaves its key usable.
pub async fn revoke(client: &Client, certificate: &Answered) -> Result<(), ClientError> {
    let body = Revoke {
        serial_number: Some(certificate.serial.clone()),
        certificate_id: None,
        certificate_pem: None,
        reason: Some("superseded".to_owned()),
        invalidity_date: None,
        use_acme: None,
    };
    client.revoke(&body).await.map(drop)
}

/// Signs `count` certificates with several requests at once.
pub fn issue(runtime: &Runtime, client: &Client, role: &str, csrs: &[String], count: usize) -> Vec<Answered> {
    const AT_ONCE: usize = 8;
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..AT_ONCE {
            let (client, role, csrs) = (client.clone(), role.to_owned(), csrs.to_vec());
            let share = count / AT_ONCE + usize::from(task < count % AT_ONCE);
            tasks.spawn(async move {
                let mut answered = Vec::with_capacity(share);
                for number in 0..share {
                    answered.push(sign(&client, &role, &csrs[(task + number) % csrs.len()]).await.expect("a certificate"));
                }
                answered
            });
        }
        tasks.join_all().await.into_iter().flatten().collect()
    })
}

/// The whole list of certificates that a filter wants.
pub async fn listed(client: &Client, filter: CertificateFilter) -> Vec<CertificateSummary> {
    let mut filter = CertificateFilter { limit: Some(1000), ..filter };
    let mut found = Vec::new();
    loop {
        let page = client.certificates(&filter).await.expect("a page").into_value();
        found.extend(page.data);
        filter.cursor = page.cursor;
        if filter.cursor.is_none() {
            return found;
        }
    }
}

/// Looks that every one of these is there, byte for byte.
#[track_caller]
pub fn assert_there(runtime: &Runtime, client: &Client, certificates: &[Answered]) {
    let missing = runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for part in certificates.chunks(certificates.len().div_ceil(8).max(1)) {
            let (client, part) = (client.clone(), part.to_vec());
            tasks.spawn(async move {
                let mut missing = Vec::new();
                for certificate in part {
                    match client.certificate_pem(&certificate.id).await {
                        Ok(pem) if pem == certificate.pem => {}
                        other => missing.push((certificate.id, certificate.serial, other)),
                    }
                }
                missing
            });
        }
        tasks.join_all().await.into_iter().flatten().collect::<Vec<_>>()
    });
    assert!(missing.is_empty(), "{} of {} are not there as they were answered: {missing:#?}", missing.len(), certificates.len());
}

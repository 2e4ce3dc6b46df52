//! An ACME client that does the same with every server: an order, its authorizations where they are not valid yet, the CSR, the certificate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chancery::x509::certificate::Certificate;
use chancery::x509::pem::{self, Label};
use serde_json::Value;

use super::jose::{Binding, Key, b64};
use crate::client::{Connection, Connector};
use crate::requests;

/// How long it waits before it asks again for what is under way; twice as long each time. A server that is busy with all others has done it by then.
const PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(64);
const CHAIN: &str = "application/pem-certificate-chain";

/// What the responder to http-01 has to say, by token.
pub type Answers = Arc<Mutex<HashMap<String, String>>>;

/// Where a server is.
#[derive(Clone)]
pub struct Site {
    pub connector: Connector,
    /// Of the directory.
    pub url: String,
    pub binding: Option<Binding>,
    /// What tells it by http-01 whose a name is, where it wants to know.
    pub answers: Answers,
}

/// A name and the request for it, which is whole before anything is measured.
pub struct Wanted {
    order: String,
    finalize: String,
    name: String,
}

impl Wanted {
    pub fn new(name: &str) -> Self {
        Self {
            order: format!(r#"{{"identifiers":[{{"type":"dns","value":"{name}"}}]}}"#),
            finalize: format!(r#"{{"csr":"{}"}}"#, b64(requests::csr(name))),
            name: name.to_owned(),
        }
    }

    /// That the first certificate of a chain is what was wanted, and another follows.
    pub fn check(&self, chain: &[u8]) {
        let chain = pem::decode_all(std::str::from_utf8(chain).expect("PEM"), Label::Certificate, 10).expect("certificates");
        assert!(chain.len() > 1, "a chain of one");
        let certificate = Certificate::from_der(&chain[0]).expect("a certificate");
        let names: Vec<_> = certificate.names().iter().map(|name| format!("{name:?}")).collect();
        assert!(matches!(names.as_slice(), [name] if name.contains(&self.name)), "{names:?}");
    }
}

/// An account of a server and the connection that it uses.
pub struct Client {
    site: Site,
    directory: Value,
    key: Key,
    kid: String,
    connection: Option<Connection>,
    nonce: String,
    /// Requests that were answered.
    pub requests: u64,
}

/// An order that was made.
pub struct Begun {
    order: Value,
    place: String,
}

/// What was answered.
struct Answered {
    status: u16,
    location: Option<String>,
    body: Vec<u8>,
}

impl Client {
    /// With a new account.
    pub async fn register(site: Site) -> Self {
        let mut client =
            Self { site, directory: Value::Null, key: Key::new(), kid: String::new(), connection: None, nonce: String::new(), requests: 0 };
        client.connect().await;
        let url = client.site.url.clone();
        client.directory = json(&client.exchange(&url, None).await.body);
        client.refresh().await;
        let url = client.endpoint("newAccount");
        let binding = client.site.binding.as_ref();
        let binding = binding.map(|binding| format!(r#","externalAccountBinding":{}"#, binding.of(client.key.jwk(), &url)));
        let payload = format!(r#"{{"termsOfServiceAgreed":true{}}}"#, binding.unwrap_or_default());
        let body = client.key.sign(&format!(r#""jwk":{}"#, client.key.jwk()), &client.nonce, &url, &payload);
        let answered = client.exchange(&url, Some(body)).await;
        assert_eq!(answered.status, 201, "{url}: {}", String::from_utf8_lossy(&answered.body));
        client.kid = answered.location.expect("the account's URL");
        client
    }

    /// A new connection, with a nonce: what was there before may have been closed, or be old.
    pub async fn connect(&mut self) {
        self.connection = Some(self.site.connector.connect().await.expect("a connection"));
        if !self.directory.is_null() {
            self.refresh().await;
        }
    }

    async fn refresh(&mut self) {
        let url = self.endpoint("newNonce");
        self.exchange(&url, None).await;
        assert!(!self.nonce.is_empty(), "{url}: no nonce");
    }

    fn endpoint(&self, name: &str) -> String {
        self.directory[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.directory)).to_owned()
    }

    /// A full order, until its certificates are in the client's hands.
    pub async fn order(&mut self, wanted: &Wanted) -> Vec<u8> {
        let begun = self.begin(wanted).await;
        self.validate(&begun).await;
        self.complete(wanted, begun).await
    }

    /// A new order.
    pub async fn begin(&mut self, wanted: &Wanted) -> Begun {
        let answered = self.post(&self.endpoint("newOrder"), &wanted.order).await;
        Begun { order: json(&answered.body), place: answered.location.expect("the order's URL") }
    }

    /// Has its names validated, unless they are. Who has seen all authorizations be valid knows that the order is ready.
    pub async fn validate(&mut self, begun: &Begun) {
        if begun.order["status"] == "pending" {
            for url in begun.order["authorizations"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                self.authorize(url).await;
            }
        }
    }

    /// From an order that is ready to its certificates.
    pub async fn complete(&mut self, wanted: &Wanted, begun: Begun) -> Vec<u8> {
        let Begun { order, place } = begun;
        let mut order = json(&self.post(&text(&order, "finalize"), &wanted.finalize).await.body);
        let mut pause = PAUSE;
        while order["status"] != "valid" {
            assert_eq!(order["status"], "processing", "{order}");
            wait(&mut pause).await;
            order = json(&self.post(&place, "").await.body);
        }
        let chain = self.post(&text(&order, "certificate"), "").await.body;
        assert!(chain.starts_with(b"-----BEGIN CERTIFICATE-----"), "{}", String::from_utf8_lossy(&chain));
        chain
    }

    /// Shows that a name is the account's.
    async fn authorize(&mut self, url: &str) {
        let mut authorization = json(&self.post(url, "").await.body);
        let mut pause = PAUSE;
        let mut is_asked = false;
        while authorization["status"] != "valid" {
            assert_eq!(authorization["status"], "pending", "{authorization}");
            if is_asked {
                wait(&mut pause).await;
                authorization = json(&self.post(url, "").await.body);
                continue;
            }
            let challenges = authorization["challenges"].as_array().cloned().unwrap_or_default();
            let challenge = challenges.iter().find(|one| one["type"] == "http-01").expect("a challenge by HTTP");
            let token = text(challenge, "token");
            let answer = format!("{token}.{}", self.key.thumbprint());
            self.site.answers.lock().expect("not poisoned").insert(token, answer);
            let answered = json(&self.post(&text(challenge, "url"), "{}").await.body);
            // Some have looked before they answer.
            if answered["status"] == "valid" {
                return;
            }
            is_asked = true;
        }
    }

    /// A request of the account; POST-as-GET when nothing is in it.
    async fn post(&mut self, url: &str, payload: &str) -> Answered {
        let body = self.key.sign(&format!(r#""kid":"{}""#, self.kid), &self.nonce, url, payload);
        let answered = self.exchange(url, Some(body)).await;
        assert!(answered.status < 300, "{url}: {}: {}", answered.status, String::from_utf8_lossy(&answered.body));
        answered
    }

    async fn exchange(&mut self, url: &str, body: Option<String>) -> Answered {
        let (host, path) = url.strip_prefix("https://").and_then(|rest| rest.split_at_checked(rest.find('/')?)).expect("an https URL");
        let request = match body {
            None => format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            Some(body) => format!(
                "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/jose+json\r\nAccept: {CHAIN}, application/json\r\n\
                 User-Agent: chancery-bench\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        };
        let connection = self.connection.as_mut().expect("a connection");
        let answer = connection.ask_for_all(request.as_bytes()).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        self.requests += 1;
        if let Some(nonce) = answer.header("replay-nonce") {
            nonce.clone_into(&mut self.nonce);
        }
        Answered { status: answer.status, location: answer.header("location").map(str::to_owned), body: answer.body.into_owned() }
    }
}

async fn wait(pause: &mut Duration) {
    tokio::time::sleep(*pause).await;
    *pause = (*pause * 2).min(LONGEST_PAUSE);
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body)))
}

fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("no {name} in {object}")).to_owned()
}

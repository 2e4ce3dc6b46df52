//! Challenges and CAA records looked at in earnest: BIND for DNS, openssl and Python for servers, on loopback addresses of their own, so that
//! the ports are those of the RFCs.

mod caa;
mod dns;
mod http;
mod storm;
mod tls_alpn;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chancery::acme_server::validation::{
    Attempt, CaaFault, CaaQuestion, ChallengeKind, Identifier, ValidationFault, ValidationSettings, Validator,
};
use chancery::base::clock::Clock;
use chancery::outbound::{AddressPolicy, Outbound, Settings, Zone};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than any stall of the machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
pub const TOKEN: &str = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
pub const KEY_AUTHORIZATION: &str = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";
pub const PATH: &str = "/.well-known/acme-challenge/LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
/// SHA-256 of the key authorization, in base64url.
pub const DIGEST: &str = "LPsIwTo7o8BoG0-vjCyGQGBWSVIPxI-i_X336eUOQZo";
pub const ACCOUNT: &str = "https://ca.example/api/acme/account/1";

/// A web server that does what it is told.
pub struct WebServer {
    process: Child,
    dir: TempDir,
}

impl WebServer {
    /// On port 80 of these addresses, and on 443 with a certificate that nobody vouches for.
    pub fn start(addresses: &[IpAddr], pages: &Value) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("pages.json"), pages.to_string()).unwrap();
        certificate(dir.path(), "server", &["-subj", "/CN=nobody"]);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/validation/server.py");
        let addresses = addresses.iter().map(IpAddr::to_string);
        let process = Command::new("python3").arg(script).arg(dir.path()).args(addresses).stdin(Stdio::null()).spawn();
        let mut server = Self { process: process.expect("python3 starts"), dir };
        let begun = Instant::now();
        while !server.dir.path().join("ready").exists() {
            assert!(server.process.try_wait().unwrap().is_none(), "the web server has ended");
            assert!(begun.elapsed() < PATIENCE, "the web server is not ready");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// What it was asked, and how much it could send.
    pub fn seen(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir.path().join("seen.jsonl")).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A self-signed certificate and its key, by openssl, as NAME.pem and NAME.key.
pub fn certificate(dir: &Path, name: &str, arguments: &[&str]) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .arg("-keyout")
        .arg(dir.join(format!("{name}.key")))
        .arg("-out")
        .arg(dir.join(format!("{name}.pem")))
        .args(arguments)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// A validator that reaches loopback addresses. The ports that are open to others are of no matter to it.
pub fn validator(resolver: SocketAddr, settings: ValidationSettings) -> Validator {
    validator_with(vec![resolver], Vec::new(), &["127.0.0.0/8", "::1/128"], settings)
}

pub fn validator_with(resolvers: Vec<SocketAddr>, zones: Vec<Zone>, allow: &[&str], settings: ValidationSettings) -> Validator {
    let policy = AddressPolicy { allow: allow.iter().map(|range| range.parse().unwrap()).collect(), ports: vec![8443] };
    let outbound = Outbound::open(Settings { policy, resolvers, zones, ca_file: None }).unwrap();
    Validator::new(outbound, settings, Clock::System)
}

/// One try, and not long.
pub fn once() -> ValidationSettings {
    ValidationSettings { attempts: 1, within: Duration::from_secs(3), ..ValidationSettings::default() }
}

pub fn host(name: &str) -> Identifier {
    Identifier::Dns { name: name.to_owned(), wildcard: false }
}

pub fn wildcard(name: &str) -> Identifier {
    Identifier::Dns { name: name.to_owned(), wildcard: true }
}

pub async fn validate(validator: &Validator, kind: ChallengeKind, identifier: &Identifier) -> Result<(), ValidationFault> {
    let issuer_domains = ["ca.example".to_owned()];
    let attempt = Attempt {
        identifier,
        kind,
        token: TOKEN,
        key_authorization: KEY_AUTHORIZATION,
        account_url: ACCOUNT,
        issuer_domains: &issuer_domains,
    };
    validator.validate(attempt).await
}

pub async fn caa(validator: &Validator, identifier: &Identifier) -> Result<(), CaaFault> {
    let issuer_domains = ["ca.example".to_owned()];
    let kind = Some(ChallengeKind::Dns01);
    validator.caa(CaaQuestion { identifier, account_url: ACCOUNT, kind, issuer_domains: &issuer_domains }).await
}

#[test]
fn the_digest_of_these_tests_is_what_openssl_says() {
    let script = format!("printf %s '{KEY_AUTHORIZATION}' | openssl dgst -sha256 -binary | basenc --base64url | tr -d =");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), DIGEST);
}

/// A page that is the key authorization.
pub fn right() -> Value {
    json!({"body": format!("{KEY_AUTHORIZATION}\n")})
}

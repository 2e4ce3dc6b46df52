//! The servers that are measured: ours, and those of others as Debian packages them, set up so that nothing but their own work holds them up.

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chancery::x509::algorithm::KeyType;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::client::{Answers, Site};
use super::jose::Binding;
use crate::client::Connector;
use crate::daemon::{self, Daemon};
use crate::settings::Settings;

/// What clients order names below, and need show nothing for with us.
pub const DOMAIN: &str = "internal.example.com";

/// One authority of one server.
pub struct Subject {
    pub name: String,
    pub site: Site,
    pub process: u32,
    /// The kind of key that our token signs with.
    pub ours: Option<KeyType>,
    pub names: Names,
}

/// What it knows of the names that are ordered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// They are valid from the first order on.
    Known,
    /// Each order's are validated, while the clock stands.
    ValidatedBetween,
    /// Each order's are validated, while the clock runs.
    ValidatedWithin,
}

/// A server of others; it is ended when dropped.
pub struct Program {
    child: Child,
    _dir: tempfile::TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// An appliance with an authority, a role and a credential for each kind of key, without limits for clients.
pub async fn ours(settings: &Settings, daemon: &Daemon, dir: &Path) -> Vec<Subject> {
    let organization = "/api/v1/organizations/org_00000000000000000000000000000001/acme-credentials";
    let mut subjects = Vec::new();
    for kind in settings.kinds() {
        let name = format!("acme-{kind}");
        let ca = json!({"name": name, "common_name": format!("{name} CA"), "ca_type": "root", "key_type": kind.family(), "key_size": kind.bits()});
        let ca = daemon.post("/v1/pki/ca", ca).await;
        let role = json!({"name": name, "ca_id": ca["id"], "allowed_domains": [DOMAIN], "allow_subdomains": true, "max_ttl": "720h",
                          "key_type": "ec", "key_bits": 256, "acme": {"pre_authorized": [DOMAIN]}});
        daemon.post("/v1/pki/roles", role).await;
        let credential = daemon.post(organization, json!({"default_template_id": name})).await;
        let text = |name: &str| credential[name].as_str().expect("a credential").to_owned();
        let address = std::fs::read_to_string(dir.join("listen.addr")).expect("the daemon's address");
        subjects.push(Subject {
            name: format!("Chancery, {kind} in the token"),
            site: Site {
                connector: daemon.connector.clone(),
                url: format!("https://{}/api/acme/directory", address.trim()),
                binding: Some(Binding { kid: text("eab_key_id"), key: text("eab_hmac_key") }),
                answers: Answers::default(),
            },
            process: daemon.process(),
            ours: Some(kind),
            names: Names::Known,
        });
    }
    subjects
}

/// The daemon that they are authorities of.
pub fn appliance(settings: &Settings, dir: &Path) -> Daemon {
    // Once to make its configuration, to which the limits of this measurement are added.
    Daemon::start(dir, &[]).end(Signal::SIGTERM);
    let mut file = std::fs::File::options().append(true).open(dir.join("chancery.toml")).expect("the configuration");
    let limits = ["accounts_per_credential", "orders_per_account", "orders_per_credential", "orders_per_names"];
    let limits = limits.map(|name| format!("{name} = {{ burst = 100000000, per_hour = 100000000 }}\n")).concat();
    file.write_all(format!("\n[acme.limits]\n{limits}").as_bytes()).expect("the configuration");
    Daemon::start(dir, &settings.under)
}

/// Pebble, which keeps everything in memory, its keys as well: challenges are not looked at, names stay valid, nothing is refused or delayed
/// for the sake of testing clients.
pub fn pebble() -> Result<(Subject, Program), String> {
    let (dir, address) = (daemon::directory(), free_address());
    let (certificate, key) = certificate(dir.path());
    let config = json!({"pebble": {"listenAddress": address, "managementListenAddress": "", "certificate": certificate, "privateKey": key,
                                   "httpPort": 5002, "tlsPort": 5001, "ocspResponderURL": "", "externalAccountBindingRequired": false}});
    std::fs::write(dir.path().join("config.json"), config.to_string()).expect("Pebble's configuration");
    let mut command = Command::new("pebble");
    command.arg("-config").arg(dir.path().join("config.json"));
    command.envs([
        ("PEBBLE_VA_ALWAYS_VALID", "1"),
        ("PEBBLE_VA_NOSLEEP", "1"),
        ("PEBBLE_AUTHZREUSE", "100"),
        ("PEBBLE_WFE_NONCEREJECT", "0"),
    ]);
    let (program, site) = start(command, dir, &address, "/dir", Answers::default())?;
    let name = "Pebble, RSA-2048 in memory".to_owned();
    Ok((Subject { name, site, process: program.child.id(), ours: None, names: Names::Known }, program))
}

/// The one name that Caddy is asked for: the one that every machine's resolver knows as its own.
pub const OWN_NAME: &str = "localhost";

/// Caddy's `acme_server` with the authority it makes for itself. It knows no name as valid before it has looked, for each order anew.
pub fn caddy(answers: Answers) -> Result<([Subject; 2], Program), String> {
    let (dir, address) = (daemon::directory(), free_address());
    let (certificate, key) = certificate(dir.path());
    let path = dir.path().display();
    let config = format!(
        "{{\n\tadmin off\n\tauto_https off\n\tskip_install_trust\n\tlog {{\n\t\tlevel ERROR\n\t}}\n\
         \tstorage file_system {{\n\t\troot {path}/storage\n\t}}\n}}\n\
         https://{address} {{\n\tbind 127.0.0.1\n\ttls {certificate} {key}\n\tacme_server\n}}\n",
        certificate = certificate.display(),
        key = key.display(),
    );
    std::fs::write(dir.path().join("Caddyfile"), config).expect("Caddy's configuration");
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(dir.path().join("Caddyfile"));
    command.env("HOME", dir.path()).env("XDG_DATA_HOME", dir.path().join("data")).env("XDG_CONFIG_HOME", dir.path().join("config"));
    let (program, site) = start(command, dir, &address, "/acme/local/directory", answers)?;
    let subject = |name: &str, names| Subject { name: name.to_owned(), site: site.clone(), process: program.child.id(), ours: None, names };
    let subjects = [subject("Caddy, P-256 in memory", Names::ValidatedBetween), subject("Caddy, validating each", Names::ValidatedWithin)];
    Ok((subjects, program))
}

/// Starts it and waits until its directory can be had.
fn start(mut command: Command, dir: tempfile::TempDir, address: &str, path: &str, answers: Answers) -> Result<(Program, Site), String> {
    let log = dir.path().join("log");
    let file = std::fs::File::create(&log).expect("a log file");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
    let child = command.spawn().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let connector = Connector::new(address, &dir.path().join("certificate.pem")).expect("an address");
    let program = Program { child, _dir: dir };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let begun = Instant::now();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    while begun.elapsed() < Duration::from_secs(60) {
        let answer = runtime
            .block_on(async { connector.connect().await.ok()?.ask_for_all(request.as_bytes()).await.ok().map(|answer| answer.status) });
        if answer == Some(200) {
            return Ok((program, Site { connector, url: format!("https://{address}{path}"), binding: None, answers }));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("{}: not ready in time:\n{}", command.get_program().display(), std::fs::read_to_string(log).unwrap_or_default()))
}

/// One that nobody listened on a moment ago.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").to_string()
}

/// A certificate for the loopback address, and its key.
fn certificate(dir: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (dir.join("certificate.pem"), dir.join("key.pem"));
    let mut command = Command::new("openssl");
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
    ]);
    command.args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]);
    command.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
    let output = command.output().expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (certificate, key)
}

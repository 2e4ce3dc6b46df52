//! The real daemon, as a child process with a directory of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::client::{self, Connector};
use crate::elsewhere;

pub struct Daemon {
    child: Child,
    dir: PathBuf,
    pub token: String,
    pub connector: Connector,
}

impl Daemon {
    /// Serves a directory, which may be new. Returns when it is ready.
    pub fn start(dir: &Path, under: &[String]) -> Self {
        let is_new = !dir.join("token.toml").exists();
        let daemon = Self::launched(dir, under);
        if !is_new || elsewhere::module().is_none() {
            return daemon;
        }
        // Its token is made; now it is given more sessions than there are cores.
        daemon.end(Signal::SIGTERM);
        let path = dir.join("token.toml");
        let settings = std::fs::read_to_string(&path).expect("the worker's configuration");
        std::fs::write(&path, format!("sessions = {}\n{settings}", elsewhere::SESSIONS)).expect("the worker's configuration");
        Self::launched(dir, under)
    }

    fn launched(dir: &Path, under: &[String]) -> Self {
        let _ = std::fs::remove_file(dir.join("listen.addr"));
        let child = launch(dir, under);
        let (token, connector) = await_ready(dir);
        Self { child, dir: dir.to_owned(), token, connector }
    }

    /// Ends it with a signal and waits until it is gone.
    pub fn end(mut self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("a signal can be sent");
        self.child.wait().expect("it ends");
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Makes a root authority of this kind and a role under it.
    pub async fn make_role(&self, name: &str, key_type: &str, key_size: u32) {
        let authority = self
            .post(
                "/v1/pki/ca",
                json!({"name": name, "common_name": format!("{name} CA"), "ca_type": "root", "key_type": key_type, "key_size": key_size}),
            )
            .await;
        self.post(
            "/v1/pki/roles",
            json!({"name": name, "ca_id": authority["id"], "allowed_domains": ["example.com"], "allow_subdomains": true,
                   "max_ttl": "720h", "key_type": "ec", "key_bits": 256}),
        )
        .await;
    }

    /// Asks for something to be made and returns the answer, which must be 201.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.post_as(&self.token, path, body).await
    }

    /// The same with another token.
    pub async fn post_as(&self, token: &str, path: &str, body: Value) -> Value {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut connection = self.connector.connect().await.expect("a connection");
        let (status, body) = connection.ask([head, body].concat().as_bytes()).await.expect("an answer");
        assert_eq!(status, 201, "{path}: {}", String::from_utf8_lossy(body));
        serde_json::from_slice(body).expect("JSON")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("daemon.log")).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.child.try_wait() {
            return;
        }
        // In order, so that what it runs under can write down what it saw.
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

fn launch(dir: &Path, under: &[String]) -> Child {
    let log = std::fs::File::create(dir.join("daemon.log")).expect("a log file");
    let daemon = env!("CARGO_BIN_EXE_chanceryd");
    let mut command = match under {
        [] => Command::new(daemon),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(daemon);
            command
        }
    };
    command.args(["dev", "--listen", "127.0.0.1:0", "--dir"]).arg(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    if let Some(module) = elsewhere::module() {
        command.arg("--module").arg(module);
    }
    command.spawn().expect("chanceryd starts")
}

fn await_ready(dir: &Path) -> (String, Connector) {
    let begun = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    while begun.elapsed() < Duration::from_secs(60) {
        if let Ok(address) = std::fs::read_to_string(dir.join("listen.addr"))
            && let Ok(token) = std::fs::read_to_string(dir.join("admin.token"))
            && let Some(connector) = Connector::new(&address, &dir.join("ca.pem"))
            && runtime.block_on(client::is_healthy(&connector))
        {
            return (token, connector);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("chanceryd was not ready in time:\n{}", std::fs::read_to_string(dir.join("daemon.log")).unwrap_or_default());
}

/// A directory for an appliance: beside the build products, because /tmp may be memory, where nothing is ever durable.
pub fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

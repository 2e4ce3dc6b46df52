//! The daemon under test: a child process in a directory of its own, spoken to by curl.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A running appliance; it is killed when dropped.
pub struct Appliance {
    child: Child,
    dir: Directory,
    address: String,
}

enum Directory {
    Own(TempDir),
    Given(PathBuf),
}

/// One answer.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// How many lines of the log are shown of a test that failed.
const LAST_LINES: usize = 40;
/// How long a start may take on a machine that does other things.
const START: Duration = Duration::from_secs(60);

impl Appliance {
    /// A new appliance in a new directory.
    pub fn start() -> Self {
        let dir = TempDir::new().expect("a directory for the appliance");
        Self::launch(Directory::Own(dir), &mut |_| {})
    }

    /// An appliance in a directory that may be used already.
    pub fn start_in(dir: &Path) -> Self {
        Self::launch(Directory::Given(dir.to_owned()), &mut |_| {})
    }

    /// The same, with a command line or environment that the test changes.
    pub fn start_with(dir: &Path, change: impl FnOnce(&mut Command)) -> Self {
        let mut change = Some(change);
        Self::launch(Directory::Given(dir.to_owned()), &mut |command| {
            if let Some(change) = change.take() {
                change(command);
            }
        })
    }

    /// The same where a refusal is one of the answers: how it ended and what it said.
    pub fn try_start_in(dir: &Path) -> Result<Self, (ExitStatus, String)> {
        Self::try_launch(Directory::Given(dir.to_owned()), &mut |_| {})
    }

    fn launch(dir: Directory, change: &mut dyn FnMut(&mut Command)) -> Self {
        Self::try_launch(dir, change).unwrap_or_else(|(status, log)| panic!("chanceryd ended with {status}:\n{log}"))
    }

    fn try_launch(dir: Directory, change: &mut dyn FnMut(&mut Command)) -> Result<Self, (ExitStatus, String)> {
        let path = dir.path().to_owned();
        let _ = std::fs::remove_file(path.join("listen.addr"));
        let mut command = Self::command(&path);
        change(&mut command);
        let child = command.spawn().expect("chanceryd starts");
        let mut appliance = Self { child, dir, address: String::new() };
        appliance.await_ready()?;
        Ok(appliance)
    }

    /// The command that serves this directory, its log kept beside it.
    pub fn command(dir: &Path) -> Command {
        std::fs::create_dir_all(dir).expect("the directory can be made");
        let log = std::fs::File::options().create(true).append(true).open(dir.join("daemon.log")).expect("a log file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_chanceryd"));
        command.args(["dev", "--listen", "127.0.0.1:0", "--dir"]).arg(dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command
    }

    fn await_ready(&mut self) -> Result<(), (ExitStatus, String)> {
        let begun = Instant::now();
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err((status, self.log()));
            }
            assert!(begun.elapsed() < START, "chanceryd was not ready in time:\n{}", self.log());
            if let Ok(address) = std::fs::read_to_string(self.path("listen.addr"))
                && self.path("admin.token").exists()
            {
                self.address = address;
                if self.curl("GET", "/healthz", None, None, &[]).is_some_and(|answer| answer.status == 200) {
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as a power cut would, as far as a process can be.
    pub fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Ends it in order; whether it ended well.
    pub fn stop(&mut self) -> bool {
        self.signal(Signal::SIGTERM);
        self.child.wait().expect("it ends").success()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("a signal can be sent");
    }

    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// A file of its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("daemon.log")).unwrap_or_default()
    }

    pub fn base_url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn admin_token(&self) -> String {
        std::fs::read_to_string(self.path("admin.token")).expect("the admin token")
    }

    /// A call with every right.
    pub fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let token = self.admin_token();
        self.call_as(Some(&token), method, path, body)
    }

    /// A call with this token, or with none.
    pub fn call_as(&self, token: Option<&str>, method: &str, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string());
        self.call_raw(token, method, path, body.as_deref().map(str::as_bytes), &["Content-Type: application/json"])
    }

    /// A call with these very bytes and headers.
    pub fn call_raw(&self, token: Option<&str>, method: &str, path: &str, body: Option<&[u8]>, headers: &[&str]) -> Answer {
        self.curl(method, path, token, body, headers).unwrap_or_else(|| panic!("{method} {path} was not answered:\n{}", self.log()))
    }

    /// A call with this token from another address of this machine, 127.0.0.0/8.
    pub fn call_from(&self, source: &str, token: Option<&str>, method: &str, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string());
        let mut command = Command::new("curl");
        command.args(["--interface", source]);
        let answer = self.run_curl(command, method, path, token, body.as_deref().map(str::as_bytes), &["Content-Type: application/json"]);
        answer.unwrap_or_else(|| panic!("{method} {path} was not answered:\n{}", self.log()))
    }

    /// A call that may fail to be answered at all.
    pub fn curl(&self, method: &str, path: &str, token: Option<&str>, body: Option<&[u8]>, headers: &[&str]) -> Option<Answer> {
        self.run_curl(Command::new("curl"), method, path, token, body, headers)
    }

    fn run_curl(
        &self,
        mut command: Command,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&[u8]>,
        headers: &[&str],
    ) -> Option<Answer> {
        // A stream has no end: what came by then is the answer.
        let patience = if path.starts_with("/v1/events/stream") { "2" } else { "60" };
        command.args(["--silent", "--include", "--http1.1", "--max-time", patience, "--path-as-is", "--cacert"]).arg(self.path("ca.pem"));
        if method == "HEAD" {
            command.arg("--head");
        } else {
            command.args(["--request", method]);
        }
        // Only one of standard input and a file is left for the body when the token goes in by configuration.
        let mut body_file = tempfile::NamedTempFile::new().ok()?;
        if let Some(body) = body {
            body_file.write_all(body).ok()?;
            command.arg("--data-binary").arg(format!("@{}", body_file.path().display())).args(["--header", "Expect:"]);
        }
        for header in headers {
            command.args(["--header", header]);
        }
        command.args(["--config", "-"]).arg(format!("{}{path}", self.base_url()));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("curl starts");
        if let (Some(mut stdin), Some(token)) = (child.stdin.take(), token) {
            let _ = writeln!(stdin, "header = \"Authorization: Bearer {token}\"");
        }
        let output = child.wait_with_output().ok()?;
        Answer::parse(&output.stdout)
    }

    /// A root authority of this key type ("ec", 256) and its id.
    pub fn root(&self, name: &str, key_type: &str, key_size: u32) -> String {
        let body =
            json!({"name": name, "common_name": format!("{name} CA"), "ca_type": "root", "key_type": key_type, "key_size": key_size});
        self.call("POST", "/v1/pki/ca", Some(body)).expect(201)["id"].as_str().expect("an id").to_owned()
    }

    /// A role for `*.example.com` and below, IP addresses, EC P-256 keys and a month, changed by `fields`.
    pub fn role(&self, name: &str, ca: &str, fields: Value) {
        let mut body = json!({
            "name": name, "ca_id": ca, "allowed_domains": ["example.com"], "allow_subdomains": true,
            "allow_ip_sans": true, "max_ttl": "720h", "key_type": "ec", "key_bits": 256
        });
        for (key, value) in fields.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        self.call("POST", "/v1/pki/roles", Some(body)).expect(201);
    }

    /// A token with these scopes.
    pub fn token(&self, scopes: &[&str]) -> String {
        let body = json!({"name": "a test's", "scopes": scopes, "ttl": "1h"});
        self.call("POST", "/v1/admin/tokens", Some(body)).expect(201)["token"].as_str().expect("a token").to_owned()
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().rev().take(LAST_LINES).collect();
            eprintln!("The end of the daemon's log:");
            lines.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
    }
}

impl Directory {
    fn path(&self) -> &Path {
        match self {
            Self::Own(dir) => dir.path(),
            Self::Given(path) => path,
        }
    }
}

impl Answer {
    pub fn parse(mut bytes: &[u8]) -> Option<Self> {
        loop {
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
            let head = std::str::from_utf8(bytes.get(..end)?).ok()?;
            let rest = bytes.get(end + 4..)?;
            let mut lines = head.lines();
            let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
            if status == 100 {
                bytes = rest;
                continue;
            }
            let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
            return Some(Self { status, headers: lines.filter_map(header).collect(), body: rest.to_vec() });
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The JSON body, when the status is the one that is meant.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// That the status is the one that is meant, whatever the body is.
    #[track_caller]
    pub fn expect_any(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The code and the violated fields of a refusal.
    #[track_caller]
    pub fn refused(&self, status: u16) -> (String, Vec<String>) {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let fields = problem["violations"].as_array().into_iter().flatten();
        let fields = fields.map(|violation| violation["field"].as_str().unwrap_or_default().to_owned()).collect();
        (problem["code"].as_str().unwrap_or_default().to_owned(), fields)
    }
}

/// Runs a program to its end and gives its output; a failure shows what it said.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} failed:\n{text}");
    text
}

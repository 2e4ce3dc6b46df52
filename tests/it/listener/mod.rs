//! The listeners: their certificate and its key, whom they ask for a certificate, and where administration is.

mod admin;
mod break_glass;
mod callers;
mod clients;
mod own_authority;
mod reload;
mod token_key;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::appliance::{Appliance, run};

/// Wide, for the machine may do other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// An appliance whose configuration was changed before this start.
pub fn configured(dir: &Path, change: impl FnOnce(String) -> String) -> Appliance {
    if !dir.join("chancery.toml").exists() {
        assert!(Appliance::start_in(dir).stop());
    }
    reconfigure(dir, change);
    Appliance::start_in(dir)
}

pub fn reconfigure(dir: &Path, change: impl FnOnce(String) -> String) {
    let path = dir.join("chancery.toml");
    let text = change(std::fs::read_to_string(&path).unwrap());
    std::fs::write(path, text).unwrap();
}

/// The configuration with another `[tls]` section.
fn with_tls(text: &str, section: &str) -> String {
    let (before, rest) = text.split_once("[tls]").unwrap();
    let (_, after) = rest.split_once("[[token]]").unwrap();
    format!("{before}[tls]\n{section}\n[[token]]{after}")
}

fn address(appliance: &Appliance) -> String {
    appliance.base_url().replace("https://", "")
}

/// The certificate that a new connection is shown, as PEM.
fn shown(address: &str, options: &[&str]) -> String {
    let output =
        Command::new("openssl").args(["s_client", "-connect", address, "-showcerts"]).args(options).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let begin = text.find("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("no certificate was shown: {text}{output:?}"));
    let end = text.find("-----END CERTIFICATE-----").unwrap() + "-----END CERTIFICATE-----".len();
    format!("{}\n", &text[begin..end])
}

fn inspect(pem: &str, options: &[&str]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    run(Command::new("openssl").args(["x509", "-noout", "-in"]).arg(file.path()).args(options)).trim().to_owned()
}

/// One TLS connection, held open by openssl, over which requests go one after the other.
struct Line {
    client: Child,
    answers: BufReader<ChildStdout>,
}

impl Line {
    fn open(address: &str, options: &[&str]) -> Self {
        let mut client = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", address])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let answers = BufReader::new(client.stdout.take().unwrap());
        Self { client, answers }
    }

    /// Asks and gives the status and the body; none when the connection is gone.
    fn try_get(&mut self, path: &str, header: &str) -> Option<(u16, String)> {
        let stdin = self.client.stdin.as_mut().unwrap();
        write!(stdin, "GET {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n").ok()?;
        stdin.flush().ok()?;
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            if self.answers.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim() {
                "" => break,
                line if line.starts_with("HTTP/1.1 ") => status = line[9..12].parse().unwrap(),
                line => {
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                }
            }
        }
        let mut body = vec![0; length];
        self.answers.read_exact(&mut body).ok()?;
        Some((status, String::from_utf8_lossy(&body).into_owned()))
    }

    #[track_caller]
    fn get(&mut self, path: &str) -> (u16, String) {
        self.try_get(path, "").expect("the connection is open")
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

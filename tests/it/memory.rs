//! What is left of secrets in the memory of the processes that handled them: nothing, soon after they were used.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::appliance::Appliance;

/// Wide, for the machine may do other things; a copy that stays stays for ever.
const SOON: Duration = Duration::from_secs(30);

/// Whether a process has this text in any memory it may write to. Looked for by grep, which is faster than an unoptimised test.
fn holds(process: u32, text: &[u8]) -> bool {
    let pattern: String = text.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    let mut command = Command::new("grep");
    command.env("LC_ALL", "C").args(["--text", "--quiet", "--null-data", "--perl-regexp", &pattern]);
    let mut grep = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("grep starts");
    let mut stdin = grep.stdin.take().unwrap();
    let mut memory = File::open(format!("/proc/{process}/mem")).expect("root may read any memory");
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let mut buffer = vec![0; 1 << 20];
    for (from, to) in maps.lines().filter_map(writable) {
        let mut at = from;
        while at < to {
            let length = buffer.len().min(usize::try_from(to - at).unwrap());
            let is_read = memory.seek(SeekFrom::Start(at)).is_ok() && memory.read_exact(&mut buffer[..length]).is_ok();
            // grep ends, and takes no more, when it has found it.
            if is_read && stdin.write_all(&buffer[..length]).is_err() {
                break;
            }
            at += length as u64;
        }
    }
    drop(stdin);
    grep.wait().unwrap().success()
}

fn writable(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split(' ');
    let (from, to) = fields.next()?.split_once('-')?;
    let is_writable = fields.next()?.starts_with("rw");
    is_writable.then(|| Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?)))?
}

#[track_caller]
fn assert_soon_gone(process: u32, what: &str, text: &[u8]) {
    let begun = Instant::now();
    while holds(process, text) {
        assert!(begun.elapsed() < SOON, "{what} is still in the memory of {process}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The worker of the appliance's token, by its command line.
fn worker(appliance: &Appliance) -> u32 {
    let config = appliance.path("token.toml").display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_worker = |process: &u32| {
        let arguments = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
        arguments.contains("token-worker") && arguments.contains(&config)
    };
    processes.into_iter().find(is_worker).expect("a worker runs")
}

#[test]
fn secrets_are_gone_from_memory_soon_after_their_use() {
    // Nobody else may look, which another test sees to.
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let appliance = Appliance::start();
    let daemon = appliance.process_id();
    let ca = appliance.root("r", "ec", 256);
    // That the search finds what is there: the name of the authority is kept.
    assert!(holds(daemon, ca.as_bytes()) || holds(daemon, b"r CA"), "the search finds nothing");
    appliance.role("ec", &ca, json!({}));
    appliance.role("rsa", &ca, json!({"key_type": "rsa", "key_bits": 2048}));
    for role in ["ec", "rsa"] {
        let body = json!({"common_name": "a.example.com"});
        let issued = appliance.call("POST", &format!("/v1/pki/issue/{role}"), Some(body)).expect(201);
        let pem = issued["private_key"].as_str().unwrap();
        // The second line of base64 is in the middle of the secret numbers.
        let line = pem.lines().nth(2).unwrap();
        assert_soon_gone(daemon, "the PEM of a private key", line.as_bytes());
        let der = data_of(pem);
        // Behind the version, and in the middle of an RSA key's exponents.
        let secret = if role == "ec" { &der[7..39] } else { &der[300..332] };
        assert_soon_gone(daemon, "a private key", secret);
    }
    let secret = appliance.token(&["pki:read"]);
    appliance.call_as(Some(&secret), "GET", "/v1/pki/certificates", None).expect(200);
    assert_soon_gone(daemon, "the secret of an API token", secret.as_bytes());
    let pin = std::fs::read(appliance.path("token.pin")).unwrap();
    assert!(!holds(daemon, &pin), "the daemon has the PIN");
    assert_soon_gone(worker(&appliance), "the PIN", &pin);
}

fn data_of(pem: &str) -> Vec<u8> {
    use base64::Engine;
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

//! What is left of secrets in the memory of the processes that handled them: nothing, soon after they were used.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::appliance::Appliance;

/// From the last byte of an answer on: what was used for it is gone by then. It is looked for once, when this time is over.
const SOON: Duration = Duration::from_secs(1);

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

/// That nothing of it is there a second after it was answered.
#[track_caller]
fn assert_soon_gone(process: u32, answered: Instant, what: &str, text: &[u8]) {
    std::thread::sleep(SOON.saturating_sub(answered.elapsed()));
    assert!(!holds(process, text), "{what} is still in the memory of {process}");
}

/// The worker of the appliance's token, by its command line.
pub fn worker(appliance: &Appliance) -> u32 {
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
    appliance.role("kept", &ca, json!({"store_private_keys": true}));
    appliance.role("sealed", &ca, json!({"store_private_keys": true, "key_storage": "wrapped"}));
    for role in ["kept", "sealed"] {
        let body = json!({"common_name": "a.example.com"});
        let issued = appliance.call("POST", &format!("/v1/pki/issue/{role}"), Some(body)).expect(201);
        let path = format!("/v1/pki/certificates/{}/private-key", issued["id"].as_str().unwrap());
        let pem = appliance.call("POST", &path, None).expect(200)["private_key"].as_str().unwrap().to_owned();
        let answered = Instant::now();
        assert_soon_gone(daemon, answered, "the PEM of a kept private key", pem.lines().nth(2).unwrap().as_bytes());
        let der = data_of(&pem);
        assert_soon_gone(daemon, answered, "a kept private key", &der[7..39]);
        assert_soon_gone(worker(&appliance), answered, "a kept private key", &der[7..39]);
    }
    for role in ["ec", "rsa"] {
        let body = json!({"common_name": "a.example.com"});
        let issued = appliance.call("POST", &format!("/v1/pki/issue/{role}"), Some(body)).expect(201);
        let answered = Instant::now();
        let pem = issued["private_key"].as_str().unwrap();
        // The second line of base64 is in the middle of the secret numbers.
        let line = pem.lines().nth(2).unwrap();
        assert_soon_gone(daemon, answered, "the PEM of a private key", line.as_bytes());
        let der = data_of(pem);
        // Behind the version, and in the middle of an RSA key's exponents.
        let secret = if role == "ec" { &der[7..39] } else { &der[300..332] };
        assert_soon_gone(daemon, answered, "a private key", secret);
    }
    let secret = appliance.token(&["pki:read"]);
    appliance.call_as(Some(&secret), "GET", "/v1/pki/certificates", None).expect(200);
    assert_soon_gone(daemon, Instant::now(), "the secret of an API token", secret.as_bytes());
    let pin = std::fs::read(appliance.path("token.pin")).unwrap();
    assert!(!holds(daemon, &pin), "the daemon has the PIN");
    // The worker logged in at the start, and again after its token was away a moment ago.
    assert!(!holds(worker(&appliance), &pin), "the worker has the PIN after its login");
    let tokens = appliance.path("tokens");
    std::fs::rename(&tokens, appliance.path("away")).unwrap();
    let body = json!({"common_name": "b.example.com"});
    let begun = Instant::now();
    while appliance.call("POST", "/v1/pki/issue/ec", Some(body.clone())).status == 201 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the token does not go away");
    }
    std::fs::rename(appliance.path("away"), &tokens).unwrap();
    while appliance.call("POST", "/v1/pki/issue/ec", Some(body.clone())).status != 201 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the token does not come back");
    }
    assert_soon_gone(worker(&appliance), Instant::now(), "the PIN", &pin);
}

#[test]
fn the_value_of_a_secret_is_gone_from_memory_soon_after_it_was_written_and_read() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let appliance = Appliance::start();
    let value = "a-value-that-is-nowhere-else-4f7d1c";
    appliance.call("PUT", "/v1/secrets/dns/key", Some(json!({"value": value}))).expect(201);
    let written = Instant::now();
    assert_soon_gone(appliance.process_id(), written, "a secret that was written", value.as_bytes());
    assert_soon_gone(worker(&appliance), written, "a secret that was written", value.as_bytes());
    assert_eq!(appliance.call("GET", "/v1/secrets/dns/key", None).expect(200)["value"], value);
    let read = Instant::now();
    assert_soon_gone(appliance.process_id(), read, "a secret that was read", value.as_bytes());
    assert_soon_gone(worker(&appliance), read, "a secret that was read", value.as_bytes());
}

fn data_of(pem: &str) -> Vec<u8> {
    use base64::Engine;
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

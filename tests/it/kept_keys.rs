//! Private keys that a role has kept: in the token or wrapped, retrieved by those who may, and never left behind.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chancery::api::pki::{Issue, RetrievePrivateKey};
use chancery::base::secret::ExposeSecret;
use serde_json::{Value, json};

use crate::appliance::{Appliance, run};
use crate::load::{self, Choices};
use crate::token_tool::token_tool;

const KINDS: [(&str, u32); 5] = [("ec", 256), ("ec", 384), ("ec", 521), ("rsa", 2048), ("ed25519", 256)];

fn openssl(arguments: &[&str], input: &str) -> String {
    use std::io::Write;
    let mut child = Command::new("openssl").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn issue(appliance: &Appliance, role: &str) -> Value {
    appliance.call("POST", &format!("/v1/pki/issue/{role}"), Some(json!({"common_name": "www.example.com"}))).expect(201)
}

/// The path of an issued certificate's private key.
fn key_path(issued: &Value) -> String {
    format!("/v1/pki/certificates/{}/private-key", issued["id"].as_str().unwrap())
}

#[test]
fn a_kept_key_is_the_one_that_was_issued_and_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let ca = appliance.root("root", "ec", 256);
    let mut issued = Vec::new();
    for storage in ["token", "wrapped"] {
        for (key_type, bits) in KINDS {
            let role = format!("{storage}-{key_type}-{bits}");
            let fields = json!({"key_type": key_type, "key_bits": bits, "store_private_keys": true, "key_storage": storage});
            appliance.role(&role, &ca, fields);
            issued.push((role.clone(), issue(&appliance, &role)));
        }
    }
    for round in 0..2 {
        for (role, issued) in &issued {
            let kept = appliance.call("POST", &key_path(issued), None).expect(200);
            assert_eq!((&kept["id"], &kept["serial_number"]), (&issued["id"], &issued["serial_number"]), "{role}");
            // The very key, in the very form.
            assert_eq!(kept["private_key"], issued["private_key"], "{role}");
            let pem = kept["private_key"].as_str().unwrap();
            let certified = openssl(&["x509", "-pubkey", "-noout"], issued["certificate"].as_str().unwrap());
            assert_eq!(openssl(&["pkey", "-pubout"], pem), certified, "{role}");
            let kept = appliance.call("POST", &key_path(issued), Some(json!({"private_key_format": "pkcs8"}))).expect(200);
            let pem = kept["private_key"].as_str().unwrap();
            assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"), "{role}");
            assert_eq!(openssl(&["pkey", "-pubout"], pem), certified, "{role}");
            let shown = appliance.call("GET", &format!("/v1/pki/certificates/{}", issued["id"].as_str().unwrap()), None).expect(200);
            assert_eq!(shown["has_private_key"], true, "{role}");
        }
        if round == 0 {
            assert!(appliance.stop());
            appliance = Appliance::start_in(dir.path());
        }
    }
    // Ed25519 keys cannot leave a token, and are wrapped in any case.
    let listing = token_tool(appliance.dir(), &["--list-objects", "--type", "privkey"]);
    assert_eq!(listing.matches("label:      subject:cert_").count(), 4, "{listing}");
    assert_eq!(listing.matches("Access:     sensitive, always sensitive, extractable, local").count(), 4, "{listing}");
    assert_eq!(token_tool(appliance.dir(), &["--list-objects", "--type", "secrkey"]).matches("label:      seal:chancery").count(), 1);
    let health = appliance.call_as(None, "GET", "/healthz", None).expect(200);
    assert!(health.get("key_faults").is_none(), "{health}");
    let exports = appliance.told("key.export");
    assert_eq!(exports.len(), 4 * issued.len());
    assert!(exports.iter().all(|entry| entry["severity"] == "high" && entry["outcome"] == "done" && entry["request_id"].is_string()));
    let first = issued[0].1["id"].as_str().unwrap();
    assert!(exports.iter().any(|entry| entry["object"] == first && entry["actor"].as_str().unwrap().starts_with("tok_")));
}

#[test]
fn a_key_that_is_not_kept_or_not_for_the_caller_is_refused() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("plain", &ca, json!({}));
    appliance.role("kept", &ca, json!({"store_private_keys": true}));
    let role = appliance.call("GET", "/v1/pki/roles/kept", None).expect(200);
    assert_eq!((&role["store_private_keys"], &role["key_storage"]), (&json!(true), &json!("token")));
    let plain = issue(&appliance, "plain");
    assert_eq!(appliance.call("POST", &key_path(&plain), None).refused(409).0, "no_private_key");
    let shown = appliance.call("GET", &format!("/v1/pki/certificates/{}", plain["id"].as_str().unwrap()), None).expect(200);
    assert_eq!(shown["has_private_key"], false);
    let kept = issue(&appliance, "kept");
    let reader = appliance.token(&["pki:read"]);
    assert_eq!(appliance.call_as(Some(&reader), "POST", &key_path(&kept), None).refused(403).0, "forbidden");
    let issuer = appliance.token(&["pki:issue"]);
    appliance.call_as(Some(&issuer), "POST", &key_path(&kept), None).expect(200);
    for id in ["cert_0123456789abcdef0123456789abcdef", "x"] {
        assert_eq!(appliance.call("POST", &format!("/v1/pki/certificates/{id}/private-key"), None).refused(404).0, "not_found");
    }
    let wrong = appliance.call("POST", &key_path(&kept), Some(json!({"private_key_format": "der"}))).refused(400);
    assert_eq!(wrong.1, ["private_key_format"]);
    let export = appliance.told("key.export");
    assert_eq!(export.len(), 1, "what was refused gave nothing out");
    // A role says how, only when it says that.
    let change = |body: Value| appliance.call("PATCH", "/v1/pki/roles/kept", Some(body));
    assert_eq!(change(json!({"key_storage": "file", "max_ttl": "x"})).refused(400).1, ["key_storage", "max_ttl"]);
    assert_eq!(change(json!({"store_private_keys": false, "key_storage": "token"})).refused(400).1, ["key_storage"]);
    assert_eq!(change(json!({"key_storage": "wrapped"})).expect(200)["key_storage"], "wrapped");
    assert_eq!(change(json!({"allow_subdomains": false})).expect(200)["key_storage"], "wrapped");
    let off = change(json!({"store_private_keys": false})).expect(200);
    assert_eq!((&off["store_private_keys"], off.get("key_storage")), (&json!(false), None));
    // What was kept stays kept.
    appliance.call("POST", &key_path(&kept), None).expect(200);
}

#[test]
fn a_kept_key_that_the_token_lost_or_that_nobody_knows_is_told_of() {
    let mut appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("kept", &ca, json!({"store_private_keys": true}));
    let (lost, good) = (issue(&appliance, "kept"), issue(&appliance, "kept"));
    let made = appliance.told("key.generate");
    let key = made.iter().find(|entry| entry["object"] == lost["id"]).unwrap()["details"]["key_id"].as_str().unwrap().to_owned();
    assert!(appliance.stop());
    token_tool(appliance.dir(), &["--delete-object", "--type", "privkey", "--id", &key]);
    let id = "000102030405060708090a0b0c0d0e0f";
    token_tool(appliance.dir(), &["--keypairgen", "--key-type", "EC:prime256v1", "--id", id, "--label", "subject:whose"]);
    let again = Appliance::start_in(appliance.dir());
    let health = again.call_as(None, "GET", "/healthz", None).expect(200);
    assert_eq!(health["key_faults"], json!({"missing": 1, "orphaned": 1}));
    assert_eq!(again.call("POST", &key_path(&lost), None).refused(503).0, "key_missing");
    again.call("POST", &key_path(&good), None).expect(200);
    let findings = again.told("key.finding");
    let mut owners: Vec<_> = findings.iter().map(|entry| entry["object"].as_str().unwrap().to_owned()).collect();
    owners.sort();
    assert_eq!(owners, [lost["id"].as_str().unwrap(), "whose"]);
}

#[test]
fn the_command_line_retrieves_a_kept_key() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    let chancery = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
        run(command.args(arguments).arg("--dir").arg(appliance.dir()))
    };
    chancery(&[
        "role",
        "create",
        "kept",
        "--ca",
        &ca,
        "--allowed-domain",
        "www.example.com",
        "--store-private-keys",
        "--key-storage",
        "wrapped",
    ]);
    assert!(chancery(&["role", "show", "kept"]).contains("wrapped"));
    let issued = issue(&appliance, "kept");
    let id = issued["id"].as_str().unwrap();
    assert_eq!(chancery(&["cert", "private-key", id]), issued["private_key"].as_str().unwrap());
    let file = appliance.path("again.pem");
    chancery(&["cert", "private-key", id, "--key-format", "pkcs8", "--out", file.to_str().unwrap()]);
    let pem = std::fs::read_to_string(&file).unwrap();
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

/// CHANCERY_CRASH_ROUNDS says how often it is killed (15 here), CHANCERY_CRASH_SEED repeats a run's choices.
#[test]
fn killed_at_any_moment_no_key_is_lost_and_none_is_left_behind() {
    let rounds: usize = std::env::var("CHANCERY_CRASH_ROUNDS").ok().map_or(15, |text| text.parse().expect("a number of rounds"));
    let mut choices = Choices::from_environment("CHANCERY_CRASH_SEED");
    let runtime = load::runtime();
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let ca = appliance.root("root", "ec", 256);
    appliance.role("token", &ca, json!({"store_private_keys": true}));
    appliance.role("wrapped", &ca, json!({"store_private_keys": true, "key_storage": "wrapped"}));
    let answered: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let (mut checked, mut made) = (0, 0);
    for round in 1..=rounds {
        let killed = Arc::new(AtomicBool::new(false));
        let mut tasks = tokio::task::JoinSet::new();
        for issuer in 0..4 {
            let (client, answered, killed) = (load::client(&appliance), answered.clone(), killed.clone());
            let role = if issuer == 0 { "wrapped" } else { "token" };
            let work = async move {
                while !killed.load(Ordering::SeqCst) {
                    let body = Issue { common_name: "www.example.com".to_owned(), ..Issue::default() };
                    match client.issue(role, &body).await {
                        Ok(issued) => {
                            let key = issued.value.private_key.unwrap().expose_secret().to_owned();
                            answered.lock().unwrap().push((issued.value.id, key));
                        }
                        Err(error) => assert!(killed.load(Ordering::SeqCst) || error.problem().is_some(), "round {round}: {error:?}"),
                    }
                }
            };
            tasks.spawn_on(work, runtime.handle());
        }
        std::thread::sleep(Duration::from_millis(choices.below(400)));
        killed.store(true, Ordering::SeqCst);
        appliance.kill();
        runtime.block_on(tasks.join_all());
        appliance = Appliance::start_in(dir.path());
        // Every key that was answered is still given out.
        let client = load::client(&appliance);
        let answered = answered.lock().unwrap();
        for (id, key) in &answered[checked..] {
            let kept =
                runtime.block_on(client.private_key(id, &RetrievePrivateKey::default())).unwrap_or_else(|error| panic!("{id}: {error:?}"));
            assert_eq!(kept.value.private_key.expose_secret(), key, "round {round}: {id}");
        }
        checked = answered.len();
        // And every subject's key in the token is that of a certificate.
        let health = appliance.call_as(None, "GET", "/healthz", None).expect(200);
        assert!(health.get("key_faults").is_none(), "round {round}: {health}");
        let stray = |owner: &str| {
            let shown = appliance.call("GET", &format!("/v1/pki/certificates/{owner}"), None);
            shown.status != 200 || shown.json()["has_private_key"] != true
        };
        // What the worker of the daemon before was in the middle of is destroyed a little later.
        crate::waiting::wait_for(&format!("no key without a certificate, round {round}"), || {
            let listing = token_tool(appliance.dir(), &["--list-objects", "--type", "privkey"]);
            let owners: Vec<_> = listing.lines().filter_map(|line| line.trim().strip_prefix("label:      subject:")).collect();
            made = owners.len();
            !owners.into_iter().any(stray)
        });
    }
    let destroyed = appliance.told("key.destroy").len();
    println!("{rounds} kills: {checked} kept keys answered and retrieved, {made} in the token, {destroyed} destroyed after a kill");
    assert!(checked > rounds, "there was load");
    assert!(appliance.stop());
}

#[test]
fn keys_of_the_token_that_are_one_too_many_leave_nothing_in_the_trail() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    let fields = json!({"key_type": "rsa", "key_bits": 3072, "store_private_keys": true, "key_storage": "token"});
    appliance.role("heavy", &ca, fields);
    const ASKED: usize = 60;
    let before = appliance.told("key.generate").len();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let asked = || appliance.call("POST", "/v1/pki/issue/heavy", Some(json!({"common_name": "www.example.com"})));
        let asking: Vec<_> = (0..ASKED).map(|_| scope.spawn(asked)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    // Others may have waited too long for the token itself, which is told of.
    let refused = answers.iter().filter(|answer| answer.status == 503 && answer.json()["code"] == "key_generation_busy").count();
    assert!(refused > 0, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    assert_eq!(appliance.told("key.generate").len() - before, ASKED - refused);
}

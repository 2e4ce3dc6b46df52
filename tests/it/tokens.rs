//! Several tokens at once: each authority signs in its own, and of equal ones the next takes over.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use chancery::token::softhsm;
use serde_json::{Value, json};

use crate::appliance::{Appliance, run};

/// The configuration of a worker for the token in this directory, like that of the development one.
fn worker(appliance: &Path, home: &Path) -> std::path::PathBuf {
    let conf = softhsm::prepare(home).unwrap();
    let text = std::fs::read_to_string(appliance.join("token.toml")).unwrap();
    let (head, _) = text.split_once("[environment]").unwrap();
    let file = home.join("token.toml");
    std::fs::write(&file, format!("{head}[environment]\nSOFTHSM2_CONF = {conf:?}\n")).unwrap();
    file
}

fn append(file: &Path, text: &str) {
    let old = std::fs::read_to_string(file).unwrap();
    std::fs::write(file, format!("{old}{text}")).unwrap();
}

fn issue(appliance: &Appliance, role: &str) -> u16 {
    appliance.call("POST", &format!("/v1/pki/issue/{role}"), Some(json!({"common_name": "www.example.com"}))).status
}

fn root(appliance: &Appliance, name: &str, token: &str) -> crate::appliance::Answer {
    let body =
        json!({"name": name, "common_name": format!("{name} CA"), "ca_type": "root", "key_type": "ec", "key_size": 256, "token": token});
    appliance.call("POST", "/v1/pki/ca", Some(body))
}

fn statuses(appliance: &Appliance) -> Vec<(String, String)> {
    let health: Value = appliance.call_as(None, "GET", "/healthz", None).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    health["tokens"].as_array().unwrap().iter().map(|token| (text(&token["name"]), text(&token["status"]))).collect()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn each_authority_signs_in_its_own_token() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("appliance");
    let mut appliance = Appliance::start_in(&dir);
    let first = appliance.root("first", "ec", 256);
    assert!(appliance.stop());
    let other = worker(&dir, &scratch.path().join("other"));
    run(Command::new(env!("CARGO_BIN_EXE_chanceryd")).args(["token-worker", "--initialise", "--config"]).arg(&other));
    append(&dir.join("chancery.toml"), &format!("\n[[token]]\nname = \"other\"\nconfig = {other:?}\n"));

    let mut appliance = Appliance::start_in(&dir);
    appliance.role("first", &first, json!({}));
    let second = root(&appliance, "second", "other").expect(201)["id"].as_str().unwrap().to_owned();
    appliance.role("second", &second, json!({}));
    assert_eq!(root(&appliance, "third", "nobody").refused(400).1, ["token"]);
    assert_eq!((issue(&appliance, "first"), issue(&appliance, "second")), (201, 201));
    assert!(appliance.stop());

    // What was made where is known after a start, and one token's absence is nobody else's.
    let appliance = Appliance::start_in(&dir);
    let (tokens, away) = (dir.join("tokens"), dir.join("tokens.away"));
    std::fs::rename(&tokens, &away).unwrap();
    wait_until("the first token is away", || issue(&appliance, "first") == 503);
    assert_eq!(issue(&appliance, "second"), 201);
    wait_until("its absence is said", || {
        statuses(&appliance) == [("main".to_owned(), "unreachable".to_owned()), ("other".to_owned(), "ok".to_owned())]
    });
    std::fs::rename(&away, &tokens).unwrap();
    wait_until("the first token is back", || issue(&appliance, "first") == 201);
}

#[test]
fn an_equal_token_takes_over() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("appliance");
    let mut appliance = Appliance::start_in(&dir);
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    assert!(appliance.stop());
    // Equal it is by being copied with its keys.
    let equal = worker(&dir, &scratch.path().join("equal"));
    run(Command::new("cp").arg("--recursive").arg(dir.join("tokens")).arg(scratch.path().join("equal")));
    let config = dir.join("chancery.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let listed =
        text.replace(&format!("config = {:?}", dir.join("token.toml")), &format!("config = [{:?}, {equal:?}]", dir.join("token.toml")));
    assert_ne!(listed, text);
    std::fs::write(&config, listed).unwrap();

    let appliance = Appliance::start_in(&dir);
    assert_eq!(issue(&appliance, "web"), 201);
    std::fs::rename(dir.join("tokens"), dir.join("tokens.away")).unwrap();
    for _ in 0..20 {
        assert_eq!(issue(&appliance, "web"), 201);
    }
    assert_eq!(appliance.call_as(None, "GET", "/healthz", None).expect(200)["token"], "ok");
    wait_until("the absence of one is said", || statuses(&appliance).iter().map(|(_, status)| status.as_str()).eq(["unreachable", "ok"]));
    std::fs::rename(dir.join("tokens.away"), dir.join("tokens")).unwrap();

    // A key that only one of them has is used where it is, and that it is lacking elsewhere is said.
    wait_until("both are there", || issue(&appliance, "web") == 201 && statuses(&appliance).iter().all(|(_, status)| status == "ok"));
    let lone = appliance.root("lone", "ec", 256);
    appliance.role("lone", &lone, json!({}));
    assert_eq!(issue(&appliance, "lone"), 201);
    drop(appliance);
    let appliance = Appliance::start_in(&dir);
    assert_eq!(issue(&appliance, "lone"), 201);
    assert!(statuses(&appliance).iter().map(|(_, status)| status.as_str()).eq(["ok", "incomplete"]), "{:?}", statuses(&appliance));
}

//! Several tokens at once: each authority signs in its own, and of equal ones the next takes over. And keys that sign so often and no more.

use std::path::Path;
use std::process::Command;

use chancery::token::softhsm;
use serde_json::{Value, json};

use crate::appliance::{Appliance, run};
use crate::waiting::wait_for;

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
    wait_for("the first token is away", || issue(&appliance, "first") == 503);
    assert_eq!(issue(&appliance, "second"), 201);
    wait_for("its absence is said", || {
        statuses(&appliance) == [("main".to_owned(), "unreachable".to_owned()), ("other".to_owned(), "ok".to_owned())]
    });
    std::fs::rename(&away, &tokens).unwrap();
    wait_for("the first token is back", || issue(&appliance, "first") == 201);
    wait_for("and is said to be", || statuses(&appliance).iter().all(|(_, status)| status == "ok"));

    // What each did is counted by its name.
    let metrics = appliance.call("GET", "/metrics", None).text();
    let value = |name: &str, token: &str| -> f64 {
        let begin = format!("chancery_token_{name}{{token=\"{token}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&begin)).unwrap_or_else(|| panic!("no {begin} in\n{metrics}"));
        line.parse().unwrap()
    };
    assert_eq!((value("reachable", "main"), value("reachable", "other"), value("failures_total", "other")), (1.0, 1.0, 0.0));
    assert!(
        value("failures_total", "main") >= 1.0 && value("signatures_total", "main") >= 1.0 && value("signatures_total", "other") >= 1.0
    );
    assert!(value("queue_depth", "other") < 2.0);
    drop(appliance);

    // A token that is away at the start is not compared: its keys are not known to be wrong.
    let (tokens, away) = (scratch.path().join("other/tokens"), scratch.path().join("other/away"));
    std::fs::rename(&tokens, &away).unwrap();
    let log = dir.join("daemon.log");
    let said = || std::fs::read_to_string(&log).unwrap().contains("the keys of a token cannot be compared with the records");
    assert!(!said());
    let appliance = std::thread::scope(|scope| {
        // The harness waits for health, which takes both tokens.
        scope.spawn(|| {
            wait_for("it is said that a token was not compared", said);
            std::fs::rename(&away, &tokens).unwrap();
        });
        Appliance::start_in(&dir)
    });
    let health = appliance.call_as(None, "GET", "/healthz", None).expect(200);
    assert!(health.get("key_faults").is_none(), "{health}");
    assert_eq!((issue(&appliance, "first"), issue(&appliance, "second")), (201, 201));
}

/// Gives the token a second one, which is equal by being copied with its keys.
fn make_equal(scratch: &Path, dir: &Path) {
    let equal = worker(dir, &scratch.join("equal"));
    run(Command::new("cp").arg("--recursive").arg(dir.join("tokens")).arg(scratch.join("equal")));
    let config = dir.join("chancery.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let listed =
        text.replace(&format!("config = {:?}", dir.join("token.toml")), &format!("config = [{:?}, {equal:?}]", dir.join("token.toml")));
    assert_ne!(listed, text);
    std::fs::write(&config, listed).unwrap();
}

#[test]
fn equal_tokens_open_what_each_has_sealed_by_a_key_of_its_own() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("appliance");
    let mut appliance = Appliance::start_in(&dir);
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({"store_private_keys": true, "key_storage": "wrapped"}));
    assert!(appliance.stop());
    // Before anything was sealed, so that there is no key for that yet.
    make_equal(scratch.path(), &dir);
    let appliance = Appliance::start_in(&dir);
    let issue = || appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"}))).expect(201);
    let retrieve = |issued: &Value| {
        let path = format!("/v1/pki/certificates/{}/private-key", issued["id"].as_str().unwrap());
        appliance.call("POST", &path, None)
    };
    let first = issue();
    std::fs::rename(dir.join("tokens"), dir.join("tokens.away")).unwrap();
    let second = issue();
    assert_eq!(retrieve(&second).expect(200)["private_key"], second["private_key"]);
    let lacking = retrieve(&first);
    assert!(lacking.status >= 500, "{}", lacking.text());
    std::fs::rename(dir.join("tokens.away"), dir.join("tokens")).unwrap();
    wait_for("both are there", || statuses(&appliance).iter().all(|(_, status)| status == "ok"));
    for issued in [&first, &second] {
        wait_for("each opens its own", || retrieve(issued).status == 200);
        assert_eq!(retrieve(issued).expect(200)["private_key"], issued["private_key"]);
    }
}

#[test]
fn an_equal_token_takes_over() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("appliance");
    let mut appliance = Appliance::start_in(&dir);
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    assert!(appliance.stop());
    make_equal(scratch.path(), &dir);
    let appliance = Appliance::start_in(&dir);
    assert_eq!(issue(&appliance, "web"), 201);
    std::fs::rename(dir.join("tokens"), dir.join("tokens.away")).unwrap();
    for _ in 0..20 {
        assert_eq!(issue(&appliance, "web"), 201);
    }
    assert_eq!(appliance.call_as(None, "GET", "/healthz", None).expect(200)["token"], "ok");
    wait_for("the absence of one is said", || statuses(&appliance).iter().map(|(_, status)| status.as_str()).eq(["unreachable", "ok"]));
    std::fs::rename(dir.join("tokens.away"), dir.join("tokens")).unwrap();

    // A key that only one of them has is used where it is, and that it is lacking elsewhere is said.
    wait_for("both are there", || issue(&appliance, "web") == 201 && statuses(&appliance).iter().all(|(_, status)| status == "ok"));
    let lone = appliance.root("lone", "ec", 256);
    appliance.role("lone", &lone, json!({}));
    assert_eq!(issue(&appliance, "lone"), 201);
    drop(appliance);
    let appliance = Appliance::start_in(&dir);
    assert_eq!(issue(&appliance, "lone"), 201);
    assert!(statuses(&appliance).iter().map(|(_, status)| status.as_str()).eq(["ok", "incomplete"]), "{:?}", statuses(&appliance));
}

#[test]
fn a_key_signs_as_often_as_its_worker_lets_it_and_no_restart_changes_that() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("appliance");
    let mut appliance = Appliance::start_in(&dir);
    let (rare, slow, free) = (appliance.root("rare", "ec", 256), appliance.root("slow", "ec", 256), appliance.root("free", "ec", 256));
    for (role, ca) in [("rare", &rare), ("slow", &slow), ("free", &free)] {
        appliance.role(role, ca, json!({}));
    }
    assert!(appliance.stop());
    // Keys have their authority's id as their label.
    let limits = format!("\n[[limit]]\nkey = \"{rare}\"\nsignatures = 3\nper = \"365d\"\n\n[[limit]]\nkey = \"{slow}\"\nper_second = 1\n");
    append(&dir.join("token.toml"), &limits);
    let text = std::fs::read_to_string(dir.join("token.toml")).unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_chanceryd")).args(["check-config", "--config"]).arg(dir.join("chancery.toml")).output();
    assert!(String::from_utf8_lossy(&refused.unwrap().stderr).contains("state_dir"), "a budget needs a place to be counted in");
    std::fs::write(dir.join("token.toml"), format!("state_dir = {dir:?}\n{text}")).unwrap();

    let mut appliance = Appliance::start_in(&dir);
    let made = (0..6).filter(|_| issue(&appliance, "rare") == 201).count();
    assert_eq!(made, 3);
    for _ in 0..2 {
        let body = json!({"common_name": "www.example.com"});
        let answer = appliance.call("POST", "/v1/pki/issue/rare", Some(body));
        assert_eq!(answer.refused(409).0, "key_budget_exhausted");
        assert_eq!(issue(&appliance, "free"), 201);
        appliance.kill();
        appliance = Appliance::start_in(&dir);
    }
    // A second's worth is one, and more of it comes by itself.
    let answers: Vec<_> = std::thread::scope(|scope| {
        let ask = || appliance.call("POST", "/v1/pki/issue/slow", Some(json!({"common_name": "www.example.com"})));
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 201).collect();
    assert!(!refused.is_empty() && refused.len() < 8, "{} of 8 refused", refused.len());
    for answer in refused {
        assert_eq!((answer.refused(503).0.as_str(), answer.header("retry-after")), ("key_rate_limited", Some("1")));
    }
    wait_for("the slow key signs again", || issue(&appliance, "slow") == 201);
}

//! Secrets: written, read by those who may, and never anywhere else.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::appliance::{Answer, Appliance};

fn put(appliance: &Appliance, path: &str, body: Value) -> Answer {
    appliance.call("PUT", &format!("/v1/secrets/{path}"), Some(body))
}

fn get(appliance: &Appliance, path: &str) -> Answer {
    appliance.call("GET", &format!("/v1/secrets/{path}"), None)
}

#[test]
fn a_secret_has_versions_and_the_last_ten_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let path = "dns/example.com/api-key";
    let made = put(&appliance, path, json!({"value": "first", "description": "the DNS provider's", "expected_version": 0})).expect(201);
    assert_eq!((&made["path"], &made["version"], &made["description"]), (&json!(path), &json!(1), &json!("the DNS provider's")));
    assert!(made.get("value").is_none() && made["versions"][0]["created_by"].as_str().unwrap().starts_with("tok_"), "{made}");
    assert_eq!(put(&appliance, path, json!({"value": "x", "expected_version": 0})).refused(409).0, "version_conflict");
    assert_eq!(put(&appliance, path, json!({"value": "x", "expected_version": 2})).refused(409).0, "version_conflict");
    let bytes = STANDARD.encode([0, 255, 128]);
    let second = put(&appliance, path, json!({"value": bytes, "encoding": "base64", "expected_version": 1})).expect(200);
    assert_eq!((&second["version"], &second["description"]), (&json!(2), &json!("the DNS provider's")));
    let shown = get(&appliance, path).expect(200);
    assert_eq!((&shown["value"], &shown["encoding"], &shown["value_version"]), (&json!(bytes), &json!("base64"), &json!(2)));
    for number in 3..=12 {
        put(&appliance, path, json!({"value": format!("value {number}")})).expect(200);
    }
    let numbers: Vec<_> = get(&appliance, path).expect(200)["versions"].as_array().unwrap().iter().map(|v| v["version"].clone()).collect();
    assert_eq!(numbers, (3..=12).map(Value::from).collect::<Vec<_>>());
    assert_eq!(get(&appliance, &format!("{path}?version=2")).refused(404).0, "not_found");
    assert!(appliance.stop());
    appliance = Appliance::start_in(dir.path());
    for number in 3..=12 {
        assert_eq!(get(&appliance, &format!("{path}?version={number}")).expect(200)["value"], format!("value {number}"));
    }
    assert_eq!(appliance.call("DELETE", &format!("/v1/secrets/{path}"), None).status, 204);
    assert_eq!(get(&appliance, path).refused(404).0, "not_found");
    assert_eq!(appliance.call("DELETE", &format!("/v1/secrets/{path}"), None).refused(404).0, "not_found");
    // What comes after it begins anew.
    assert_eq!(put(&appliance, path, json!({"value": "again", "expected_version": 0})).expect(201)["version"], 1);
    assert_eq!(get(&appliance, &format!("{path}?version=12")).refused(404).0, "not_found");
    let reads = appliance.told("secret.read");
    assert_eq!(reads.len(), 12, "every value that was given out, and nothing else");
    assert!(reads.iter().all(|entry| entry["severity"] == "high" && entry["object"] == path), "{reads:?}");
    assert_eq!((appliance.told("secret.write").len(), appliance.told("secret.delete").len()), (13, 1));
}

#[test]
fn what_is_wrong_with_a_secret_is_all_said() {
    let appliance = Appliance::start();
    let wrong = json!({"value": "", "encoding": "hex", "description": "\u{7}"});
    assert_eq!(put(&appliance, "a//b", wrong).refused(400).1, ["path", "encoding", "value", "description"]);
    assert_eq!(put(&appliance, "a", json!({"value": "AA", "encoding": "base64"})).refused(400).1, ["value"]);
    assert_eq!(put(&appliance, "a", json!({"value": "a".repeat((64 << 10) + 1)})).refused(400).1, ["value"]);
    let longest = "\u{1}".repeat(64 << 10);
    put(&appliance, "a", json!({"value": longest})).expect(201);
    assert_eq!(get(&appliance, "a").expect(200)["value"], longest);
    assert_eq!(get(&appliance, "a?version=1&metadata_only=true").refused(400).1, ["version"]);
    assert_eq!(get(&appliance, "a?metadata_only=yes").refused(400).1, ["metadata_only"]);
    let before = appliance.told("secret.read").len();
    assert!(get(&appliance, "a?metadata_only=true").expect(200).get("value").is_none());
    assert_eq!(appliance.told("secret.read").len(), before);
}

#[test]
fn a_value_is_for_those_who_may_read_it() {
    let appliance = Appliance::start();
    put(&appliance, "x/y", json!({"value": "hidden"})).expect(201);
    let [admin, reader, writer, lister, issuer] =
        [["pki:admin"], ["secrets:read"], ["secrets:write"], ["secrets:list"], ["pki:issue"]].map(|scopes| appliance.token(&scopes));
    let show = |token: &str, query: &str| appliance.call_as(Some(token), "GET", &format!("/v1/secrets/x/y{query}"), None);
    assert_eq!(show(&reader, "").expect(200)["value"], "hidden");
    for token in [&admin, &writer, &lister] {
        let shown = show(token, "").expect(200);
        assert!(shown.get("value").is_none() && shown["version"] == 1, "{shown}");
        assert_eq!(show(token, "?version=1").refused(403).0, "forbidden");
    }
    assert_eq!(show(&issuer, "").refused(403).0, "forbidden");
    for token in [&admin, &reader, &lister] {
        let answer = appliance.call_as(Some(token), "PUT", "/v1/secrets/x/y", Some(json!({"value": "other"})));
        assert_eq!(answer.refused(403).0, "forbidden");
        assert_eq!(appliance.call_as(Some(token), "DELETE", "/v1/secrets/x/y", None).refused(403).0, "forbidden");
    }
    // Who administers gives no right to values that they do not have.
    let body = json!({"name": "x", "scopes": ["secrets:read"], "ttl": "1h"});
    assert_eq!(appliance.call_as(Some(&admin), "POST", "/v1/admin/tokens", Some(body)).status, 400);
    // Another organisation has the same path for itself.
    let other = appliance.call("POST", "/v1/admin/organizations", Some(json!({"name": "other"}))).expect(201)["id"].clone();
    let scopes = ["secrets:read", "secrets:write"];
    let body = json!({"name": "theirs", "scopes": scopes, "ttl": "1h", "organization_id": other});
    let theirs = appliance.call("POST", "/v1/admin/tokens", Some(body)).expect(201)["token"].as_str().unwrap().to_owned();
    assert_eq!(show(&theirs, "").refused(404).0, "not_found");
    assert_eq!(appliance.call_as(Some(&theirs), "DELETE", "/v1/secrets/x/y", None).refused(404).0, "not_found");
    assert_eq!(appliance.call_as(Some(&theirs), "GET", "/v1/secrets", None).expect(200)["data"], json!([]));
    appliance.call_as(Some(&theirs), "PUT", "/v1/secrets/x/y", Some(json!({"value": "theirs"}))).expect(201);
    assert_eq!((&show(&theirs, "").expect(200)["value"], &show(&reader, "").expect(200)["value"]), (&json!("theirs"), &json!("hidden")));
    let path = format!("/v1/admin/organizations/{}", other.as_str().unwrap());
    assert_eq!(appliance.call("DELETE", &path, None).refused(409).0, "organization_in_use");
    assert_eq!(appliance.call_as(Some(&theirs), "DELETE", "/v1/secrets/x/y", None).status, 204);
    assert_eq!(appliance.call("DELETE", &path, None).status, 204);
}

#[test]
fn secrets_are_listed_by_prefix_page_by_page() {
    let appliance = Appliance::start();
    let long = format!("dns/{}", "z".repeat(252));
    for path in ["dns/a", "dns/b", "dns/c/d", "dnsx", "e", &long] {
        put(&appliance, path, json!({"value": "v"})).expect(201);
    }
    let list = |query: &str| appliance.call("GET", &format!("/v1/secrets?{query}"), None).expect(200);
    let paths = |page: &Value| page["data"].as_array().unwrap().iter().map(|s| s["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let first = list("prefix=dns/&limit=2");
    assert_eq!((paths(&first), &first["has_more"]), (vec!["dns/a".to_owned(), "dns/b".to_owned()], &json!(true)));
    let cursor = first["cursor"].as_str().unwrap();
    let second = list(&format!("prefix=dns/&limit=2&cursor={cursor}"));
    assert_eq!((paths(&second), &second["has_more"]), (vec!["dns/c/d".to_owned(), long.clone()], &json!(false)));
    assert_eq!(paths(&list("")).len(), 6);
    // A cursor of the longest path, which the next page begins behind.
    let page = list("prefix=d&limit=4");
    assert_eq!(paths(&list(&format!("prefix=d&limit=4&cursor={}", page["cursor"].as_str().unwrap()))), ["dnsx"]);
    let foreign = appliance.call("GET", &format!("/v1/secrets?cursor={cursor}"), None);
    assert_eq!(foreign.refused(400).1, ["cursor"]);
    assert_eq!(appliance.call("GET", "/v1/secrets?prefix=%20", None).refused(400).1, ["prefix"]);
}

fn holds(path: &Path, text: &[u8]) -> bool {
    if path.is_dir() {
        return std::fs::read_dir(path).unwrap().flatten().any(|entry| holds(&entry.path(), text));
    }
    let bytes = std::fs::read(path).unwrap_or_default();
    // Without the zeros a file may end with.
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes[..end].windows(text.len()).any(|window| window == text)
}

#[test]
fn a_value_is_in_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let value = "value-9d3cfa6b51e8";
    put(&appliance, "path-that-is-kept", json!({"value": value})).expect(201);
    put(&appliance, "path-that-is-kept", json!({"value": STANDARD.encode(value), "encoding": "base64"})).expect(200);
    get(&appliance, "path-that-is-kept").expect(200);
    for body in [json!({"value": value, "encoding": value}), json!({"value": [value], "description": value.repeat(200)})] {
        let answer = put(&appliance, "other", body);
        answer.refused(400);
        assert!(!answer.text().contains(value), "{}", answer.text());
    }
    let trail = appliance.call("GET", "/v1/admin/audit?limit=1000", None).text();
    assert!(trail.contains("path-that-is-kept"));
    assert!(appliance.stop());
    let data = appliance.path("data");
    assert!(holds(&data, b"path-that-is-kept"), "the search finds what is there");
    let encoded = STANDARD.encode(value);
    for text in [value, &encoded] {
        assert!(!holds(&data, text.as_bytes()) && !appliance.log().contains(text) && !trail.contains(text), "{text}");
    }
}

#[test]
fn killed_while_it_is_written_a_secret_is_as_before_or_as_after() {
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    for round in 0..5 {
        let answered = Mutex::new([0_u64; 4]);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for number in 0..4 {
                let (appliance, answered, stop) = (&appliance, &answered, &stop);
                scope.spawn(move || {
                    let token = appliance.admin_token();
                    while !stop.load(Ordering::Relaxed) {
                        let next = answered.lock().unwrap()[number] + 1;
                        let body = json!({"value": format!("{round} {next}")}).to_string();
                        let header = ["Content-Type: application/json"];
                        let path = format!("/v1/secrets/round/{round}/{number}");
                        match appliance.curl("PUT", &path, Some(&token), Some(body.as_bytes()), &header) {
                            Some(answer) if answer.status < 300 => answered.lock().unwrap()[number] = next,
                            Some(answer) => panic!("{}", answer.text()),
                            None => return,
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(300 + 170 * round));
            appliance.signal(nix::sys::signal::Signal::SIGKILL);
            stop.store(true, Ordering::Relaxed);
        });
        appliance.kill();
        appliance = Appliance::start_in(dir.path());
        for (number, answered) in answered.into_inner().unwrap().into_iter().enumerate() {
            let path = format!("round/{round}/{number}");
            let shown = get(&appliance, &path);
            if answered == 0 && shown.status == 404 {
                continue;
            }
            let shown = shown.expect(200);
            let version = shown["version"].as_u64().unwrap();
            assert!([answered, answered + 1].contains(&version), "{version} is there, {answered} was answered");
            for version in shown["versions"].as_array().unwrap() {
                let number = version["version"].as_u64().unwrap();
                let value = get(&appliance, &format!("{path}?version={number}")).expect(200)["value"].clone();
                assert_eq!(value, format!("{round} {number}"));
            }
        }
    }
}

#[test]
fn without_its_token_a_secret_is_neither_written_nor_read() {
    let appliance = Appliance::start();
    put(&appliance, "a", json!({"value": "v"})).expect(201);
    let (tokens, away) = (appliance.path("tokens"), appliance.path("away"));
    std::fs::rename(&tokens, &away).unwrap();
    let begun = Instant::now();
    let until = |wanted: u16, ask: &dyn Fn() -> Answer| loop {
        let answer = ask();
        if answer.status == wanted {
            return answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{}", answer.text());
        std::thread::sleep(Duration::from_millis(100));
    };
    until(503, &|| put(&appliance, "b", json!({"value": "v"})));
    let refused = until(503, &|| get(&appliance, "a"));
    assert!(refused.header("retry-after").is_some() && refused.json().get("value").is_none());
    assert_eq!(get(&appliance, "a?metadata_only=true").expect(200)["path"], "a", "what is known needs no token");
    std::fs::rename(&away, &tokens).unwrap();
    assert_eq!(until(200, &|| get(&appliance, "a")).json()["value"], "v");
}

#[test]
fn the_command_line_takes_values_from_files_alone() {
    let appliance = Appliance::start();
    let run = |arguments: &[&str], input: &[u8]| {
        use std::io::Write;
        let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
        command.args(arguments).arg("--dir").arg(appliance.dir()).current_dir(appliance.dir());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, out, notes) = run(&["secret", "put", "dns/key", "--description", "for DNS"], b"from standard input\n");
    assert_eq!(code, 0, "{notes}");
    assert!(!String::from_utf8_lossy(&out).contains("standard input"));
    std::fs::write(appliance.path("value"), [0, 159, 146, 150]).unwrap();
    assert_eq!(run(&["secret", "put", "dns/key", "value", "--expected-version", "1"], b"").0, 0);
    assert_eq!(run(&["secret", "put", "dns/key", "value", "--expected-version", "1"], b"").0, 1);
    assert_eq!(run(&["secret", "get", "dns/key"], b"").1, [0, 159, 146, 150]);
    assert_eq!(run(&["secret", "get", "dns/key", "--version", "1"], b"").1, b"from standard input\n");
    assert_eq!(run(&["secret", "get", "dns/key", "--out", "read"], b"").0, 0);
    assert_eq!(std::fs::read(appliance.path("read")).unwrap(), [0, 159, 146, 150]);
    let (code, out, _) = run(&["secret", "get", "dns/key", "--metadata"], b"");
    assert!(code == 0 && String::from_utf8(out).unwrap().contains("for DNS"));
    assert!(String::from_utf8(run(&["secret", "list", "--prefix", "dns/"], b"").1).unwrap().contains("dns/key"));
    std::fs::write(appliance.path("admin.token"), appliance.token(&["pki:admin"])).unwrap();
    let (code, out, notes) = run(&["secret", "get", "dns/key"], b"");
    assert!(code == 4 && out.is_empty() && notes.contains("secrets:read"), "{code} {notes}");
    assert_eq!(run(&["secret", "delete", "dns/key"], b"").0, 4);
}

//! What an attacker or an unlucky moment would try: slow bodies, clients that vanish, starts that were cut short.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::appliance::Appliance;
use crate::waiting::wait_for;

#[test]
fn a_slow_body_is_judged_by_the_role_and_authority_of_its_end() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("narrowed", &ca, json!({}));
    appliance.role("web", &ca, json!({}));
    let body = r#"{"common_name": "www.example.com"}"#;
    let (narrowed, revoked) = (Slow::begin(&appliance, "/v1/pki/issue/narrowed", body), Slow::begin(&appliance, "/v1/pki/issue/web", body));
    std::thread::sleep(Duration::from_millis(500));
    appliance.call("PATCH", "/v1/pki/roles/narrowed", Some(json!({"allowed_domains": ["example.org"]}))).expect(200);
    assert_eq!(narrowed.end(), 400);
    appliance.call("POST", &format!("/v1/pki/ca/{ca}/revoke"), None).expect(200);
    assert_eq!(revoked.end(), 409);
}

#[test]
fn a_token_that_is_revoked_while_its_body_is_sent_does_nothing() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let made = appliance.call("POST", "/v1/admin/tokens", Some(json!({"name": "t", "scopes": ["pki:admin"], "ttl": "1h"}))).expect(201);
    let (id, secret) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let issue = Slow::begin_as(secret, &appliance, "/v1/pki/issue/web", r#"{"common_name": "www.example.com"}"#);
    let token = Slow::begin_as(secret, &appliance, "/v1/admin/tokens", r#"{"name": "heir", "scopes": ["pki:admin"], "ttl": "1h"}"#);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(appliance.call("DELETE", &format!("/v1/admin/tokens/{id}"), None).status, 204);
    assert_eq!((issue.end(), token.end()), (401, 401));
    let actions: Vec<_> = appliance.trail().iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect();
    let intended = actions.iter().filter(|action| *action == "certificate.intend").count();
    assert_eq!(intended, 1, "the root's own and no other: {actions:?}");
    assert_eq!(actions.iter().filter(|action| *action == "request.refused").count(), 2);
    assert_eq!(appliance.call("GET", "/v1/admin/tokens", None).expect(200)["data"].as_array().unwrap().len(), 1);
}

#[test]
fn nothing_is_issued_behind_the_revocation_of_its_authority() {
    let appliance = Appliance::start();
    let root = appliance.root("root", "ec", 256);
    let body = json!({"name": "issuing", "common_name": "Issuing", "ca_type": "intermediate", "parent_ca_id": root, "key_type": "ec", "key_size": 256});
    let issuing = appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)["id"].as_str().unwrap().to_owned();
    appliance.role("web", &issuing, json!({}));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // Until the revocation, which ends them.
                for _ in 0..10_000 {
                    let body = json!({"common_name": "www.example.com"});
                    if appliance.call("POST", "/v1/pki/issue/web", Some(body)).status == 409 {
                        return;
                    }
                }
            });
        }
        for i in 0..2 {
            let root = &root;
            let appliance = &appliance;
            scope.spawn(move || {
                for j in 0..10 {
                    let body = json!({"name": format!("below {i} {j}"), "common_name": format!("Below {i} {j}"), "ca_type": "intermediate",
                        "parent_ca_id": root, "key_type": "ec", "key_size": 256});
                    if appliance.call("POST", "/v1/pki/ca", Some(body)).status == 409 {
                        return;
                    }
                }
            });
        }
        wait_for("a certificate", || appliance.trail().iter().any(|entry| entry["action"] == "certificate.issue"));
        appliance.call("POST", &format!("/v1/pki/ca/{root}/revoke"), None).expect(200);
    });
    let actions: Vec<String> = appliance.trail().iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect();
    let revoked = actions.iter().position(|action| action == "ca.revoke").unwrap();
    assert!(actions[..revoked].iter().any(|action| action == "certificate.issue"));
    let late = actions[revoked..].iter().filter(|action| matches!(action.as_str(), "certificate.issue" | "ca.create")).count();
    assert_eq!(late, 0, "{:?}", &actions[revoked..]);
    // Whatever was made below it knows.
    let listed = appliance.call("GET", "/v1/pki/ca?limit=1000", None).expect(200);
    for authority in listed["data"].as_array().unwrap() {
        assert_eq!((&authority["is_revoked"], &authority["is_active"]), (&json!(true), &json!(false)), "{authority}");
    }
}

#[test]
fn a_change_is_finished_when_its_client_has_gone() {
    let appliance = Appliance::start();
    for i in 0..30 {
        let made = appliance.call("POST", "/v1/admin/tokens", Some(json!({"name": "t", "scopes": ["pki:read"], "ttl": "1h"}))).expect(201);
        let (id, secret) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
        // The client hangs up at another moment each time.
        let mut client = Command::new("curl");
        client.args(["--silent", "--insecure", "--request", "DELETE", "--max-time", &format!("0.{:03}", 4 + i)]);
        client.args(["--header", &format!("Authorization: Bearer {}", appliance.admin_token())]);
        client.arg(format!("{}/v1/admin/tokens/{id}", appliance.base_url())).output().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        // The revocation may come between these two.
        let status = appliance.call_as(Some(secret), "GET", "/v1/pki/roles", None).status;
        let is_audited = appliance.trail().iter().any(|entry| entry["action"] == "token.revoke" && entry["object"] == id);
        assert!(status == 200 || is_audited, "token {i}: refused, and the log knows of no revocation");
        if is_audited {
            // It is in the log an instant before it is in the memory that callers are looked up in, and that is listed.
            wait_for(&format!("the end of token {i}, which is revoked by the log"), || {
                let listed = appliance.call("GET", "/v1/admin/tokens?limit=1000", None).expect(200);
                listed["data"].as_array().unwrap().iter().all(|token| token["id"] != id)
            });
        }
    }
}

#[test]
fn a_refusal_tells_which_role_it_was_about() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.net"}))).refused(400);
    appliance.call_as(None, "POST", "/v1/pki/issue/secret-name", None).refused(401);
    let entries = appliance.trail();
    let paths: Vec<_> =
        entries.iter().filter(|e| e["action"] == "request.refused").map(|e| e["details"]["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/v1/pki/issue/web", "/v1/pki/issue/{role}"]);
}

#[test]
fn no_revocation_keeps_a_crl_from_being_made() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let issued = appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"}))).expect(201);
    let revoke = |date: &str| {
        let body = json!({"serial_number": issued["serial_number"], "invalidity_date": date});
        appliance.call("POST", "/v1/pki/revoke", Some(body))
    };
    for date in ["-009999-01-02T01:59:59Z", "0000-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z"] {
        assert_eq!(revoke(date).refused(400).0, "invalid_request", "{date}");
    }
    revoke("1970-01-01T00:00:00.5Z").expect(200);
    assert_eq!(appliance.call("POST", &format!("/v1/pki/ca/{ca}/crl"), None).expect(200)["revoked_certificates"], 1);
}

#[test]
fn an_authority_does_not_take_the_subject_of_one_above_it() {
    let appliance = Appliance::start();
    let root = appliance.root("root", "ec", 256);
    let body = json!({"name": "same", "common_name": "root CA", "ca_type": "intermediate", "parent_ca_id": root, "key_type": "ec"});
    appliance.call("POST", "/v1/pki/ca", Some(body)).refused(400);
}

#[test]
fn a_path_that_is_no_text_is_a_problem_document_like_any_other() {
    let appliance = Appliance::start();
    assert_eq!(appliance.call("GET", "/v1/pki/roles/%ff", None).refused(404).0, "not_found");
    assert_eq!(appliance.call_as(None, "GET", "/v1/pki/roles/%ff", None).refused(401).0, "unauthenticated");
}

#[test]
fn a_first_start_that_was_cut_short_is_gone_on_with() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("appliance");
    // A start that is killed at many moments of its making.
    for milliseconds in [5, 20, 40, 60, 80, 100, 130, 160, 200, 300] {
        let mut child = Appliance::command(&dir).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut appliance = Appliance::start_in(&dir);
    appliance.root("root", "ec", 256);
    let old = appliance.admin_token();
    appliance.kill();
    // Its admin token was never written down, or was deleted.
    std::fs::remove_file(dir.join("admin.token")).unwrap();
    let mut appliance = Appliance::start_in(&dir);
    assert_eq!(appliance.call_as(Some(&old), "GET", "/v1/pki/ca", None).status, 401);
    assert_eq!(appliance.call("GET", "/v1/pki/ca", None).expect(200)["data"].as_array().unwrap().len(), 1);
    appliance.kill();
    // The note that the token is ready was lost: the token with its keys must not be.
    std::fs::remove_file(dir.join("token.ready")).unwrap();
    let appliance = Appliance::start_in(&dir);
    let ca = appliance.call("GET", "/v1/pki/ca", None).expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    appliance.call("POST", &format!("/v1/pki/ca/{ca}/crl"), None).expect(200);
}

#[test]
fn a_token_that_was_begun_and_never_finished_is_put_aside() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("appliance");
    std::fs::create_dir_all(dir.join("tokens")).unwrap();
    std::fs::write(dir.join("softhsm2.conf"), format!("directories.tokendir = {}\n", dir.join("tokens").display())).unwrap();
    let made = Command::new("softhsm2-util")
        .args(["--init-token", "--free", "--label", "chancery-dev", "--so-pin", "forgotten", "--pin", "forgotten"])
        .env("SOFTHSM2_CONF", dir.join("softhsm2.conf"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let appliance = Appliance::start_in(&dir);
    appliance.root("root", "ec", 256);
    assert!(dir.join("tokens.unfinished-1").exists());
}

#[test]
fn a_second_start_leaves_the_first_alone() {
    let appliance = Appliance::start();
    let address = std::fs::read_to_string(appliance.path("listen.addr")).unwrap();
    let second = Appliance::command(appliance.dir()).status().unwrap();
    assert!(!second.success());
    assert!(appliance.log().contains("another chanceryd serves"), "{}", appliance.log());
    assert_eq!(std::fs::read_to_string(appliance.path("listen.addr")).unwrap(), address);
    appliance.call("GET", "/v1/pki/ca", None).expect(200);
}

#[test]
fn nobody_else_can_read_what_it_writes() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.call("POST", &format!("/v1/pki/ca/{ca}/crl"), None).expect(200);
    fn look(path: &Path, open: &mut Vec<String>) {
        for entry in std::fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.permissions().mode() & 0o077 != 0 && entry.file_name() != "daemon.log" {
                open.push(format!("{} {:o}", entry.path().display(), metadata.permissions().mode()));
            }
            if metadata.is_dir() {
                look(&entry.path(), open);
            }
        }
    }
    let mut open = Vec::new();
    look(appliance.dir(), &mut open);
    assert!(open.is_empty(), "{open:?}");
}

/// A request whose body stops half-way until it is told to end.
pub struct Slow {
    client: Child,
    rest: String,
}

impl Slow {
    pub fn begin(appliance: &Appliance, path: &str, body: &str) -> Self {
        Self::begin_as(&appliance.admin_token(), appliance, path, body)
    }

    fn begin_as(token: &str, appliance: &Appliance, path: &str, body: &str) -> Self {
        let mut client = Command::new("curl");
        client.args(["--silent", "--insecure", "--http1.1", "--no-buffer", "--output", "/dev/null", "--write-out", "%{http_code}"]);
        client.args(["--request", "POST", "--upload-file", ".", "--header", "Expect:"]);
        client.args(["--header", &format!("Authorization: Bearer {token}")]);
        client.args(["--header", "Content-Type: application/json"]).arg(format!("{}{path}", appliance.base_url()));
        let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (first, rest) = body.split_at(body.len() / 2);
        client.stdin.as_mut().unwrap().write_all(first.as_bytes()).unwrap();
        client.stdin.as_mut().unwrap().flush().unwrap();
        Self { client, rest: rest.to_owned() }
    }

    pub fn end(mut self) -> u16 {
        self.client.stdin.take().unwrap().write_all(self.rest.as_bytes()).unwrap();
        let mut status = String::new();
        let begun = Instant::now();
        self.client.stdout.take().unwrap().read_to_string(&mut status).unwrap();
        self.client.wait().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20));
        status.parse().unwrap()
    }
}

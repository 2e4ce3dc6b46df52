//! Callers who show a certificate.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Line, address, configured};
use crate::appliance::{Answer, Appliance};
use crate::requester::Requester;

/// An appliance that asks for certificates of its authority `Agents`, and a role `agent` under it.
fn with_agents(dir: &Path) -> Appliance {
    let appliance = configured(dir, |text| text.replace("[[token]]", "[tls.clients]\nca = [\"Agents\"]\n\n[[token]]"));
    let ca = appliance.root("Agents", "ec", 256);
    appliance.role("agent", &ca, json!({}));
    appliance
}

/// A certificate and its key in files of this name.
fn agent(appliance: &Appliance, files: &Requester, name: &str, ttl: &str) -> Value {
    let body = json!({"common_name": format!("{name}.example.com"), "ttl": ttl});
    let issued = appliance.call("POST", "/v1/pki/issue/agent", Some(body)).expect(201);
    files.write(&format!("{name}.pem"), issued["certificate"].as_str().unwrap());
    files.write(&format!("{name}.key"), issued["private_key"].as_str().unwrap());
    issued
}

fn spki_sha256(files: &Requester, name: &str) -> String {
    let command = format!("openssl x509 -in {name}.pem -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r");
    crate::appliance::run(&mut files.command("sh", &["-c", &command])).split(' ').next().unwrap().to_owned()
}

fn client_token(appliance: &Appliance, spki_sha256: &str, scope: &str) -> Answer {
    let body = json!({"name": "an agent", "scopes": [scope], "ttl": "1h", "client_spki_sha256": spki_sha256});
    appliance.call("POST", "/v1/admin/tokens", Some(body))
}

fn line(appliance: &Appliance, files: &Requester, name: &str) -> Line {
    let (certificate, key) = (files.path(&format!("{name}.pem")), files.path(&format!("{name}.key")));
    Line::open(&address(appliance), &["-cert", certificate.to_str().unwrap(), "-key", key.to_str().unwrap()])
}

/// The first request of a new connection; handshakes go on without the certificate until the authority is known as a root.
fn get(appliance: &Appliance, files: &Requester, name: &str, path: &str) -> (u16, String) {
    line(appliance, files, name).get(path)
}

#[test]
fn a_certificate_stands_for_the_token_of_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let (appliance, files) = (with_agents(dir.path()), Requester::new());
    agent(&appliance, &files, "reader", "1h");
    agent(&appliance, &files, "stranger", "1h");
    let spki = spki_sha256(&files, "reader");
    let made = client_token(&appliance, &spki, "pki:read").expect(201);
    assert_eq!((&made["client_spki_sha256"], made.get("token")), (&json!(spki), None), "there is no secret to it");
    assert_eq!(client_token(&appliance, &spki, "pki:admin").refused(409).0, "key_taken");
    assert_eq!(client_token(&appliance, "nonsense", "pki:admin").refused(400).1, ["client_spki_sha256"]);
    // The authority was created after the start; it is a root of clients when the daemon has looked.
    crate::waiting::wait_for("certificates to be asked for", || get(&appliance, &files, "reader", "/v1/pki/roles").0 == 200);

    let mut connection = line(&appliance, &files, "reader");
    assert_eq!(connection.get("/v1/pki/roles").0, 200);
    let (status, body) = connection.get("/v1/pki/ca");
    assert!(status == 403 && body.contains("\"forbidden\""), "the scopes are the token's: {body}");
    assert_eq!(connection.get("/healthz").0, 200);
    for (name, path) in [("stranger", "/v1/pki/roles"), ("stranger", "/v1/pki/ca")] {
        let (status, body) = get(&appliance, &files, name, path);
        assert!(status == 401 && body.contains("\"unauthenticated\""), "{body}");
    }
    assert_eq!(appliance.call_as(None, "GET", "/v1/pki/roles", None).status, 401, "nobody has to show one");
    appliance.call("GET", "/v1/pki/ca", None).expect(200);

    // With both, the token is what counts, for more and for less.
    let header = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let admin = header(&appliance.admin_token());
    assert_eq!(connection.try_get("/v1/pki/ca", &admin).unwrap().0, 200);
    assert_eq!(connection.try_get("/v1/pki/roles", &header("chy_unknown")).unwrap().0, 401);

    // The trail says who, from where, and by which certificate.
    let entries = appliance.trail();
    let refused = entries.iter().find(|entry| entry["outcome"] == "refused: forbidden").unwrap();
    assert_eq!(refused["actor"], format!("{} (an agent)", made["id"].as_str().unwrap()));
    let sha256 = files
        .openssl(&["x509", "-in", "reader.pem", "-noout", "-fingerprint", "-sha256"])
        .trim()
        .split('=')
        .nth(1)
        .unwrap()
        .replace(':', "")
        .to_lowercase();
    assert!(refused["details"]["client_certificate"].as_str().unwrap().ends_with(&sha256), "{refused}");
    assert!(refused["details"]["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{refused}");

    // A renewed certificate of the same key needs nothing new; an end of the token is the end of it.
    let csr = files.csr("reader.key", "/CN=reader.example.com", "");
    let signed = appliance.call("POST", "/v1/pki/sign/agent", Some(json!({"csr_pem": csr}))).expect(201);
    files.write("reader.pem", signed["certificate"].as_str().unwrap());
    assert_eq!(get(&appliance, &files, "reader", "/v1/pki/roles").0, 200);
    assert_eq!(appliance.call("DELETE", &format!("/v1/admin/tokens/{}", made["id"].as_str().unwrap()), None).status, 204);
    assert_eq!(connection.get("/v1/pki/roles").0, 401);
    client_token(&appliance, &spki, "pki:issue").expect(201);
    assert_eq!(connection.get("/v1/pki/roles").0, 200, "the key may stand for another token then");
}

#[test]
fn a_revoked_certificate_is_refused_on_open_connections_and_after_a_start() {
    let dir = tempfile::tempdir().unwrap();
    let (mut appliance, files) = (with_agents(dir.path()), Requester::new());
    let (revoked, below) = (agent(&appliance, &files, "revoked", "1h"), agent(&appliance, &files, "below", "1h"));
    for name in ["revoked", "below"] {
        client_token(&appliance, &spki_sha256(&files, name), "pki:read").expect(201);
    }
    crate::waiting::wait_for("certificates to be asked for", || get(&appliance, &files, "revoked", "/v1/pki/roles").0 == 200);
    let (mut first, mut second) = (line(&appliance, &files, "revoked"), line(&appliance, &files, "below"));
    assert_eq!((first.get("/v1/pki/roles").0, second.get("/v1/pki/roles").0), (200, 200));
    appliance.call("POST", "/v1/pki/revoke", Some(json!({"serial_number": revoked["serial_number"]}))).expect(200);
    let begun = Instant::now();
    let (status, body) = first.get("/v1/pki/roles");
    assert!(status == 401 && body.contains("client_certificate_refused") && body.contains("is revoked"), "{body}");
    assert!(begun.elapsed() < Duration::from_secs(5), "the very next request is refused");
    assert_eq!(first.get("/healthz").0, 200, "what is for everybody is for them too");
    assert_eq!(second.get("/v1/pki/roles").0, 200);
    assert_eq!(get(&appliance, &files, "revoked", "/v1/pki/roles").0, 401);
    // With its authority every certificate goes.
    let ca = appliance.call("GET", "/v1/pki/ca", None).expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    appliance.call("POST", &format!("/v1/pki/ca/{ca}/revoke"), None).expect(200);
    let (status, body) = second.get("/v1/pki/roles");
    assert!(status == 401 && body.contains("revoked with its authority"), "{below} {body}");
    appliance.kill();
    let appliance = Appliance::start_in(dir.path());
    for name in ["revoked", "below"] {
        let (status, body) = get(&appliance, &files, name, "/v1/pki/roles");
        assert!(status == 401 && body.contains("client_certificate_refused"), "{name}: {body}");
    }
}

#[test]
fn a_certificate_that_ends_is_refused_on_the_connection_it_opened() {
    let dir = tempfile::tempdir().unwrap();
    let (appliance, files) = (with_agents(dir.path()), Requester::new());
    agent(&appliance, &files, "first", "1h");
    client_token(&appliance, &spki_sha256(&files, "first"), "pki:read").expect(201);
    crate::waiting::wait_for("certificates to be asked for", || get(&appliance, &files, "first", "/v1/pki/roles").0 == 200);
    agent(&appliance, &files, "short", "30s");
    client_token(&appliance, &spki_sha256(&files, "short"), "pki:read").expect(201);
    let mut connection = line(&appliance, &files, "short");
    assert_eq!(connection.get("/v1/pki/roles").0, 200);
    let mut answer = (200, String::new());
    crate::waiting::wait_for("its end", || {
        answer = connection.get("/v1/pki/roles");
        answer.0 != 200
    });
    let (status, body) = answer;
    assert!(status == 401 && body.contains("client_certificate_refused") && body.contains("has expired"), "{body}");
    // RFC 5280, 4.1.2.5 counts the last second in, so a handshake may still succeed in it.
    crate::waiting::wait_for("no handshake with it", || line(&appliance, &files, "short").try_get("/v1/pki/roles", "").is_none());
}

#[test]
fn certificates_of_other_roots_count_when_they_are_named_and_not_otherwise() {
    let (dir, files) = (tempfile::tempdir().unwrap(), Requester::new());
    for root in ["partner", "other"] {
        files.key(&format!("{root}.key"), "P-256");
        files.openssl(&[
            "req",
            "-x509",
            "-new",
            "-key",
            &format!("{root}.key"),
            "-subj",
            &format!("/CN={root}"),
            "-days",
            "2",
            "-out",
            &format!("{root}.pem"),
        ]);
        files.key(&format!("of-{root}.key"), "P-256");
        files.csr(&format!("of-{root}.key"), &format!("/CN=of {root}"), "");
        files.write("ext.cnf", "extendedKeyUsage=clientAuth\nbasicConstraints=CA:false\nsubjectAltName=DNS:agent.example.org\n");
        let (ca, key) = (format!("{root}.pem"), format!("{root}.key"));
        files.openssl(&[
            "x509",
            "-req",
            "-in",
            "csr.pem",
            "-CA",
            &ca,
            "-CAkey",
            &key,
            "-CAcreateserial",
            "-days",
            "1",
            "-extfile",
            "ext.cnf",
            "-out",
            &format!("of-{root}.pem"),
        ]);
    }
    let roots = files.path("partner.pem");
    let appliance = configured(dir.path(), |text| text.replace("[[token]]", &format!("[tls.clients]\nroots = {roots:?}\n\n[[token]]")));
    for name in ["of-partner", "of-other"] {
        client_token(&appliance, &spki_sha256(&files, name), "pki:read").expect(201);
    }
    assert_eq!(get(&appliance, &files, "of-partner", "/v1/pki/roles").0, 200);
    assert_eq!(line(&appliance, &files, "of-other").try_get("/v1/pki/roles", ""), None, "the handshake fails");
}

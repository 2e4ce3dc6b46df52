use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::CommandFactory;

use crate::audit::{Action, Actor, Entry, Ledger};
use crate::client::scripted::{Reaction, Scripted};
use crate::storage::{Options, Storage};
use crate::x509::reason::RevocationReason;

use super::connection::{ConnectionArguments, SettingsFault};
use super::screen::printable;
use super::*;

mod routes;

const CA: &str = "ca_0190a0b0c0d07000800000000000abcd";
const ISSUED: &str = r#"{"id":"cert_1","certificate":"CERT","private_key":"KEY","ca_chain":["ISSUER\n","ROOT"],"serial_number":"1A:2B","not_after":"T","warnings":["cut"]}"#;
const CERTIFICATE: &str = r#"{"id":"cert_1","common_name":"a.example","issuer_ca_id":"ca_1","serial_number":"1A","valid_from":"F","valid_until":"U","is_revoked":true,"role":"web","alt_names":[],"ip_sans":[],"key_type":"ec","key_bits":256,"fingerprint_sha256":"AB","created_at":"C","tags":["x","y"],"description":"","future":1}"#;

/// What a command did.
struct Done {
    code: u8,
    out: String,
    notes: String,
}

async fn chancery(environment: &[(&str, &str)], arguments: &[&str]) -> Done {
    let environment: HashMap<String, OsString> = environment.iter().map(|(k, v)| ((*k).to_owned(), OsString::from(v))).collect();
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let screen = Screen { out: &mut out, notes: &mut notes, out_is_terminal: false, notes_is_terminal: false, input_is_terminal: false };
    let arguments = ["chancery"].iter().chain(arguments).map(OsString::from);
    let code = run(arguments, &|name| environment.get(name).cloned(), screen).await;
    Done { code, out: String::from_utf8(out).unwrap(), notes: String::from_utf8(notes).unwrap() }
}

async fn against(script: Vec<Reaction>, arguments: &[&str]) -> (Done, Vec<String>, Vec<String>) {
    let server = Scripted::start(script);
    let done = chancery(&[("CHANCERY_URL", &server.url()), ("CHANCERY_TOKEN", "chy_x")], arguments).await;
    let bodies = server.seen().into_iter().map(|request| request.body).collect();
    (done, server.lines(), bodies)
}

fn problem(status: u16) -> Reaction {
    let body = format!(
        r#"{{"type":"urn:x","title":"T","status":{status},"detail":"no such luck","code":"some_code","violations":[{{"field":"ttl","message":"too long\u001b[31m"}},{{"field":"","message":"empty"}}],"request_id":"req_1"}}"#
    );
    Reaction::json(status, &body)
}

fn authority(id: &str, name: &str) -> String {
    format!(
        r#"{{"id":"{id}","name":"{name}","common_name":"CN","ca_type":"root","key_type":"ec","key_size":256,"valid_from":"F","valid_until":"U","is_active":true,"certificates_issued":3,"created_at":"C","serial_number":"1A","signature_algorithm":"ecdsa-sha256","is_revoked":false}}"#
    )
}

fn page(items: &[&str], cursor: Option<&str>) -> Reaction {
    let next = cursor.map_or("null".to_owned(), |c| format!("{c:?}"));
    Reaction::json(200, &format!(r#"{{"data":[{}],"cursor":{next},"has_more":{}}}"#, items.join(","), cursor.is_some()))
}

#[test]
fn the_arguments_are_consistent() {
    Cli::command().debug_assert();
}

#[tokio::test]
async fn usage_is_checked_before_anything_is_sent() {
    for bad in [
        vec!["issue", "web"],
        vec!["issue", "web", "--common-name", "a", "--ttl", "720"],
        vec!["issue", "web", "--common-name", "a", "--out", "d", "--key-file", "k"],
        vec!["issue", "", "--common-name", "a"],
        vec!["ca", "create", "--name", "n", "--common-name", "c", "--type", "intermediate"],
        vec!["ca", "create", "--name", "n", "--common-name", "c", "--type", "leaf"],
        vec!["cert", "update", "cert_1"],
        vec!["crl", "get", "x", "--der", "--pem"],
        vec!["token", "create", "--name", "n", "--ttl", "1h"],
        vec!["health", "--token", "chy_x"],
        vec!["health", "--timeout", "0s"],
        vec!["role", "create", "web", "--ca", "x", "--idempotency-key", ""],
        vec!["role", "create", "web", "--ca", "x", "--idempotency-key", "tab\t"],
        vec!["nothing"],
    ] {
        let (done, lines, _) = against(vec![], &bad).await;
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{bad:?}");
        assert!(!done.notes.is_empty() && lines.is_empty(), "{bad:?}");
    }
    let help = chancery(&[], &["--help"]).await;
    assert_eq!((help.code, help.notes.as_str()), (0, ""));
    assert!(help.out.contains("Exit codes:") && help.out.contains("CHANCERY_DIR"));
    for (command, but) in [("cert", None), ("ca", Some(RevocationReason::CertificateHold))] {
        let help = chancery(&[], &[command, "revoke", "--help"]).await.out;
        for reason in RevocationReason::ALL {
            let is_taken = reason != RevocationReason::RemoveFromCrl && Some(reason) != but;
            assert_eq!(help.contains(reason.name()), is_taken, "{command} {}: {help}", reason.name());
        }
    }
    let script = chancery(&[], &["completions", "bash"]).await;
    assert!(script.code == 0 && script.out.contains("complete -F _chancery"));
}

#[tokio::test]
async fn the_exit_code_says_who_has_to_act() {
    for (status, code) in [(400, 1), (409, 1), (422, 1), (429, 1), (401, 4), (403, 4), (404, 5), (500, 3), (503, 3), (507, 3)] {
        let (done, ..) = against(vec![problem(status)], &["role", "show", "web"]).await;
        assert_eq!(done.code, code, "{status}");
        assert!(done.notes.starts_with("chancery: reading the role failed: no such luck\n  ttl: too long\\u{1b}[31m\n"), "{}", done.notes);
        assert!(done.notes.contains("  request: empty\n") && done.notes.contains("(some_code, request req_1)"), "{}", done.notes);
        assert_eq!(done.notes.contains("--token-file"), status == 401);
        assert_eq!(done.notes.contains("try again"), matches!(status, 429 | 503));
    }
    let (done, ..) = against(vec![Reaction::json(404, "<html>")], &["role", "show", "web"]).await;
    assert_eq!(done.code, 3, "a 404 that is not ours is not an answer");
    let nobody = chancery(&[("CHANCERY_URL", "http://127.0.0.1:1")], &["health"]).await;
    assert_eq!(nobody.code, 3);
    assert!(nobody.notes.contains("Connection refused") && nobody.notes.contains("is the daemon running"), "{}", nobody.notes);
    assert_eq!(chancery(&[("CHANCERY_URL", "http://10.0.0.1")], &["health"]).await.code, 2);
}

#[tokio::test]
async fn an_authority_is_found_by_its_name() {
    let list = || vec![page(&[&authority("ca_9", "other")], Some("next")), page(&[&authority(CA, "acme-root")], None)];
    let script = list().into_iter().chain([Reaction::json(200, &authority(CA, "acme-root"))]).collect();
    let (done, lines, _) = against(script, &["ca", "show", "acme-root"]).await;
    assert_eq!(lines, ["GET /v1/pki/ca", "GET /v1/pki/ca?cursor=next", &format!("GET /v1/pki/ca/{CA}")]);
    assert!(done.code == 0 && done.out.contains("acme-root"), "{}", done.notes);
    let (done, lines, _) = against(vec![Reaction::json(200, &authority(CA, "x"))], &["ca", "show", CA]).await;
    assert_eq!((done.code, lines.len()), (0, 1), "an id needs no look-up");
    let (done, ..) = against(list(), &["crl", "get", "nowhere"]).await;
    assert_eq!(done.code, 5);
    assert!(done.notes.contains("\"nowhere\""), "{}", done.notes);
}

#[tokio::test]
async fn what_is_given_is_what_is_sent() {
    let made = Reaction::json(201, &authority(CA, "i"));
    let arguments = [
        "ca",
        "create",
        "--name",
        "i",
        "--common-name",
        "I",
        "--type",
        "intermediate",
        "--parent",
        CA,
        "--key-type",
        "ec",
        "--path-length",
        "0",
    ];
    let (_, lines, bodies) = against(vec![made], &arguments).await;
    let body: serde_json::Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!(lines, ["POST /v1/pki/ca"]);
    assert_eq!((&body["parent_ca_id"], &body["path_length"], &body["key_size"]), (&CA.into(), &0.into(), &serde_json::Value::Null));

    let arguments = ["role", "update", "web", "--allow-subdomains", "--allow-ip-sans=false", "--no-allowed-domains"];
    let (_, lines, bodies) = against(vec![problem(400)], &arguments).await;
    let body: serde_json::Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!(lines, ["PATCH /v1/pki/roles/web"]);
    assert_eq!((&body["allow_subdomains"], &body["allow_ip_sans"], &body["require_cn"]), (&true.into(), &false.into(), &().into()));
    assert_eq!(body["allowed_domains"], serde_json::json!([]));

    for (given, field) in [("cert_0190a0b0c0d07000800000000000abcd", "certificate_id"), ("1a2b", "serial_number")] {
        let (_, _, bodies) = against(vec![problem(400)], &["cert", "revoke", given, "--reason", "superseded"]).await;
        let body: serde_json::Value = serde_json::from_str(&bodies[0]).unwrap();
        assert_eq!((&body[field], &body["reason"]), (&given.into(), &"superseded".into()));
    }
}

#[tokio::test]
async fn tables_are_whole_and_json_is_unchanged() {
    let rows = [
        r#"{"id":"cert_1","common_name":"a\u202e.example","issuer_ca_id":"ca_1","serial_number":"1A","valid_from":"F","valid_until":"U","is_revoked":false}"#,
    ];
    let (done, ..) = against(vec![page(&rows, Some("n"))], &["cert", "list"]).await;
    assert_eq!(done.out, "ID      VALID UNTIL  REVOKED  COMMON NAME\ncert_1  U            no       a\\u{202e}.example\n");
    assert_eq!(done.notes, "there are more: --all, or --cursor n\n");
    let (done, lines, _) = against(vec![page(&rows, Some("n")), page(&rows, None)], &["cert", "list", "--all", "--limit", "1"]).await;
    assert_eq!(lines, ["GET /v1/pki/certificates?limit=1", "GET /v1/pki/certificates?limit=1&cursor=n"]);
    assert_eq!((done.out.lines().count(), done.out.matches("VALID").count()), (3, 1), "{}", done.out);
    let (done, ..) = against(vec![page(&[], None)], &["cert", "list"]).await;
    assert_eq!((done.code, done.out.as_str(), done.notes.as_str()), (0, "", "none\n"));
    // A page of which nothing is wanted is passed over, however many there are.
    let behind = || vec![page(&[], Some("m")), page(&[], Some("n")), page(&rows, Some("o"))];
    let (done, lines, _) = against(behind(), &["cert", "list"]).await;
    assert_eq!((lines.len(), done.out.lines().count(), done.notes.as_str()), (3, 2, "there are more: --all, or --cursor o\n"));
    let (done, ..) = against(behind(), &["cert", "list", "--json"]).await;
    assert_eq!((done.out.lines().count(), done.notes.as_str()), (1, "there are more: --all, or --cursor o\n"));
    let (done, ..) = against(vec![page(&[], Some("m")), page(&[], None)], &["cert", "list"]).await;
    assert_eq!((done.out.as_str(), done.notes.as_str()), ("", "none\n"));

    let (done, ..) = against(vec![Reaction::json(200, CERTIFICATE)], &["cert", "show", "cert_1", "--json"]).await;
    assert_eq!(done.out, format!("{CERTIFICATE}\n"));
    let (done, ..) = against(vec![Reaction::json(200, CERTIFICATE)], &["cert", "show", "cert_1"]).await;
    assert!(done.out.contains("tags                   x, y\n") && !done.out.contains("description"), "{}", done.out);
}

#[tokio::test]
async fn a_key_goes_into_a_new_file_of_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new/web");
    let arguments = ["issue", "web", "--common-name", "a.example", "--out", out.to_str().unwrap()];
    let (done, ..) = against(vec![Reaction::json(201, ISSUED)], &arguments).await;
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{}", done.notes);
    assert!(done.notes.contains("warning: cut") && done.notes.contains("1A:2B") && !done.notes.contains("KEY"), "{}", done.notes);
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap();
    assert_eq!((read("cert.pem"), read("key.pem"), read("chain.pem")), ("CERT\n".into(), "KEY\n".into(), "ISSUER\nROOT\n".into()));
    assert_eq!(mode(&out.join("key.pem")), 0o600);

    let (done, lines, _) = against(vec![Reaction::json(201, ISSUED)], &arguments).await;
    assert_eq!((done.code, lines.len()), (2, 0), "nothing is issued that cannot be kept");
    assert!(done.notes.contains("nothing is overwritten"), "{}", done.notes);

    let refused = dir.path().join("refused");
    let arguments = ["issue", "web", "--common-name", "a.example", "--out", refused.to_str().unwrap()];
    let (done, ..) = against(vec![problem(422)], &arguments).await;
    assert_eq!((done.code, std::fs::read_dir(&refused).unwrap().count()), (1, 0), "empty files do not stay");
}

#[tokio::test]
async fn what_has_no_file_goes_to_standard_output() {
    let (done, ..) = against(vec![Reaction::json(201, ISSUED)], &["issue", "web", "--common-name", "a"]).await;
    assert_eq!(done.out, "CERT\nISSUER\nROOT\nKEY\n");
    assert!(done.notes.contains("the private key is on standard output"), "{}", done.notes);
    let (done, ..) = against(vec![Reaction::json(201, ISSUED)], &["issue", "web", "--common-name", "a", "--json"]).await;
    assert_eq!(done.out, format!("{ISSUED}\n"));
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("k");
    let arguments = ["--json", "issue", "web", "--common-name", "a", "--key-file", key.to_str().unwrap()];
    let (done, ..) = against(vec![Reaction::json(201, ISSUED)], &arguments).await;
    assert!(done.out.contains("\"CERT\"") && !done.out.contains("KEY"), "{}", done.out);
    assert_eq!(std::fs::read_to_string(&key).unwrap(), "KEY\n");
}

#[tokio::test]
async fn a_request_is_signed_from_pem_and_der() {
    let dir = tempfile::tempdir().unwrap();
    let (csr, cert) = (dir.path().join("csr"), dir.path().join("cert"));
    let signed = ISSUED.replace(r#""private_key":"KEY","#, "");
    for content in [b"-----BEGIN CERTIFICATE REQUEST-----\nx\n".to_vec(), [&[0x30; 60][..], b"\0"].concat()] {
        std::fs::write(&csr, &content).unwrap();
        let arguments = ["sign", "web", "--csr", csr.to_str().unwrap(), "--san", "a", "--cert-file", cert.to_str().unwrap()];
        let (done, _, bodies) = against(vec![Reaction::json(201, &signed)], &arguments).await;
        assert_eq!((done.code, done.out.as_str()), (0, "ISSUER\nROOT\n"), "{}", done.notes);
        assert_eq!(std::fs::read_to_string(&cert).unwrap(), "CERT\n", "and the second time in the place of the first");
        let body: serde_json::Value = serde_json::from_str(&bodies[0]).unwrap();
        let pem = body["csr_pem"].as_str().unwrap();
        assert!(pem.starts_with("-----BEGIN CERTIFICATE REQUEST-----\n") && pem.lines().all(|line| line.len() <= 64), "{pem}");
    }
    std::fs::write(&csr, "hello").unwrap();
    for bad in [csr.to_str().unwrap(), "/no/such/file"] {
        let (done, lines, _) = against(vec![], &["sign", "web", "--csr", bad]).await;
        assert_eq!((done.code, lines.len()), (2, 0), "{}", done.notes);
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "no draft stays behind");
}

#[tokio::test]
async fn a_new_token_is_printed_alone() {
    let made = r#"{"id":"tok_1","name":"n","scopes":["pki:read"],"created_at":"C","expires_at":"E","is_active":true,"token":"chy_secret"}"#;
    let arguments = ["token", "create", "--name", "n", "--scope", "pki:read", "--ttl", "30d"];
    let (done, _, bodies) = against(vec![Reaction::json(201, made)], &arguments).await;
    assert_eq!((done.out.as_str(), bodies[0].as_str()), ("chy_secret\n", r#"{"name":"n","scopes":["pki:read"],"ttl":"30d"}"#));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t");
    for json in [&[][..], &["--json"]] {
        let _ = std::fs::remove_file(&file);
        let arguments = [&arguments[..], &["--out", file.to_str().unwrap()], json].concat();
        let (done, ..) = against(vec![Reaction::json(201, made)], &arguments).await;
        assert!(done.code == 0 && done.out.contains("tok_1") && !done.out.contains("chy_secret"), "{}", done.out);
        assert_eq!((std::fs::read_to_string(&file).unwrap().as_str(), mode(&file)), ("chy_secret\n", 0o600));
    }
}

#[tokio::test]
async fn a_failing_appliance_is_shown_and_is_a_failure() {
    for (status, code) in [("ok", 0), ("failing", 3)] {
        let health = format!(r#"{{"status":"{status}","token":"t","storage":"s","version":"1"}}"#);
        let (done, ..) = against(vec![Reaction::json(if code == 0 { 200 } else { 503 }, &health)], &["health"]).await;
        assert!(done.code == code && done.out.contains(status), "{}", done.notes);
    }
}

#[tokio::test]
async fn the_audit_log_is_checked_without_a_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let (storage, _) = Storage::open(&data, Options { reserve_bytes: 0, low_water_bytes: 0, ..Options::default() }).unwrap();
    let entry = Entry::done(jiff::Timestamp::UNIX_EPOCH, Actor::System, Action::CrlPublish);
    let ledger = Ledger::new(storage);
    ledger.note(entry.clone()).await.unwrap();
    ledger.note(entry).await.unwrap();
    drop(ledger);
    for place in [dir.path(), &data] {
        let done = chancery(&[], &["audit", "verify", place.to_str().unwrap()]).await;
        assert!(done.code == 0 && done.out.contains("entries      2\n"), "{}{}", done.out, done.notes);
    }
    let done = chancery(&[], &["audit", "verify", data.to_str().unwrap(), "--json"]).await;
    let report: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!((&report["entries"], report["head"].as_str().unwrap().len()), (&2.into(), 64));

    let segment = std::fs::read_dir(data.join("journal")).unwrap().map(|file| file.unwrap().path()).min().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes[60] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let done = chancery(&[], &["audit", "verify", data.to_str().unwrap()]).await;
    assert_eq!((done.code, done.out.as_str()), (1, ""), "{}", done.notes);
    assert!(done.notes.contains("damaged in segment 1") && done.notes.contains("evidence"), "{}", done.notes);

    std::fs::remove_file(&segment).unwrap();
    assert_eq!(chancery(&[], &["audit", "verify", data.to_str().unwrap()]).await.code, 1, "an emptied log does not hold");
    let done = chancery(&[], &["audit", "verify", "/no/such/directory"]).await;
    assert_eq!((done.code, done.notes.matches("No such file").count()), (2, 1), "what the system says, once: {}", done.notes);
}

#[test]
fn an_option_comes_before_a_directory_before_a_variable() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("listen.addr", "0.0.0.0:9000\n");
    write("admin.token", "chy_dev\n");
    write("ca.pem", "");
    std::fs::set_permissions(dir.path().join("admin.token"), PermissionsExt::from_mode(0o644)).unwrap();
    let resolve = |options: &[&str], variables: &[(&str, &str)]| {
        let cli = Cli::try_parse_from(["chancery"].iter().chain(options).chain(&["health"])).unwrap();
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        ConnectionArguments::resolve(&cli.connection, &|name| variables.get(name).map(OsString::from))
    };
    let dev = dir.path().to_str().unwrap();
    let url = |options: &[&str], variables: &[(&str, &str)]| resolve(options, variables).unwrap().endpoint.base_url;
    assert_eq!(url(&[], &[("CHANCERY_URL", "")]), "https://127.0.0.1:8443");
    assert_eq!(url(&[], &[("CHANCERY_DIR", dev)]), "https://127.0.0.1:9000");
    assert_eq!(url(&[], &[("CHANCERY_DIR", dev), ("CHANCERY_URL", "https://v")]), "https://v");
    assert_eq!(url(&["--dir", dev], &[("CHANCERY_URL", "https://v")]), "https://127.0.0.1:9000");
    assert_eq!(url(&["--dir", dev, "--url", "https://o"], &[("CHANCERY_URL", "https://v")]), "https://o");

    let settings = resolve(&["--dir", dev], &[("CHANCERY_TOKEN", "chy_other")]).unwrap();
    assert_eq!(settings.endpoint.ca_file.as_deref(), Some(dir.path().join("ca.pem").as_path()));
    assert_eq!(crate::base::secret::ExposeSecret::expose_secret(&settings.endpoint.token.unwrap()), "chy_dev");
    assert!(settings.warnings[0].contains("chmod 600"), "the file is open to others");

    assert!(matches!(resolve(&["--dir", "/"], &[]), Err(SettingsFault::NotADirectory { .. })));
    write("admin.token", "two words");
    assert!(matches!(resolve(&["--dir", dev], &[]), Err(SettingsFault::TokenForm { .. })));
    assert!(matches!(resolve(&["--token-file", "/none"], &[]), Err(SettingsFault::TokenFile { .. })));
    write("listen.addr", "somewhere");
    assert!(matches!(resolve(&["--dir", dev], &[]), Err(SettingsFault::AddressForm { .. })));
}

#[test]
fn a_terminal_sees_no_control_characters() {
    assert_eq!(printable("a\u{1b}[2Jb\r\u{202e}c\u{9b}é"), "a\\u{1b}[2Jb\\r\\u{202e}c\\u{9b}é");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

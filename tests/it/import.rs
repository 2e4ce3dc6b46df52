//! Certificates from elsewhere, and their keys: whatever is legal is taken in and given back as it came.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chancery::api::import::{ImportCertificate, SecretText};
use serde_json::{Value, json};

use crate::appliance::{Answer, Appliance, run};
use crate::load::{self, Choices};
use crate::requester::Requester;
use crate::token_tool::token_tool;

const PATH: &str = "/v1/pki/certificates/import";

/// What Python's cryptography makes and openssl does not so easily.
const FOREIGN: &str = include_str!("import.py");

fn import(appliance: &Appliance, body: Value) -> Answer {
    appliance.call("POST", PATH, Some(body))
}

/// A self-signed certificate by the key in this file.
fn self_signed(requester: &Requester, key: &str, name: &str) -> String {
    let subject = format!("/CN={name}");
    requester.openssl(&["req", "-x509", "-key", key, "-subj", &subject, "-days", "20", "-out", "made.pem"]);
    requester.read("made.pem")
}

fn private_key(appliance: &Appliance, imported: &Value) -> Answer {
    appliance.call("POST", &format!("/v1/pki/certificates/{}/private-key", imported["id"].as_str().unwrap()), None)
}

fn pem_of(appliance: &Appliance, imported: &Value) -> String {
    let answer = appliance.call("GET", &format!("/v1/pki/certificates/{}/pem", imported["id"].as_str().unwrap()), None);
    assert_eq!(answer.status, 200);
    answer.text()
}

#[test]
fn keys_of_every_kind_and_form_come_out_as_they_went_in() {
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let requester = Requester::new();
    let mut imported = Vec::new();
    for (place, kind) in ["rsa-2048", "rsa-3072", "P-256", "P-384", "P-521", "ed25519"].into_iter().enumerate() {
        requester.key("key.pem", kind);
        let certificate = self_signed(&requester, "key.pem", &format!("{kind}.example"));
        // The forms in turn; Ed25519 has one alone.
        let form: &[&str] = if place % 2 == 0 || kind == "ed25519" { &[] } else { &["-traditional"] };
        requester.openssl(&[&["pkey", "-in", "key.pem", "-out", "sent.pem"], form].concat());
        let body = json!({"certificate_pem": certificate, "private_key_pem": requester.read("sent.pem")});
        let answer = import(&appliance, body).expect(201);
        assert_eq!((&answer["has_private_key"], answer.get("warnings")), (&json!(true), None), "{answer}");
        assert_eq!((&answer["issuer_ca_id"], &answer["issuer"]), (&json!(""), &json!(format!("CN={kind}.example"))));
        requester.openssl(&["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"]);
        imported.push((answer, certificate, requester.read("public.pem")));
    }
    // A curve's parameters before the key, as openssl ecparam writes them; and GnuTLS, which explains what it writes.
    requester.openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-out", "key.pem"]);
    let certificate = self_signed(&requester, "key.pem", "parameters.example");
    requester.openssl(&["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"]);
    let body = json!({"certificate_pem": certificate, "private_key_pem": requester.read("key.pem")});
    imported.push((import(&appliance, body).expect(201), certificate, requester.read("public.pem")));
    run(&mut requester.command("certtool", &["--generate-privkey", "--key-type", "rsa", "--bits", "2048", "--outfile", "tls.key"]));
    requester.write("tls.template", "cn = gnutls.example\nexpiration_days = 20\nserial = 7\n");
    let arguments = ["--generate-self-signed", "--load-privkey", "tls.key", "--template", "tls.template", "--outfile", "tls.pem"];
    run(&mut requester.command("certtool", &arguments));
    requester.openssl(&["pkey", "-in", "tls.key", "-pubout", "-out", "public.pem"]);
    let body = json!({"certificate_pem": requester.read("tls.pem"), "private_key_pem": requester.read("tls.key")});
    imported.push((import(&appliance, body).expect(201), requester.read("tls.pem"), requester.read("public.pem")));
    for round in 0..2 {
        for (answer, certificate, public) in &imported {
            assert_eq!(pem_of(&appliance, answer), *certificate);
            requester.write("kept.pem", private_key(&appliance, answer).expect(200)["private_key"].as_str().unwrap());
            assert_eq!(requester.openssl(&["pkey", "-in", "kept.pem", "-pubout"]), *public, "{answer}");
        }
        if round == 0 {
            assert!(appliance.stop());
            appliance = Appliance::start_in(dir.path());
        }
    }
    let health = appliance.call_as(None, "GET", "/healthz", None).expect(200);
    assert!(health.get("key_faults").is_none(), "{health}");
}

#[test]
fn what_cannot_be_taken_is_named_all_at_once() {
    let appliance = Appliance::start();
    let requester = Requester::new();
    requester.key("key.pem", "P-256");
    requester.key("other.pem", "P-256");
    let (certificate, key) = (self_signed(&requester, "key.pem", "a.example"), requester.read("key.pem"));
    let ca = appliance.root("root", "ec", 256);
    let all = json!({"certificate_pem": "x", "private_key_pem": "x", "chain_pem": "x", "ca_id": "x"});
    assert_eq!(import(&appliance, all).refused(400).1, ["certificate_pem", "private_key_pem", "chain_pem", "ca_id"]);
    let body = json!({"certificate_pem": certificate, "private_key_pem": requester.read("other.pem"), "ca_id": ca, "chain_pem": key});
    assert_eq!(import(&appliance, body).refused(400).1, ["private_key_pem", "chain_pem", "ca_id"]);
    let said = |body: Value| {
        let answer = import(&appliance, body);
        assert_eq!(answer.status, 400, "{}", answer.text());
        answer.json()["violations"][0]["message"].as_str().unwrap().to_owned()
    };
    for arguments in [
        ["pkcs8", "-topk8", "-in", "key.pem", "-passout", "pass:secret", "-out", "encrypted.pem"].as_slice(),
        &["ec", "-in", "key.pem", "-aes128", "-passout", "pass:secret", "-out", "encrypted.pem"],
    ] {
        requester.openssl(arguments);
        let message = said(json!({"certificate_pem": certificate, "private_key_pem": requester.read("encrypted.pem")}));
        assert!(message.contains("is encrypted"), "{message}");
    }
    assert!(said(json!({"certificate_pem": certificate, "private_key_pem": certificate})).contains("CERTIFICATE; PRIVATE KEY"));
    assert!(said(json!({"certificate_pem": certificate, "private_key_pem": format!("{key}{key}")})).contains("more than 1"));
    assert!(said(json!({"certificate_pem": format!("{certificate}{key}")})).contains("compromised"));
    assert!(
        said(json!({"certificate_pem": certificate, "chain_pem": self_signed(&requester, "other.pem", "b").repeat(21)})).contains("20")
    );
    requester.key("small.pem", "rsa-1024");
    let small = self_signed(&requester, "small.pem", "small.example");
    let answer = import(&appliance, json!({"certificate_pem": small, "private_key_pem": requester.read("small.pem")}));
    assert!(answer.text().contains("1024 bits"), "{}", answer.text());
    assert_eq!(answer.refused(400).1, ["private_key_pem"]);
    // None of it left anything behind.
    assert_eq!(appliance.call("GET", "/v1/pki/certificates", None).expect(200)["data"], json!([]));
    let known = import(&appliance, json!({"certificate_pem": certificate})).expect(201);
    assert_eq!(known["has_private_key"], false);
    assert_eq!(private_key(&appliance, &known).refused(409).0, "no_private_key");
    let again = import(&appliance, json!({"certificate_pem": certificate, "private_key_pem": key}));
    assert!(again.text().contains(known["id"].as_str().unwrap()), "{}", again.text());
    assert_eq!(again.refused(409).0, "already_known");
    let root = appliance.call("GET", &format!("/v1/pki/ca/{ca}/certificate"), None).expect(200)["certificate_pem"].clone();
    assert_eq!(import(&appliance, json!({"certificate_pem": root})).refused(409).0, "already_known");
    appliance.role("web", &ca, json!({}));
    let issued = appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"}))).expect(201);
    let again = import(&appliance, json!({"certificate_pem": issued["certificate"]}));
    assert!(again.text().contains(issued["id"].as_str().unwrap()));
    assert_eq!(again.refused(409).0, "already_known");
}

#[test]
fn odd_but_legal_certificates_are_taken_and_shown_exactly() {
    let appliance = Appliance::start();
    let requester = Requester::new();
    requester.write("import.py", FOREIGN);
    run(&mut requester.command("python3", &["import.py"]));
    let names: Value = serde_json::from_str(&requester.read("made.json")).unwrap();
    for (name, wanted) in names.as_object().unwrap() {
        let pem = requester.read(&format!("{name}.pem"));
        let answer = import(&appliance, json!({"certificate_pem": pem}));
        assert_eq!(answer.status, 201, "{name}: {}", answer.text());
        let imported = answer.json();
        assert_eq!(pem_of(&appliance, &imported), pem, "{name}");
        for (field, value) in wanted.as_object().unwrap() {
            if field == "warning" {
                let warnings = imported["warnings"].to_string();
                assert!(warnings.contains(value.as_str().unwrap()), "{name}: {warnings}");
            } else {
                assert_eq!(&imported[field], value, "{name}: {field}");
            }
        }
        let shown = appliance.call("GET", &format!("/v1/pki/certificates/{}", imported["id"].as_str().unwrap()), None).expect(200);
        assert_eq!(shown["serial_number"], imported["serial_number"], "{name}");
    }
    let listed = appliance.call("GET", "/v1/pki/certificates?limit=1000", None).expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), names.as_object().unwrap().len());
}

#[test]
fn a_foreign_certificate_is_listed_told_of_and_never_revoked_by_us() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let issued = appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"}))).expect(201);
    let requester = Requester::new();
    requester.key("key.pem", "P-256");
    // With the serial number of one that we issued.
    let serial = format!("0x{}", issued["serial_number"].as_str().unwrap().replace(':', ""));
    let arguments = ["req", "-x509", "-key", "key.pem", "-subj", "/CN=foreign.example", "-days", "60", "-set_serial"];
    requester.openssl(&[&arguments[..], &[&serial, "-out", "foreign.pem"]].concat());
    let imported = import(&appliance, json!({"certificate_pem": requester.read("foreign.pem")})).expect(201);
    assert_eq!(imported["serial_number"], issued["serial_number"]);
    let ids = |path: &str| {
        let listed = appliance.call("GET", path, None).expect(200);
        listed["data"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids("/v1/pki/certificates"), [issued["id"].clone(), imported["id"].clone()]);
    assert_eq!(ids(&format!("/v1/pki/certificates?ca_id={ca}")), [issued["id"].clone()]);
    assert_eq!(ids("/v1/pki/certificates?expiring_within=90d"), [issued["id"].clone(), imported["id"].clone()]);
    let revoke = |body: Value| appliance.call("POST", "/v1/pki/revoke", Some(body));
    assert_eq!(revoke(json!({"certificate_id": imported["id"]})).refused(409).0, "not_ours");
    let renew = format!("/v1/pki/certificates/{}/renew", imported["id"].as_str().unwrap());
    assert_eq!(appliance.call("POST", &renew, Some(json!({}))).refused(409).0, "not_ours");
    // By the serial number ours is meant.
    assert_eq!(revoke(json!({"serial_number": issued["serial_number"]})).expect(200)["id"], issued["id"]);
    assert_eq!(ids("/v1/pki/certificates"), [imported["id"].clone()], "the other's revocation is not its");
    requester.openssl(&[&arguments[..], &["-0x1234", "-out", "negative.pem"]].concat());
    let negative = import(&appliance, json!({"certificate_pem": requester.read("negative.pem")})).expect(201);
    assert_eq!(negative["serial_number"], "-12:34");
    assert_eq!(revoke(json!({"serial_number": "-12:34"})).refused(409).0, "not_ours");
    // Labels, events and the trail.
    let path = format!("/v1/pki/certificates/{}", imported["id"].as_str().unwrap());
    assert_eq!(appliance.call("PATCH", &path, Some(json!({"tags": ["theirs"]}))).expect(200)["tags"], json!(["theirs"]));
    let events = appliance.call("GET", "/v1/events?type=certificate.imported", None).expect(200);
    assert_eq!(events["data"][0]["subject"], imported["id"]);
    let theirs = appliance.call("POST", "/v1/admin/organizations", Some(json!({"name": "elsewhere"}))).expect(201)["id"].clone();
    let body = json!({"name": "theirs", "scopes": ["pki:admin"], "ttl": "1h", "organization_id": theirs});
    let token = appliance.call("POST", "/v1/admin/tokens", Some(body)).expect(201)["token"].as_str().unwrap().to_owned();
    assert_eq!(appliance.call_as(Some(&token), "GET", &path, None).status, 404);
    // Another organisation may have the same certificate, and not know of ours.
    let body = json!({"certificate_pem": requester.read("foreign.pem")});
    let second = appliance.call_as(Some(&token), "POST", PATH, Some(body)).expect(201);
    assert_ne!(second["id"], imported["id"]);
}

#[test]
fn a_certificate_that_ends_soon_is_told_of_whoever_signed_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let requester = Requester::new();
    requester.key("key.pem", "P-256");
    requester.openssl(&["req", "-x509", "-key", "key.pem", "-subj", "/CN=soon.example", "-days", "40", "-out", "later.pem"]);
    import(&appliance, json!({"certificate_pem": requester.read("later.pem")})).expect(201);
    requester.write("import.py", FOREIGN);
    run(&mut requester.command("python3", &["import.py"]));
    let soon = import(&appliance, json!({"certificate_pem": requester.read("soon.pem")})).expect(201);
    // It is looked for at every start.
    assert!(appliance.stop());
    appliance = Appliance::start_in(dir.path());
    let begun = std::time::Instant::now();
    let told = loop {
        let page = appliance.call("GET", "/v1/events?type=certificate.expiring", None).expect(200);
        let told: Vec<_> = page["data"].as_array().unwrap().clone();
        if !told.is_empty() || begun.elapsed() > Duration::from_secs(60) {
            break told;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(!told.is_empty() && told.iter().all(|event| event["subject"] == soon["id"]), "{told:?}");
    assert!(told[0]["data"].get("ca_id").is_none(), "{told:?}");
}

#[test]
fn one_that_an_authority_of_ours_signed_is_tied_to_it() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let issued = appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"}))).expect(201);
    let requester = Requester::new();
    // The same to-be-signed bytes under another signature of the same key: (r, n - s) verifies wherever (r, s) does.
    requester.write("ours.pem", issued["certificate"].as_str().unwrap());
    requester.write("import.py", FOREIGN);
    run(&mut requester.command("python3", &["import.py", "ours.pem"]));
    let body = json!({"certificate_pem": requester.read("twin.pem"), "private_key_pem": issued["private_key"]});
    let imported = import(&appliance, body).expect(201);
    assert_eq!((&imported["issuer_ca_id"], &imported["serial_number"]), (&json!(ca), &issued["serial_number"]));
    assert!(imported.get("issuer").is_none());
    assert_eq!(private_key(&appliance, &imported).expect(200)["private_key"], issued["private_key"]);
    // By the serial number what was issued is meant, and what is revoked is the serial number.
    let revoked = appliance.call("POST", "/v1/pki/revoke", Some(json!({"certificate_id": imported["id"]}))).expect(200);
    assert_eq!((&revoked["id"], &revoked["is_revoked"]), (&imported["id"], &json!(true)));
    let first = appliance.call("GET", &format!("/v1/pki/certificates/{}", issued["id"].as_str().unwrap()), None).expect(200);
    assert_eq!(first["is_revoked"], true);
    let other = appliance.root("other", "ec", 256);
    requester.key("key.pem", "P-256");
    let foreign = self_signed(&requester, "key.pem", "root CA");
    for ca in [ca.as_str(), &other, "ca_0123456789abcdef0123456789abcdef"] {
        assert_eq!(import(&appliance, json!({"certificate_pem": foreign, "ca_id": ca})).refused(400).1, ["ca_id"]);
    }
    // A name alone is not enough.
    assert_eq!(import(&appliance, json!({"certificate_pem": foreign})).expect(201)["issuer_ca_id"], "");
}

#[test]
fn the_chain_that_came_with_it_is_offered_when_it_is_validated() {
    let appliance = Appliance::start();
    let requester = Requester::new();
    requester.write("import.py", FOREIGN);
    run(&mut requester.command("python3", &["import.py"]));
    let read = |name: &str| requester.read(name);
    let anchor = json!({"name": "elsewhere", "certificate_pem": read("chain-root.pem")});
    appliance.call("POST", "/v1/pki/trust-anchors", Some(anchor)).expect(201);
    let validate = || {
        let body = json!({"certificate_pem": read("chain-leaf.pem")});
        appliance.call("POST", "/v1/pki/certificates/validate", Some(body)).expect(200)["valid"].clone()
    };
    assert_eq!(validate(), false);
    let chain = format!("{}{}", read("chain-leaf.pem"), read("chain-sub.pem"));
    let body = json!({"certificate_pem": read("chain-leaf.pem"), "chain_pem": chain, "private_key_pem": read("chain-leaf.key")});
    let imported = import(&appliance, body).expect(201);
    assert!(imported.get("warnings").is_none(), "{imported}");
    assert_eq!(validate(), true);
}

#[test]
fn the_command_line_imports() {
    let appliance = Appliance::start();
    let requester = Requester::new();
    requester.key("key.pem", "P-256");
    self_signed(&requester, "key.pem", "line.example");
    let chancery = |arguments: &[&str]| {
        let mut command = requester.command(env!("CARGO_BIN_EXE_chancery"), arguments);
        run(command.arg("--dir").arg(appliance.dir()))
    };
    let shown = chancery(&["cert", "import", "made.pem", "--key", "key.pem"]);
    assert!(shown.contains("line.example") && shown.contains("CN=line.example"), "{shown}");
    let listed = appliance.call("GET", "/v1/pki/certificates", None).expect(200);
    let id = listed["data"][0]["id"].as_str().unwrap();
    assert_eq!(chancery(&["cert", "pem", id]).trim(), requester.read("made.pem").trim());
    requester.openssl(&["ec", "-in", "key.pem", "-out", "sent.pem"]);
    assert_eq!(chancery(&["cert", "private-key", id]), requester.read("sent.pem"));
}

/// CHANCERY_CRASH_ROUNDS says how often it is killed (10 here), CHANCERY_CRASH_SEED repeats a run's choices.
#[test]
fn killed_at_any_moment_key_and_certificate_are_both_there_or_neither_is() {
    let rounds: usize = std::env::var("CHANCERY_CRASH_ROUNDS").ok().map_or(10, |text| text.parse().expect("a number of rounds"));
    let mut choices = Choices::from_environment("CHANCERY_CRASH_SEED");
    let requester = Requester::new();
    requester.key("key.pem", "P-256");
    let mut material = (0..rounds * 40).map(|number| self_signed(&requester, "key.pem", &format!("{number}.example")));
    let key = requester.read("key.pem");
    let runtime = load::runtime();
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let answered: Arc<Mutex<Vec<String>>> = Arc::default();
    for round in 1..=rounds {
        let killed = Arc::new(AtomicBool::new(false));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let (client, answered, killed) = (load::client(&appliance), answered.clone(), killed.clone());
            let (certificates, key): (Vec<_>, _) = (material.by_ref().take(10).collect(), key.clone());
            let work = async move {
                for certificate_pem in certificates {
                    let private_key_pem = Some(SecretText(key.clone()));
                    let body = ImportCertificate { certificate_pem, private_key_pem, ..ImportCertificate::default() };
                    match client.import_certificate(&body).await {
                        Ok(imported) => answered.lock().unwrap().push(imported.value.certificate.summary.id),
                        Err(error) => assert!(killed.load(Ordering::SeqCst), "round {round}: {error:?}"),
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
        let health = appliance.call_as(None, "GET", "/healthz", None).expect(200);
        assert!(health.get("key_faults").is_none(), "round {round}: {health}");
        let listed = appliance.call("GET", "/v1/pki/certificates?limit=1000", None).expect(200);
        let mut here: Vec<_> = listed["data"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
        for id in answered.lock().unwrap().iter() {
            assert!(here.contains(id), "round {round}: {id} was answered");
        }
        // Every key in the token is a listed certificate's, and every listed certificate has its key there.
        let owners = || {
            let objects = token_tool(appliance.dir(), &["--list-objects", "--type", "privkey"]);
            let owner = |line: &str| line.trim().strip_prefix("label:      subject:").map(str::to_owned);
            let mut owners: Vec<_> = objects.lines().filter_map(owner).collect();
            owners.sort();
            owners
        };
        here.sort();
        // What the worker of the daemon before was in the middle of is destroyed a little later.
        crate::waiting::wait_for(&format!("the keys of {here:?}, round {round}"), || owners() == here);
    }
    println!("{rounds} kills: {} imports answered", answered.lock().unwrap().len());
    assert!(!answered.lock().unwrap().is_empty(), "there was load");
}

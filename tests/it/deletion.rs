//! Certificates that are deleted for good, and their kept keys with them: what may go, what stays of it, and nothing left in the token.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chancery::api::pki::{CreateSigningRequest, Renew, RetrievePrivateKey, Revoke, SignSigningRequest};
use chancery::client::{Client, ClientError};
use serde_json::{Value, json};

use crate::appliance::Appliance;
use crate::load::{self, Choices};
use crate::requester::Requester;
use crate::token_tool::token_tool;

/// An appliance with an authority, and roles that keep keys.
struct World {
    appliance: Appliance,
    ca: String,
}

impl World {
    fn new() -> Self {
        Self::of(Appliance::start())
    }

    fn of(appliance: Appliance) -> Self {
        let ca = appliance.root("root", "ec", 256);
        appliance.role("token", &ca, json!({"store_private_keys": true}));
        appliance.role("wrapped", &ca, json!({"store_private_keys": true, "key_storage": "wrapped"}));
        Self { appliance, ca }
    }

    fn issue(&self, role: &str, name: &str, ttl: &str) -> Value {
        let body = json!({"common_name": format!("{name}.example.com"), "ttl": ttl});
        self.appliance.call("POST", &format!("/v1/pki/issue/{role}"), Some(body)).expect(201)
    }

    /// A certificate by approval, whose key was made in the token.
    fn approved(&self, name: &str) -> Value {
        let post = |path: &str, body: Value| self.appliance.call("POST", path, Some(body));
        let made = post("/v1/pki/csr", json!({"subject": {"common_name": format!("{name}.example.com")}})).expect(201);
        let path = |deed: &str| format!("/v1/pki/csr/{}/{deed}", id(&made));
        post(&path("approve"), json!({})).expect(200);
        post(&path("sign"), json!({"ca_id": self.ca})).expect(201)
    }

    fn renew(&self, certificate: &Value, body: Value) -> Value {
        self.appliance.call("POST", &format!("/v1/pki/certificates/{}/renew", id(certificate)), Some(body)).expect(201)
    }

    fn revoke(&self, certificate: &Value, reason: &str) {
        let body = json!({"certificate_id": id(certificate), "reason": reason});
        self.appliance.call("POST", "/v1/pki/revoke", Some(body)).expect(200);
    }

    fn delete(&self, certificate: &Value) -> crate::appliance::Answer {
        self.appliance.call("DELETE", &format!("/v1/pki/certificates/{}", id(certificate)), None)
    }

    fn destroy_key(&self, certificate: &Value) -> crate::appliance::Answer {
        self.appliance.call("DELETE", &format!("/v1/pki/certificates/{}/private-key", id(certificate)), None)
    }

    /// The private key that is kept with it.
    fn key(&self, certificate: &Value) -> String {
        let path = format!("/v1/pki/certificates/{}/private-key", id(certificate));
        self.appliance.call("POST", &path, None).expect(200)["private_key"].as_str().unwrap().to_owned()
    }

    fn has_key(&self, certificate: &Value) -> bool {
        let shown = self.appliance.call("GET", &format!("/v1/pki/certificates/{}", id(certificate)), None).expect(200);
        shown["has_private_key"].as_bool().unwrap()
    }

    fn on_crl(&self, ca: &str, certificate: &Value) -> bool {
        let published = self.appliance.call("POST", &format!("/v1/pki/ca/{ca}/crl"), None).expect(200);
        let serial = certificate["serial_number"].as_str().unwrap().replace(':', "");
        Requester::new().crl_text(published["crl_pem"].as_str().unwrap()).contains(&serial)
    }
}

fn id(value: &Value) -> &str {
    value["id"].as_str().expect("an id")
}

/// How many keys of subjects a tool we did not write finds in the token.
fn keys_in_token(appliance: &Appliance) -> usize {
    let objects = token_tool(appliance.dir(), &["--list-objects", "--type", "privkey"]);
    objects.lines().filter(|line| line.trim().starts_with("label:      subject:")).count()
}

#[test]
fn what_is_relied_upon_does_not_vanish() {
    let world = World::new();
    let (valid, held) = (world.issue("token", "valid", "1h"), world.issue("token", "held", "1h"));
    assert_eq!(world.delete(&valid).refused(409).0, "certificate_valid");
    world.revoke(&held, "certificate_hold");
    assert_eq!(world.delete(&held).refused(409).0, "certificate_on_hold");
    let body = json!({"name": "sub", "common_name": "Sub", "ca_type": "intermediate", "parent_ca_id": world.ca, "key_type": "ec"});
    let sub = world.appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201);
    let listed = world.appliance.call("GET", "/v1/pki/certificates", None).expect(200);
    let of_sub = listed["data"].as_array().unwrap().iter().find(|one| one["serial_number"] == sub["serial_number"]).unwrap();
    assert_eq!(world.delete(of_sub).refused(409).0, "is_authority");
    let nothing = json!({"id": "cert_0123456789abcdef0123456789abcdef"});
    assert_eq!(world.delete(&nothing).refused(404).0, "not_found");
    assert!(world.has_key(&valid) && world.has_key(&held), "nothing was done to them");
    let reader = world.appliance.token(&["pki:issue"]);
    let path = format!("/v1/pki/certificates/{}", id(&valid));
    assert_eq!(world.appliance.call_as(Some(&reader), "DELETE", &path, None).refused(403).0, "forbidden");
}

#[test]
fn a_revoked_one_goes_with_its_key_and_stays_on_the_crl() {
    for role in ["token", "wrapped"] {
        let world = World::new();
        let (gone, other) = (world.issue(role, "gone", "1h"), world.issue(role, "other", "1h"));
        world.appliance.call("PATCH", &format!("/v1/pki/certificates/{}", id(&gone)), Some(json!({"tags": ["x"]}))).expect(200);
        world.revoke(&gone, "superseded");
        let before = keys_in_token(&world.appliance);
        assert_eq!(world.delete(&gone).status, 204);
        assert_eq!(keys_in_token(&world.appliance), before - usize::from(role == "token"), "{role}");
        for path in ["", "/pem"] {
            let answer = world.appliance.call("GET", &format!("/v1/pki/certificates/{}{path}", id(&gone)), None);
            assert_eq!(answer.refused(404).0, "not_found", "{path}");
        }
        assert_eq!(world.delete(&gone).refused(404).0, "not_found");
        assert_eq!(world.destroy_key(&gone).refused(404).0, "not_found");
        let listed = world.appliance.call("GET", "/v1/pki/certificates?include_revoked=true", None).expect(200);
        assert!(!listed.to_string().contains(id(&gone)) && listed.to_string().contains(id(&other)), "{listed}");
        assert!(world.on_crl(&world.ca, &gone), "a revocation is never undone");
        let again = json!({"serial_number": gone["serial_number"]});
        assert_eq!(world.appliance.call("POST", "/v1/pki/revoke", Some(again)).refused(404).0, "not_found");
        let entry = &world.appliance.told("certificate.delete")[0];
        assert_eq!((&entry["object"], &entry["severity"], &entry["details"]["reason"]), (&gone["id"], &json!("high"), &json!("revoked")));
        assert_eq!(entry["details"]["key_storage"], role);
        assert_eq!(world.appliance.told("key.destroy").len(), usize::from(role == "token"), "{role}");
        let events = world.appliance.call("GET", "/v1/events?type=certificate.deleted", None).expect(200);
        assert_eq!((&events["data"][0]["subject"], events["data"].as_array().unwrap().len()), (&gone["id"], 1));
        assert_eq!(world.key(&other), other["private_key"].as_str().unwrap(), "another's key is untouched");
    }
}

#[test]
fn an_expired_one_and_one_from_elsewhere_go_and_come_again() {
    let world = World::new();
    let brief = world.issue("token", "brief", "2s");
    let requester = Requester::new();
    requester.key("key.pem", "P-256");
    requester.openssl(&["req", "-x509", "-key", "key.pem", "-subj", "/CN=elsewhere.example", "-days", "9", "-out", "made.pem"]);
    let import = || {
        let body = json!({"certificate_pem": requester.read("made.pem"), "private_key_pem": requester.read("key.pem")});
        world.appliance.call("POST", "/v1/pki/certificates/import", Some(body))
    };
    let imported = import().expect(201);
    assert_eq!(import().refused(409).0, "already_known");
    assert_eq!(world.delete(&imported).status, 204, "its issuer answers for it");
    assert_eq!(keys_in_token(&world.appliance), 1);
    let again = import().expect(201);
    assert_ne!(again["id"], imported["id"]);
    crate::waiting::wait_for("the certificate to expire", || world.delete(&brief).status == 204);
    assert_eq!(world.appliance.told("certificate.delete").last().unwrap()["details"]["reason"], "expired");
    assert_eq!(keys_in_token(&world.appliance), 1, "that of the import");
}

#[test]
fn one_that_its_authority_took_along_stays_on_the_crl() {
    let world = World::new();
    let body = json!({"name": "sub", "common_name": "Sub", "ca_type": "intermediate", "parent_ca_id": world.ca, "key_type": "ec"});
    let sub = id(&world.appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)).to_owned();
    world.appliance.role("under", &sub, json!({}));
    let under = world.issue("under", "under", "1h");
    world.appliance.call("POST", &format!("/v1/pki/ca/{sub}/revoke"), None).expect(200);
    assert!(world.on_crl(&sub, &under));
    assert_eq!(world.delete(&under).status, 204);
    assert!(world.on_crl(&sub, &under), "deleting takes nothing off a CRL");
}

/// An authority that was revoked lists what the inventory has of it, which a deletion changes while it is read.
#[test]
fn deletions_under_a_revoked_authority_neither_fail_its_crl_nor_raise_the_alarm() {
    let world = World::new();
    let body = json!({"name": "sub", "common_name": "Sub", "ca_type": "intermediate", "parent_ca_id": world.ca, "key_type": "ec"});
    let sub = id(&world.appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)).to_owned();
    world.appliance.role("under", &sub, json!({}));
    let all: Vec<_> = (0..60).map(|number| world.issue("under", &format!("host{number}"), "1h")).collect();
    world.appliance.call("POST", &format!("/v1/pki/ca/{sub}/revoke"), None).expect(200);
    assert!(world.on_crl(&sub, &all[0]));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                world.appliance.call("POST", &format!("/v1/pki/ca/{sub}/crl"), None).expect(200);
            }
        });
        for certificate in &all {
            assert_eq!(world.delete(certificate).status, 204);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(world.appliance.told("crl.reject"), Vec::<Value>::new());
    // Also those that went while the last of them was made, and without anybody's asking for another.
    crate::waiting::wait_for("a CRL with all of them", || {
        let answer = world.appliance.call_raw(None, "GET", &format!("/v1/pki/ca/{sub}/crl"), None, &["Accept: text/plain"]);
        let text = Requester::new().crl_text(&answer.text());
        all.iter().all(|certificate| text.contains(&certificate["serial_number"].as_str().unwrap().replace(':', "")))
    });
}

/// RFC 5280, 3.3: what has ended is on one more full CRL, deleted or not.
#[test]
fn one_that_has_ended_under_a_revoked_authority_is_on_one_more_crl_though_it_is_deleted() {
    let world = World::new();
    let body = json!({"name": "sub", "common_name": "Sub", "ca_type": "intermediate", "parent_ca_id": world.ca, "key_type": "ec"});
    let sub = id(&world.appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)).to_owned();
    world.appliance.role("under", &sub, json!({}));
    let brief = world.issue("under", "brief", "8s");
    world.appliance.call("POST", &format!("/v1/pki/ca/{sub}/revoke"), None).expect(200);
    assert!(world.on_crl(&sub, &brief));
    let shown = world.appliance.call("GET", &format!("/v1/pki/certificates/{}", id(&brief)), None).expect(200);
    let end: jiff::Timestamp = shown["valid_until"].as_str().unwrap().parse().unwrap();
    crate::waiting::wait_for("the certificate to expire", || jiff::Timestamp::now().as_second() > end.as_second() + 1);
    assert_eq!(world.delete(&brief).status, 204);
    assert!(world.on_crl(&sub, &brief), "one more");
    assert!(!world.on_crl(&sub, &brief), "and no further");
}

#[test]
fn the_key_alone_is_destroyed() {
    let world = World::new();
    for role in ["token", "wrapped"] {
        let issued = world.issue(role, "keyless", "1h");
        assert_eq!(world.destroy_key(&issued).status, 204);
        assert!(!world.has_key(&issued));
        assert_eq!(world.destroy_key(&issued).refused(409).0, "no_private_key");
        let path = format!("/v1/pki/certificates/{}/private-key", id(&issued));
        assert_eq!(world.appliance.call("POST", &path, None).refused(409).0, "no_private_key");
        let entries = world.appliance.told("key.destroy");
        assert!(entries.iter().any(|entry| entry["object"] == issued["id"] && entry["severity"] == "high"), "{entries:?}");
    }
    assert_eq!(keys_in_token(&world.appliance), 0);
}

#[test]
fn a_key_that_stays_in_a_renewal_is_that_of_both_and_ends_with_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(dir.path()));
    let first = world.approved("a");
    let key = world.key(&first);
    let second = world.renew(&first, json!({}));
    let third = world.renew(&second, json!({}));
    let fourth = world.renew(&first, json!({}));
    for one in [&second, &third, &fourth] {
        assert_eq!((world.has_key(one), world.key(one)), (true, key.clone()));
    }
    assert_eq!(keys_in_token(&world.appliance), 1, "a reference and no copy");
    world.revoke(&first, "superseded");
    assert_eq!(world.delete(&first).status, 204);
    assert_eq!(world.destroy_key(&third).status, 204);
    assert_eq!(
        (world.has_key(&third), world.appliance.told("key.release").len(), world.appliance.told("key.destroy").len()),
        (false, 1, 0)
    );
    assert_eq!((world.key(&second), world.key(&fourth), keys_in_token(&world.appliance)), (key.clone(), key.clone(), 1));
    // The records say the same to a start.
    assert!(world.appliance.stop());
    world.appliance = Appliance::start_in(dir.path());
    assert_eq!(world.destroy_key(&second).status, 204);
    assert_eq!(world.key(&fourth), key);
    world.revoke(&fourth, "superseded");
    assert_eq!(world.delete(&fourth).status, 204);
    assert_eq!(keys_in_token(&world.appliance), 0, "it ends with the last that refers to it");
    let health = world.appliance.call_as(None, "GET", "/healthz", None).expect(200);
    assert!(health.get("key_faults").is_none(), "{health}");
}

#[test]
fn a_wrapped_key_that_a_request_brings_again_is_shared() {
    let world = World::new();
    let first = world.issue("wrapped", "w", "1h");
    let requester = Requester::new();
    requester.write("key.pem", first["private_key"].as_str().unwrap());
    let csr = requester.csr("key.pem", "/CN=w.example.com", "");
    let second = world.renew(&first, json!({"csr_pem": csr}));
    world.revoke(&first, "superseded");
    assert_eq!(world.delete(&first).status, 204);
    assert_eq!(world.key(&second), first["private_key"].as_str().unwrap());
    assert_eq!(world.destroy_key(&second).status, 204);
    assert!(!world.has_key(&second));
}

#[test]
fn of_many_deletions_at_once_one_is_done() {
    let world = World::new();
    let first = world.approved("a");
    let all = [world.renew(&first, json!({})), world.renew(&first, json!({})), first];
    for one in &all {
        world.revoke(one, "superseded");
    }
    let client = load::client(&world.appliance);
    let outcomes = load::runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..60 {
            let (client, id) = (client.clone(), id(&all[number % 3]).to_owned());
            tasks.spawn(async move { client.delete_certificate(&id).await });
        }
        tasks.join_all().await
    });
    let (done, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((done.len(), refused.len()), (3, 57));
    assert!(refused.into_iter().all(|outcome| outcome.unwrap_err().status() == Some(404)));
    assert_eq!((world.appliance.told("certificate.delete").len(), keys_in_token(&world.appliance)), (3, 0));
}

#[test]
fn the_command_line_deletes() {
    let world = World::new();
    let issued = world.issue("token", "line", "1h");
    let chancery = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
        command.env_clear().args(arguments).arg("--dir").arg(world.appliance.dir()).output().unwrap()
    };
    let refused = chancery(&["cert", "delete", id(&issued)]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("certificate_valid"));
    assert!(chancery(&["cert", "delete", id(&issued), "--only-private-key"]).status.success());
    assert!(!world.has_key(&issued));
    world.revoke(&issued, "superseded");
    assert!(chancery(&["cert", "delete", id(&issued)]).status.success());
    assert_eq!(chancery(&["cert", "show", id(&issued)]).status.code(), Some(5));
}

/// What one worker knows of its certificates.
#[derive(Default)]
struct Books {
    /// Certificates with a kept key, by answers.
    kept: BTreeSet<String>,
    /// Deletions that were answered.
    deleted: BTreeSet<String>,
    /// Whose end was asked for.
    ending: BTreeSet<String>,
    faults: Vec<String>,
}

/// Makes a key by request, signs it, renews with it, and deletes in the one order or the other.
async fn live(client: &Client, ca: &str, books: &Mutex<Books>, order: bool) -> Result<(), ClientError> {
    let subject = [("common_name".to_owned(), "made.example.com".to_owned())].into();
    let made = client.create_signing_request(&CreateSigningRequest { subject, ..CreateSigningRequest::default() }).await?.into_value();
    let request = made.summary.id;
    client.approve_signing_request(&request, &Default::default()).await?;
    let body = SignSigningRequest { ca_id: ca.to_owned(), validity_days: Some(1), san: None };
    let first = client.sign_signing_request(&request, &body).await?.into_value().id;
    books.lock().unwrap().kept.insert(first.clone());
    let second = client.renew(&first, &Renew::default()).await?.into_value().id;
    books.lock().unwrap().kept.insert(second.clone());
    let (one, other) = if order { (first, second) } else { (second, first) };
    books.lock().unwrap().ending.insert(one.clone());
    let revoke = Revoke { certificate_id: Some(one.clone()), reason: Some("superseded".to_owned()), ..Revoke::default() };
    client.revoke(&revoke).await?;
    client.delete_certificate(&one).await?;
    books.lock().unwrap().deleted.insert(one);
    books.lock().unwrap().ending.insert(other.clone());
    client.destroy_private_key(&other).await?;
    books.lock().unwrap().kept.remove(&other);
    Ok(())
}

/// CHANCERY_DELETION_CRASH_ROUNDS says how often it is killed (8), CHANCERY_DELETION_CRASH_SEED repeats a run's choices.
#[test]
fn killed_at_any_moment_no_key_is_left_behind_and_none_is_lost() {
    let rounds: usize = std::env::var("CHANCERY_DELETION_CRASH_ROUNDS").ok().map_or(8, |text| text.parse().expect("a number of rounds"));
    let mut choices = Choices::from_environment("CHANCERY_DELETION_CRASH_SEED");
    let runtime = load::runtime();
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(dir.path()));
    let books: Arc<Mutex<Books>> = Arc::default();
    for round in 1..=rounds {
        let killed = Arc::new(AtomicBool::new(false));
        let mut tasks = tokio::task::JoinSet::new();
        for worker in 0..4 {
            let (client, ca, books, killed) = (load::client(&world.appliance), world.ca.clone(), books.clone(), killed.clone());
            let work = async move {
                loop {
                    if let Err(error) = live(&client, &ca, &books, worker % 2 == 0).await {
                        let is_cut_off = matches!(error, ClientError::Interrupted { .. } | ClientError::Unreachable { .. });
                        if !is_cut_off || !killed.load(Ordering::SeqCst) {
                            books.lock().unwrap().faults.push(format!("{error:?}"));
                        }
                        return;
                    }
                }
            };
            tasks.spawn_on(work, runtime.handle());
        }
        std::thread::sleep(Duration::from_millis(100 + choices.below(600)));
        killed.store(true, Ordering::SeqCst);
        world.appliance.kill();
        runtime.block_on(tasks.join_all());
        chancery::audit::verify(&dir.path().join("data")).unwrap_or_else(|error| panic!("round {round}: {error}"));
        world.appliance = Appliance::start_in(dir.path());
        let health = world.appliance.call_as(None, "GET", "/healthz", None).expect(200);
        assert!(health.get("key_faults").is_none(), "round {round}: {health}");
        check(&world, &runtime, &mut books.lock().unwrap(), round);
    }
    let books = books.lock().unwrap();
    println!("{rounds} kills: {} deletions answered", books.deleted.len());
    assert!(!books.deleted.is_empty(), "there was load");
    assert!(world.appliance.stop() && !world.appliance.log().contains("panicked"), "{}", world.appliance.log());
}

fn check(world: &World, runtime: &tokio::runtime::Runtime, books: &mut Books, round: usize) {
    assert!(books.faults.is_empty(), "round {round}: {:#?}", books.faults);
    let client = load::client(&world.appliance);
    for id in &books.deleted {
        let outcome = runtime.block_on(client.certificate(id));
        assert_eq!(outcome.expect_err("it was deleted").status(), Some(404), "round {round}: {id}");
    }
    // Every key that was answered to be kept is, unless its end was asked for.
    for id in books.kept.iter().filter(|id| !books.ending.contains(*id)) {
        runtime.block_on(client.private_key(id, &RetrievePrivateKey::default())).unwrap_or_else(|error| panic!("{round}: {id}: {error:?}"));
    }
    // The token has a key for each certificate or request that says so, those of one family once, and no other.
    let mut keys = BTreeSet::new();
    let mut cursor = None;
    loop {
        let query = cursor.map_or(String::new(), |cursor: String| format!("&cursor={cursor}"));
        let page = world.appliance.call("GET", &format!("/v1/pki/certificates?include_revoked=true&limit=1000{query}"), None).expect(200);
        for one in page["data"].as_array().unwrap() {
            let shown = runtime.block_on(client.certificate(id(one))).expect("a certificate").into_value();
            if shown.has_private_key {
                let kept = runtime.block_on(client.private_key(id(one), &RetrievePrivateKey::default())).expect("its key").into_value();
                keys.insert(chancery::base::secret::ExposeSecret::expose_secret(&kept.private_key).to_owned());
            }
        }
        cursor = page["cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    let unsigned = ["pending", "approved"].map(|status| {
        let listed = world.appliance.call("GET", &format!("/v1/pki/csr?status={status}&limit=1000"), None).expect(200);
        listed["data"].as_array().unwrap().len()
    });
    // What the worker of the daemon before was in the middle of is destroyed a little later.
    let wanted = keys.len() + unsigned.iter().sum::<usize>();
    crate::waiting::wait_for(&format!("{wanted} keys in the token, round {round}"), || keys_in_token(&world.appliance) == wanted);
    books.kept.retain(|id| !books.ending.contains(id));
}

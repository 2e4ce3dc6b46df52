//! Killed at each step: in front of every write of the journal that a deed makes and behind it, one after the other. Afterwards the deed is undone
//! or done, and can be done to its end. The kills at random of the other stories fall between these steps; here none is left out.

use serde_json::{Value, json};

use crate::appliance::{Answer, Appliance};
use crate::injection::Injection;
use crate::requester::Requester;

/// More than any deed has.
const MOST_STEPS: u32 = 20;

/// An appliance that has what the deeds need, and the number of the round, which names what is made.
struct World {
    appliance: Appliance,
    ca: String,
    round: u32,
}

impl World {
    /// None when the daemon is gone.
    fn ask(&self, method: &str, path: &str, body: Value) -> Option<Answer> {
        let (token, body) = (self.appliance.admin_token(), body.to_string());
        let body = (method != "GET").then_some(body.as_bytes());
        self.appliance.curl(method, path, Some(&token), body, &["Content-Type: application/json"])
    }

    fn get(&self, path: &str) -> Answer {
        self.appliance.call("GET", path, None)
    }

    fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.appliance.call("POST", path, Some(body));
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.text());
        answer.json()
    }

    /// Everything of a list that has this value in this field.
    fn listed(&self, path: &str, field: &str, value: &Value) -> Vec<Value> {
        let page = self.get(&format!("{path}?limit=1000")).expect(200);
        assert!(page["cursor"].is_null(), "one page holds all of {path}");
        page["data"].as_array().unwrap().iter().filter(|one| one[field] == *value).cloned().collect()
    }

    fn has_private_key(&self, certificate: &Value) -> bool {
        self.appliance.call("POST", &format!("/v1/pki/certificates/{}/private-key", id(certificate)), None).status == 200
    }

    fn names_of(&self, what: &str) -> String {
        format!("{what}{}.example.com", self.round)
    }
}

fn id(of: &Value) -> &str {
    of["id"].as_str().unwrap()
}

/// Brings a deed to each of its steps and kills there. `prepare` makes what it is about; `deed` is what is interrupted; `settle` looks at what is
/// left of it, whether it was answered or not, and does it to its end. The key of an authority that was not made may stay in the token.
fn at_each_step(
    makes_authorities: bool,
    prepare: impl Fn(&World) -> Value,
    deed: impl Fn(&World, &Value) -> Option<Answer>,
    settle: impl Fn(&World, &Value, Option<Answer>),
) {
    let dir = tempfile::tempdir().unwrap();
    let appliance = Appliance::start_in(dir.path());
    let ca = appliance.root("root", "ec", 256);
    appliance.role("kept", &ca, json!({"store_private_keys": true}));
    let organization = appliance.call("GET", "/v1/admin/organizations", None).expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/admin/organizations/{organization}");
    appliance.call("PATCH", &path, Some(json!({"allow_self_approval": true}))).expect(200);
    let mut world = World { appliance, ca, round: 0 };
    let mut kills = 0;
    // In front of a write the frame is not there; in front of what makes it durable it is, and nobody has been answered.
    for call in ["pwrite64", "fdatasync"] {
        for step in 1.. {
            assert!(step < MOST_STEPS, "the deed has no end");
            world.round += 1;
            let prepared = prepare(&world);
            let injection = Injection::begin(world.appliance.process_id(), &format!("{call}:signal=SIGKILL:when={step}"));
            let answer = deed(&world, &prepared);
            drop(injection);
            let is_over = answer.is_some();
            if !is_over {
                kills += 1;
                world.appliance.kill();
                chancery::audit::verify(&dir.path().join("data")).unwrap_or_else(|error| panic!("{call} {step}: {error}"));
                world.appliance = Appliance::start_in(dir.path());
            }
            println!("{call} {step}: {}", if is_over { "done" } else { "killed" });
            settle(&world, &prepared, answer);
            // What is left in the token of an authority that was not made is nobody's key, and said to be. Of subjects nothing is left.
            let health = world.get("/healthz").expect(200);
            let faults = health["key_faults"].as_object().cloned().unwrap_or_default();
            assert!(faults.keys().all(|kind| kind == "orphaned" && makes_authorities), "{call} {step}: {health}");
            if is_over {
                break;
            }
        }
    }
    assert!(kills >= 2, "{kills} kills");
    assert!(world.appliance.stop() && !world.appliance.log().contains("panicked"), "{}", world.appliance.log());
}

#[test]
fn a_request_is_made_approved_and_signed() {
    at_each_step(
        false,
        |world| json!({"subject": {"common_name": world.names_of("made")}, "key_type": "ec", "key_size": 256}),
        |world, body| {
            let made = world.ask("POST", "/v1/pki/csr", body.clone())?.expect(201);
            world.ask("POST", &format!("/v1/pki/csr/{}/approve", id(&made)), json!({}))?.expect(200);
            world.ask("POST", &format!("/v1/pki/csr/{}/sign", id(&made)), json!({"ca_id": world.ca, "validity_days": 2}))
        },
        |world, body, answer| {
            let name = &body["subject"]["common_name"];
            let requests = world.listed("/v1/pki/csr", "common_name", name);
            let request = match requests.as_slice() {
                [] => world.post("/v1/pki/csr", body.clone()),
                [one] => one.clone(),
                more => panic!("made more than once: {more:?}"),
            };
            let status = |request: &Value| world.get(&format!("/v1/pki/csr/{}", id(request))).expect(200);
            let found = status(&request);
            let signed = world.listed("/v1/pki/certificates", "common_name", name);
            assert_eq!(found["status"] == "signed", signed.len() == 1, "{found}: {signed:?}");
            assert!(signed.len() <= 1 && (answer.is_none() || signed.len() == 1), "{signed:?}");
            if found["status"] == "pending" {
                world.post(&format!("/v1/pki/csr/{}/approve", id(&request)), json!({}));
            }
            if found["status"] != "signed" {
                world.post(&format!("/v1/pki/csr/{}/sign", id(&request)), json!({"ca_id": world.ca, "validity_days": 2}));
            }
            let signed = world.listed("/v1/pki/certificates", "common_name", name);
            assert_eq!(signed.len(), 1, "{signed:?}");
            assert_eq!(status(&request)["certificate_id"], signed[0]["id"]);
        },
    );
}

#[test]
fn a_certificate_is_imported_with_its_key() {
    let requester = Requester::new();
    requester.key("own.key", "P-256");
    at_each_step(
        false,
        |world| {
            requester.key("own.key", "P-256");
            let subject = format!("/CN={}", world.names_of("own"));
            requester.openssl(&["req", "-x509", "-key", "own.key", "-subj", &subject, "-days", "20", "-out", "own.pem"]);
            json!({"certificate_pem": requester.read("own.pem"), "private_key_pem": requester.read("own.key")})
        },
        |world, body| world.ask("POST", "/v1/pki/certificates/import", body.clone()),
        |world, body, answer| {
            let name = json!(world.names_of("own"));
            if world.listed("/v1/pki/certificates", "common_name", &name).is_empty() {
                assert!(answer.is_none(), "answered and not there");
                world.post("/v1/pki/certificates/import", body.clone());
            }
            let found = world.listed("/v1/pki/certificates", "common_name", &name);
            assert_eq!(found.len(), 1);
            assert!(world.has_private_key(&found[0]), "with its key or not at all: {found:?}");
        },
    );
}

#[test]
fn a_certificate_is_renewed() {
    at_each_step(
        false,
        |world| world.post("/v1/pki/issue/kept", json!({"common_name": world.names_of("old")})),
        |world, old| world.ask("POST", &format!("/v1/pki/certificates/{}/renew", id(old)), json!({})),
        |world, old, answer| {
            let show = |id: &str| world.get(&format!("/v1/pki/certificates/{id}")).expect(200);
            let name = json!(world.names_of("old"));
            let all = world.listed("/v1/pki/certificates", "common_name", &name);
            assert!(all.len() <= 2 && (answer.is_none() || all.len() == 2), "{all:?}");
            let new = all.iter().find(|one| one["id"] != old["id"]);
            assert_eq!(show(id(old)).get("renewed_by"), new.map(|new| &new["id"]), "both name each other, or neither is there");
            let new = match new {
                Some(new) => show(id(new)),
                None => show(id(&world.post(&format!("/v1/pki/certificates/{}/renew", id(old)), json!({})))),
            };
            assert_eq!(new["renewed_from"], old["id"]);
            assert_eq!(show(id(old))["renewed_by"], new["id"]);
            assert!(world.has_private_key(&new) && world.has_private_key(old));
        },
    );
}

#[test]
fn a_certificate_is_deleted_with_its_key() {
    at_each_step(
        false,
        |world| {
            let issued = world.post("/v1/pki/issue/kept", json!({"common_name": world.names_of("gone")}));
            world.post("/v1/pki/revoke", json!({"certificate_id": issued["id"], "reason": "superseded"}));
            issued
        },
        |world, issued| world.ask("DELETE", &format!("/v1/pki/certificates/{}", id(issued)), json!({})),
        |world, issued, answer| {
            let path = format!("/v1/pki/certificates/{}", id(issued));
            if world.get(&path).status == 200 {
                assert!(answer.is_none(), "answered and still there");
                assert!(world.has_private_key(issued), "its key is gone and it is not");
                world.appliance.call("DELETE", &path, None).expect(204);
            }
            world.get(&path).refused(404);
            assert!(!world.has_private_key(issued));
        },
    );
}

#[test]
fn an_authority_an_anchor_and_an_organization_are_made() {
    let requester = Requester::new();
    requester.key("anchor.key", "P-256");
    at_each_step(
        true,
        |world| {
            let subject = format!("/CN={}", world.names_of("anchor"));
            requester.openssl(&["req", "-x509", "-key", "anchor.key", "-subj", &subject, "-days", "20", "-out", "anchor.pem"]);
            json!([
                ["/v1/pki/ca", {"name": world.names_of("below"), "common_name": "Below", "ca_type": "intermediate", "parent_ca_id": world.ca,
                    "key_type": "ec", "key_size": 256}],
                ["/v1/pki/trust-anchors", {"name": world.names_of("anchor"), "certificate_pem": requester.read("anchor.pem")}],
                ["/v1/admin/organizations", {"name": world.names_of("tenant")}],
            ])
        },
        |world, wanted| {
            let mut last = None;
            for one in wanted.as_array().unwrap() {
                let answer = world.ask("POST", one[0].as_str().unwrap(), one[1].clone())?;
                answer.expect(201);
                last = Some(answer);
            }
            last
        },
        |world, wanted, answer| {
            for one in wanted.as_array().unwrap() {
                let path = one[0].as_str().unwrap();
                let found = world.listed(path, "name", &one[1]["name"]);
                assert!(found.len() <= 1 && (answer.is_none() || found.len() == 1), "{found:?}");
                let made = found.into_iter().next().unwrap_or_else(|| world.post(path, one[1].clone()));
                world.get(&format!("{path}/{}", id(&made))).expect(200);
                if path == "/v1/pki/ca" {
                    world.post(&format!("{path}/{}/crl", id(&made)), json!({}));
                    assert_eq!(world.listed(path, "name", &one[1]["name"]).len(), 1);
                }
            }
        },
    );
}

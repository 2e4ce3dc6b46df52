//! The CSR workflow: what the documentation shows, word for word, and what it must refuse.

use chancery::api::pki::SignSigningRequest;
use chancery::client::ClientError;
use serde_json::{Value, json};

use super::{World, assert_fields, assert_serial, time};
use crate::appliance::{Answer, Appliance};
use crate::load;
use crate::requester::Requester;
use crate::token_tool::token_tool;

const DAY: i64 = 86_400;
/// The fields of every request; what came of it is told besides.
const REQUEST: [&str; 22] = [
    "id",
    "status",
    "source",
    "common_name",
    "key_type",
    "key_size",
    "requested_by",
    "created_at",
    "subject",
    "subject_dn",
    "san_dns",
    "san_ip",
    "san_email",
    "san_uri",
    "san_other",
    "key_usage",
    "extended_key_usage",
    "asks_for_ca",
    "other_extensions",
    "csr_pem",
    "request_sha256",
    "approved_by",
];

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text is wanted, not {value}"))
}

impl World {
    fn csr(&self, id: &str, deed: &str, body: Option<Value>) -> Answer {
        self.appliance.call("POST", &format!("/v1/pki/csr/{id}/{deed}"), body)
    }

    /// A pending request for this subject with these extensions; its key is in `key.pem`.
    fn import(&self, requester: &Requester, subject: &str, extensions: &str) -> Value {
        requester.key("key.pem", "P-256");
        let csr = requester.csr("key.pem", subject, extensions);
        self.appliance.call("POST", "/v1/pki/csr/import", Some(json!({"csr_pem": csr}))).expect(201)
    }

    /// The same, approved; gives its id.
    fn approved(&self, requester: &Requester, subject: &str, extensions: &str) -> String {
        let id = text(&self.import(requester, subject, extensions)["id"]).to_owned();
        self.csr(&id, "approve", None).expect(200);
        id
    }

    fn sign(&self, id: &str, fields: Value) -> Answer {
        let mut body = json!({"ca_id": self.issuing});
        for (key, value) in fields.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        self.csr(id, "sign", Some(body))
    }

    fn listed(&self, status: &str) -> Vec<String> {
        let all = self.all(&format!("/v1/pki/csr?status={status}&limit=2"));
        all.iter().map(|request| text(&request["id"]).to_owned()).collect()
    }
}

#[track_caller]
fn verify(requester: &Requester, issued: &Value) -> String {
    let chain: Vec<_> = issued["ca_chain"].as_array().unwrap().iter().map(text).collect();
    requester.verify(text(&issued["certificate"]), &chain);
    requester.certificate_text(text(&issued["certificate"]))
}

/// The four calls of the documentation, with one token, as they stand there.
#[test]
fn a_request_is_imported_reviewed_approved_and_signed() {
    let world = World::new();
    let requester = Requester::new();
    let imported = world.import(&requester, "/CN=billing.svc.cluster.local", "subjectAltName = DNS:billing-api.svc.cluster.local");
    assert_fields(&imported, &REQUEST[..21]);
    let id = text(&imported["id"]);
    assert!(id.starts_with("csr_"), "{id}");
    for (field, wanted) in [
        ("status", json!("pending")),
        ("source", json!("imported")),
        ("common_name", json!("billing.svc.cluster.local")),
        ("subject", json!({"common_name": "billing.svc.cluster.local"})),
        ("subject_dn", json!("CN=billing.svc.cluster.local")),
        ("san_dns", json!(["billing-api.svc.cluster.local"])),
        ("san_ip", json!([])),
        ("key_type", json!("ec")),
        ("key_size", json!(256)),
        ("asks_for_ca", json!(false)),
    ] {
        assert_eq!(imported[field], wanted, "{field}");
    }
    time(&imported["created_at"]);
    assert_eq!(text(&imported["csr_pem"]), requester.read("csr.pem"));
    assert_eq!(world.get(&format!("/v1/pki/csr/{id}")), imported, "reviewing shows the same");

    let approved = world.csr(id, "approve", None).expect(200);
    assert_fields(&approved, &[&REQUEST[..], &["approved_at"]].concat());
    assert_eq!((&approved["status"], &approved["approved_by"]), (&json!("approved"), &imported["requested_by"]));
    let before = jiff::Timestamp::now().as_second();
    let body = json!({"ca_id": world.issuing, "validity_days": 90});
    let issued = world.csr(id, "sign", Some(body)).expect(201);
    assert_fields(&issued, &["id", "certificate", "ca_chain", "serial_number", "not_after"]);
    assert_serial(&issued["serial_number"]);
    assert!((0..60).contains(&(time(&issued["not_after"]).as_second() - before - 90 * DAY)));
    let shown = verify(&requester, &issued);
    assert!(shown.contains("Subject: CN = billing.svc.cluster.local"), "{shown}");
    assert!(shown.contains("DNS:billing.svc.cluster.local, DNS:billing-api.svc.cluster.local\n"), "the common name is a name too: {shown}");

    let signed = world.get(&format!("/v1/pki/csr/{id}"));
    assert_fields(&signed, &[&REQUEST[..], &["approved_at", "signed_by", "signed_at", "certificate_id"]].concat());
    assert_eq!((&signed["status"], &signed["certificate_id"]), (&json!("signed"), &issued["id"]));
    let certificate = world.get(&format!("/v1/pki/certificates/{}", text(&issued["id"])));
    assert_eq!((&certificate["csr_id"], &certificate["role"]), (&json!(id), &json!("")));

    let trail = world.appliance.trail();
    let told = trail.iter().filter(|entry| entry.to_string().contains(id));
    let told: Vec<_> = told.map(|entry| text(&entry["action"]).to_owned()).collect();
    assert_eq!(told, ["csr.import", "csr.approve", "certificate.intend", "certificate.issue"]);
}

#[test]
fn a_request_is_made_here_and_its_key_stays() {
    let world = World::new();
    let requester = Requester::new();
    let body = json!({
        "subject": {"common_name": "billing.svc.cluster.local"},
        "san_dns": ["billing-api.svc.cluster.local"],
        "key_type": "ec",
        "key_size": 256
    });
    let made = world.appliance.call("POST", "/v1/pki/csr", Some(body)).expect(201);
    assert_fields(&made, &REQUEST[..21]);
    assert!(!made.to_string().contains("PRIVATE"), "{made}");
    assert_eq!((&made["status"], &made["source"]), (&json!("pending"), &json!("generated")));
    assert_eq!(made["san_dns"], json!(["billing.svc.cluster.local", "billing-api.svc.cluster.local"]));
    requester.write("made.pem", text(&made["csr_pem"]));
    let shown = requester.openssl(&["req", "-in", "made.pem", "-noout", "-verify", "-text"]);
    assert!(shown.contains("verify OK"), "{shown}");
    let id = text(&made["id"]);
    world.csr(id, "approve", Some(json!({"request_sha256": made["request_sha256"]}))).expect(200);
    let issued = world.sign(id, json!({})).expect(201);
    verify(&requester, &issued);
    assert_eq!(
        requester.openssl(&["req", "-in", "made.pem", "-noout", "-pubkey"]),
        requester.openssl(&["x509", "-in", "leaf.pem", "-noout", "-pubkey"])
    );
    // The key is the certificate's now, and kept with it.
    let certificate = format!("/v1/pki/certificates/{}", text(&issued["id"]));
    assert_eq!(world.get(&certificate)["has_private_key"], true);
    assert_eq!(world.appliance.call("DELETE", &format!("/v1/pki/csr/{id}"), None).status, 204);
    let kept = world.appliance.call("POST", &format!("{certificate}/private-key"), None).expect(200);
    requester.write("kept.pem", text(&kept["private_key"]));
    assert_eq!(
        requester.openssl(&["pkey", "-in", "kept.pem", "-pubout"]),
        requester.openssl(&["x509", "-in", "leaf.pem", "-noout", "-pubkey"])
    );
}

#[test]
fn every_attribute_and_kind_of_name_reaches_the_certificate() {
    let world = World::new();
    let requester = Requester::new();
    let body = json!({
        "subject": {
            "common_name": "Billing Service", "organization": "Example GmbH", "organizational_unit": "Zahlungen", "country": "DE",
            "state": "Hessen", "locality": "Köln", "street_address": "Straße 1", "postal_code": "50667", "serial_number": "4711",
            "email": "billing@example.com", "title": "Service", "surname": "S", "given_name": "G", "user_id": "u1"
        },
        "san_dns": ["billing.example.com", "*.billing.example.com"],
        "san_ip": ["10.0.0.1", "2001:db8::1"],
        "san_email": ["team@example.com"],
        "key_type": "rsa",
        "key_size": 2048
    });
    let made = world.appliance.call("POST", "/v1/pki/csr", Some(body.clone())).expect(201);
    assert_eq!(made["subject"], body["subject"]);
    assert_eq!(made["san_email"], json!(["team@example.com", "billing@example.com"]));
    let id = text(&made["id"]);
    world.csr(id, "approve", None).expect(200);
    let shown = verify(&requester, &world.sign(id, json!({"validity_days": 825})).expect(201));
    for wanted in [
        "C = DE, ST = Hessen, L = K\\C3\\B6ln, postalCode = 50667, street = Stra\\C3\\9Fe 1, O = Example GmbH, OU = Zahlungen, title = Service, SN = S, GN = G, serialNumber = 4711, UID = u1, CN = Billing Service, emailAddress = billing@example.com",
        "DNS:billing.example.com, DNS:*.billing.example.com, IP Address:10.0.0.1, IP Address:2001:DB8:0:0:0:0:0:1, email:team@example.com, email:billing@example.com\n",
    ] {
        assert!(shown.contains(wanted), "{wanted}\n{shown}");
    }
    let (code, fields) = world
        .appliance
        .call(
            "POST",
            "/v1/pki/csr",
            Some(json!({
                "subject": {"common_name": "x".repeat(65), "country": "de", "email": "nobody", "shoe_size": "43"},
                "san_dns": ["a_b.example"], "san_ip": ["10.0.0.256"], "san_email": ["a@b@c"], "key_type": "ec", "key_size": 257
            })),
        )
        .refused(400);
    assert_eq!(code, "invalid_request");
    for field in [
        "subject.common_name",
        "subject.country",
        "subject.email",
        "subject.shoe_size",
        "san_dns[0]",
        "san_ip[0]",
        "san_email[0]",
        "key_size",
    ] {
        assert!(fields.iter().any(|found| found == field), "{field} in {fields:?}");
    }
}

#[test]
fn odd_but_legal_requests_of_openssl_are_signed() {
    let world = World::new();
    let requester = Requester::new();
    requester.key("key.pem", "rsa-2048");
    let extensions = "subjectAltName = DNS:www.example.com, email:a@example.com, URI:spiffe://example/x\n\
                      keyUsage = nonRepudiation, digitalSignature, keyEncipherment\nextendedKeyUsage = serverAuth\n\
                      tlsfeature = status_request\n1.2.3.4 = ASN1:UTF8String:anything";
    let configuration = format!(
        "[req]\ndistinguished_name = dn\nattributes = att\nreq_extensions = wanted\nprompt = no\nutf8 = yes\nstring_mask = utf8only\n\
         [dn]\nC = DE\n0.OU = one\n1.OU = two\nCN = www.example.com\n0.1.2.3.5 = unknown\n\
         [att]\nchallengePassword = secret\nunstructuredName = anything\n[wanted]\n{extensions}\n"
    );
    requester.write("odd.cnf", configuration);
    requester.openssl(&["req", "-new", "-key", "key.pem", "-config", "odd.cnf", "-out", "odd.pem"]);
    let body = json!({"csr_pem": requester.read("odd.pem")});
    let imported = world.appliance.call("POST", "/v1/pki/csr/import", Some(body)).expect(201);
    assert_eq!(imported["subject"]["organizational_unit"], "one, two");
    assert_eq!(imported["subject"]["1.2.3.5"], "unknown");
    assert_eq!(imported["key_usage"], json!(["digitalSignature", "contentCommitment", "keyEncipherment"]));
    assert_eq!(imported["other_extensions"], json!(["1.3.6.1.5.5.7.1.24", "1.2.3.4"]));
    let id = text(&imported["id"]);
    world.csr(id, "approve", None).expect(200);
    let issued = world.sign(id, json!({})).expect(201);
    assert_eq!(issued["warnings"].as_array().unwrap().len(), 3, "{}", issued["warnings"]);
    let shown = verify(&requester, &issued);
    for wanted in [
        "Subject: C = DE, OU = one, OU = two, CN = www.example.com\n",
        "Digital Signature, Non Repudiation, Key Encipherment\n",
        "TLS Web Server Authentication\n",
        "DNS:www.example.com, email:a@example.com, URI:spiffe://example/x\n",
    ] {
        assert!(shown.contains(wanted), "{wanted}\n{shown}");
    }
    assert!(!shown.contains("anything") && !shown.contains("unknown"), "{shown}");
}

#[test]
fn a_request_is_rejected_for_a_reason() {
    let world = World::new();
    let requester = Requester::new();
    let id = text(&world.import(&requester, "/CN=a.example.com", "")["id"]).to_owned();
    assert_eq!(world.csr(&id, "reject", Some(json!({"reason": " "}))).refused(400).1, ["reason"]);
    assert_eq!(world.csr(&id, "reject", Some(json!({}))).refused(400).1, ["reason"]);
    let rejected = world.csr(&id, "reject", Some(json!({"reason": "CN not in allowed scope"}))).expect(200);
    assert_eq!((&rejected["status"], &rejected["reason"]), (&json!("rejected"), &json!("CN not in allowed scope")));
    for (deed, code) in [("approve", "request_not_pending"), ("reject", "request_not_pending"), ("sign", "request_not_approved")] {
        let body = match deed {
            "approve" => json!({}),
            "reject" => json!({"reason": "again"}),
            _ => json!({"ca_id": world.issuing}),
        };
        assert_eq!(world.csr(&id, deed, Some(body)).refused(409).0, code, "{deed}");
    }
    let pending = text(&world.import(&requester, "/CN=b.example.com", "")["id"]).to_owned();
    assert_eq!(world.sign(&pending, json!({})).refused(409).0, "request_not_approved");
}

#[test]
fn what_cannot_be_signed_is_not_approved_and_the_policy_is_asked_again() {
    let world = World::new();
    let requester = Requester::new();
    let approve = |subject: &str, extensions: &str| {
        let id = text(&world.import(&requester, subject, extensions)["id"]).to_owned();
        world.csr(&id, "approve", None)
    };
    for (subject, extensions) in [
        ("/CN=a.example.com", "basicConstraints = critical, CA:TRUE"),
        ("/CN=a.example.com", "keyUsage = keyCertSign"),
        ("/CN=a.example.com", "extendedKeyUsage = codeSigning"),
        ("/CN=a.example.com", "subjectAltName = DNS:a_b.example.com"),
        ("/CN=a.example.com", "subjectAltName = RID:1.2.3.4"),
        ("/CN=a.example.com/CN=b.example.com", ""),
        ("/O=Example", ""),
    ] {
        assert_eq!(approve(subject, extensions).refused(400).0, "policy_violation", "{subject} {extensions}");
    }
    let id = world.approved(&requester, "/CN=a.example.com", "");
    let csr = requester.read("csr.pem");
    assert_eq!(world.sign(&id, json!({"validity_days": 826})).refused(400), ("policy_violation".into(), vec!["validity_days".into()]));
    assert_eq!(world.sign(&id, json!({"validity_days": 0})).refused(400).1, ["validity_days"]);
    assert_eq!(world.sign(&id, json!({"san": []})).refused(400).1, ["san"]);
    let everything = json!({"ca_id": "ca_0", "validity_days": 99_999, "san": ["a.example.com", "b_c"]});
    assert_eq!(world.sign(&id, everything).refused(400).1, ["ca_id", "san[1]", "validity_days"]);
    assert_eq!(world.sign(&id, json!({"san": ["a.example.com", "b_c"]})).refused(400).1, ["san[1]"]);
    assert_eq!(world.sign(&id, json!({"san": ["other.example.com"]})).refused(400).1, ["csr_pem"], "the common name has to stay");
    assert_eq!(world.sign(&id, json!({"ca_id": "ca_0123456789abcdef0123456789abcdef"})).refused(400).1, ["ca_id"]);
    let body = json!({"request_sha256": "00".repeat(32)});
    let pending = text(&world.import(&requester, "/CN=a.example.com", "")["id"]).to_owned();
    assert_eq!(world.csr(&pending, "approve", Some(body)).refused(409).0, "request_differs");
    assert_eq!(world.get(&format!("/v1/pki/csr/{pending}"))["status"], "pending");

    // A key that was revoked as compromised since is not signed for.
    let first = world.sign(&id, json!({})).expect(201);
    let body = json!({"certificate_id": first["id"], "reason": "key_compromise"});
    world.appliance.call("POST", "/v1/pki/revoke", Some(body)).expect(200);
    let again = world.appliance.call("POST", "/v1/pki/csr/import", Some(json!({"csr_pem": csr}))).expect(201);
    world.csr(text(&again["id"]), "approve", None).expect(200);
    assert_eq!(world.sign(text(&again["id"]), json!({})).refused(400).0, "bad_key");

    // Nor is by an authority that was revoked since; another may.
    world.csr(&pending, "approve", None).expect(200);
    world.appliance.call("POST", &format!("/v1/pki/ca/{}/revoke", world.issuing), None).expect(200);
    assert_eq!(world.sign(&pending, json!({})).refused(409).0, "authority_revoked");
    assert_eq!(world.get(&format!("/v1/pki/csr/{pending}"))["status"], "approved");
    world.csr(&pending, "sign", Some(json!({"ca_id": world.root}))).expect(201);
}

#[test]
fn names_given_at_signing_replace_those_of_the_request() {
    let world = World::new();
    let requester = Requester::new();
    let id = world.approved(&requester, "/CN=a.example.com/O=Example", "subjectAltName = DNS:a.example.com, DNS:b.example.com");
    let body = json!({"san": ["a.example.com", "10.1.2.3", "x@example.com", "spiffe://example/y"]});
    let shown = verify(&requester, &world.sign(&id, body).expect(201));
    let wanted = "DNS:a.example.com, IP Address:10.1.2.3, email:x@example.com, URI:spiffe://example/y\n";
    assert!(shown.contains(wanted) && shown.contains("Subject: CN = a.example.com, O = Example\n"), "{shown}");
}

#[test]
fn lists_show_requests_by_their_status() {
    let world = World::new();
    let requester = Requester::new();
    requester.key("key.pem", "P-256");
    let csr = requester.csr("key.pem", "/CN=a.example.com", "");
    let body = json!({"csr_pem": csr});
    let ids: Vec<_> = (0..7)
        .map(|_| text(&world.appliance.call("POST", "/v1/pki/csr/import", Some(body.clone())).expect(201)["id"]).to_owned())
        .collect();
    for id in &ids[..5] {
        world.csr(id, "approve", None).expect(200);
    }
    world.csr(&ids[5], "reject", Some(json!({"reason": "no"}))).expect(200);
    let signed = world.sign(&ids[0], json!({})).expect(201);
    assert_eq!(world.listed("pending"), ids[6..]);
    assert_eq!(world.listed("approved"), ids[1..5]);
    assert_eq!(world.listed("rejected"), ids[5..6]);
    assert_eq!(world.listed("signed"), ids[..1]);
    let all = world.all("/v1/pki/csr?limit=3");
    assert_eq!(all.iter().map(|request| text(&request["id"])).collect::<Vec<_>>(), ids);
    assert_fields(&all[0], &[&REQUEST[..8], &["certificate_id"]].concat());
    assert_fields(&all[1], &REQUEST[..8]);
    assert_eq!(all[0]["certificate_id"], signed["id"]);
    assert_eq!(world.appliance.call("GET", "/v1/pki/csr?status=done", None).refused(400).1, ["status"]);
    let cursor = world.get("/v1/pki/csr?status=approved&limit=1")["cursor"].as_str().unwrap().to_owned();
    let foreign = world.appliance.call("GET", &format!("/v1/pki/csr?status=pending&cursor={cursor}"), None);
    assert_eq!(foreign.refused(400).1, ["cursor"]);
}

#[test]
fn a_deleted_request_is_gone_and_its_certificate_is_not() {
    let world = World::new();
    let requester = Requester::new();
    let id = world.approved(&requester, "/CN=a.example.com", "");
    let signed = world.sign(&id, json!({})).expect(201);
    let made = world.appliance.call("POST", "/v1/pki/csr", Some(json!({"subject": {"common_name": "b.example.com"}}))).expect(201);
    let rejected = text(&world.import(&requester, "/CN=c.example.com", "")["id"]).to_owned();
    world.csr(&rejected, "reject", Some(json!({"reason": "no"}))).expect(200);
    for id in [&id, text(&made["id"]), &rejected] {
        let path = format!("/v1/pki/csr/{id}");
        assert_eq!(world.appliance.call("DELETE", &path, None).status, 204);
        assert_eq!(world.appliance.call("GET", &path, None).refused(404).0, "not_found");
        assert_eq!(world.appliance.call("DELETE", &path, None).refused(404).0, "not_found");
        assert_eq!(world.csr(id, "approve", None).refused(404).0, "not_found");
    }
    assert!(world.all("/v1/pki/csr").is_empty());
    for status in ["pending", "approved", "rejected", "signed"] {
        assert!(world.listed(status).is_empty(), "{status}");
    }
    world.get(&format!("/v1/pki/certificates/{}", text(&signed["id"])));
    let entries = world.appliance.told("csr.delete");
    assert_eq!(entries.len(), 3);
    let key = text(&world.appliance.told("key.destroy")[0]["details"]["key_id"]).to_owned();
    let objects = token_tool(world.appliance.dir(), &["--list-objects"]);
    assert!(!objects.contains(&key), "the key of the request that was not signed is in the token still: {objects}");
    assert!(objects.contains("ID:"), "the keys of the authorities are: {objects}");
}

#[test]
fn a_hundred_at_once_sign_one_certificate() {
    let world = World::new();
    let requester = Requester::new();
    let id = world.approved(&requester, "/CN=a.example.com", "");
    let before = world.get(&format!("/v1/pki/ca/{}", world.issuing))["certificates_issued"].clone();
    let client = load::client(&world.appliance);
    let body = SignSigningRequest { ca_id: world.issuing.clone(), validity_days: None, san: None };
    let outcomes = load::runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let (client, id, body) = (client.clone(), id.clone(), body.clone());
            tasks.spawn(async move { client.sign_signing_request(&id, &body).await });
        }
        tasks.join_all().await
    });
    let (signed, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((signed.len(), refused.len()), (1, 99));
    let certificate = signed.into_iter().next().unwrap().unwrap().into_value().id;
    for outcome in refused {
        match outcome {
            Err(ClientError::Refused(problem)) => {
                assert_eq!((problem.status, problem.code.as_str()), (409, "already_signed"));
                assert_eq!(problem.certificate_id.as_ref(), Some(&certificate), "the others learn of it");
            }
            other => panic!("{other:?}"),
        }
    }
    let after = world.get(&format!("/v1/pki/ca/{}", world.issuing))["certificates_issued"].clone();
    assert_eq!(after.as_u64(), before.as_u64().map(|count| count + 1));
}

/// With more than one person, who asks does not approve.
#[test]
fn nobody_approves_what_they_asked_for() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    let own = &appliance.call("GET", "/v1/admin/organizations", None).expect(200)["data"][0];
    let path = format!("/v1/admin/organizations/{}", text(&own["id"]));
    appliance.call("PATCH", &path, Some(json!({"allow_self_approval": false}))).expect(200);
    let (requester, other) = (appliance.token(&["pki:admin"]), appliance.token(&["pki:admin"]));
    let post = |token: &str, path: &str, body: Value| appliance.call_as(Some(token), "POST", path, Some(body));
    let made = post(&requester, "/v1/pki/csr", json!({"subject": {"common_name": "a.example.com"}})).expect(201);
    let path = |deed: &str| format!("/v1/pki/csr/{}/{deed}", text(&made["id"]));
    assert_eq!(post(&requester, &path("approve"), json!({})).refused(403).0, "self_approval");
    let approved = post(&other, &path("approve"), json!({})).expect(200);
    assert_ne!(approved["approved_by"], approved["requested_by"]);
    // Nor has something harmless approved and signs something else.
    let more = json!({"ca_id": ca, "san": ["a.example.com", "bank.example"]});
    assert_eq!(post(&requester, &path("sign"), more).refused(403).0, "self_approval");
    post(&requester, &path("sign"), json!({"ca_id": ca, "san": ["a.example.com"]})).expect(201);
}

/// Who makes a token has its secret, also where it is somebody else's user's.
#[test]
fn nobody_approves_what_they_asked_for_with_a_token_they_have_made() {
    let appliance = Appliance::start();
    let own = &appliance.call("GET", "/v1/admin/organizations", None).expect(200)["data"][0];
    let path = format!("/v1/admin/organizations/{}", text(&own["id"]));
    appliance.call("PATCH", &path, Some(json!({"allow_self_approval": false}))).expect(200);
    let post = |token: &str, path: &str, body: Value| appliance.call_as(Some(token), "POST", path, Some(body));
    let requester = appliance.token(&["pki:admin"]);
    let made = post(&requester, "/v1/pki/csr", json!({"subject": {"common_name": "a.example.com"}})).expect(201);
    let approve = format!("/v1/pki/csr/{}/approve", text(&made["id"]));
    let user = appliance.call("POST", "/v1/admin/users", Some(json!({"name": "somebody else", "role": "superuser"}))).expect(201);
    let of_user = |maker: &str| {
        let body = json!({"name": "t", "scopes": ["pki:admin"], "ttl": "1h", "user_id": user["id"]});
        text(&post(maker, "/v1/admin/tokens", body).expect(201)["token"]).to_owned()
    };
    let body = json!({"name": "t", "scopes": ["pki:admin"], "ttl": "1h"});
    let second = post(&requester, "/v1/admin/tokens", body).expect(201);
    let (second, second_id) = (text(&second["token"]), text(&second["id"]));
    let third = of_user(second);
    for token in [second, &of_user(&requester), &third] {
        assert_eq!(post(token, &approve, json!({})).refused(403).0, "self_approval");
    }
    // Nor does it help that the one between has ended.
    appliance.call("DELETE", &format!("/v1/admin/tokens/{second_id}"), None);
    assert_eq!(post(&third, &approve, json!({})).refused(403).0, "self_approval");
    // The same user with a token that others have made.
    post(&of_user(&appliance.admin_token()), &approve, json!({})).expect(200);
}

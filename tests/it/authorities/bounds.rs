//! What an authority may be: how deep, how long, under which name, with which fields.

use serde_json::{Value, json};

use super::{certificate, create, issue, made};
use crate::appliance::Appliance;
use crate::requester::Requester;

#[test]
fn the_path_length_is_inherited_and_enforced() {
    let appliance = Appliance::start();
    let requester = Requester::new();
    let constraints = |id: &str| {
        let text = requester.certificate_text(&certificate(&appliance, id));
        text.split("Basic Constraints: critical").nth(1).and_then(|rest| rest.lines().nth(1)).unwrap().trim().to_owned()
    };
    let root = made(create(&appliance, "root", None, json!({"path_length": 2})));
    assert_eq!(constraints(&root), "CA:TRUE, pathlen:2");
    let (code, fields) = create(&appliance, "x", Some(&root), json!({"path_length": 2})).refused(400);
    assert_eq!((code.as_str(), fields.as_slice()), ("invalid_request", ["path_length".to_owned()].as_slice()), "longer than what is left");
    let first = made(create(&appliance, "first", Some(&root), json!({})));
    assert_eq!(constraints(&first), "CA:TRUE, pathlen:1", "what the root leaves");
    let narrow = made(create(&appliance, "narrow", Some(&root), json!({"path_length": 0})));
    assert_eq!(create(&appliance, "x", Some(&narrow), json!({})).refused(400).1, ["parent_ca_id"], "exhausted by its own");
    let second = made(create(&appliance, "second", Some(&first), json!({"validity_days": 365})));
    assert_eq!(constraints(&second), "CA:TRUE, pathlen:0");
    assert_eq!(create(&appliance, "x", Some(&second), json!({})).refused(400).1, ["parent_ca_id"], "exhausted by the root's");
    appliance.role("web", &second, json!({}));
    let (issued, chain) = issue(&appliance, "web");
    requester.verify(issued["certificate"].as_str().unwrap(), &chain.iter().map(String::as_str).collect::<Vec<_>>());

    let free = made(create(&appliance, "free", None, json!({})));
    let below = made(create(&appliance, "below", Some(&free), json!({})));
    assert_eq!((constraints(&free), constraints(&below)), ("CA:TRUE".to_owned(), "CA:TRUE".to_owned()), "no limit, no limit");
    let shown = appliance.call("GET", &format!("/v1/pki/ca/{below}"), None).expect(200);
    assert_eq!(shown["path_length"], Value::Null);
    assert_eq!(appliance.call("GET", &format!("/v1/pki/ca/{second}"), None).expect(200)["path_length"], 0);
}

#[test]
fn nothing_outlives_its_issuer() {
    let appliance = Appliance::start();
    let root = create(&appliance, "root", None, json!({"validity_days": 10})).expect(201);
    let id = root["id"].as_str().unwrap();
    for days in [json!(11), json!(36_500)] {
        let (code, fields) = create(&appliance, "below", Some(id), json!({"validity_days": days})).refused(400);
        assert_eq!((code.as_str(), fields.as_slice()), ("invalid_request", ["validity_days".to_owned()].as_slice()), "{days}");
    }
    made(create(&appliance, "below", Some(id), json!({"validity_days": 9})));
    // A leaf is cut, and that is said.
    appliance.role("web", id, json!({"max_ttl": "720h"}));
    let (issued, chain) = issue(&appliance, "web");
    assert_eq!(issued["not_after"], root["valid_until"]);
    let warnings = issued["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].as_str().unwrap().contains(root["valid_until"].as_str().unwrap()), "{warnings:?}");
    Requester::new().verify(issued["certificate"].as_str().unwrap(), &chain.iter().map(String::as_str).collect::<Vec<_>>());
    let body = json!({"common_name": "www.example.com", "ttl": "24h"});
    assert_eq!(appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201)["warnings"], Value::Null);
}

#[test]
fn a_name_is_taken_once_even_by_two_at_the_same_time() {
    let appliance = Appliance::start();
    let made: Vec<u16> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| create(&appliance, "same", None, json!({})).status)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|status| **status == 201).count(), 1, "{made:?}");
    assert_eq!(made.iter().filter(|status| **status == 409).count(), 3, "{made:?}");
    assert_eq!(create(&appliance, "same", None, json!({})).refused(409).0, "name_taken");
    assert_eq!(appliance.call("GET", "/v1/pki/ca", None).expect(200)["data"].as_array().unwrap().len(), 1);
}

#[test]
fn the_fields_of_the_subject_and_the_urls_are_written() {
    let appliance = Appliance::start();
    let fields = json!({
        "common_name": "Ünïcode CA", "organization": "Example, Inc.", "organizational_unit": "PKI", "country": "DE", "state": "Berlin",
        "locality": "Mitte", "crl_urls": ["http://crl.example.com/a.crl", "http://crl2.example.com/a.crl"],
        "issuer_urls": ["http://aia.example.com/a.crt"]
    });
    let root = made(create(&appliance, "root", None, fields));
    let requester = Requester::new();
    requester.write("ca.pem", certificate(&appliance, &root));
    let subject = requester.openssl(&["x509", "-in", "ca.pem", "-noout", "-subject", "-nameopt", "RFC2253,-esc_msb,utf8"]);
    assert_eq!(subject.trim(), "subject=CN=Ünïcode CA,OU=PKI,O=Example\\, Inc.,L=Mitte,ST=Berlin,C=DE");
    appliance.role("web", &root, json!({}));
    let (issued, _) = issue(&appliance, "web");
    let text = requester.certificate_text(issued["certificate"].as_str().unwrap());
    for url in ["URI:http://crl.example.com/a.crl", "URI:http://crl2.example.com/a.crl", "CA Issuers - URI:http://aia.example.com/a.crt"] {
        assert!(text.contains(url), "{url}\n{text}");
    }
}

#[test]
fn every_fault_of_a_request_is_told_at_once() {
    let appliance = Appliance::start();
    let (code, mut fields) = create(
        &appliance,
        " x",
        None,
        json!({
            "common_name": "", "ca_type": "root", "parent_ca_id": "ca_0", "key_size": 999, "validity_days": 0, "path_length": 33,
            "country": "Germany", "organization": "o".repeat(65), "crl_urls": ["https://x/", "http://", "http://a b/"], "issuer_urls": ["ftp://x/"]
        }),
    )
    .refused(400);
    fields.sort_unstable();
    fields.dedup();
    assert_eq!(code, "invalid_request");
    let wanted = [
        "common_name",
        "country",
        "crl_urls[0]",
        "crl_urls[1]",
        "crl_urls[2]",
        "issuer_urls[0]",
        "key_size",
        "name",
        "organization",
        "parent_ca_id",
        "path_length",
        "validity_days",
    ];
    assert_eq!(fields, wanted);
    let refused = |parent, fields: Value| create(&appliance, "x", parent, fields).refused(400).1;
    assert_eq!(refused(None, json!({"ca_type": "intermediate"})), ["parent_ca_id"]);
    assert_eq!(refused(None, json!({"ca_type": "leaf"})), ["ca_type"]);
    assert_eq!(refused(Some("ca_0123456789abcdef0123456789abcdef"), json!({})), ["parent_ca_id"]);
    assert_eq!(refused(None, json!({"validity_days": 36_501})), ["validity_days"]);
    assert_eq!(refused(None, json!({"common_name": "c".repeat(65)})), ["common_name"], "RFC 5280, A.1: ub-common-name is 64");
    for name in ["CA\u{0}", "CA\n", "CA\u{7f}"] {
        assert_eq!(refused(None, json!({"common_name": name})), ["common_name"], "{name:?}");
    }
    assert_eq!(appliance.call("GET", "/v1/pki/ca", None).expect(200)["data"], json!([]), "nothing was made");
}

#[test]
fn what_stands_against_its_place_is_told_at_once() {
    let appliance = Appliance::start();
    let root = made(create(&appliance, "root", None, json!({"validity_days": 30, "path_length": 1, "crl_urls": []})));
    let everything = json!({
        "common_name": "root CA", "path_length": 7, "validity_days": 4000, "token": "zz", "crl_urls": [], "crl": {"shards": 3}
    });
    let answer = create(&appliance, "root", Some(&root), everything);
    let wanted = ["common_name", "path_length", "validity_days", "token", "name", "crl.shards"];
    assert_eq!(answer.refused(400), ("invalid_request".to_owned(), wanted.map(str::to_owned).to_vec()), "{}", answer.text());
    assert!(answer.text().contains("The request has 6 faults"), "{}", answer.text());
    // With what is wrong by itself as well.
    let fields = json!({"country": "Germany", "validity_days": 0, "path_length": 1, "token": "zz", "crl": {"shards": 3, "period": "1s"}, "crl_urls": []});
    let (code, fields) = create(&appliance, "root", Some(&root), fields).refused(400);
    let wanted = ["validity_days", "crl.period", "country", "path_length", "token", "name", "crl.shards"];
    assert_eq!((code.as_str(), fields.as_slice()), ("invalid_request", wanted.map(str::to_owned).as_slice()));
    // Each alone as ever; what is refused first says what the refusal is called.
    let refused = |name, mut fields: Value, status| {
        fields["common_name"] = json!("Below");
        create(&appliance, name, Some(&root), fields).refused(status)
    };
    assert_eq!(refused("root", json!({}), 409), ("name_taken".to_owned(), vec!["name".to_owned()]));
    assert_eq!(refused("x", json!({"token": "zz"}), 400), ("invalid_request".to_owned(), vec!["token".to_owned()]));
    let divided = json!({"crl_urls": [], "crl": {"shards": 3}});
    assert_eq!(refused("root", divided, 409), ("name_taken".to_owned(), ["name", "crl.shards"].map(str::to_owned).to_vec()));
    let nowhere = create(&appliance, "root", Some("ca_0123456789abcdef0123456789abcdef"), json!({"token": "zz"}));
    assert_eq!(nowhere.refused(400).1, ["parent_ca_id", "token", "name"]);
    appliance.call("POST", &format!("/v1/pki/ca/{root}/revoke"), None).expect(200);
    let below_a_revoked_one = refused("root", json!({"path_length": 1}), 409);
    assert_eq!(below_a_revoked_one, ("authority_revoked".to_owned(), ["parent_ca_id", "path_length", "name"].map(str::to_owned).to_vec()));
    assert_eq!(appliance.call("GET", "/v1/pki/ca", None).expect(200)["data"].as_array().unwrap().len(), 1, "nothing was made");
}

/// Who may make authorities below one alone learns nothing about roots.
#[test]
fn what_stands_against_a_place_is_told_to_who_may_have_it() {
    let appliance = Appliance::start();
    let root = made(create(&appliance, "root", None, json!({})));
    let other = made(create(&appliance, "other", None, json!({})));
    let token = appliance.token(&[&format!("create_ca@{root}")]);
    let create = |parent: Option<&str>| {
        let kind = if parent.is_some() { "intermediate" } else { "root" };
        let body =
            json!({"name": "other", "common_name": "O", "ca_type": kind, "parent_ca_id": parent, "country": "Germany", "token": "zz"});
        appliance.call_as(Some(&token), "POST", "/v1/pki/ca", Some(body)).refused(400).1
    };
    assert_eq!(create(Some(&root)), ["country", "token", "name"]);
    assert_eq!(create(Some(&other)), ["country"]);
    assert_eq!(create(None), ["country"]);
}

#[test]
fn a_lifetime_that_was_not_asked_for_is_cut_to_the_parents() {
    let appliance = Appliance::start();
    let root = create(&appliance, "root", None, json!({"validity_days": 10})).expect(201);
    let below = create(&appliance, "below", root["id"].as_str(), json!({})).expect(201);
    assert_eq!(below["valid_until"], root["valid_until"]);
}

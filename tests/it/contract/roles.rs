//! Roles: created, read, listed, changed and deleted.

use serde_json::{Value, json};

use super::World;

#[test]
fn a_role_takes_its_defaults() {
    let world = World::new();
    let body = json!({"name": "least", "ca_id": world.issuing});
    let role = world.appliance.call("POST", "/v1/pki/roles", Some(body)).expect(201);
    for (field, wanted) in [
        ("allowed_domains", json!([])),
        ("allow_subdomains", json!(false)),
        ("allow_ip_sans", json!(false)),
        ("max_ttl", json!("2160h")),
        ("key_type", json!("ec")),
        ("key_bits", json!(256)),
        ("require_cn", json!(true)),
        ("store_private_keys", json!(false)),
    ] {
        assert_eq!(role[field], wanted, "{field}");
    }
    for (name, key_type, bits) in [("r", "rsa", 2048), ("e", "ed25519", 256)] {
        let body = json!({"name": name, "ca_id": world.issuing, "key_type": key_type});
        let role = world.appliance.call("POST", "/v1/pki/roles", Some(body)).expect(201);
        assert_eq!((&role["key_type"], &role["key_bits"]), (&json!(key_type), &json!(bits)));
    }
}

#[test]
fn a_change_replaces_what_it_names_and_works_at_once() {
    let world = World::new();
    let before = world.get("/v1/pki/roles/svc-mtls");
    world.issue("www");
    let patch = json!({"allowed_domains": ["example.com"], "max_ttl": "2h", "ca_id": world.root});
    let changed = world.appliance.call("PATCH", "/v1/pki/roles/svc-mtls", Some(patch)).expect(200);
    let mut wanted = before;
    wanted["allowed_domains"] = json!(["example.com"]);
    wanted["max_ttl"] = json!("2h");
    wanted["ca_id"] = json!(world.root);
    wanted["updated_at"] = changed["updated_at"].clone();
    assert_eq!(changed, wanted);
    assert_eq!(world.get("/v1/pki/roles/svc-mtls"), wanted);
    let issue = |name: &str| world.appliance.call("POST", "/v1/pki/issue/svc-mtls", Some(json!({"common_name": name})));
    assert_eq!(issue("www.svc.cluster.local").refused(400).0, "policy_violation");
    let issued = issue("www.example.com").expect(201);
    assert_eq!(issued["ca_chain"].as_array().unwrap().len(), 1, "the root signs now");
}

#[test]
fn another_key_type_brings_its_own_size() {
    let world = World::new();
    let patch = |body| world.appliance.call("PATCH", "/v1/pki/roles/svc-mtls", Some(body));
    let changed = patch(json!({"key_type": "rsa"})).expect(200);
    assert_eq!((&changed["key_type"], &changed["key_bits"]), (&json!("rsa"), &json!(2048)));
    let changed = patch(json!({"key_bits": 4096})).expect(200);
    assert_eq!((&changed["key_type"], &changed["key_bits"]), (&json!("rsa"), &json!(4096)));
    assert_eq!(patch(json!({"key_bits": 256})).refused(400).1, ["key_bits"]);
}

#[test]
fn a_deleted_role_issues_nothing_and_its_name_is_free_again() {
    let world = World::new();
    let issued = world.issue("www");
    let deleted = world.appliance.call("DELETE", "/v1/pki/roles/svc-mtls", None);
    assert_eq!((deleted.status, deleted.body.len()), (204, 0));
    for (method, path) in [("GET", "/v1/pki/roles/svc-mtls"), ("DELETE", "/v1/pki/roles/svc-mtls")] {
        assert_eq!(world.appliance.call(method, path, None).refused(404).0, "not_found");
    }
    let body = json!({"common_name": "www.svc.cluster.local"});
    assert_eq!(world.appliance.call("POST", "/v1/pki/issue/svc-mtls", Some(body)).refused(404).0, "not_found");
    let kept = world.get(&format!("/v1/pki/certificates/{}", issued["id"].as_str().unwrap()));
    assert_eq!((&kept["role"], &kept["is_revoked"]), (&json!("svc-mtls"), &json!(false)), "what was issued stays");
    world.appliance.role("svc-mtls", &world.issuing, json!({}));
}

#[test]
fn roles_are_listed_by_name_in_pages() {
    let world = World::new();
    for name in ["b", "a", "c.d_e-F9"] {
        world.appliance.role(name, &world.issuing, json!({}));
    }
    let names = |items: &[Value]| items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&world.all("/v1/pki/roles")), ["a", "b", "c.d_e-F9", "svc-mtls"]);
    assert_eq!(names(&world.all("/v1/pki/roles?limit=1")), ["a", "b", "c.d_e-F9", "svc-mtls"]);
    assert_eq!(world.get("/v1/pki/roles?limit=3")["data"][2], world.get("/v1/pki/roles/c.d_e-F9"));
}

#[test]
fn a_role_that_cannot_stand_is_refused_with_every_fault() {
    let world = World::new();
    let create = |body| world.appliance.call("POST", "/v1/pki/roles", Some(body));
    let (code, mut fields) = create(json!({
        "name": "no spaces", "ca_id": "ca_00000000000000000000000000000000", "allowed_domains": ["good.example", "*", "a.*.b", "1.2.3.4"],
        "max_ttl": "720", "key_type": "dsa", "store_private_keys": true, "key_storage": "paper"
    }))
    .refused(400);
    fields.sort_unstable();
    assert_eq!(code, "invalid_request");
    let wanted = ["allowed_domains[1]", "allowed_domains[2]", "allowed_domains[3]", "ca_id", "key_storage", "key_type", "max_ttl", "name"];
    assert_eq!(fields, wanted);
    assert_eq!(create(json!({"name": "x", "ca_id": world.issuing, "key_type": "ec", "key_bits": 2048})).refused(400).1, ["key_bits"]);
    assert_eq!(create(json!({})).refused(400).1, ["name", "ca_id"]);
    let taken = create(json!({"name": "svc-mtls", "ca_id": world.issuing}));
    assert_eq!(taken.refused(409), ("name_taken".to_owned(), vec!["name".to_owned()]));
    assert_eq!(taken.json()["detail"], "A role of this name exists.");
    let with_more = create(json!({"name": "svc-mtls", "ca_id": world.issuing, "max_ttl": "720"})).refused(400);
    assert_eq!(with_more, ("invalid_request".to_owned(), ["max_ttl", "name"].map(str::to_owned).to_vec()));
    for name in ["", ".", "..", "a/b", "a b", "ü", &"n".repeat(65)] {
        assert_eq!(create(json!({"name": name, "ca_id": world.issuing})).refused(400).1, ["name"], "{name:?}");
    }
}

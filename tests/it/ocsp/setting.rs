//! An authority without OCSP, one whose responder is elsewhere, and certificates that end before it would matter.

use serde_json::{Value, json};

use super::World;
use crate::appliance::Appliance;

fn root(appliance: &Appliance, name: &str, fields: Value) -> String {
    let mut body = json!({"name": name, "common_name": format!("{name} CA"), "ca_type": "root", "key_type": "ec"});
    for (key, value) in fields.as_object().unwrap() {
        body[key] = value.clone();
    }
    appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_authority_has_ocsp_unless_it_is_made_without() {
    let scratch = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(scratch.path()), "ec", 256);
    let appliance = &world.appliance;
    let issue = |name: &str, fields: Value| {
        let ca = root(appliance, name, fields);
        appliance.role(name, &ca, json!({}));
        let body = json!({"common_name": "www.example.com"});
        let issued = appliance.call("POST", &format!("/v1/pki/issue/{name}"), Some(body)).expect(201);
        world.requester.write(&format!("{name}-ca.pem"), issued["ca_chain"][0].as_str().unwrap());
        let pem = issued["certificate"].as_str().unwrap();
        world.requester.write(&format!("{name}.pem"), pem);
        (ca, world.requester.certificate_text(pem))
    };
    let (off, text) = issue("off", json!({"ocsp": false}));
    assert!(!text.contains("OCSP - URI") && text.contains("CRL Distribution Points"), "{text}");
    let (_, text) = issue("elsewhere", json!({"ocsp_urls": ["http://ocsp.example.com/a", "http://ocsp2.example.com/b"]}));
    assert!(text.contains("URI:http://ocsp.example.com/a") && text.contains("URI:http://ocsp2.example.com/b"), "{text}");
    let wrong = |fields: Value| {
        let mut body = json!({"name": "x", "common_name": "x", "ca_type": "root"});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        appliance.call("POST", "/v1/pki/ca", Some(body)).refused(400).1
    };
    assert_eq!(wrong(json!({"ocsp_urls": ["https://x/"]})), ["ocsp_urls[0]"]);
    assert_eq!(wrong(json!({"ocsp": false, "ocsp_urls": ["http://x/"]})), ["ocsp_urls"]);
    let ask = |world: &World| {
        let url = format!("http://{}/ocsp/{off}", world.http());
        let output = world.requester.command("openssl", &["ocsp", "-issuer", "off-ca.pem", "-cert", "off.pem", "-url", &url]).output();
        let output = output.unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    assert!(ask(&world).contains("unauthorized (6)"));
    // It is kept.
    assert!(world.appliance.stop());
    world.appliance = Appliance::start_in(scratch.path());
    assert!(ask(&world).contains("unauthorized (6)"));
}

#[test]
fn what_ends_soon_says_that_nobody_need_ask() {
    let world = World::new();
    let refused = |fields: Value| {
        let mut body = json!({"name": "short", "ca_id": world.issuing});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        world.appliance.call("POST", "/v1/pki/roles", Some(body)).refused(400).1
    };
    assert_eq!(refused(json!({"no_rev_avail": true})), ["no_rev_avail"]);
    assert_eq!(refused(json!({"no_rev_avail": true, "max_ttl": "169h"})), ["no_rev_avail"]);
    world.appliance.role("short", &world.issuing, json!({"no_rev_avail": true, "max_ttl": "7d"}));
    let role = world.appliance.call("GET", "/v1/pki/roles/short", None).expect(200);
    assert_eq!(role["no_rev_avail"], true);
    let patch = |body: Value| world.appliance.call("PATCH", "/v1/pki/roles/short", Some(body));
    assert_eq!(patch(json!({"max_ttl": "30d"})).refused(400).1, ["max_ttl"]);
    let issue = || {
        let body = json!({"common_name": "www.example.com"});
        let issued = world.appliance.call("POST", "/v1/pki/issue/short", Some(body)).expect(201);
        world.requester.write("short.pem", issued["certificate"].as_str().unwrap());
        world.requester.certificate_text(issued["certificate"].as_str().unwrap())
    };
    let text = issue();
    // 2.5.29.56, for which openssl 3.0 has no name.
    assert!(text.contains("2.5.29.56") || text.contains("No Revocation Available"), "{text}");
    assert!(!text.contains("CRL Distribution Points") && !text.contains("OCSP - URI") && text.contains("CA Issuers - URI"), "{text}");
    assert_eq!(world.tool("lint_pkix_cert", &["lint", "-s", "ERROR", "short.pem"]).trim(), "");
    // Whoever asks all the same is answered.
    assert!(world.ask(&["-cert", "short.pem"]).contains("short.pem: good"));
    patch(json!({"no_rev_avail": false, "max_ttl": "30d"})).expect(200);
    assert!(issue().contains("OCSP - URI"));
}

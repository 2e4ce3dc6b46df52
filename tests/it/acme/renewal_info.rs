//! When to renew (RFC 9773).

use serde_json::{Value, json};

use super::client::{Client, assert_refused, b64, csr, order_of};
use super::open;
use crate::appliance::Appliance;
use crate::requester::Requester;

/// RFC 9773, 4.1: the key identifier of the issuer and the serial number.
fn renewal_id(chain: &str) -> String {
    let requester = Requester::new();
    requester.write("chain.pem", chain);
    let text = requester.openssl(&["x509", "-in", "chain.pem", "-noout", "-serial", "-ext", "authorityKeyIdentifier"]);
    let hex = |text: &str| hex::decode(text.replace(':', "").trim()).unwrap();
    let serial = text.lines().find_map(|line| line.strip_prefix("serial=")).unwrap();
    let key_id = text.lines().find(|line| line.trim().matches(':').count() >= 19).unwrap().trim().trim_start_matches("keyid:");
    format!("{}.{}", b64(hex(key_id)), b64(hex(serial)))
}

fn info(appliance: &Appliance, id: &str) -> (i64, i64) {
    let answer = appliance.call_as(None, "GET", &format!("/api/acme/renewal-info/{id}"), None);
    let window = &answer.expect(200)["suggestedWindow"];
    let wait: u64 = answer.header("retry-after").expect("RFC 9773, 4.3").parse().unwrap();
    assert!((60..=21_600).contains(&wait), "{wait}");
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    (time(&window["start"]), time(&window["end"]))
}

#[test]
fn a_window_is_suggested_and_it_is_now_for_what_is_revoked() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (chain, order) = client.certify(&["a.internal.example.com"]);
    let id = renewal_id(&chain);
    let now = jiff::Timestamp::now().as_second();
    let (start, end) = info(&appliance, &id);
    assert!(now + 15 * 86_400 < start && start < end && end < now + 25 * 86_400, "{start} {end}");
    let stored = order["certificate"].as_str().unwrap().rsplit('/').next().unwrap();
    appliance.call("POST", "/v1/pki/revoke", Some(json!({"certificate_id": stored, "reason": "superseded"}))).expect(200);
    let (start, end) = info(&appliance, &id);
    assert!(start < end && end <= jiff::Timestamp::now().as_second(), "{start} {end}");
}

#[test]
fn a_window_is_suggested_for_known_certificates_alone() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (chain, _) = client.certify(&["a.internal.example.com"]);
    let id = renewal_id(&chain);
    let (key_id, serial) = id.split_once('.').unwrap();
    for wrong in ["x", "x.y", &format!("{key_id}."), &format!("{}.{serial}", b64([1; 20])), &format!("{key_id}.{}", b64([1; 16])), "a.b.c"]
    {
        let answer = appliance.call_as(None, "GET", &format!("/api/acme/renewal-info/{wrong}"), None);
        assert_refused(&answer, 404, "malformed");
    }
}

#[test]
fn an_order_replaces_a_certificate_once() {
    let (appliance, credential) = open();
    let (client, other) = (Client::register(&appliance, &credential), Client::register(&appliance, &credential));
    let (chain, old) = client.certify(&["a.internal.example.com"]);
    let replaces = renewal_id(&chain);
    let ask = |client: &Client<'_>, name: &str| client.post("new-order", &order_of(&[name], json!({"replaces": replaces})));
    assert_refused(&ask(&other, "a.internal.example.com"), 404, "malformed");
    assert_refused(&ask(&client, "b.internal.example.com"), 404, "malformed");
    let answer = client.post("new-order", &order_of(&["a.internal.example.com"], json!({"replaces": "x"})));
    assert_refused(&answer, 400, "malformed");
    let order = ask(&client, "a.internal.example.com").expect(201);
    assert_eq!(order["replaces"], json!(replaces));
    let order = client.finalize(&order, &csr(&["a.internal.example.com"])).expect(200);
    assert_refused(&ask(&client, "a.internal.example.com"), 409, "alreadyReplaced");
    // It is told with the certificate, too.
    let id = |order: &Value| order["certificate"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let new = appliance.call("GET", &format!("/v1/pki/certificates/{}", id(&order)), None).expect(200);
    assert_eq!(new["renewed_from"], json!(id(&old)));
}

const ORGANIZATION: &str = "/api/v1/organizations/org_00000000000000000000000000000001";

fn is_now(window: (i64, i64)) -> bool {
    window.0 < window.1 && window.1 <= jiff::Timestamp::now().as_second()
}

#[test]
fn it_is_now_for_a_certificate_of_an_incident_and_its_replacement_is_good() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let certify = |name: &str| {
        let (chain, order) = client.certify(&[name]);
        (renewal_id(&chain), order["certificate"].as_str().unwrap().rsplit('/').next().unwrap().to_owned())
    };
    let (one, one_id) = certify("a.internal.example.com");
    let (other, _) = certify("b.internal.example.com");
    let path = format!("{ORGANIZATION}/acme-incidents/{one_id}");
    let explanation = "https://status.example.com/incident";
    let wrong = appliance.call("PUT", &path, Some(json!({"explanation_url": "javascript:alert(1)"})));
    assert_eq!(wrong.refused(400).1, ["explanation_url"]);
    let declared = appliance.call("PUT", &path, Some(json!({"explanation_url": explanation}))).expect(200);
    assert_eq!(declared["affected_id"], json!(one_id));
    assert!(is_now(info(&appliance, &one)) && !is_now(info(&appliance, &other)));
    let told = appliance.call_as(None, "GET", &format!("/api/acme/renewal-info/{one}"), None).expect(200);
    assert_eq!(told["explanationURL"], explanation);
    let listed = appliance.call("GET", &format!("{ORGANIZATION}/acme-incidents"), None).expect(200);
    assert_eq!(listed["data"], json!([declared]));
    appliance.call("DELETE", &path, None).expect(204);
    appliance.call("DELETE", &path, None).expect(204);
    assert!(!is_now(info(&appliance, &one)));
    // All of an authority, and nothing that it issues from the next second on.
    let ca =
        appliance.call("GET", &format!("/v1/pki/certificates/{one_id}"), None).expect(200)["issuer_ca_id"].as_str().unwrap().to_owned();
    let path = format!("{ORGANIZATION}/acme-incidents/{ca}");
    let declared = appliance.call("PUT", &path, None).expect(200)["declared_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(is_now(info(&appliance, &one)) && is_now(info(&appliance, &other)));
    while jiff::Timestamp::now().as_second() <= declared.as_second() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (replacement, _) = certify("c.internal.example.com");
    assert!(!is_now(info(&appliance, &replacement)));
    for unknown in ["cert_0123456789abcdef0123456789abcdef", "ca_0123456789abcdef0123456789abcdef", "x"] {
        for method in ["PUT", "DELETE"] {
            appliance.call(method, &format!("{ORGANIZATION}/acme-incidents/{unknown}"), None).refused(404);
        }
    }
    let trail = appliance.call("GET", "/v1/admin/audit?limit=1000", None).expect(200).to_string();
    assert!(trail.contains("acme_incident.declare") && trail.contains("acme_incident.end"), "{trail}");
}

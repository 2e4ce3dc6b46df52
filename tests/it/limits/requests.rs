//! How many requests of an organisation may wait to be decided about.

use serde_json::json;

use super::limited;
use crate::appliance::{Answer, Appliance};
use crate::listener::reconfigure;
use crate::load;
use crate::waiting::wait_for;

const ALLOWED: usize = 3;

fn make(appliance: &Appliance, token: &str) -> Answer {
    appliance.call_as(Some(token), "POST", "/v1/pki/csr", Some(json!({"subject": {"common_name": "a.example.com"}})))
}

#[test]
fn no_more_wait_than_are_allowed_and_room_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = limited(dir.path(), &format!("\n[limits]\npending_requests = {ALLOWED}\n"));
    let admin = appliance.admin_token();
    let scratch = tempfile::tempdir().unwrap();
    let csr = load::requests(1, scratch.path()).remove(0);
    let import = |appliance: &Appliance| appliance.call("POST", "/v1/pki/csr/import", Some(json!({"csr_pem": csr})));
    let id = |answer: Answer| answer.expect(201)["id"].as_str().unwrap().to_owned();
    let one = id(make(&appliance, &admin));
    let two = id(import(&appliance));
    let three = id(make(&appliance, &admin));
    let keys = |appliance: &Appliance| appliance.told("key.generate").len();
    let made = keys(&appliance);
    let refused = make(&appliance, &admin);
    assert_eq!(refused.refused(409).0, "too_many_pending_requests");
    assert!(refused.text().contains("approve, reject or delete"), "{}", refused.text());
    assert_eq!(import(&appliance).refused(409).0, "too_many_pending_requests");
    assert_eq!(keys(&appliance), made, "no key is made for nothing");

    // Another organisation has room of its own.
    let theirs = appliance.call("POST", "/v1/admin/organizations", Some(json!({"name": "elsewhere"}))).expect(201);
    let body = json!({"name": "t", "scopes": ["pki:admin"], "ttl": "1h", "organization_id": theirs["id"]});
    let token = appliance.call("POST", "/v1/admin/tokens", Some(body)).expect(201)["token"].as_str().unwrap().to_owned();
    make(&appliance, &token).expect(201);

    // Each way to decide gives room for one more.
    appliance.call("POST", &format!("/v1/pki/csr/{one}/approve"), None).expect(200);
    let one_more = id(import(&appliance));
    assert_eq!(import(&appliance).status, 409);
    appliance.call("POST", &format!("/v1/pki/csr/{two}/reject"), Some(json!({"reason": "no"}))).expect(200);
    id(import(&appliance));
    assert_eq!(import(&appliance).status, 409);
    for gone in [&three, &one] {
        assert_eq!(appliance.call("DELETE", &format!("/v1/pki/csr/{gone}"), None).status, 204);
    }
    id(import(&appliance));
    assert_eq!(import(&appliance).status, 409, "one that was approved before gave its room back then");
    // What is refused for another reason takes no room.
    assert_eq!(appliance.call("DELETE", &format!("/v1/pki/csr/{one_more}"), None).status, 204);
    appliance.call("POST", "/v1/pki/csr/import", Some(json!({"csr_pem": "none"}))).refused(400);

    // Counted again by a start, and never more than there is room for, however many ask at once.
    assert!(appliance.stop());
    appliance = Appliance::start_in(dir.path());
    let client = load::client(&appliance);
    let body = chancery::api::pki::ImportSigningRequest { csr_pem: csr.clone() };
    let outcomes = load::runtime().block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let (client, body) = (client.clone(), body.clone());
            tasks.spawn(async move { client.import_signing_request(&body).await.is_ok() });
        }
        tasks.join_all().await
    });
    assert_eq!(outcomes.into_iter().filter(|taken| *taken).count(), 1);
    let pending = appliance.call("GET", "/v1/pki/csr?status=pending", None).expect(200);
    assert_eq!(pending["data"].as_array().unwrap().len(), ALLOWED);

    // More are allowed without another start.
    reconfigure(dir.path(), |text| text.replace(&format!("pending_requests = {ALLOWED}"), "pending_requests = 4"));
    appliance.signal(nix::sys::signal::Signal::SIGHUP);
    wait_for("the limit to be taken up", || import(&appliance).status == 201);
    assert_eq!(import(&appliance).status, 409);
}

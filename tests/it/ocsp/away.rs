//! The token is away: what was signed before is served on, CRLs and answers, and nothing that is no longer so.

use tempfile::TempDir;

use super::{World, schedule};
use crate::faults::shim::Shim;
use crate::waiting::wait_for;

const TRY_LATER: [u8; 5] = [0x30, 3, 0x0A, 1, 3];

#[test]
fn cached_answers_are_served_on_unless_a_revocation_has_ended_them() {
    let shim = Shim::new();
    let scratch = TempDir::new().unwrap();
    let appliance = shim.start(&scratch.path().join("appliance"));
    let world = World::of(appliance, "ec", 256);
    let [_, doomed, _] = ["asked", "doomed", "new"].map(|name| world.issue(name));
    let path = format!("/ocsp/{}", world.issuing);
    let [asked, doomed_request, new] = ["asked", "doomed", "new"].map(|name| world.request(name, &[]));
    let fetch = |request: &[u8]| world.fetch("POST", &path, Some(request), &[]);
    let (before, _) = (fetch(&asked).body, fetch(&doomed_request));
    let crl_before = world.fetch("GET", &format!("/crl/{}.crl", world.issuing), None, &[]).body;
    // CKR_DEVICE_ERROR.
    shim.set("C_SignInit always before 0x30\nC_Sign always before 0x30\n");
    for _ in 0..3 {
        assert_eq!(fetch(&asked).body, before);
    }
    let crl = world.fetch("GET", &format!("/crl/{}.crl", world.issuing), None, &[]);
    assert_eq!((crl.status, crl.body == crl_before), (200, true), "and so are CRLs");
    let answer = fetch(&new);
    assert_eq!((answer.status, answer.body.as_slice()), (200, &TRY_LATER[..]));
    // A revocation needs no token, and ends what was said before.
    world.revoke(&doomed, "key_compromise");
    assert_eq!(fetch(&doomed_request).body, TRY_LATER);
    shim.set("");
    wait_for("an answer after the token has come back", || fetch(&new).body != TRY_LATER);
    assert!(world.read(&fetch(&new).body, "new").contains("new.pem: good"));
    assert!(world.read(&fetch(&doomed_request).body, "doomed").contains("doomed.pem: revoked"));
    assert_eq!(fetch(&asked).body, before);
}

#[test]
fn an_answer_that_was_asked_for_is_signed_again_before_it_is_asked_for_the_next_time() {
    let shim = Shim::new();
    let scratch = TempDir::new().unwrap();
    let dir = scratch.path().join("appliance");
    let start = || shim.start(&dir);
    let mut world = World::of(start(), "ec", 256);
    world.issue("asked");
    let request = world.request("asked", &[]);
    assert!(world.appliance.stop());
    schedule(&world.appliance, "15s", "10m", "24h");
    world.appliance = start();
    let path = format!("/ocsp/{}", world.issuing);
    let fetch = || world.fetch("POST", &path, Some(&request), &[]).body;
    let signatures = || {
        let metrics = world.appliance.call("GET", "/metrics", None).text();
        let line = metrics.lines().find_map(|line| line.strip_prefix("chancery_token_signatures_total{token=\"main\"} "));
        line.unwrap_or_else(|| panic!("no count in {metrics}")).parse::<f64>().unwrap()
    };
    let first = fetch();
    assert_eq!(fetch(), first, "it is kept");
    let signed = signatures();
    wait_for("a signature that nobody has asked for", || signatures() > signed);
    // Nothing can be signed for the asker.
    shim.set("C_SignInit always before 0x30\nC_Sign always before 0x30\n");
    let second = fetch();
    assert_ne!(second, first);
    assert!(world.read(&second, "asked").contains("asked.pem: good"));
}

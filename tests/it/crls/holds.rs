//! Certificates on hold: lifted, or revoked for good.

use serde_json::json;

use super::{World, listed};
use crate::requester::Requester;

#[test]
fn a_hold_is_lifted_and_nothing_else_is() {
    let world = World::new(json!({}));
    let (held, gone, free) = (world.issue("held"), world.issue("gone"), world.issue("free"));
    world.revoke(&held, "certificateHold").expect(200);
    world.revoke(&gone, "superseded").expect(200);
    assert_eq!(world.status(&held)["revocation_reason"], "certificate_hold");
    assert_eq!(world.revoke(&held, "certificate_hold").refused(409).0, "already_revoked");
    for other in [&gone, &free] {
        assert_eq!(world.lift(other).refused(409).0, "not_on_hold");
    }
    let lifted = world.lift(&held).expect(200);
    assert_eq!((&lifted["is_revoked"], &lifted["revoked_at"]), (&json!(false), &serde_json::Value::Null));
    assert_eq!(world.status(&held), lifted);
    assert_eq!(world.lift(&held).refused(409).0, "not_on_hold");
    world.regenerate("full");
    let (found, _) = listed(&Requester::new(), &world.root_pem(), &world.crl(""));
    assert_eq!(found, [(gone.serial.clone(), "Superseded".to_owned())]);
    // It can be put on hold again, and is told of each time.
    world.revoke(&held, "certificate_hold").expect(200);
    let told = world.appliance.call("GET", "/v1/events?type=certificate.unrevoked", None).expect(200);
    assert_eq!(told["data"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(told["data"][0]["subject"], held.id);
    assert_eq!(world.appliance.told("certificate.unrevoke").len(), 1);
}

#[test]
fn a_hold_becomes_a_revocation_for_good_of_the_first_day() {
    let world = World::new(json!({}));
    let held = world.issue("held");
    let begun = world.revoke(&held, "certificate_hold").expect(200)["revoked_at"].clone();
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let revoked = world.revoke(&held, "keyCompromise").expect(200);
    assert_eq!((&revoked["revocation_reason"], &revoked["revoked_at"]), (&json!("key_compromise"), &begun));
    assert_eq!(world.revoke(&held, "superseded").refused(409).0, "already_revoked");
    assert_eq!(world.lift(&held).refused(409).0, "not_on_hold");
}

#[test]
fn a_certificate_is_named_by_itself_too() {
    let world = World::new(json!({}));
    let issued = world.issue("one");
    let revoke = |body| world.appliance.call("POST", "/v1/pki/revoke", Some(body));
    assert_eq!(revoke(json!({"certificate_pem": "nonsense"})).refused(400).1, ["certificate_pem"]);
    assert_eq!(revoke(json!({"certificate_pem": issued.pem, "serial_number": issued.serial})).refused(400).1, ["certificate_pem"]);
    assert_eq!(revoke(json!({"certificate_pem": issued.pem, "certificate_id": issued.id})).refused(400).1, ["certificate_pem"]);
    assert_eq!(revoke(json!({"certificate_pem": world.root_pem()})).refused(404).0, "not_found");
    assert_eq!(revoke(json!({"certificate_pem": issued.pem})).expect(200)["id"], issued.id);
    let other = world.issue("two");
    assert_eq!(revoke(json!({"serial_number": other.serial.to_lowercase()})).expect(200)["id"], other.id);
}

#[test]
fn of_many_that_decide_at_once_one_is_heard() {
    let world = World::new(json!({}));
    let held = world.issue("held");
    let statuses = |each: &(dyn Fn() -> u16 + Sync)| {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(each)).collect();
            let mut statuses: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            statuses.sort_unstable();
            statuses
        })
    };
    let one = [200, 409, 409, 409, 409, 409];
    assert_eq!(statuses(&|| world.revoke(&held, "certificate_hold").status), one);
    assert_eq!(statuses(&|| world.lift(&held).status), one);
    assert_eq!(statuses(&|| world.revoke(&held, "superseded").status), one);
}

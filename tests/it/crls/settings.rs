//! How the CRLs of an authority are made is its own affair.

use jiff::Timestamp;
use serde_json::json;

use super::{World, chancery, listed};
use crate::appliance::Appliance;
use crate::requester::Requester;
use crate::waiting::wait_for;

#[test]
fn an_authority_has_its_own_schedule_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(dir.path()), json!({"period": "30m", "validity": "5h", "overlap": "2h"}));
    let path = format!("/v1/pki/ca/{}", world.root);
    let shown = world.appliance.call("GET", &path, None).expect(200)["crl"].clone();
    assert_eq!((&shown["period"], &shown["validity"], &shown["overlap"]), (&json!("30m"), &json!("5h"), &json!("2h")));
    assert_eq!((&shown["delta"], &shown["shards"], &shown["publish_on_revocation"]), (&json!(false), &json!(0), &json!(false)));
    let seconds = |made: &serde_json::Value, field: &str| made[field].as_str().unwrap().parse::<Timestamp>().unwrap().as_second();
    let made = world.regenerate("full");
    assert_eq!(seconds(&made, "next_update") - seconds(&made, "this_update"), 5 * 3_600);
    let patch = json!({"crl": {"validity": "6h", "delta": true, "delta_period": "5m"}});
    let changed = world.appliance.call("PATCH", &path, Some(patch)).expect(200)["crl"].clone();
    assert_eq!((&changed["period"], &changed["validity"], &changed["delta_period"]), (&json!("30m"), &json!("6h"), &json!("5m")));
    world.appliance.kill();
    world.appliance = Appliance::start_in(dir.path());
    assert_eq!(world.appliance.call("GET", &path, None).expect(200)["crl"], changed);
    let made = world.regenerate("delta");
    assert_eq!(seconds(&made, "next_update") - seconds(&made, "this_update"), 600);
    // Another authority has the appliance's.
    let other = world.appliance.root("other", "ec", 256);
    assert_eq!(world.appliance.call("GET", &format!("/v1/pki/ca/{other}"), None).expect(200)["crl"]["validity"], "24h");
}

#[test]
fn what_cannot_be_is_refused_with_every_fault() {
    let world = World::new(json!({}));
    let body = json!({
        "name": "bad name!\u{1}", "common_name": "X", "ca_type": "root",
        "crl": {"period": "1s", "validity": "soon", "shards": 1000, "speed": 3, "delta": "yes"}
    });
    let (code, fields) = world.appliance.call("POST", "/v1/pki/ca", Some(body)).refused(400);
    assert_eq!((code.as_str(), fields), ("invalid_request", vec!["crl.delta".to_owned(), "crl.speed".to_owned()]), "the form first");
    let path = format!("/v1/pki/ca/{}", world.root);
    let patch = |crl| world.appliance.call("PATCH", &path, Some(json!({"crl": crl}))).refused(400).1;
    assert_eq!(patch(json!({"period": "1s", "validity": "soon", "shards": 1000})), ["crl.period", "crl.validity", "crl.shards"]);
    assert_eq!(patch(json!({"validity": "1h"})), ["crl.validity"]);
    let all = json!({
        "period": "3d", "validity": "1h", "overlap": "9d", "delta": true, "delta_period": "5d", "shards": 1000, "publish_within": "soon"
    });
    assert_eq!(patch(all), ["crl.publish_within", "crl.shards", "crl.validity", "crl.delta_period"]);
    assert_eq!(patch(json!({"period": "1s", "validity": "1h", "overlap": "9d", "shards": 1000})), ["crl.period", "crl.shards"]);
    assert_eq!(patch(json!([null, null])), ["crl"]);
    assert_eq!(world.appliance.call("PATCH", &path, Some(json!({"name": "x"}))).refused(400).1, ["name"]);
    let body = json!({"name": "nowhere", "common_name": "X", "ca_type": "root", "key_type": "ec", "crl_urls": [], "crl": {"shards": 1}});
    assert_eq!(world.appliance.call("POST", "/v1/pki/ca", Some(body)).refused(400).1, ["crl.shards"]);
    let body = json!({"name": "nowhere", "common_name": "X", "ca_type": "root", "key_type": "ec", "crl_urls": []});
    let nowhere = world.appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)["id"].as_str().unwrap().to_owned();
    let divided = json!({"crl": {"shards": 1, "validity": "1h"}});
    let refused = world.appliance.call("PATCH", &format!("/v1/pki/ca/{nowhere}"), Some(divided)).refused(400);
    assert_eq!(refused.1, ["crl.validity", "crl.shards"]);
}

#[test]
fn a_revocation_has_a_crl_made_within_seconds() {
    for (crl, suffix) in [
        (json!({"publish_on_revocation": true, "publish_within": "2s"}), ""),
        (json!({"publish_on_revocation": true, "delta": true}), "-delta"),
    ] {
        let world = World::new(crl);
        let (requester, root) = (Requester::new(), world.root_pem());
        let hosts: Vec<_> = (0..3).map(|host| world.issue(&format!("host{host}"))).collect();
        for issued in &hosts {
            world.revoke(issued, "superseded").expect(200);
        }
        wait_for("a CRL with all of them", || listed(&requester, &root, &world.crl(suffix)).0.len() == 3);
        let answer = world.appliance.call_raw(None, "GET", &format!("/crl/{}{suffix}.crl", world.root), None, &[]);
        let age: u32 = answer.header("cache-control").unwrap().rsplit('=').next().unwrap().parse().unwrap();
        assert!(age <= 5, "who fetches it soon gets the newest: {age}");
    }
}

#[test]
fn what_is_due_is_made_by_itself() {
    let world = World::new(json!({"period": "10s", "validity": "30s", "overlap": "5s", "delta": false}));
    let (requester, root) = (Requester::new(), world.root_pem());
    let first = super::number(&listed(&requester, &root, &world.crl("")).1);
    wait_for("the next regular CRL", || super::number(&listed(&requester, &root, &world.crl("")).1) > first);
}

#[test]
fn the_last_crl_of_an_authority_that_was_revoked_lasts_as_long_as_its_certificates() {
    let world = World::new(json!({}));
    let (requester, root) = (Requester::new(), world.root_pem());
    let issued = world.issue("longest");
    let until = world.status(&issued)["valid_until"].as_str().unwrap().to_owned();
    world
        .appliance
        .call("POST", &format!("/v1/pki/ca/{}/revoke", world.root), Some(json!({"reason": "cessation_of_operation"})))
        .expect(200);
    let made = world.regenerate("full");
    assert_eq!(made["next_update"], until, "not a day, but to the end of what it issued");
    assert_eq!(listed(&requester, &root, &world.crl("")).0, [(issued.serial.clone(), "Cessation Of Operation".to_owned())]);
}

#[test]
fn the_command_line_does_all_of_it() {
    let world = World::new(json!({}));
    let issued = world.issue("www");
    let configured =
        chancery(&world.appliance, &["crl", "configure", "root", "--crl-delta", "true", "--crl-shards", "2", "--crl-within", "9s"]);
    assert!(configured.contains("delta every 10m; divided into 2"), "{configured}");
    chancery(&world.appliance, &["cert", "revoke", &issued.id, "--reason", "certificate_hold"]);
    chancery(&world.appliance, &["crl", "publish", "root"]);
    let lifted = chancery(&world.appliance, &["cert", "unrevoke", &issued.id]);
    assert!(lifted.contains("revoked") && lifted.contains("no"), "{lifted}");
    let delta = chancery(&world.appliance, &["crl", "publish", "root", "--delta"]);
    assert!(delta.contains("number of its full CRL"), "{delta}");
    let requester = Requester::new();
    let text = requester.crl_text(&chancery(&world.appliance, &["crl", "get", "root", "--delta"]));
    assert!(text.contains("Remove From CRL"), "{text}");
    for arguments in [&["--shard", "1"][..], &["--authorities"], &["--shard", "2", "--delta"]] {
        let text = requester.crl_text(&chancery(&world.appliance, &[&["crl", "get", "root"], arguments].concat()));
        assert!(text.contains("Issuing Distribution Point"), "{text}");
    }
    requester.write("www.pem", &issued.pem);
    let file = requester.path("www.pem").display().to_string();
    let revoked = chancery(&world.appliance, &["cert", "revoke", "--file", &file]);
    assert!(revoked.contains(&issued.id), "{revoked}");
    let created = chancery(
        &world.appliance,
        &["ca", "create", "--name", "other", "--common-name", "O", "--type", "root", "--key-type", "ec", "--crl-period", "2h"],
    );
    assert!(created.contains("every 2h"), "{created}");
}

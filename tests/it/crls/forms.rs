//! Every form of a CRL.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{World, accepted_by_all, is_revoked, is_user_revoked, listed, number};
use crate::appliance::Appliance;
use crate::requester::Requester;
use crate::waiting::wait_for;

#[test]
fn a_delta_tells_what_has_changed_since_its_base() {
    let world = World::new(json!({"delta": true}));
    let (requester, root) = (Requester::new(), world.root_pem());
    let hosts = ["old", "held", "brief", "new", "free"].map(|host| world.issue(host));
    let [old, held, brief, new, free] = &hosts;
    world.revoke(old, "superseded").expect(200);
    world.revoke(held, "certificate_hold").expect(200);
    let full = world.regenerate("full");
    let base = world.crl("");
    let (on_base, text) = listed(&requester, &root, &base);
    assert_eq!(on_base.len(), 2);
    let delta_url = format!("/crl/{}-delta.crl", world.root);
    assert!(text.contains("X509v3 Freshest CRL") && text.contains(&delta_url), "{text}");
    let certificate = requester.certificate_text(&free.pem);
    assert!(certificate.contains("X509v3 Freshest CRL") && certificate.contains(&delta_url), "{certificate}");
    accepted_by_all(&requester, &base, &on_base);
    // With every full CRL comes a delta CRL, of which nothing is told.
    assert_eq!(listed(&requester, &root, &world.crl("-delta")).0, []);

    world.lift(held).expect(200);
    world.revoke(brief, "certificate_hold").expect(200);
    world.lift(brief).expect(200);
    world.revoke(new, "key_compromise").expect(200);
    let made = world.regenerate("delta");
    assert_eq!((&made["type"], &made["base_crl_number"]), (&json!("delta"), &full["crl_number"]));
    assert_eq!((&made["ca_id"], &made["revoked_certificates"]), (&json!(world.root), &json!(3)));
    assert!(made["crl_number"].as_u64() > full["crl_number"].as_u64());
    let delta = world.crl("-delta");
    let (changed, text) = listed(&requester, &root, &delta);
    let removed = "Remove From CRL".to_owned();
    let mut wanted =
        vec![(held.serial.clone(), removed.clone()), (brief.serial.clone(), removed), (new.serial.clone(), "Key Compromise".to_owned())];
    wanted.sort();
    assert_eq!(changed, wanted);
    let indicator = format!("X509v3 Delta CRL Indicator: critical\n                {}", full["crl_number"]);
    assert!(text.contains(&indicator) && !text.contains("Freshest"), "{text}");
    assert_eq!(number(&text), made["crl_number"].as_u64().unwrap());
    accepted_by_all(&requester, &delta, &changed);
    // The base is as it was, and openssl puts the two together.
    assert!(world.crl("") == base);
    for (issued, alone, together) in
        [(old, true, true), (held, true, false), (brief, false, false), (new, false, true), (free, false, false)]
    {
        assert_eq!(is_revoked(&requester, &root, &[&base], &issued.pem), alone, "by the full CRL alone");
        assert_eq!(is_revoked(&requester, &root, &[&base, &delta], &issued.pem), together, "with the delta CRL");
        assert_eq!(world.status(issued)["is_revoked"], together);
    }
    // The next full CRL says the same by itself.
    world.regenerate("full");
    let mut serials: Vec<_> = listed(&requester, &root, &world.crl("")).0.into_iter().map(|(serial, _)| serial).collect();
    serials.sort();
    let mut wanted = vec![old.serial.clone(), new.serial.clone()];
    wanted.sort();
    assert_eq!(serials, wanted);
}

#[test]
fn without_deltas_there_are_none() {
    let world = World::new(json!({}));
    let path = format!("/api/v1/ca/{}/crl/regenerate", world.root);
    let regenerate = |body| world.appliance.call("POST", &path, Some(body));
    assert_eq!(regenerate(json!({"type": "delta"})).refused(409).0, "no_delta_crls");
    assert_eq!(regenerate(json!({"type": "none"})).refused(400).1, ["type"]);
    assert_eq!(regenerate(json!({})).refused(400).1, ["type"]);
    for suffix in ["-delta", "-1", "-ca", "-01", "x"] {
        let answer = world.appliance.call_raw(None, "GET", &format!("/crl/{}{suffix}.crl", world.root), None, &[]);
        assert_eq!(answer.status, 404, "{suffix}");
    }
    assert!(!Requester::new().certificate_text(&world.issue("www").pem).contains("Freshest"));
    let full = regenerate(json!({"type": "full"})).expect(200);
    assert_eq!((&full["type"], &full["base_crl_number"]), (&json!("full"), &serde_json::Value::Null));
}

#[test]
fn each_certificate_is_on_the_crl_that_it_names() {
    let world = World::new(json!({"shards": 3, "delta": true}));
    let (requester, root) = (Requester::new(), world.root_pem());
    let body = json!({"name": "below", "common_name": "Below", "ca_type": "intermediate", "parent_ca_id": world.root, "key_type": "ec"});
    let below = world.appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201);
    let below_serial = below["serial_number"].as_str().unwrap().replace(':', "");
    let hosts: Vec<_> = (0..9).map(|host| world.issue(&format!("host{host}"))).collect();
    let suffix_of = |pem: &str| {
        let text = requester.certificate_text(pem);
        let points = text.split("X509v3 CRL Distribution Points").nth(1).unwrap_or_else(|| panic!("{text}"));
        let url = points.split("URI:").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
        let suffix = url.rsplit(&world.root).next().unwrap().strip_suffix(".crl").unwrap().to_owned();
        assert!(text.contains(&format!("{}{suffix}-delta.crl", world.root)), "its delta CRLs: {text}");
        (suffix, url)
    };
    for issued in &hosts {
        world.revoke(issued, "superseded").expect(200);
    }
    let path = format!("/v1/pki/ca/{}/revoke", below["id"].as_str().unwrap());
    let pem = world.appliance.call("GET", &format!("/v1/pki/ca/{}/certificate", below["id"].as_str().unwrap()), None).expect(200);
    assert_eq!(suffix_of(pem["certificate_pem"].as_str().unwrap()).0, "-ca");
    world.appliance.call("POST", &path, Some(json!({"reason": "ca_compromise"}))).expect(200);
    world.regenerate("full");
    let mut numbers = vec![number(&listed(&requester, &root, &world.crl("")).1)];
    let (whole, text) = listed(&requester, &root, &world.crl(""));
    assert_eq!(whole.len(), 10, "the CRL of everything lists everything");
    assert!(!text.contains("Issuing Distribution Point"));
    let (authorities, text) = listed(&requester, &root, &world.crl("-ca"));
    assert_eq!(authorities, [(below_serial, "CA Compromise".to_owned())]);
    assert!(text.contains("X509v3 Issuing Distribution Point: critical") && text.contains("Only CA Certificates"), "{text}");
    accepted_by_all(&requester, &world.crl("-ca"), &authorities);
    numbers.push(number(&text));
    let mut found = 0;
    for shard in ["-1", "-2", "-3"] {
        let der = world.crl(shard);
        let (list, text) = listed(&requester, &root, &der);
        assert!(text.contains("X509v3 Issuing Distribution Point: critical") && text.contains("Only User Certificates"), "{text}");
        found += list.len();
        numbers.push(number(&text));
        accepted_by_all(&requester, &der, &list);
        for issued in &hosts {
            let (suffix, url) = suffix_of(&issued.pem);
            assert_eq!(list.iter().any(|(serial, _)| *serial == issued.serial), suffix == shard);
            if suffix == shard {
                let point = text.split("Issuing Distribution Point: critical").nth(1).and_then(|point| point.split("URI:").nth(1));
                let named = point.and_then(|point| point.split_whitespace().next());
                assert_eq!(named, Some(url.as_str()), "byte for byte as in the certificate: {text}");
                assert!(is_user_revoked(&requester, &root, &[&der], &issued.pem));
            }
        }
    }
    assert_eq!(found, 9);
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 5, "no two have one number");
    // A delta CRL of a shard covers what its full CRL covers.
    let late = world.issue("late");
    let (suffix, _) = suffix_of(&late.pem);
    world.revoke(&late, "key_compromise").expect(200);
    world.regenerate("delta");
    let (base, delta) = (world.crl(&suffix), world.crl(&format!("{suffix}-delta")));
    assert!(!is_user_revoked(&requester, &root, &[&base], &late.pem));
    assert!(is_user_revoked(&requester, &root, &[&base, &delta], &late.pem));
    let (list, _) = listed(&requester, &root, &delta);
    assert_eq!(list, [(late.serial.clone(), "Key Compromise".to_owned())]);
    accepted_by_all(&requester, &delta, &list);
}

#[test]
fn certificates_from_before_a_division_stay_on_the_crl_they_name() {
    let world = World::new(json!({}));
    let (requester, root) = (Requester::new(), world.root_pem());
    let before = world.issue("before");
    let path = format!("/v1/pki/ca/{}", world.root);
    let changed = world.appliance.call("PATCH", &path, Some(json!({"crl": {"shards": 2}}))).expect(200);
    assert_eq!(changed["crl"]["shards"], 2);
    let after = world.issue("after");
    for issued in [&before, &after] {
        world.revoke(issued, "superseded").expect(200);
    }
    world.regenerate("full");
    assert!(is_revoked(&requester, &root, &[&world.crl("")], &before.pem));
    let shards = [world.crl("-1"), world.crl("-2")];
    let on = |serial: &str| shards.iter().filter(|der| listed(&requester, &root, der).0.iter().any(|(found, _)| found == serial)).count();
    assert_eq!((on(&before.serial), on(&after.serial)), (0, 1));
    // It only grows.
    assert_eq!(world.appliance.call("PATCH", &path, Some(json!({"crl": {"shards": 1}}))).refused(400).1, ["crl.shards"]);
    world.appliance.call("PATCH", &path, Some(json!({"crl": {"shards": 3}}))).expect(200);
    wait_for("the CRL of the third shard", || {
        world.appliance.call_raw(None, "GET", &format!("/crl/{}-3.crl", world.root), None, &[]).status == 200
    });
}

#[test]
fn every_kind_of_key_signs_every_form() {
    for key in [json!({"key_type": "rsa", "key_size": 2048}), json!({"key_type": "ec", "key_size": 521}), json!({"key_type": "ed25519"})] {
        let world = World::of_key(Appliance::start(), key.clone(), json!({"shards": 1, "delta": true}));
        let (requester, root) = (Requester::new(), world.root_pem());
        let issued = world.issue("one");
        world.revoke(&issued, "certificate_hold").expect(200);
        world.regenerate("full");
        world.lift(&issued).expect(200);
        world.regenerate("delta");
        for (suffix, count) in [("", 1), ("-1", 1), ("-ca", 0), ("-delta", 1), ("-1-delta", 1), ("-ca-delta", 0)] {
            let (list, _) = listed(&requester, &root, &world.crl(suffix));
            assert_eq!(list.len(), count, "{key} {suffix}");
        }
        assert!(!is_user_revoked(&requester, &root, &[&world.crl("-1"), &world.crl("-1-delta")], &issued.pem), "{key}");
    }
}

#[test]
fn what_has_ended_is_on_one_more_crl() {
    let world = World::new(json!({}));
    let requester = Requester::new();
    let body = json!({"common_name": "brief.example.com", "ttl": "15s"});
    let issued = world.appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201);
    let issued_at = Instant::now();
    world.appliance.call("POST", "/v1/pki/revoke", Some(json!({"certificate_id": issued["id"]}))).expect(200);
    let count = || {
        world.regenerate("full");
        listed(&requester, &world.root_pem(), &world.crl("")).0.len()
    };
    assert_eq!(count(), 1);
    std::thread::sleep(Duration::from_secs(17).saturating_sub(issued_at.elapsed()));
    assert_eq!(count(), 1, "the first CRL behind its end still lists it (RFC 5280, 3.3)");
    assert_eq!(count(), 0);
}

/// Ed25519 signs the message itself, so its CRL is in memory, and what is too long is refused before it is.
#[test]
fn what_ed25519_cannot_sign_is_refused_and_the_crl_before_it_stays() {
    let dir = tempfile::tempdir().unwrap();
    let key = json!({"key_type": "ed25519"});
    let mut world = World::of_key(Appliance::start_in(dir.path()), key, json!({}));
    let before = world.regenerate("full")["crl_number"].as_u64().unwrap();
    assert!(world.appliance.stop());
    super::filled::fill(&dir.path().join("data"), &world.root, 220_000);
    world.appliance = Appliance::start_in(dir.path());
    let path = format!("/api/v1/ca/{}/crl/regenerate", world.root);
    assert_eq!(world.appliance.call("POST", &path, Some(json!({"type": "full"}))).refused(409).0, "crl_too_long");
    assert_eq!(number(&listed(&Requester::new(), &world.root_pem(), &world.crl("")).1), before);
    let left = std::fs::read_dir(dir.path().join("data/crl")).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.ends_with(".entries")).count(), 0, "what was written of it is gone");
    // Divided, it goes on with what is issued from then on.
    world.appliance.call("PATCH", &format!("/v1/pki/ca/{}", world.root), Some(json!({"crl": {"shards": 1}}))).expect(200);
    let issued = world.issue("www");
    world.revoke(&issued, "superseded").expect(200);
    assert_eq!(world.appliance.call("POST", &path, Some(json!({"type": "full"}))).refused(409).0, "crl_too_long");
    let (list, _) = listed(&Requester::new(), &world.root_pem(), &world.crl("-1"));
    assert_eq!(list, [(issued.serial.clone(), "Superseded".to_owned())]);
}

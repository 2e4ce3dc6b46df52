//! A CRL that a revocation has made due is made, whatever comes between the two.

use serde_json::json;

use super::restored::{copy, put_back};
use super::{World, is_user_revoked, listed};
use crate::appliance::Appliance;
use crate::requester::Requester;
use crate::waiting::wait_for;

#[test]
fn a_kill_between_a_revocation_and_its_prompt_crl_does_not_put_it_off() {
    for (crl, suffix, is_killed) in [
        (json!({"publish_on_revocation": true, "publish_within": "10s"}), "", true),
        (json!({"publish_on_revocation": true, "publish_within": "10s", "delta": true}), "-delta", true),
        (json!({"publish_on_revocation": true, "publish_within": "10s"}), "", false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut world = World::of(Appliance::start_in(dir.path()), crl);
        let (requester, root) = (Requester::new(), world.root_pem());
        let issued = world.issue("www");
        wait_for("the first CRL", || !world.crl(suffix).is_empty());
        world.revoke(&issued, "superseded").expect(200);
        if is_killed {
            world.appliance.kill();
        } else {
            assert!(world.appliance.stop());
        }
        world.appliance = Appliance::start_in(dir.path());
        // The regular one is due in an hour, the delta CRL in ten minutes.
        wait_for("its CRL", || listed(&requester, &root, &world.crl(suffix)).0.len() == 1);
        let number = super::number(&listed(&requester, &root, &world.crl(suffix)).1);
        world.appliance.kill();
        world.appliance = Appliance::start_in(dir.path());
        assert_eq!(super::number(&listed(&requester, &root, &world.crl(suffix)).1), number, "it is told once");
    }
}

#[test]
fn what_a_restored_backup_learns_is_on_a_crl_at_once_whatever_the_settings() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(dir.path()), json!({}));
    let (requester, root) = (Requester::new(), world.root_pem());
    let issued = world.issue("www");
    assert_eq!(listed(&requester, &root, &world.crl("")).0, []);
    assert!(world.appliance.stop());
    let (data, backup) = (dir.path().join("data"), dir.path().join("backup"));
    copy(&data.join("journal"), &backup);
    world.appliance = Appliance::start_in(dir.path());
    world.revoke(&issued, "superseded").expect(200);
    world.appliance.kill();
    put_back(&backup, &data);
    world.appliance = Appliance::start_in(dir.path());
    wait_for("a CRL that tells it", || listed(&requester, &root, &world.crl("")).0.len() == 1);
}

/// The record of which CRL a certificate names went with the store that had it; the certificate still names it.
#[test]
fn an_imported_copy_is_revoked_on_the_crl_that_it_names() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(dir.path()), json!({"shards": 4}));
    let (requester, root) = (Requester::new(), world.root_pem());
    world.issue("before");
    assert!(world.appliance.stop());
    let (data, backup) = (dir.path().join("data"), dir.path().join("backup"));
    copy(&data.join("journal"), &backup);
    world.appliance = Appliance::start_in(dir.path());
    let mut issued = world.issue("www");
    assert!(world.appliance.stop());
    put_back(&backup, &data);
    world.appliance = Appliance::start_in(dir.path());
    let imported = world.appliance.call("POST", "/v1/pki/certificates/import", Some(json!({"certificate_pem": issued.pem}))).expect(201);
    issued.id = imported["id"].as_str().unwrap().to_owned();
    world.revoke(&issued, "superseded").expect(200);
    world.regenerate("full");
    requester.write("www.pem", &issued.pem);
    let text = requester.openssl(&["x509", "-in", "www.pem", "-noout", "-ext", "crlDistributionPoints"]);
    let shard = text.rsplit_once(".crl").unwrap().0.rsplit('-').next().unwrap();
    let crl = world.crl(&format!("-{shard}"));
    assert!(is_user_revoked(&requester, &root, &[&crl], &issued.pem), "shard {shard}");
}

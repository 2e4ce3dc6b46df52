//! What a restored backup or a crash must not undo.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::{World, listed, number};
use crate::appliance::Appliance;
use crate::requester::Requester;
use crate::waiting::wait_for;

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &target)
        } else {
            let _ = std::fs::copy(item.path(), target).unwrap();
        }
    }
}

/// Restores the journal of a stopped appliance as docs/operations has it: what is left of the later store would tell of records that are not in it.
pub fn put_back(backup: &Path, data: &Path) {
    for later in ["journal", "index"] {
        std::fs::remove_dir_all(data.join(later)).unwrap();
    }
    // There is none before the index was first written.
    let _ = std::fs::remove_file(data.join("index.checkpoint"));
    copy(backup, &data.join("journal"));
}

#[test]
fn a_restored_backup_keeps_revocations_and_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(dir.path()), json!({"delta": true}));
    let (requester, root) = (Requester::new(), world.root_pem());
    let hosts = ["before", "held", "lifted", "after", "free"].map(|host| world.issue(host));
    let [before, held, lifted, after, free] = &hosts;
    let body = json!({"name": "below", "common_name": "Below", "ca_type": "intermediate", "parent_ca_id": world.root, "key_type": "ec"});
    let below = world.appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)["id"].as_str().unwrap().to_owned();
    world.revoke(before, "superseded").expect(200);
    world.revoke(lifted, "certificate_hold").expect(200);
    assert!(world.appliance.stop());
    let data = dir.path().join("data");
    let backup = dir.path().join("backup");
    copy(&data.join("journal"), &backup);

    world.appliance = Appliance::start_in(dir.path());
    world.revoke(held, "certificate_hold").expect(200);
    world.lift(lifted).expect(200);
    world.revoke(after, "key_compromise").expect(200);
    world.appliance.call("POST", &format!("/v1/pki/ca/{below}/revoke"), Some(json!({"reason": "ca_compromise"}))).expect(200);
    let last = (0..3).map(|_| world.regenerate("full")["crl_number"].as_u64().unwrap()).max().unwrap();
    let last = last.max(world.regenerate("delta")["crl_number"].as_u64().unwrap());
    world.appliance.kill();

    // The journal of the day before; the index is made from it again.
    std::fs::remove_dir_all(data.join("journal")).unwrap();
    copy(&backup, &data.join("journal"));
    for start in 0..2 {
        world.appliance = Appliance::start_in(dir.path());
        for (issued, reason) in [(before, "superseded"), (held, "certificate_hold"), (after, "key_compromise")] {
            assert_eq!(world.status(issued)["revocation_reason"], reason, "start {start}");
        }
        for issued in [lifted, free] {
            assert_eq!(world.status(issued)["is_revoked"], false, "start {start}");
        }
        assert_eq!(world.appliance.call("GET", &format!("/v1/pki/ca/{below}"), None).expect(200)["revocation_reason"], "ca_compromise");
        let made = world.regenerate("full")["crl_number"].as_u64().unwrap();
        assert!(made > last, "CRL number {made} after {last} had been used");
        assert_eq!(listed(&requester, &root, &world.crl("")).0.len(), 4);
        world.appliance.kill();
    }
    world.appliance = Appliance::start_in(dir.path());
    let restored = world.appliance.told("revocation.restore").len();
    // Two certificates, a lifted hold, the authority by itself and on its parent's list, and the numbers of authorities.
    assert!((6..=7).contains(&restored), "each once: {restored}");
    // A key that was compromised stays blocked.
    assert_eq!(world.lift(held).status, 200);
}

/// The second record is made again from the store when it is lost, also of what no log tells: what was revoked before there was one.
#[test]
fn a_lost_second_record_is_made_again_and_serves_a_restore() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(dir.path()), json!({}));
    let issued = world.issue("www");
    assert!(world.appliance.stop());
    let (data, backup) = (dir.path().join("data"), dir.path().join("backup"));
    copy(&data.join("journal"), &backup);
    super::filled::fill(&data, &world.root, 50);
    world.appliance = Appliance::start_in(dir.path());
    world.revoke(&issued, "key_compromise").expect(200);
    assert!(world.appliance.stop());
    std::fs::remove_file(data.join("revocations")).unwrap();
    world.appliance = Appliance::start_in(dir.path());
    assert!(world.appliance.log().contains("earlier revocations are in the journal of revocations now"));
    world.appliance.kill();

    put_back(&backup, &data);
    world.appliance = Appliance::start_in(dir.path());
    assert_eq!(world.status(&issued)["revocation_reason"], "key_compromise");
    assert_eq!(world.regenerate("full")["revoked_certificates"], 51);
}

/// With the second record the numbers would be lost as well, were they not those of the files that the later store has left.
#[test]
fn numbers_go_on_above_those_of_files_that_a_restored_store_does_not_know() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(dir.path()), json!({"delta": true}));
    world.regenerate("full");
    assert!(world.appliance.stop());
    let (data, backup) = (dir.path().join("data"), dir.path().join("backup"));
    copy(&data.join("journal"), &backup);
    world.appliance = Appliance::start_in(dir.path());
    (0..5).for_each(|_| drop(world.regenerate("full")));
    let last = world.regenerate("delta")["crl_number"].as_u64().unwrap();
    assert!(world.appliance.stop());
    put_back(&backup, &data);
    std::fs::remove_file(data.join("revocations")).unwrap();
    world.appliance = Appliance::start_in(dir.path());
    let (requester, root) = (Requester::new(), world.root_pem());
    let path = format!("/crl/{}.crl", world.root);
    let made = |number: u64| {
        let answer = world.appliance.call_raw(None, "GET", &path, None, &[]);
        answer.status == 200 && number < super::number(&listed(&requester, &root, &answer.body).1)
    };
    wait_for("a CRL of a higher number", || made(last));
    assert!(world.regenerate("full")["crl_number"].as_u64().unwrap() > last + 1);
    assert!(world.appliance.told("crl.reject").is_empty());
}

#[test]
fn a_kill_during_publication_leaves_a_whole_crl() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(dir.path()), json!({"delta": true}));
    let (requester, root) = (Requester::new(), world.root_pem());
    assert!(world.appliance.stop());
    super::filled::fill(&dir.path().join("data"), &world.root, 20_000);
    world.appliance = Appliance::start_in(dir.path());
    let mut last = world.regenerate("full")["crl_number"].as_u64().unwrap();
    for round in 0..5u64 {
        let path = format!("/api/v1/ca/{}/crl/regenerate", world.root);
        let answered = std::thread::scope(|scope| {
            let appliance = &world.appliance;
            let publishing = scope.spawn(|| {
                let mut answered = 0;
                // Until nobody answers.
                while let Some(answer) = appliance.curl(
                    "POST",
                    &path,
                    Some(&appliance.admin_token()),
                    Some(b"{\"type\":\"full\"}"),
                    &["Content-Type: application/json"],
                ) && answer.status == 200
                {
                    answered = answer.json()["crl_number"].as_u64().unwrap();
                }
                answered
            });
            std::thread::sleep(Duration::from_millis(700 + 391 * round));
            appliance.signal(nix::sys::signal::Signal::SIGKILL);
            publishing.join().unwrap()
        });
        last = last.max(answered);
        world.appliance.kill();
        world.appliance = Appliance::start_in(dir.path());
        // At once: nothing has to be made before there is one.
        let (found, text) = listed(&requester, &root, &world.crl(""));
        assert_eq!(found.len(), 20_000, "round {round}");
        assert!(number(&text) >= last, "round {round}: {} after {last}", number(&text));
        last = number(&text);
        let left = std::fs::read_dir(dir.path().join("data/crl")).unwrap().filter(|file| {
            let name = file.as_ref().unwrap().file_name().into_string().unwrap();
            name.ends_with(".new") || name.ends_with(".entries")
        });
        assert!(left.count() <= 2, "what was unfinished is cleared away, but for what is being made now");
    }
}

//! Responders end and are followed by others; a kill on the way leaves neither a key without a record nor a responder without a key.

use std::time::Duration;

use serde_json::json;

use super::{World, schedule};
use crate::appliance::Appliance;
use crate::faults::shim::Shim;
use crate::token_tool::token_tool;
use crate::waiting::wait_for;

/// The audit trail's entries of an action, with the key they are about.
fn keys(appliance: &Appliance, action: &str, role: &str) -> Vec<String> {
    let entries = appliance.told(action).into_iter().filter(|entry| entry["details"]["role"] == role);
    entries.map(|entry| entry["details"]["key_id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_responder_is_replaced_in_time_and_its_key_destroyed_when_its_answers_have_ended() {
    let scratch = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(scratch.path()), "ec", 256);
    world.issue("good");
    assert!(world.appliance.stop());
    schedule(&world.appliance, "3s", "6s", "30s");
    world.appliance = Appliance::start_in(scratch.path());
    let first = world.responder("good");
    let made = keys(&world.appliance, "key.generate", "[ocsp]");
    assert_eq!(made.len(), 1);
    let mut last = first.clone();
    wait_for("another responder", || {
        // Each answer is verified: there is no moment without one.
        last = world.responder("good");
        last != first
    });
    wait_for("the end of the old key", || keys(&world.appliance, "key.destroy", "[ocsp]").contains(&made[0]));
    let issued = keys(&world.appliance, "certificate.issue", "[ocsp]");
    assert!(issued.len() >= 2 && issued.contains(&made[0]), "{issued:?}");
    assert!(keys(&world.appliance, "certificate.intend", "[ocsp]").len() >= 2);
    // The next start takes up what there is.
    assert!(world.appliance.stop());
    world.appliance = Appliance::start_in(scratch.path());
    assert!(world.appliance.call_as(None, "GET", "/healthz", None).expect(200).get("key_faults").is_none());
    assert!(world.ask(&["-cert", "good.pem"]).contains("good.pem: good"));
}

#[test]
fn a_responder_whose_certificate_is_revoked_is_replaced() {
    let world = World::of(Appliance::start(), "ec", 256);
    world.issue("good");
    let first = world.responder("good");
    world.appliance.call("POST", "/v1/pki/revoke", Some(json!({"serial_number": first, "reason": "key_compromise"}))).expect(200);
    wait_for("another responder", || world.responder("good") != first);
}

/// The id of the certificate that the responder signs by.
fn responder_id(world: &World) -> String {
    let serial = world.responder("good");
    let listed = world.appliance.call("GET", "/v1/pki/certificates?limit=1000&include_revoked=true", None).expect(200);
    let is_it = |item: &&serde_json::Value| item["serial_number"].as_str().unwrap() == serial.to_uppercase();
    listed["data"].as_array().unwrap().iter().find(is_it).unwrap_or_else(|| panic!("no {serial} in {listed}"))["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// It would have left the record of a key without its certificate, with which no daemon started.
#[test]
fn the_certificate_of_a_responder_is_not_deleted_also_under_a_revoked_authority() {
    let scratch = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(scratch.path()), "ec", 256);
    world.issue("good");
    let path = format!("/v1/pki/certificates/{}", responder_id(&world));
    world.appliance.call("POST", &format!("/v1/pki/ca/{}/revoke", world.issuing), None).expect(200);
    assert_eq!(world.appliance.call("DELETE", &path, None).refused(409).0, "is_ocsp_responder");
    assert!(world.appliance.stop());
    world.appliance = Appliance::start_in(scratch.path());
    assert!(world.ask(&["-cert", "good.pem"]).contains("good.pem: revoked"));
}

#[test]
fn a_responder_without_a_certificate_keeps_nobody_from_starting() {
    use chancery::storage::{Change, Class, Options, Storage, Table};
    let scratch = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(scratch.path()), "ec", 256);
    world.issue("good");
    let id: chancery::base::id::CertId = responder_id(&world).parse().unwrap();
    let made = keys(&world.appliance, "key.generate", "[ocsp]");
    assert!(world.appliance.stop());
    {
        let (storage, _) = Storage::open(&scratch.path().join("data"), Options::default()).unwrap();
        let change = Change::new(Class::Normal).delete(Table::Certificates, id.as_bytes());
        tokio::runtime::Runtime::new().unwrap().block_on(storage.commit(change)).unwrap();
    }
    world.appliance = Appliance::start_in(scratch.path());
    wait_for("the end of its key", || keys(&world.appliance, "key.destroy", "[ocsp]") == made);
    assert!(world.ask(&["-cert", "good.pem"]).contains("good.pem: good"));
}

/// CHANCERY_OCSP_CRASH_ROUNDS says how often (6).
#[test]
fn a_kill_leaves_no_half_made_responder() {
    let rounds: u64 = std::env::var("CHANCERY_OCSP_CRASH_ROUNDS").ok().map_or(6, |text| text.parse().expect("a number of rounds"));
    let scratch = tempfile::tempdir().unwrap();
    let mut world = World::of(Appliance::start_in(scratch.path()), "ec", 256);
    world.issue("good");
    let request = world.request("good", &[]);
    for round in 0..rounds {
        let ca = world.appliance.root(&format!("root{round}"), "ec", 256);
        // Nobody reads the answers; they are what makes responders be made.
        let asking: Vec<_> = [&ca, &world.issuing]
            .map(|ca| {
                let body = if ca == &world.issuing { request.clone() } else { own_request(&world, ca) };
                let head = format!("POST /ocsp/{ca} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
                let address = world.http();
                std::thread::spawn(move || {
                    use std::io::{Read, Write};
                    let Ok(mut stream) = std::net::TcpStream::connect(&address) else { return };
                    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
                    let _ = stream.read(&mut [0; 64]);
                })
            })
            .into();
        std::thread::sleep(Duration::from_millis(round * 7 % 60));
        world.appliance.kill();
        asking.into_iter().for_each(|thread| thread.join().unwrap());
        chancery::audit::verify(&scratch.path().join("data")).unwrap_or_else(|error| panic!("round {round}: {error}"));
        world.appliance = Appliance::start_in(scratch.path());
        let health = world.appliance.call_as(None, "GET", "/healthz", None).expect(200);
        assert!(health.get("key_faults").is_none(), "round {round}: {health}\n{}", world.appliance.log());
        assert!(world.ask(&["-cert", "good.pem"]).contains("good.pem: good"), "round {round}");
        let answer = world.fetch("POST", &format!("/ocsp/{ca}"), Some(&own_request(&world, &ca)), &[]);
        assert!(answer.body.len() > 100, "round {round}: {:02X?}", answer.body);
    }
    let (made, destroyed) = (keys(&world.appliance, "key.generate", "[ocsp]"), keys(&world.appliance, "key.destroy", "[ocsp]"));
    println!("{rounds} kills: {} keys begun, {} destroyed", made.len(), destroyed.len());
    assert!(made.len() as u64 > rounds);
}

/// The responders' key pairs in the token, of all authorities, as pkcs11-tool lists them.
fn pairs(appliance: &Appliance) -> (usize, usize) {
    let listed = token_tool(appliance.dir(), &["--list-objects"]);
    let count = |kind: &str| {
        let objects = listed.split(" Key Object").collect::<Vec<_>>();
        objects
            .windows(2)
            .filter(|pair| pair[0].ends_with(kind) && pair[1].lines().any(|line| line.contains("label:") && line.contains("ocsp ")))
            .count()
    };
    (count("Private"), count("Public"))
}

/// A rotation is held up at each of its steps and the daemon is killed there.
#[test]
fn a_kill_within_a_rotation_leaves_one_responder_and_no_key_of_nobody() {
    let shim = Shim::new();
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("appliance");
    let start = || shim.start(&dir);
    let mut world = World::of(start(), "ec", 256);
    world.issue("good");
    assert!(world.appliance.stop());
    schedule(&world.appliance, "2s", "4s", "1h");
    world.appliance = start();
    let mut last = world.responder("good");
    assert_eq!(pairs(&world.appliance), (1, 1));
    for held_up in ["C_GenerateKeyPair", "C_Sign", "C_DestroyObject"] {
        shim.set(&format!("{held_up} always delay 2500\n"));
        let before = shim.hits(held_up);
        world.appliance.call("POST", "/v1/pki/revoke", Some(json!({"serial_number": last, "reason": "superseded"}))).expect(200);
        // Nobody asks meanwhile, so the first signature is that of the new responder's certificate.
        wait_for(held_up, || shim.hits(held_up) > before);
        world.appliance.kill();
        shim.set("");
        world.appliance = start();
        let health = world.appliance.call_as(None, "GET", "/healthz", None).expect(200);
        assert!(health.get("key_faults").is_none(), "{held_up}: {health}\n{}", world.appliance.log());
        assert!(world.ask(&["-cert", "good.pem"]).contains("good.pem: good"), "{held_up}");
        // Begun anew or taken up: the revoked one is replaced, and its key goes when its answers have ended.
        wait_for("another responder", || world.responder("good") != last);
        last = world.responder("good");
        wait_for("one key pair", || pairs(&world.appliance) == (1, 1));
        let signers: Vec<_> = (0..5).map(|_| world.responder("good")).collect();
        assert!(signers.iter().all(|signer| *signer == last), "{held_up}: {signers:?}");
        let (made, destroyed) = (keys(&world.appliance, "key.generate", "[ocsp]"), keys(&world.appliance, "key.destroy", "[ocsp]"));
        wait_for("the records to say so too", || keys(&world.appliance, "key.destroy", "[ocsp]").len() + 1 == made.len());
        assert!(destroyed.iter().all(|key| made.contains(key)), "{held_up}");
    }
}

/// A request about a root's own certificate, which its responder knows.
fn own_request(world: &World, ca: &str) -> Vec<u8> {
    let pem = world.appliance.call("GET", &format!("/v1/pki/ca/{ca}/certificate"), None).expect(200);
    world.requester.write("own.pem", pem["certificate_pem"].as_str().unwrap());
    world.requester.openssl(&["ocsp", "-no_nonce", "-issuer", "own.pem", "-cert", "own.pem", "-reqout", "own.der"]);
    std::fs::read(world.requester.path("own.der")).unwrap()
}

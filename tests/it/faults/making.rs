//! Keys that are made while others are made and looked for: what SoftHSM fails at now and then is done all the same.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::shim::Shim;
use crate::appliance::{Answer, Appliance};
use crate::token_tool::token_tool;
use crate::waiting::wait_for;

/// An appliance over the shim, with a role whose keys stay in the token.
fn start(shim: &Shim, scratch: &TempDir) -> Appliance {
    let appliance = shim.start(&scratch.path().join("appliance"));
    let ca = appliance.root("root", "ec", 256);
    appliance.role("kept", &ca, json!({"store_private_keys": true}));
    appliance
}

fn issue(appliance: &Appliance) -> Answer {
    appliance.call("POST", "/v1/pki/issue/kept", Some(json!({"common_name": "www.example.com"})))
}

#[test]
fn a_key_that_the_token_fails_to_make_once_is_made_and_nobody_logs_in_again() {
    let (shim, scratch) = (Shim::new(), TempDir::new().unwrap());
    let appliance = start(&shim, &scratch);
    issue(&appliance).expect(201);
    let logins = shim.calls("C_Login");
    // CKR_GENERAL_ERROR and CKR_TEMPLATE_INCONSISTENT, of a key that was made and of one that was not.
    for code in ["0x05", "0xD1"] {
        for moment in ["before", "after"] {
            let hits = shim.hits("C_GenerateKeyPair");
            shim.set(&format!("C_GenerateKeyPair 1/2 {moment} {code}\n"));
            for _ in 0..4 {
                issue(&appliance).expect(201);
            }
            shim.set("");
            assert!(shim.hits("C_GenerateKeyPair") >= hits + 2, "{moment} {code}: it never happened");
        }
    }
    assert_eq!(shim.calls("C_Login"), logins);
    let keys = token_tool(appliance.dir(), &["--list-objects", "--type", "privkey"]);
    assert_eq!(keys.matches("Private Key Object").count(), 1 + 1 + 4 * 4, "one for each certificate and for the authority");
}

#[test]
fn the_first_value_is_sealed_while_a_key_is_made() {
    let (shim, scratch) = (Shim::new(), TempDir::new().unwrap());
    let appliance = start(&shim, &scratch);
    let (generated, sealed) = (shim.hits("C_GenerateKeyPair"), shim.calls("C_GenerateKey"));
    shim.set("C_GenerateKeyPair always delay 1500\n");
    std::thread::scope(|scope| {
        let key = scope.spawn(|| issue(&appliance));
        wait_for("the key to be begun", || shim.hits("C_GenerateKeyPair") > generated);
        std::thread::sleep(Duration::from_millis(100));
        let writes: Vec<_> = ["a", "b", "c"]
            .map(|path| {
                let appliance = &appliance;
                scope.spawn(move || appliance.call("PUT", &format!("/v1/secrets/first/{path}"), Some(json!({"value": "kept"}))))
            })
            .into();
        for write in writes {
            write.join().unwrap().expect(201);
        }
        key.join().unwrap().expect(201);
    });
    assert_eq!(shim.calls("C_GenerateKey"), sealed + 1, "one key seals all of them");
    assert_eq!(appliance.call("GET", "/v1/secrets/first/c", None).expect(200)["value"], "kept");
}

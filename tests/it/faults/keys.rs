//! Keys that are made while the token fails are made wholly or not at all.

use std::time::{Duration, Instant};

use serde_json::json;

use super::books;
use super::shim::Shim;
use crate::appliance::Appliance;
use crate::token_tool::token_tool;

/// What fails while an authority is made: the rules, and whether the token can still be cleaned of what was made.
const FAULTS: [(&str, bool); 10] = [
    ("C_GenerateKeyPair always before 0x30", true),
    ("C_GenerateKeyPair always after 0x30", true),
    ("C_GenerateKeyPair always after 0x05", true),
    ("C_GenerateKeyPair always after 0x31", true),
    ("C_GetAttributeValue always before 0x30", true),
    ("C_GenerateKeyPair always abort", true),
    // The first thing that is asked of a key that was made.
    ("C_GetAttributeValue always segfault", true),
    ("C_SignInit always before 0x30", true),
    ("C_Sign always flip", true),
    ("C_GenerateKeyPair always after 0x30\nC_DestroyObject always before 0x30", false),
];

#[test]
fn a_key_pair_that_failed_after_it_was_made_leaves_nothing_behind() {
    let shim = Shim::new();
    let scratch = tempfile::tempdir().unwrap();
    let mut appliance = shim.start(&scratch.path().join("appliance"));
    appliance.root("first", "ec", 256);
    let mut expected = 1;
    for (number, (rules, can_be_cleaned)) in FAULTS.into_iter().enumerate() {
        assert_eq!(private_keys(&appliance), expected, "before: {rules}");
        let hits = shim.all_hits();
        shim.set(&format!("{rules}\n"));
        let name = format!("authority-{number}");
        let make = || {
            let body = json!({"name": name, "common_name": name, "ca_type": "root", "key_type": "ec", "key_size": 256});
            appliance.call("POST", "/v1/pki/ca", Some(body))
        };
        let refused = make();
        let (code, _) = refused.refused(refused.status);
        assert!(books::is_documented(refused.status, &code), "{rules}: {} {code}", refused.status);
        assert!(shim.all_hits() > hits, "{rules}: it never happened");
        shim.set("");
        let left = private_keys(&appliance) - expected;
        if can_be_cleaned {
            assert_eq!(left, 0, "left behind by {rules}\n{}", shim.last_calls(40));
        }
        // The same name can be taken right after.
        let begun = Instant::now();
        while make().status != 201 {
            assert!(begun.elapsed() < Duration::from_secs(30), "{rules}: no authority can be made any more\n{}", appliance.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("{rules}: {} {code}, again after {:.2?}, {left} key(s) left", refused.status, begun.elapsed());
        expected += 1 + left;
    }
    let listed = appliance.call("GET", "/v1/pki/ca", None).expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), FAULTS.len() + 1);
    assert!(appliance.stop());
}

/// How many private keys the token holds, asked past the shim.
fn private_keys(appliance: &Appliance) -> usize {
    token_tool(appliance.dir(), &["--list-objects", "--type", "privkey"]).matches("Private Key Object").count()
}

//! A newcomer's first hour: authorities, a role, certificates, a revocation and its CRL, all judged by openssl.

use std::process::Command;

use serde_json::json;

use crate::appliance::{Appliance, run};

#[test]
fn a_certificate_of_a_chain_is_accepted_by_openssl_and_its_revocation_is_seen() {
    let mut appliance = Appliance::start();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name);
    let root = appliance.root("root", "ec", 384);
    let body = json!({"name": "issuing", "common_name": "Issuing CA", "ca_type": "intermediate", "parent_ca_id": root, "key_type": "ec", "key_size": 256});
    let issuing = appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)["id"].as_str().unwrap().to_owned();
    appliance.role("web", &issuing, json!({}));
    let body = json!({"common_name": "www.example.com", "alt_names": ["api.example.com"], "ip_sans": ["10.0.5.100"], "ttl": "168h"});
    let issued = appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201);
    std::fs::write(file("leaf.pem"), issued["certificate"].as_str().unwrap()).unwrap();
    std::fs::write(file("issuing.pem"), issued["ca_chain"][0].as_str().unwrap()).unwrap();
    std::fs::write(file("root.pem"), issued["ca_chain"][1].as_str().unwrap()).unwrap();
    let verify = || {
        let mut command = Command::new("openssl");
        command.args(["verify", "-x509_strict", "-CAfile"]).arg(file("root.pem")).arg("-untrusted").arg(file("issuing.pem"));
        command
    };
    run(verify().arg(file("leaf.pem")));

    let body = json!({"serial_number": issued["serial_number"], "reason": "key_compromise"});
    let revoked = appliance.call("POST", "/v1/pki/revoke", Some(body.clone())).expect(200);
    assert_eq!(revoked["is_revoked"], true);
    assert_eq!(appliance.call("POST", "/v1/pki/revoke", Some(body)).refused(409).0, "already_revoked");
    let published = appliance.call("POST", &format!("/v1/pki/ca/{issuing}/crl"), None).expect(200);
    std::fs::write(file("crl.pem"), published["crl_pem"].as_str().unwrap()).unwrap();
    let output = verify().args(["-crl_check", "-CRLfile"]).arg(file("crl.pem")).arg(file("leaf.pem")).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("certificate revoked"), "{output:?}");
    assert!(appliance.stop());
}

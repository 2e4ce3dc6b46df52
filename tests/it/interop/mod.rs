//! What others make of our certificates and CRLs, and we of their CSRs: openssl, GnuTLS, Python's cryptography, pkilint.

mod foreign;
mod ours;
mod tls;

use std::path::Path;

use serde_json::{Value, json};

use crate::appliance::Appliance;
use crate::requester::Requester;

/// A role of each key type: its name, type and size.
const ROLES: [(&str, &str, u32); 3] = [("rsa", "rsa", 2048), ("ec", "ec", 256), ("ed25519", "ed25519", 256)];

/// A root and an intermediate of different families, with a role for each type of key.
struct World {
    appliance: Appliance,
    root: String,
    issuing: String,
    requester: Requester,
}

impl World {
    fn new() -> Self {
        let appliance = Appliance::start();
        let root = appliance.root("root", "ec", 384);
        let body = json!({
            "name": "issuing", "common_name": "Issuing CA", "ca_type": "intermediate", "parent_ca_id": root, "key_type": "rsa",
            "key_size": 2048, "organization": "Example"
        });
        let issuing = appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)["id"].as_str().unwrap().to_owned();
        for (role, key_type, bits) in ROLES {
            appliance.role(role, &issuing, json!({"key_type": key_type, "key_bits": bits}));
        }
        let world = Self { appliance, root, issuing, requester: Requester::new() };
        for (name, id) in [("root", &world.root), ("issuing", &world.issuing)] {
            let pem = world.appliance.call("GET", &format!("/v1/pki/ca/{id}/certificate"), None).expect(200);
            world.requester.write(&format!("{name}.pem"), pem["certificate_pem"].as_str().unwrap());
            let crl = world.appliance.call("POST", &format!("/v1/pki/ca/{id}/crl"), None).expect(200);
            world.requester.write(&format!("{name}.crl"), crl["crl_pem"].as_str().unwrap());
        }
        world
    }

    /// Issues by this role into ROLE.pem and ROLE.key.
    fn issue(&self, role: &str, format: &str) -> Value {
        let body = json!({
            "common_name": "www.example.com", "alt_names": ["api.example.com"], "ip_sans": ["10.0.5.100", "2001:db8::1"], "ttl": "168h",
            "private_key_format": format
        });
        let issued = self.appliance.call("POST", &format!("/v1/pki/issue/{role}"), Some(body)).expect(201);
        self.requester.write(&format!("{role}.pem"), issued["certificate"].as_str().unwrap());
        self.requester.write(&format!("{role}.key"), issued["private_key"].as_str().unwrap());
        issued
    }

    /// Runs a tool in the requester's directory: the one of the tests' own Python environment, or of the machine.
    #[track_caller]
    fn tool(&self, program: &str, arguments: &[&str]) -> String {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin").join(program);
        let program = if own.exists() { own.display().to_string() } else { program.to_owned() };
        crate::appliance::run(&mut self.requester.command(&program, arguments))
    }
}

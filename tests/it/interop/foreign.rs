//! We sign what others made.

use serde_json::json;

use super::World;

impl World {
    /// Signs a CSR that asks for www.example.com and 10.0.5.100, and lets openssl follow the chain.
    #[track_caller]
    fn sign(&self, what: &str, role: &str, csr: &str) {
        let answer = self.appliance.call("POST", &format!("/v1/pki/sign/{role}"), Some(json!({"csr_pem": csr})));
        assert_eq!(answer.status, 201, "{what}: {}", answer.text());
        let signed = answer.json();
        let chain: Vec<_> = signed["ca_chain"].as_array().unwrap().iter().map(|pem| pem.as_str().unwrap()).collect();
        self.requester.verify(signed["certificate"].as_str().unwrap(), &chain);
        let text = self.requester.certificate_text(signed["certificate"].as_str().unwrap());
        assert!(text.contains("DNS:www.example.com, IP Address:10.0.5.100\n"), "{what}: {text}");
        self.requester.write("made.csr", csr);
        let of_csr = self.requester.openssl(&["req", "-in", "made.csr", "-noout", "-pubkey"]);
        assert_eq!(of_csr, self.requester.openssl(&["x509", "-in", "leaf.pem", "-noout", "-pubkey"]), "{what}");
    }
}

#[test]
fn csrs_of_openssl_are_signed() {
    let world = World::new();
    let extensions = "subjectAltName = DNS:www.example.com, IP:10.0.5.100\nkeyUsage = digitalSignature\nextendedKeyUsage = serverAuth";
    for (role, key) in [("rsa", "rsa-2048"), ("ec", "P-256"), ("ed25519", "ed25519")] {
        world.requester.key("own.key", key);
        world.sign(key, role, &world.requester.csr("own.key", "/CN=www.example.com", extensions));
    }
    // The same RSA key signs its request by PSS.
    world.requester.key("own.key", "rsa-2048");
    world.requester.csr("own.key", "/CN=www.example.com", extensions);
    let pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest", "-sha256"];
    let request = ["req", "-new", "-key", "own.key", "-subj", "/CN=www.example.com", "-config", "csr.cnf", "-out", "csr.pem"];
    world.requester.openssl(&[&request[..], &pss[..]].concat());
    world.sign("RSA by PSS", "rsa", &world.requester.read("csr.pem"));
}

#[test]
fn csrs_of_certtool_are_signed() {
    let world = World::new();
    let template = "cn = www.example.com\ndns_name = www.example.com\nip_address = 10.0.5.100\ntls_www_server\nsigning_key\n";
    world.requester.write("template", template);
    for (role, kind, more) in
        [("rsa", "rsa", ["--bits", "2048"]), ("ec", "ecdsa", ["--curve", "secp256r1"]), ("ed25519", "eddsa", ["--curve", "ed25519"])]
    {
        world.tool("certtool", &[&["--generate-privkey", "--key-type", kind, "--outfile", "own.key"], &more[..]].concat());
        world.tool("certtool", &["--generate-request", "--load-privkey", "own.key", "--template", "template", "--outfile", "own.csr"]);
        world.sign(kind, role, &world.requester.read("own.csr"));
    }
}

#[test]
fn csrs_of_pythons_cryptography_are_signed() {
    let world = World::new();
    world.requester.write("request.py", include_str!("request.py"));
    world.tool("python3", &["request.py"]);
    for (name, role) in [("rsa", "rsa"), ("pss", "rsa"), ("ec", "ec"), ("ed25519", "ed25519")] {
        world.sign(name, role, &world.requester.read(&format!("{name}.csr")));
    }
}

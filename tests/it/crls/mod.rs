//! CRLs of every form, judged by programs we did not write: full, delta, divided, held and lifted, restored, killed.

mod filled;
mod forms;
mod histories;
mod holds;
mod prompt;
mod pruned;
mod rejected;
mod restored;
mod serving;
mod settings;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::appliance::{Answer, Appliance, run};
use crate::requester::Requester;

/// An appliance with a root whose CRLs are made as asked, and a role for `*.example.com` under it.
struct World {
    appliance: Appliance,
    root: String,
}

impl World {
    fn new(crl: Value) -> Self {
        Self::of(Appliance::start(), crl)
    }

    fn of(appliance: Appliance, crl: Value) -> Self {
        Self::of_key(appliance, json!({"key_type": "ec", "key_size": 256}), crl)
    }

    fn of_key(appliance: Appliance, key: Value, crl: Value) -> Self {
        let mut body = json!({"name": "root", "common_name": "Root", "ca_type": "root", "crl": crl});
        key.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
        let root = appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)["id"].as_str().unwrap().to_owned();
        appliance.role("web", &root, json!({}));
        Self { appliance, root }
    }

    fn issue(&self, host: &str) -> Issued {
        let body = json!({"common_name": format!("{host}.example.com"), "ttl": "168h"});
        let issued = self.appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201);
        let text = |field: &str| issued[field].as_str().unwrap().to_owned();
        Issued { id: text("id"), pem: text("certificate"), serial: text("serial_number").replace(':', "") }
    }

    fn revoke(&self, issued: &Issued, reason: &str) -> Answer {
        self.appliance.call("POST", "/v1/pki/revoke", Some(json!({"certificate_id": issued.id, "reason": reason})))
    }

    fn lift(&self, issued: &Issued) -> Answer {
        self.appliance.call("POST", &format!("/v1/pki/certificates/{}/unrevoke", issued.id), None)
    }

    fn regenerate(&self, kind: &str) -> Value {
        self.appliance.call("POST", &format!("/api/v1/ca/{}/crl/regenerate", self.root), Some(json!({"type": kind}))).expect(200)
    }

    /// The CRL with that end of its name: `` for the full one of everything, `-delta`, `-1`, `-ca-delta`.
    fn crl(&self, suffix: &str) -> Vec<u8> {
        let answer = self.appliance.call_raw(None, "GET", &format!("/crl/{}{suffix}.crl", self.root), None, &[]);
        assert_eq!(answer.status, 200, "{suffix}: {}", answer.text());
        answer.body
    }

    fn root_pem(&self) -> String {
        let path = format!("/v1/pki/ca/{}/certificate", self.root);
        self.appliance.call("GET", &path, None).expect(200)["certificate_pem"].as_str().unwrap().to_owned()
    }

    fn status(&self, issued: &Issued) -> Value {
        self.appliance.call("GET", &format!("/v1/pki/certificates/{}", issued.id), None).expect(200)
    }
}

/// A certificate.
#[derive(Clone)]
struct Issued {
    id: String,
    pem: String,
    serial: String,
}

/// The serial numbers of a CRL with their reasons, and what openssl says of it, whose signature it has verified.
fn listed(requester: &Requester, root: &str, der: &[u8]) -> (Vec<(String, String)>, String) {
    requester.write("listed.crl", der);
    requester.write("issuer.pem", root);
    let text = requester.openssl(&["crl", "-inform", "DER", "-in", "listed.crl", "-CAfile", "issuer.pem", "-noout", "-text"]);
    assert!(text.contains("verify OK"), "{text}");
    // RFC 5280, 5.2.1 and 5.2.3: every CRL has both.
    assert!(text.contains("X509v3 Authority Key Identifier") && text.contains("X509v3 CRL Number"), "{text}");
    let entry = |entry: &str| {
        let serial = entry.lines().next().unwrap().trim().to_owned();
        let reason = entry.split("X509v3 CRL Reason Code:").nth(1).and_then(|rest| rest.lines().nth(1)).unwrap_or_default();
        (serial, reason.trim().to_owned())
    };
    let mut found: Vec<_> = text.split("Serial Number: ").skip(1).map(entry).collect();
    found.sort();
    (found, text)
}

fn number(text: &str) -> u64 {
    text.split("X509v3 CRL Number:").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap().parse().unwrap()
}

/// Whether openssl takes a certificate for revoked by these CRLs, full and delta ones together. It asks for the root's status as well.
fn is_revoked(requester: &Requester, root: &str, crls: &[&[u8]], certificate: &str) -> bool {
    is_revoked_by(requester, root, crls, certificate, "-crl_check_all")
}

/// The same by CRLs that cover users' certificates alone.
fn is_user_revoked(requester: &Requester, root: &str, crls: &[&[u8]], certificate: &str) -> bool {
    is_revoked_by(requester, root, crls, certificate, "-crl_check")
}

fn is_revoked_by(requester: &Requester, root: &str, crls: &[&[u8]], certificate: &str, which: &str) -> bool {
    let pem = |der: &&[u8]| chancery::x509::pem::encode(chancery::x509::pem::Label::Crl, der);
    requester.write("all.crl", crls.iter().map(pem).collect::<String>());
    requester.write("root.pem", root);
    requester.write("leaf.pem", certificate);
    let arguments =
        ["verify", which, "-use_deltas", "-extended_crl", "-x509_strict", "-CAfile", "root.pem", "-CRLfile", "all.crl", "leaf.pem"];
    let output = requester.command("openssl", &arguments).output().expect("openssl starts");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match (output.status.success(), text.contains("certificate revoked")) {
        (true, false) => false,
        (false, true) => true,
        _ => panic!("openssl cannot say:\n{text}"),
    }
}

/// That the linter of pkilint, GnuTLS and Python's cryptography take it.
fn accepted_by_all(requester: &Requester, der: &[u8], serials: &[(String, String)]) {
    let pem = chancery::x509::pem::encode(chancery::x509::pem::Label::Crl, der);
    requester.write("lint.pem", &pem);
    let linted = requester.command(&tool("lint_crl"), &["lint", "-t", "CRL", "-p", "PKIX", "-s", "WARNING", "lint.pem"]).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&linted.stdout), String::from_utf8_lossy(&linted.stderr));
    assert!(linted.status.success() && text.trim().is_empty(), "{text}");
    let shown = run(&mut requester.command("certtool", &["--crl-info", "--infile", "lint.pem"]));
    for (serial, _) in serials {
        assert!(shown.to_lowercase().contains(&serial.to_lowercase()), "certtool does not show {serial}:\n{shown}");
    }
    let program = "import sys\nfrom cryptography import x509\ncrl = x509.load_pem_x509_crl(open('lint.pem','rb').read())\n\
                   list(crl.extensions)\nfor entry in crl:\n    list(entry.extensions)\n    print('%X' % entry.serial_number)\n";
    let read = run(&mut requester.command(&tool("python3"), &["-c", program]));
    let mut read: Vec<_> = read.split_whitespace().map(|serial| format!("{serial:0>32}")).collect();
    read.sort();
    assert_eq!(read, serials.iter().map(|(serial, _)| format!("{serial:0>32}")).collect::<Vec<_>>());
}

/// A program of the environment that `make deps-test` builds, or of the path.
fn tool(name: &str) -> String {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin").join(name);
    if own.exists() { own.display().to_string() } else { name.to_owned() }
}

/// The command line, with every right.
fn chancery(appliance: &Appliance, arguments: &[&str]) -> String {
    run(Command::new(env!("CARGO_BIN_EXE_chancery"))
        .args(["--dir"])
        .arg(appliance.dir())
        .args(["--url", &appliance.base_url()])
        .args(arguments))
}

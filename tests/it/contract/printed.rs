//! The requests that the documentation prints, sent by the shell they are printed for, word for word, and every field of the answers it prints.
//!
//! Only the host and what stands for something else are substituted: ids, serial numbers, and the dots of PEM texts.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use super::{assert_serial, time};
use crate::appliance::Appliance;
use crate::requester::Requester;

const PRINTED: &str = include_str!("../../contract/printed.txt");
const HOST: &str = "https://appliance";

/// One request and what it is answered.
struct Printed {
    command: &'static str,
    status: u16,
    answer: &'static str,
}

/// All that are printed, and which of them were sent.
struct Documentation {
    appliance: Appliance,
    sent: BTreeSet<&'static str>,
}

fn titles() -> impl Iterator<Item = &'static str> {
    PRINTED.lines().filter_map(|line| line.strip_prefix("## "))
}

fn printed(title: &str) -> Printed {
    let section = PRINTED.split("## ").find_map(|section| section.strip_prefix(title)?.strip_prefix('\n'));
    let section = section.unwrap_or_else(|| panic!("nothing is printed as {title}"));
    let (command, answer) = section.split_once("\n# ").expect("an answer");
    let (status, answer) = answer.split_once('\n').expect("a status");
    Printed { command, status: status.parse().expect("a status"), answer }
}

/// The rest of a PEM text behind its first line, as it stands in JSON.
fn dots(pem: &str) -> String {
    pem.split_once('\n').expect("a PEM text").1.replace('\n', "\\n")
}

impl Documentation {
    fn new() -> Self {
        Self { appliance: Appliance::start(), sent: BTreeSet::new() }
    }

    /// Sends what is printed under this title, with these in the places of what stands for them; each `...` takes the next PEM.
    fn send(&mut self, title: &'static str, places: &[(&str, &str)], pems: &[&str]) -> Vec<u8> {
        let Printed { command, status, .. } = printed(title);
        let command = command.replace(HOST, &self.appliance.base_url());
        let command = places.iter().fold(command, |command, (from, to)| {
            assert!(command.contains(from), "{title} prints no {from}");
            command.replace(from, to)
        });
        let command = pems.iter().fold(command, |command, pem| command.replacen("\\n...", &format!("\\n{}", dots(pem)), 1));
        assert!(!command.contains("..."), "{title}: {command}");
        // The function adds what the printed command leaves to the reader's machine: whom to trust.
        let script = format!(
            "curl() {{ command curl --silent --show-error --max-time 60 --cacert \"$CA\" --output answer --write-out '%{{http_code}}' \"$@\"; }}\n{command}"
        );
        let scratch = tempfile::tempdir().expect("a directory");
        let mut shell = Command::new("bash");
        shell.arg("-euc").arg(&script).current_dir(scratch.path());
        shell.env("TOKEN", self.appliance.admin_token()).env("CA", self.appliance.path("ca.pem"));
        let output = shell.output().expect("bash starts");
        let answer = std::fs::read(scratch.path().join("answer")).unwrap_or_default();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{title}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(said.trim(), status.to_string(), "{title}: {}", String::from_utf8_lossy(&answer));
        self.sent.insert(title);
        answer
    }

    /// The same where JSON is answered, which has every field that is printed, in its form.
    fn json(&mut self, title: &'static str, places: &[(&str, &str)], pems: &[&str]) -> Value {
        let answer = self.send(title, places, pems);
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_else(|error| panic!("{title}: {error}"));
        let wanted: Value = serde_json::from_str(printed(title).answer).expect("a printed answer");
        assert_like(title, &wanted, &answer);
        answer
    }
}

/// That each field that is printed is there with a value of its form: the same, where the value does not stand for another.
#[track_caller]
fn assert_like(place: &str, wanted: &Value, found: &Value) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (field, wanted) in wanted {
                let found = found.get(field).unwrap_or_else(|| panic!("{place} has no {field}"));
                assert_like(&format!("{place}.{field}"), wanted, found);
            }
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == 1 => {
            assert!(!found.is_empty(), "{place} is empty");
            found.iter().for_each(|item| assert_like(place, &wanted[0], item));
        }
        (Value::String(text), Value::String(other)) => {
            if text.parse::<jiff::Timestamp>().is_ok() {
                time(found);
            } else if let Some((first, "...")) = text.split_once('\n') {
                assert_eq!(other.lines().next(), Some(first), "{place}");
            } else if text.starts_with("1A:2B:") {
                assert_serial(found);
            } else if let Some(prefix) = ["ca_", "cert_", "csr_", "trust_anchor_"].iter().find(|prefix| text.starts_with(**prefix)) {
                assert!(other.starts_with(prefix), "{place}: {other}");
            } else {
                assert_eq!(other, text, "{place}");
            }
        }
        _ => assert_eq!(found, wanted, "{place}"),
    }
}

fn id(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().expect("a text")
}

/// A root, an intermediate and a certificate elsewhere, with the key of the last.
fn vendor() -> Requester {
    let vendor = Requester::new();
    vendor.write("ca.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n");
    vendor.write("leaf.ext", "basicConstraints=CA:FALSE\nsubjectAltName=DNS:www.vendor.example\n");
    for (name, subject) in [("root", "/CN=Vendor root"), ("sub", "/CN=Vendor sub"), ("leaf", "/CN=www.vendor.example")] {
        vendor.key(&format!("{name}.key"), "P-256");
        vendor.openssl(&["req", "-new", "-key", &format!("{name}.key"), "-subj", subject, "-out", &format!("{name}.csr")]);
    }
    let sign = ["x509", "-req", "-days", "30", "-in"];
    vendor.openssl(&[&sign[..], &["root.csr", "-key", "root.key", "-extfile", "ca.ext", "-out", "root.pem"]].concat());
    for (name, issuer, extensions) in [("sub", "root", "ca.ext"), ("leaf", "sub", "leaf.ext")] {
        let (csr, out) = (format!("{name}.csr"), format!("{name}.pem"));
        let (ca, key) = (format!("{issuer}.pem"), format!("{issuer}.key"));
        let by = [csr.as_str(), "-CA", &ca, "-CAkey", &key, "-CAcreateserial", "-extfile", extensions, "-out", &out];
        vendor.openssl(&[&sign[..], &by].concat());
    }
    vendor
}

#[test]
fn every_printed_request_is_answered_as_printed() {
    let mut first = Documentation::new();
    first.json("root by a program", &[], &[]);

    let mut documentation = Documentation::new();
    documentation.sent = first.sent;
    let d = &mut documentation;
    let root = id(&d.json("root by the shell", &[], &[]));
    let issuing = id(&d.json("intermediate", &[("ca_root_abc", &root)], &[]));
    d.json("certificate of an authority", &[("ca_root_abc", &root)], &[]);
    let role = d.json("role", &[("ca_intermediate_mtls", &issuing)], &[]);
    assert_eq!(role["ca_id"], issuing);
    let issued = d.json("issue", &[], &[]);
    let requester = Requester::new();
    requester.verify(text(&issued, "certificate"), &[issued["ca_chain"][0].as_str().unwrap(), issued["ca_chain"][1].as_str().unwrap()]);

    requester.key("key.pem", "P-256");
    let csr = requester.csr("key.pem", "/CN=billing.svc.cluster.local", "");
    let signed = d.json("sign", &[], &[&csr]);
    assert_eq!(signed.get("private_key"), None, "no private key");

    let request = id(&d.json("import a request", &[], &[&csr]));
    d.json("review a request", &[("csr_abc", &request)], &[]);
    d.json("approve a request", &[("csr_abc", &request)], &[]);
    d.json("sign a request", &[("csr_abc", &request), ("ca_intermediate_mtls", &issuing)], &[]);
    let request = id(&d.json("make a request", &[], &[]));
    d.json("reject a request", &[("csr_abc", &request)], &[]);

    let listed = d.json("list certificates", &[("ca_intermediate_mtls", &issuing)], &[]);
    assert!(listed["data"].as_array().unwrap().iter().all(|one| one["issuer_ca_id"] == issuing));
    let renewed = d.json("renew", &[("cert_abc", &id(&issued))], &[]);
    assert_ne!(renewed["private_key"], issued["private_key"]);

    let vendor = vendor();
    let (leaf, sub, vendors_root) = (vendor.read("leaf.pem"), vendor.read("sub.pem"), vendor.read("root.pem"));
    let anchor = id(&d.json("register a trust anchor", &[], &[&vendors_root]));
    let verdict = d.json("validate", &[], &[&leaf, &sub]);
    assert_eq!(verdict["trusted_anchor"], anchor);
    d.json("list trust anchors", &[], &[]);
    assert!(d.send("delete a trust anchor", &[("trust_anchor_xyz", &anchor)], &[]).is_empty());
    d.json("import a certificate", &[], &[&leaf, &vendor.read("leaf.key"), &sub]);

    let revoked = d.json("revoke", &[("1A:2B:3C:...", text(&issued, "serial_number"))], &[]);
    assert_eq!((id(&revoked), &revoked["revocation_reason"]), (id(&issued), &Value::from("key_compromise")));
    let published = d.json("new CRL", &[("ca_intermediate_mtls", &issuing)], &[]);
    requester.write("current.crl", d.send("current CRL", &[("ca_intermediate_mtls", &issuing)], &[]));
    let current = requester.openssl(&["crl", "-inform", "DER", "-in", "current.crl"]);
    assert_eq!(current, text(&published, "crl_pem"), "DER unless PEM is asked for");

    let left: Vec<_> = titles().filter(|title| !documentation.sent.contains(title)).collect();
    assert!(left.is_empty(), "printed and not sent: {left:?}");
    assert!(titles().count() >= 23, "the documentation was read");
}

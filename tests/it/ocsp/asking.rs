//! The appliance as a client: the status of certificates from elsewhere, asked of the responder they name, which is openssl's.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::appliance::Appliance;
use crate::requester::Requester;
use crate::waiting::wait_for;

/// An authority elsewhere, with three certificates: good, revoked, and not in its responder's books.
struct Elsewhere {
    requester: Requester,
    port: u16,
}

/// A responder; it is killed when dropped.
struct Responder(Child);

impl Drop for Responder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const NAMES: [(&str, &str); 3] = [("good", "0x1001"), ("revoked", "0x1002"), ("unknown", "0x1003")];

impl Elsewhere {
    fn new() -> Self {
        let requester = Requester::new();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        requester.key("root.key", "P-256");
        requester.openssl(&["req", "-x509", "-new", "-key", "root.key", "-subj", "/CN=Elsewhere", "-days", "100", "-out", "root.pem"]);
        requester.write(
            "ext.cnf",
            format!(
                "[leaf]\nauthorityInfoAccess=OCSP;URI:http://127.0.0.1:{port}\nsubjectAltName=DNS:a.example.com\n\
                 [responder]\nextendedKeyUsage=OCSPSigning\nnoCheck=ignored\nkeyUsage=critical,digitalSignature\n\
                 [pretender]\nextendedKeyUsage=serverAuth\nnoCheck=ignored\n"
            ),
        );
        let elsewhere = Self { requester, port };
        for (name, serial) in NAMES {
            elsewhere.sign(name, serial, "leaf");
        }
        elsewhere.sign("responder", "0x2001", "responder");
        elsewhere.sign("pretender", "0x2002", "pretender");
        elsewhere.requester.write(
            "index.txt",
            "V\t350101000000Z\t\t1001\tunknown\t/CN=good\nR\t350101000000Z\t260101000000Z,keyCompromise\t1002\tunknown\t/CN=revoked\n",
        );
        elsewhere
    }

    fn sign(&self, name: &str, serial: &str, section: &str) {
        let file = |kind: &str| format!("{name}.{kind}");
        self.requester.key(&file("key"), "P-256");
        self.requester.openssl(&["req", "-new", "-key", &file("key"), "-subj", &format!("/CN={name}"), "-out", &file("csr")]);
        let (csr, pem) = (file("csr"), file("pem"));
        let by =
            ["-CA", "root.pem", "-CAkey", "root.key", "-set_serial", serial, "-days", "50", "-extfile", "ext.cnf", "-extensions", section];
        self.requester.openssl(&[&["x509", "-req", "-in", &csr, "-out", &pem], &by[..]].concat());
    }

    /// openssl's responder behind a server of HTTP that takes this method alone, signing with this key.
    fn respond(&self, signer: &str, method: &str) -> Responder {
        self.requester.write("responder.py", include_str!("responder.py"));
        self.serve("python3", &["responder.py", signer, &self.port.to_string(), method])
    }

    fn serve(&self, program: &str, arguments: &[&str]) -> Responder {
        let mut command = self.requester.command(program, arguments);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the responder starts");
        wait_for("a responder", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
        Responder(child)
    }

    /// An appliance that trusts it.
    fn trusting(&self) -> Appliance {
        let appliance = Appliance::start();
        let body = json!({"name": "elsewhere", "certificate_pem": self.requester.read("root.pem")});
        appliance.call("POST", "/v1/pki/trust-anchors", Some(body)).expect(201);
        appliance
    }

    fn ask(&self, appliance: &Appliance, name: &str) -> Value {
        let pem = self.requester.read(&format!("{name}.pem"));
        let body = json!({"certificate_pem": pem, "check_revocation": true, "revocation_required": true});
        appliance.call("POST", "/v1/pki/certificates/validate", Some(body)).expect(200)
    }
}

#[track_caller]
fn is_doubted(answer: &Value, why: &str) {
    assert_eq!((&answer["valid"], &answer["not_revoked"]), (&json!(false), &json!(true)), "{answer}");
    assert!(answer["errors"][0].as_str().unwrap().contains(why), "no {why:?} in {answer}");
}

#[test]
fn the_responder_that_a_certificate_names_is_asked_and_believed() {
    let elsewhere = Elsewhere::new();
    let appliance = elsewhere.trusting();
    is_doubted(&elsewhere.ask(&appliance, "good"), "its OCSP responder cannot be asked");
    let responder = elsewhere.respond("responder", "POST");
    let good = elsewhere.ask(&appliance, "good");
    assert_eq!((&good["valid"], &good["not_revoked"], good.get("warnings")), (&json!(true), &json!(true), None), "{good}");
    let revoked = elsewhere.ask(&appliance, "revoked");
    assert_eq!((&revoked["valid"], &revoked["not_revoked"]), (&json!(false), &json!(false)), "{revoked}");
    assert!(revoked["errors"][0].as_str().unwrap().contains("revoked at 2026-01-01T00:00:00Z"), "{revoked}");
    is_doubted(&elsewhere.ask(&appliance, "unknown"), "does not know it");
    // What was said holds until its next update, and what was not said is not known.
    drop(responder);
    assert_eq!(elsewhere.ask(&appliance, "good")["valid"], true);
    is_doubted(&elsewhere.ask(&appliance, "unknown"), "cannot be asked");
}

#[test]
fn the_issuer_may_answer_itself_and_nobody_else_may() {
    let elsewhere = Elsewhere::new();
    let by_issuer = elsewhere.respond("root", "POST");
    assert_eq!(elsewhere.ask(&elsewhere.trusting(), "good")["valid"], true);
    drop(by_issuer);
    // Certified by the issuer, and not for this.
    let _pretender = elsewhere.respond("pretender", "POST");
    is_doubted(&elsewhere.ask(&elsewhere.trusting(), "good"), "is not signed by the issuer or by a responder it has named");
}

#[test]
fn a_responder_that_takes_get_alone_is_asked_so() {
    let elsewhere = Elsewhere::new();
    let _responder = elsewhere.respond("responder", "GET");
    let appliance = elsewhere.trusting();
    assert_eq!(elsewhere.ask(&appliance, "good")["valid"], true);
    assert_eq!(elsewhere.ask(&appliance, "revoked")["not_revoked"], false);
}

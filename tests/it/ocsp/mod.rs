//! OCSP through the front door: the plain-HTTP listener, asked by clients we did not write.

mod answers;
mod asking;
mod away;
mod clients;
mod overtaken;
mod rotation;
mod setting;
mod stapling;

use std::path::Path;

use serde_json::{Value, json};

use crate::appliance::{Answer, Appliance, run};
use crate::requester::Requester;

/// A root and an intermediate, the one whose certificates are asked about.
struct World {
    appliance: Appliance,
    issuing: String,
    requester: Requester,
}

impl World {
    fn new() -> Self {
        Self::of(Appliance::start(), "rsa", 2048)
    }

    fn of(appliance: Appliance, key_type: &str, key_size: u32) -> Self {
        let root = appliance.root("root", "ec", 256);
        let body = json!({
            "name": "issuing", "common_name": "Issuing CA", "ca_type": "intermediate", "parent_ca_id": root, "key_type": key_type,
            "key_size": key_size
        });
        let issuing = appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)["id"].as_str().unwrap().to_owned();
        appliance.role("web", &issuing, json!({}));
        let world = Self { appliance, issuing, requester: Requester::new() };
        let of = |id: &str| {
            let answer = world.appliance.call("GET", &format!("/v1/pki/ca/{id}/certificate"), None).expect(200);
            answer["certificate_pem"].as_str().unwrap().to_owned()
        };
        let (above, own) = (of(&root), of(&world.issuing));
        world.requester.write("root.pem", &above);
        world.requester.write("issuing.pem", &own);
        world.requester.write("chain.pem", [own, above].concat());
        world
    }

    /// Issues a certificate into NAME.pem and NAME.key.
    fn issue(&self, name: &str) -> Value {
        let body = json!({"common_name": format!("{name}.example.com"), "ttl": "24h"});
        let issued = self.appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201);
        self.requester.write(&format!("{name}.pem"), issued["certificate"].as_str().unwrap());
        self.requester.write(&format!("{name}.key"), issued["private_key"].as_str().unwrap());
        issued
    }

    fn revoke(&self, issued: &Value, reason: &str) {
        let body = json!({"serial_number": issued["serial_number"], "reason": reason});
        self.appliance.call("POST", "/v1/pki/revoke", Some(body)).expect(200);
    }

    fn http(&self) -> String {
        std::fs::read_to_string(self.appliance.path("http.addr")).unwrap().trim().to_owned()
    }

    fn url(&self) -> String {
        format!("http://{}/ocsp/{}", self.http(), self.issuing)
    }

    /// What openssl says when it asks, with its nonce unless told otherwise.
    #[track_caller]
    fn ask(&self, arguments: &[&str]) -> String {
        let url = self.url();
        let fixed = ["ocsp", "-issuer", "issuing.pem", "-CAfile", "chain.pem", "-url", &url, "-timeout", "60"];
        // It ends well also where the responder has refused.
        let output = self.requester.command("openssl", &[&fixed[..], arguments].concat()).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    /// A request about one certificate, as openssl writes it.
    fn request(&self, name: &str, arguments: &[&str]) -> Vec<u8> {
        let certificate = format!("{name}.pem");
        let fixed = ["ocsp", "-no_nonce", "-issuer", "issuing.pem", "-reqout", "request.der"];
        self.requester.openssl(&[&fixed[..], arguments, &["-cert", &certificate]].concat());
        std::fs::read(self.requester.path("request.der")).unwrap()
    }

    /// Asks for a path of the plain-HTTP listener.
    fn fetch(&self, method: &str, path: &str, body: Option<&[u8]>, headers: &[&str]) -> Answer {
        let url = format!("http://{}{path}", self.http());
        let mut arguments = vec!["--silent", "--include", "--max-time", "60", "--path-as-is", "--globoff"];
        // What answers HEAD has no body to be waited for.
        if method == "HEAD" {
            arguments.push("--head");
        } else {
            arguments.extend(["--request", method]);
        }
        headers.iter().for_each(|header| arguments.extend(["--header", header]));
        if let Some(body) = body {
            self.requester.write("body", body);
            arguments.extend(["--data-binary", "@body", "--header", "Content-Type: application/ocsp-request"]);
        }
        arguments.push(&url);
        let output = self.requester.command("curl", &arguments).output().expect("curl starts");
        Answer::parse(&output.stdout).unwrap_or_else(|| panic!("{method} {path} was not answered:\n{}", self.appliance.log()))
    }

    /// What openssl reads in an answer, which it verifies.
    #[track_caller]
    fn read(&self, answer: &[u8], name: &str) -> String {
        self.requester.write("response.der", answer);
        let certificate = format!("{name}.pem");
        let shown = self.requester.openssl(&[
            "ocsp",
            "-no_nonce",
            "-respin",
            "response.der",
            "-issuer",
            "issuing.pem",
            "-cert",
            &certificate,
            "-CAfile",
            "chain.pem",
            "-resp_text",
        ]);
        assert!(shown.contains("Response verify OK"), "{shown}");
        shown
    }

    /// The serial number of the responder that has signed an answer about this certificate just now.
    fn responder(&self, name: &str) -> String {
        let answer = self.fetch("POST", &format!("/ocsp/{}", self.issuing), Some(&self.request(name, &["-nonce"])), &[]);
        let shown = self.read(&answer.body, name);
        let certificate = shown.split_once("Certificate:").unwrap_or_else(|| panic!("no certificate in {shown}")).1;
        certificate.split_once("Serial Number:").unwrap().1.split_whitespace().next().unwrap().to_owned()
    }

    /// Runs a tool of the tests' own Python environment, or of the machine.
    #[track_caller]
    fn tool(&self, program: &str, arguments: &[&str]) -> String {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin").join(program);
        let program = if own.exists() { own.display().to_string() } else { program.to_owned() };
        run(&mut self.requester.command(&program, arguments))
    }
}

/// Puts other lengths of life into the configuration of a stopped appliance.
fn schedule(appliance: &Appliance, period: &str, validity: &str, responder_validity: &str) {
    let path = appliance.path("chancery.toml");
    let made = std::fs::read_to_string(&path).unwrap();
    let section = format!("\n[ocsp]\nperiod = \"{period}\"\nvalidity = \"{validity}\"\nresponder_validity = \"{responder_validity}\"\n");
    std::fs::write(&path, made + &section).unwrap();
}

//! A listener's certificate that the appliance issues for itself.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::json;

use super::{address, configured, inspect, reconfigure, shown, with_tls};
use crate::appliance::Appliance;
use crate::waiting::wait_for;

const OWN: &str = "ca = \"Listeners\"\nnames = [\"localhost\", \"127.0.0.1\"]";

/// An appliance with a root of this name, stopped, and whose clients trust that root.
pub(super) fn prepared(dir: &Path, name: &str, key_type: &str, key_size: u32) -> String {
    let mut appliance = Appliance::start_in(dir);
    let ca = appliance.root(name, key_type, key_size);
    let pem = appliance.call_raw(None, "GET", &format!("/v1/pki/ca/{ca}/certificate"), None, &["Accept: application/x-pem-file"]).text();
    assert!(appliance.stop());
    std::fs::write(dir.join("ca.pem"), pem).unwrap();
    ca
}

fn serial(appliance: &Appliance) -> String {
    inspect(&shown(&address(appliance), &[]), &["-serial"])
}

#[test]
fn it_is_issued_the_one_way_kept_and_renewed_when_it_is_revoked_or_its_names_change() {
    let dir = tempfile::tempdir().unwrap();
    let ca = prepared(dir.path(), "Listeners", "ec", 256);
    let mut appliance = configured(dir.path(), |text| with_tls(&text, OWN));
    let pem = shown(&address(&appliance), &[]);
    let text = inspect(&pem, &["-subject", "-ext", "subjectAltName,extendedKeyUsage,basicConstraints"]);
    assert!(text.contains("CN = localhost") && text.contains("DNS:localhost, IP Address:127.0.0.1"), "{text}");
    assert!(text.contains("TLS Web Server Authentication") && !text.contains("Client"), "{text}");
    let kept = appliance.path("data/tls/listener.pem");
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    // It is in the inventory and in the trail like every certificate.
    let listed = appliance.call("GET", "/v1/pki/certificates", None).expect(200);
    assert_eq!((listed["data"].as_array().unwrap().len(), &listed["data"][0]["issuer_ca_id"]), (1, &json!(ca)));
    let issued = appliance.trail().into_iter().filter(|entry| entry["action"] == "certificate.issue").collect::<Vec<_>>();
    assert_eq!((issued.len(), &issued[0]["actor"], &issued[0]["details"]["role"]), (1, &json!("system"), &json!("[tls]")));

    let first = serial(&appliance);
    assert!(appliance.stop());
    let appliance = Appliance::start_in(dir.path());
    assert_eq!(serial(&appliance), first, "a start issues no other while it is good");

    reconfigure(dir.path(), |text| text.replace("\"localhost\", ", "\"localhost\", \"pki.example.com\", "));
    appliance.signal(Signal::SIGHUP);
    wait_for("a certificate with the new name", || {
        inspect(&shown(&address(&appliance), &[]), &["-ext", "subjectAltName"]).contains("pki.example.com")
    });
    let second = serial(&appliance);
    appliance
        .call("POST", "/v1/pki/revoke", Some(json!({"serial_number": second.replace("serial=", ""), "reason": "key_compromise"})))
        .expect(200);
    wait_for("a certificate in the place of the revoked one", || serial(&appliance) != second);
    appliance.call("GET", "/v1/pki/ca", None).expect(200);
}

#[test]
fn it_is_renewed_at_two_thirds_of_its_life() {
    let dir = tempfile::tempdir().unwrap();
    prepared(dir.path(), "Listeners", "ec", 256);
    let appliance = configured(dir.path(), |text| with_tls(&text, &format!("{OWN}\nvalidity = \"1m\"")));
    let first = serial(&appliance);
    // Twenty seconds are left of it when it is renewed; no client ever meets one that has ended.
    wait_for("the renewed certificate", || {
        appliance.call_as(None, "GET", "/healthz", None).expect(200);
        serial(&appliance) != first
    });
}

#[test]
fn before_its_authority_exists_a_bootstrap_certificate_is_shown_and_then_the_real_one() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Appliance::start_in(dir.path()).stop());
    reconfigure(dir.path(), |text| with_tls(&text, OWN));
    let (bootstrap, trusted) = (dir.path().join("data/tls/bootstrap-ca.pem"), dir.path().join("ca.pem"));
    // Whoever installs it trusts what it made itself, for the time being.
    let trust = {
        let trusted = trusted.clone();
        std::thread::spawn(move || {
            wait_for("the bootstrap certificate", || bootstrap.exists());
            std::fs::copy(bootstrap, trusted).unwrap();
        })
    };
    let mut appliance = Appliance::start_in(dir.path());
    trust.join().unwrap();
    assert!(appliance.log().contains("a bootstrap certificate is shown until it does"), "{}", appliance.log());
    let first = serial(&appliance);
    assert!(appliance.stop());
    let appliance = Appliance::start_in(dir.path());
    assert_eq!(serial(&appliance), first, "a second start shows the same, which somebody may have pinned");

    let ca = appliance.root("Listeners", "ec", 384);
    wait_for("the certificate of the authority", || inspect(&shown(&address(&appliance), &[]), &["-issuer"]).contains("Listeners CA"));
    let pem = shown(&address(&appliance), &[]);
    std::fs::remove_file(&trusted).unwrap();
    let root = std::process::Command::new("curl")
        .args(["--silent", "--insecure", "--header", "Accept: application/x-pem-file"])
        .arg(format!("{}/v1/pki/ca/{ca}/certificate", appliance.base_url()))
        .output()
        .unwrap()
        .stdout;
    std::fs::write(&trusted, root).unwrap();
    appliance.call_as(None, "GET", "/healthz", None).expect(200);
    assert!(inspect(&pem, &["-subject"]).contains("localhost"));
}

#[test]
fn a_revoked_authority_leaves_the_certificate_of_before_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let ca = prepared(dir.path(), "Listeners", "ec", 256);
    let appliance = configured(dir.path(), |text| with_tls(&text, OWN));
    let first = serial(&appliance);
    appliance.call("POST", &format!("/v1/pki/ca/{ca}/revoke"), None).expect(200);
    reconfigure(dir.path(), |text| text.replace("\"localhost\", ", ""));
    appliance.signal(Signal::SIGHUP);
    wait_for("the reason", || appliance.log().contains("was not renewed; the old one is shown on"));
    assert!(appliance.log().contains("is revoked"), "{}", appliance.log());
    assert_eq!(serial(&appliance), first);
}

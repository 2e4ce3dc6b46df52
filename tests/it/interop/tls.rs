//! The listener's TLS, asked by openssl and curl.

use crate::appliance::{Appliance, run};
use crate::requester::Requester;

/// What `openssl s_client` says of a handshake with these options, and whether it succeeded.
fn handshake(appliance: &Appliance, options: &[&str]) -> (bool, String) {
    let address = appliance.base_url().replace("https://", "");
    let root = appliance.path("ca.pem").display().to_string();
    let command = ["s_client", "-connect", &address, "-CAfile", &root, "-verify_return_error", "-brief"];
    let output =
        Requester::new().command("openssl", &[&command[..], options].concat()).stdin(std::process::Stdio::null()).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn tls_1_3_and_1_2_with_aead_are_spoken_and_nothing_older() {
    let appliance = Appliance::start();
    for (options, version) in [
        (&[][..], "TLSv1.3"),
        (&["-tls1_3", "-groups", "X25519"][..], "TLSv1.3"),
        (&["-tls1_3", "-groups", "P-256"][..], "TLSv1.3"),
        (&["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"][..], "TLSv1.3"),
        (&["-tls1_2"][..], "TLSv1.2"),
        (&["-tls1_2", "-cipher", "ECDHE+AESGCM"][..], "TLSv1.2"),
        (&["-tls1_2", "-cipher", "ECDHE+CHACHA20"][..], "TLSv1.2"),
    ] {
        let (success, text) = handshake(&appliance, options);
        assert!(success && text.contains(&format!("Protocol version: {version}")), "{options:?}: {text}");
        assert!(text.contains("Verification: OK"), "{options:?}: {text}");
    }
    for options in [
        &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"][..],
        &["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"][..],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"][..],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384:AES256-SHA:AES128-GCM-SHA256"][..],
        &["-tls1_2", "-cipher", "aNULL:eNULL:@SECLEVEL=0"][..],
    ] {
        let (success, text) = handshake(&appliance, options);
        assert!(!success && text.contains("alert"), "{options:?} was not refused by the server: {text}");
    }
}

#[test]
fn http_2_and_1_1_are_agreed_on() {
    let appliance = Appliance::start();
    let requester = Requester::new();
    let (root, url) = (appliance.path("ca.pem").display().to_string(), format!("{}/healthz", appliance.base_url()));
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let arguments = ["--silent", "--fail", option, "--cacert", &root, "--output", "/dev/null", "--write-out", "%{http_version}", &url];
        assert_eq!(run(&mut requester.command("curl", &arguments)), version);
    }
}

#[test]
fn what_is_no_tls_is_dropped_and_the_daemon_goes_on() {
    let appliance = Appliance::start();
    let plain = appliance.base_url().replace("https://", "http://");
    Requester::new().fails("curl", &["--silent", "--max-time", "5", &format!("{plain}/healthz")]);
    assert_eq!(appliance.call_as(None, "GET", "/healthz", None).status, 200);
}

//! The listener's TLS, asked by openssl and curl.

use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, NamedGroup, RootCertStore};

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

/// The hybrid of X25519 and ML-KEM-768, which openssl 3.0 does not speak, and rustls as a client does: taken from whoever begins with it, though a share
/// for X25519 comes beside it. Nobody is asked to begin again for it.
#[test]
fn the_hybrid_key_exchange_is_taken_from_whoever_begins_with_it() {
    let appliance = Appliance::start();
    let address = appliance.base_url().replace("https://", "");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(appliance.path("ca.pem")).unwrap()).unwrap();
    let roots = Arc::new(roots);
    let (hybrid, x25519, p256) = (aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1);
    for (offered, wanted) in [
        (vec![hybrid, x25519, p256], NamedGroup::X25519MLKEM768),
        (vec![hybrid], NamedGroup::X25519MLKEM768),
        (vec![p256, x25519, hybrid], NamedGroup::secp256r1),
        (vec![x25519], NamedGroup::X25519),
    ] {
        let provider = CryptoProvider { kx_groups: offered, ..aws_lc_rs::default_provider() };
        let config = ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots.clone()).with_no_client_auth();
        let mut client = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
        let mut socket = TcpStream::connect(&address).unwrap();
        while client.is_handshaking() {
            client.complete_io(&mut socket).unwrap();
        }
        assert_eq!(client.negotiated_key_exchange_group().map(|group| group.name()), Some(wanted));
    }
}

//! Another certificate without a restart.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::{Line, address, inspect, shown};
use crate::appliance::{Appliance, run};
use crate::waiting::wait_for;

/// A certificate that vouches for itself, in the files the listener reads.
fn replace_files(dir: &Path, serial: u32) {
    run(std::process::Command::new("openssl").current_dir(dir).args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=replaced",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-set_serial",
        &serial.to_string(),
        "-keyout",
        "new.key",
        "-out",
        "new.pem",
    ]));
    // In one step each, so that a reload at the wrong moment meets a pair that does not fit and keeps the old one.
    std::fs::rename(dir.join("new.key"), dir.join("tls.key")).unwrap();
    std::fs::copy(dir.join("new.pem"), dir.join("ca.pem")).unwrap();
    std::fs::rename(dir.join("new.pem"), dir.join("tls.pem")).unwrap();
}

fn serial(appliance: &Appliance) -> String {
    inspect(&shown(&address(appliance), &[]), &["-serial"])
}

#[test]
fn new_connections_get_the_new_certificate_and_old_ones_go_on() {
    let appliance = Appliance::start();
    let mut line = Line::open(&address(&appliance), &[]);
    assert_eq!(line.get("/healthz").0, 200);
    replace_files(appliance.dir(), 0x4711);
    assert_ne!(serial(&appliance), "serial=4711", "nothing is read before it is said");
    appliance.signal(Signal::SIGHUP);
    wait_for("the new certificate", || serial(&appliance) == "serial=4711");
    assert_eq!(line.get("/healthz").0, 200, "the connection of before goes on");
    assert_eq!(appliance.call_as(None, "GET", "/healthz", None).status, 200);
}

#[test]
fn no_request_fails_while_certificates_are_exchanged() {
    let appliance = Appliance::start();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut asked = 0;
                    let mut line = Line::open(&address(&appliance), &[]);
                    while !over.load(Ordering::SeqCst) {
                        // A connection of its own, and the one from the beginning.
                        let mut fresh = Line::open(&address(&appliance), &[]);
                        assert_eq!(fresh.get("/healthz").0, 200);
                        assert_eq!(line.get("/healthz").0, 200);
                        asked += 1;
                    }
                    asked
                })
            })
            .collect();
        for serial in 1..=10 {
            replace_files(appliance.dir(), serial);
            appliance.signal(Signal::SIGHUP);
            std::thread::sleep(Duration::from_millis(100));
        }
        wait_for("the last certificate", || serial(&appliance) == "serial=0A");
        over.store(true, Ordering::SeqCst);
        let asked: Vec<u32> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        assert!(asked.iter().all(|asked| *asked > 0), "{asked:?}");
    });
}

#[test]
fn what_is_wrong_leaves_the_old_certificate_and_says_why() {
    let appliance = Appliance::start();
    let before = serial(&appliance);
    let (good_key, good_config) =
        (std::fs::read(appliance.path("tls.key")).unwrap(), std::fs::read_to_string(appliance.path("chancery.toml")).unwrap());
    let mut line = Line::open(&address(&appliance), &[]);
    let mut reload = |what: &str, said: &str| {
        let told = appliance.log().matches("the configuration was not taken up; the old one stays").count();
        appliance.signal(Signal::SIGHUP);
        wait_for(what, || appliance.log().matches("the configuration was not taken up; the old one stays").count() > told);
        let log = appliance.log();
        let refusal = log.lines().rfind(|line| line.contains("the configuration was not taken up"));
        assert!(refusal.is_some_and(|line| line.contains(said)), "{what}: {log}");
        assert_eq!(serial(&appliance), before, "{what}");
        assert_eq!(line.get("/healthz").0, 200, "{what}");
    };
    let other = tempfile::tempdir().unwrap();
    run(std::process::Command::new("openssl").args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(other.path().join("key")));
    std::fs::write(appliance.path("tls.key"), std::fs::read(other.path().join("key")).unwrap()).unwrap();
    reload("a key of another certificate", "KeyMismatch");
    std::fs::write(appliance.path("tls.key"), "no key").unwrap();
    reload("no key", "tls.key cannot be read as PEM");
    std::fs::write(appliance.path("tls.key"), &good_key).unwrap();
    std::fs::write(appliance.path("chancery.toml"), good_config.replace("[tls]", "[tls]\nnonsense = 1")).unwrap();
    reload("a configuration with an unknown key", "unknown field `nonsense`");
    std::fs::write(appliance.path("chancery.toml"), &good_config).unwrap();
    appliance.signal(Signal::SIGHUP);
    wait_for("the good files", || appliance.log().contains("the configuration was read again"));
    assert_eq!(serial(&appliance), before);
}

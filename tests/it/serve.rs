//! `chanceryd serve`, `create-token` and `check-config`: an appliance from a configuration file, as it is in production.

use std::process::{Command, Output};

use crate::appliance::Appliance;

fn chanceryd(appliance: &Appliance, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chanceryd"));
    command.current_dir(appliance.dir()).args(arguments).output().expect("chanceryd starts")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_first_token_is_made_offline_and_works_when_the_configuration_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let mut made = Appliance::start_in(dir.path());
    let config = made.path("chancery.toml").display().to_string();
    let out = made.path("first.token").display().to_string();
    // While a daemon serves the directory nobody else writes to its store.
    let refused = chanceryd(&made, &["create-token", "--config", &config, "--out", &out]);
    assert!(!refused.status.success() && text(&refused).contains("in use by another process"), "{}", text(&refused));
    assert!(made.stop());

    let checked = chanceryd(&made, &["check-config", "--config", &config]);
    assert!(checked.status.success(), "{}", text(&checked));
    let created = chanceryd(&made, &["create-token", "--config", &config, "--scope", "pki:read", "--ttl", "1d", "--out", &out]);
    assert!(created.status.success(), "{}", text(&created));
    let token = std::fs::read_to_string(&out).unwrap();
    assert!(!text(&created).contains(&token));
    let again = chanceryd(&made, &["create-token", "--config", &config, "--out", &out]);
    assert!(!again.status.success() && text(&again).contains("exists"), "{}", text(&again));
    let endless = chanceryd(&made, &["create-token", "--config", &config, "--ttl", "400d", "--out", "x"]);
    assert_eq!(endless.status.code(), Some(2), "{}", text(&endless));

    let served = Appliance::start_in(dir.path());
    served.call_as(Some(&token), "GET", "/v1/pki/roles", None).expect(200);
    assert_eq!(served.call_as(Some(&token), "GET", "/v1/pki/ca", None).refused(403).0, "forbidden");
}

#[test]
fn a_wrong_configuration_is_refused_with_its_field() {
    let dir = tempfile::tempdir().unwrap();
    let mut made = Appliance::start_in(dir.path());
    assert!(made.stop());
    let config = made.path("chancery.toml");
    let good = std::fs::read_to_string(&config).unwrap();
    let worker = made.path("token.toml");
    let good_worker = std::fs::read_to_string(&worker).unwrap();
    for (file, wrong, said) in [
        (&config, format!("pin = \"1234\"\n{good}"), "unknown field `pin`"),
        (&config, good.replace("[[token]]", "[token]"), "write here [[token]]"),
        (&worker, format!("pin = \"1234\"\n{good_worker}"), "unknown field `pin`"),
        (&worker, good_worker.replace("token.pin", "no.such.pin"), "no.such.pin"),
        (&worker, format!("call_timeout = \"soon\"\n{good_worker}"), "call_timeout"),
        // Neither is made into a number that would do: who asks for a hundred sessions does not get eight in silence.
        (&worker, format!("sessions = 1\n{good_worker}"), "sessions: 2 to 64"),
        (&worker, format!("sessions = 65\n{good_worker}"), "sessions: 2 to 64"),
        (&config, good.replace("tls.key", "ca.pem"), "ca.pem"),
    ] {
        std::fs::write(&config, &good).unwrap();
        std::fs::write(&worker, &good_worker).unwrap();
        std::fs::write(file, wrong).unwrap();
        for command in ["check-config", "serve"] {
            let output = chanceryd(&made, &[command, "--config", &config.display().to_string()]);
            assert!(!output.status.success() && text(&output).contains(said), "{command}: {}", text(&output));
            assert!(!text(&output).contains("1234"), "{}", text(&output));
        }
    }
}

#[test]
fn the_file_of_a_worker_is_checked_by_itself_and_outside_of_its_unit() {
    let dir = tempfile::tempdir().unwrap();
    let mut made = Appliance::start_in(dir.path());
    assert!(made.stop());
    let worker = made.path("token.toml");
    let good = std::fs::read_to_string(&worker).unwrap();
    let pin = made.path("token.pin").display().to_string();
    assert!(good.contains(&pin), "{good}");
    // Whose PIN is handed to the unit alone can be checked all the same, but for that.
    let in_unit = good.replace(&pin, "credential:pin");
    for (file, is_good, said) in [
        (good.clone(), true, "token.toml: good"),
        (format!("sessions = 0\n{good}"), true, "good"),
        (format!("sessions = 64\n{in_unit}"), true, "good"),
        (format!("sessions = 65\n{in_unit}"), false, "sessions: 2 to 64"),
        (format!("watchdog = \"soon\"\n{in_unit}"), false, "watchdog"),
        (good.replace(&pin, "/no/such.pin"), false, "/no/such.pin"),
    ] {
        std::fs::write(&worker, file).unwrap();
        let output = chanceryd(&made, &["check-config", "--worker", &worker.display().to_string()]);
        assert!(output.status.success() == is_good && text(&output).contains(said), "{}", text(&output));
    }
}

/// They are in certificates, and an authority keeps those it was made with.
#[test]
fn the_urls_of_certificates_are_served_after_a_restart_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let ca = appliance.root("root", "ec", 256);
    let address = std::fs::read_to_string(appliance.path("http.addr")).unwrap();
    for ends in [Appliance::stop, |appliance: &mut Appliance| {
        appliance.kill();
        true
    }] {
        assert!(ends(&mut appliance));
        appliance = Appliance::start_in(dir.path());
        let certificate = Command::new("curl").args(["--silent", "--fail", &format!("http://{address}/ca/{ca}.crt")]).output().unwrap();
        assert!(certificate.status.success() && !certificate.stdout.is_empty(), "http://{address}");
    }
    // Where it was taken meanwhile another is served, and that is said.
    assert!(appliance.stop());
    let _taken = std::net::TcpListener::bind(&address).unwrap();
    let appliance = Appliance::start_in(dir.path());
    assert_ne!(std::fs::read_to_string(appliance.path("http.addr")).unwrap(), address);
    assert!(appliance.log().contains("is taken; another is served"), "{}", appliance.log());
}

//! The command line `chancery` against the real daemon.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::appliance::Appliance;
use crate::requester::Requester;

/// How one command ended and what it said.
struct Outcome {
    code: i32,
    out: String,
    notes: String,
}

impl Outcome {
    #[track_caller]
    fn is(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.out, self.notes);
        self
    }

    #[track_caller]
    fn json(self) -> Value {
        let outcome = self.is(0);
        serde_json::from_str(&outcome.out).unwrap_or_else(|_| panic!("not JSON: {}", outcome.out))
    }
}

/// Someone at a shell beside an appliance.
struct Shell {
    appliance: Appliance,
    requester: Requester,
}

impl Shell {
    fn new() -> Self {
        Self { appliance: Appliance::start(), requester: Requester::new() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.requester.command(env!("CARGO_BIN_EXE_chancery"), arguments);
        for name in ["CHANCERY_URL", "CHANCERY_CA_FILE", "CHANCERY_TOKEN_FILE", "CHANCERY_TOKEN", "CHANCERY_DIR"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, command: &mut Command) -> Outcome {
        let output = command.output().expect("chancery starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Outcome { code: output.status.code().expect("an exit code"), out: text(output.stdout), notes: text(output.stderr) }
    }

    /// `chancery … --dir` of the appliance.
    fn chancery(&self, arguments: &[&str]) -> Outcome {
        self.run(self.command(arguments).arg("--dir").arg(self.appliance.dir()))
    }

    /// A root, a role and a certificate in `web/`, all made by commands; gives what `issue` answered as JSON.
    fn first_certificate(&self) -> Value {
        self.chancery(&[
            "ca",
            "create",
            "--name",
            "root",
            "--common-name",
            "Root CA",
            "--type",
            "root",
            "--key-type",
            "ec",
            "--key-size",
            "256",
        ])
        .is(0);
        let role = ["role", "create", "web", "--ca", "root", "--allowed-domain", "example.com", "--allow-subdomains", "--max-ttl", "30d"];
        self.chancery(&role).is(0);
        self.chancery(&["issue", "web", "--common-name", "www.example.com", "--alt-name", "api.example.com", "--out", "web", "--json"])
            .json()
    }
}

#[test]
fn from_an_authority_to_a_verified_certificate() {
    let shell = Shell::new();
    let issued = shell.first_certificate();
    assert_eq!(issued["private_key"], Value::Null, "the key is in its file and not in a log of the JSON");
    let verified = shell.requester.openssl(&["verify", "-x509_strict", "-CAfile", "web/chain.pem", "web/cert.pem"]);
    assert!(verified.contains("OK"), "{verified}");
    let of_key = shell.requester.openssl(&["pkey", "-in", "web/key.pem", "-pubout"]);
    assert_eq!(of_key, shell.requester.openssl(&["x509", "-in", "web/cert.pem", "-noout", "-pubkey"]));
    let mode = std::fs::metadata(shell.requester.path("web/key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // A key file is never overwritten, and nothing is issued then.
    let again = shell.chancery(&["issue", "web", "--common-name", "www.example.com", "--out", "web"]).is(2);
    assert!(again.notes.contains("exists"), "{}", again.notes);
    let listed = shell.chancery(&["cert", "list", "--json"]).json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

#[test]
fn a_request_is_signed_from_a_file_and_from_standard_input() {
    let shell = Shell::new();
    shell.first_certificate();
    shell.requester.key("key.pem", "P-256");
    shell.requester.csr("key.pem", "/CN=signed.example.com", "");
    shell.chancery(&["sign", "web", "--csr", "csr.pem", "--ttl", "1h", "--cert-file", "signed.pem", "--chain-file", "chain.pem"]).is(0);
    shell.requester.openssl(&["verify", "-CAfile", "chain.pem", "signed.pem"]);
    shell.requester.openssl(&["req", "-in", "csr.pem", "-outform", "DER", "-out", "csr.der"]);
    let stdin = std::fs::File::open(shell.requester.path("csr.der")).unwrap();
    let signed =
        shell.run(shell.command(&["sign", "web", "--csr", "-", "--json"]).arg("--dir").arg(shell.appliance.dir()).stdin(stdin)).json();
    assert!(signed["certificate"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    let refused = shell.chancery(&["sign", "web", "--csr", "key.pem"]).is(1);
    assert!(refused.notes.contains("csr_pem"), "{}", refused.notes);
}

#[test]
fn certificates_are_listed_shown_labelled_and_revoked() {
    let shell = Shell::new();
    let issued = shell.first_certificate();
    let (id, serial) = (issued["id"].as_str().unwrap(), issued["serial_number"].as_str().unwrap());
    let table = shell.chancery(&["cert", "list", "--ca", "root", "--expiring-within", "31d"]).is(0).out;
    assert!(table.contains("COMMON NAME") && table.contains(id) && table.contains("www.example.com"), "{table}");
    assert_eq!(shell.chancery(&["cert", "pem", id]).is(0).out, shell.requester.read("web/cert.pem"));
    let updated = shell.chancery(&["cert", "update", id, "--tag", "prod", "--description", "the web", "--json"]).json();
    assert_eq!((&updated["tags"][0], &updated["description"]), (&"prod".into(), &"the web".into()));
    let shown = shell.chancery(&["cert", "show", id]).is(0).out;
    for part in [id, serial, "api.example.com", "prod", "the web", "ec"] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
    let revoked = shell.chancery(&["cert", "revoke", serial, "--reason", "superseded", "--json"]).json();
    assert_eq!(revoked["revocation_reason"], "superseded");
    let again = shell.chancery(&["cert", "revoke", id]).is(1);
    assert!(again.notes.contains("already_revoked"), "{}", again.notes);
    assert!(shell.chancery(&["cert", "list"]).is(0).notes.contains("none"));
    assert!(shell.chancery(&["cert", "list", "--include-revoked", "--all"]).is(0).out.contains(id));

    let published = shell.chancery(&["crl", "publish", "root"]).is(0).out;
    assert!(published.contains("revoked certificates"), "{published}");
    let crl = shell.chancery(&["crl", "get", "root"]).is(0).out;
    assert!(shell.requester.crl_text(&crl).contains(&serial.replace(':', "")));
    shell.chancery(&["ca", "crl", "root", "--der", "--out", "root.crl"]).is(0);
    shell.requester.openssl(&["crl", "-inform", "DER", "-in", "root.crl", "-noout"]);
}

#[test]
fn tokens_are_made_used_and_revoked() {
    let shell = Shell::new();
    shell.first_certificate();
    let made =
        shell.chancery(&["token", "create", "--name", "reader", "--scope", "pki:read", "--ttl", "1h", "--out", "reader.token", "--json"]);
    let made = made.json();
    assert_eq!(made["token"], Value::Null);
    let mode = std::fs::metadata(shell.requester.path("reader.token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (url, root) = (shell.appliance.base_url(), shell.appliance.path("ca.pem").display().to_string());
    let as_reader =
        |arguments: &[&str]| shell.run(shell.command(arguments).args(["--url", &url, "--ca-file", &root, "--token-file", "reader.token"]));
    as_reader(&["role", "list"]).is(0);
    assert!(as_reader(&["token", "list"]).is(4).notes.contains("scope"), "not allowed");
    let id = made["id"].as_str().unwrap();
    assert!(shell.chancery(&["token", "list"]).is(0).out.contains(id));
    shell.chancery(&["token", "revoke", id]).is(0);
    as_reader(&["role", "list"]).is(4);
    // The same by the environment.
    let token = shell.appliance.admin_token();
    shell.run(shell.command(&["role", "list"]).env("CHANCERY_URL", &url).env("CHANCERY_CA_FILE", &root).env("CHANCERY_TOKEN", token)).is(0);
}

#[test]
fn a_command_with_an_idempotency_key_is_done_once() {
    let shell = Shell::new();
    shell.first_certificate();
    let issue = |key: &str, name: &str| {
        shell.chancery(&["issue", "web", "--common-name", name, "--idempotency-key", key, "--json"]).json()["id"].clone()
    };
    let first = issue("order 4711", "www.example.com");
    assert_eq!(issue("order 4711", "www.example.com"), first, "the same certificate");
    assert_ne!(issue("order 4712", "www.example.com"), first);
    let again = shell.chancery(&["issue", "web", "--common-name", "www.example.com", "--idempotency-key", "order 4711"]).is(0);
    assert!(again.notes.contains("is not repeated") && !again.out.contains("PRIVATE KEY"), "{}", again.notes);
    let other = shell.chancery(&["issue", "web", "--common-name", "api.example.com", "--idempotency-key", "order 4711"]).is(1);
    assert!(other.notes.contains("idempotency_key_reused"), "{}", other.notes);
}

#[test]
fn exit_codes_say_who_has_to_act() {
    let mut shell = Shell::new();
    shell.first_certificate();
    shell.chancery(&["health"]).is(0);
    assert!(shell.chancery(&["issue", "web", "--common-name", "www.other.org"]).is(1).notes.contains("common_name"), "the field is named");
    shell.chancery(&["issue", "web", "--common-name", "x.example.com", "--ttl", "30"]).is(2);
    shell.chancery(&["issue", "web"]).is(2);
    shell.chancery(&["role", "show", "nothing"]).is(5);
    shell.chancery(&["cert", "show", "cert_nothing"]).is(5);
    shell.chancery(&["ca", "show", "nothing"]).is(5);
    shell.run(&mut shell.command(&["ca", "list", "--dir", "."])).is(2);
    let url = shell.appliance.base_url();
    let untrusted = shell.run(&mut shell.command(&["health", "--url", &url])).is(3);
    assert!(untrusted.notes.contains("--ca-file"), "{}", untrusted.notes);
    let no_token = shell.run(shell.command(&["ca", "list", "--url", &url, "--ca-file"]).arg(shell.appliance.path("ca.pem"))).is(4);
    assert!(no_token.notes.contains("token"), "{}", no_token.notes);
    assert!(shell.appliance.stop());
    let gone = shell.chancery(&["ca", "list"]).is(3);
    assert!(gone.notes.contains("daemon"), "{}", gone.notes);
}

#[test]
fn the_audit_trail_is_listed_and_verified_beside_the_daemon_and_without_it() {
    let mut shell = Shell::new();
    shell.first_certificate();
    let trail = shell.chancery(&["audit", "list", "--all"]).is(0).out;
    for action in ["ca.create", "role.create", "certificate.intend", "certificate.issue"] {
        assert!(trail.contains(action), "{action} is not in\n{trail}");
    }
    let dir = shell.appliance.dir().display().to_string();
    let verify = |shell: &Shell| shell.run(&mut shell.command(&["audit", "verify", &dir, "--json"]));
    let live = verify(&shell).json();
    assert!(live["entries"].as_u64().unwrap() >= 6, "{live}");
    assert!(shell.appliance.stop());
    let stopped = verify(&shell).json();
    assert!(stopped["entries"].as_u64() > live["entries"].as_u64(), "the end of the daemon is an entry too");

    // One flipped bit in the middle is found.
    let journal = shell.appliance.path("data/journal");
    let segment = std::fs::read_dir(journal).unwrap().flatten().map(|entry| entry.path()).min().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end / 2] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let damaged = verify(&shell).is(1);
    assert!(!damaged.notes.is_empty());
}

/// On a terminal, which `script` is here, a wait over a second is shown, and a shorter one is not.
#[test]
fn a_long_wait_is_shown_on_a_terminal() {
    for (pause, is_shown) in [(0, false), (2_500, true)] {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.push(byte[0]);
            }
            std::thread::sleep(std::time::Duration::from_millis(pause));
            let body = r#"{"status":"ok","token":"ok","storage":"ok","version":"1"}"#;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        });
        let command = format!("{} --url http://{address} health", env!("CARGO_BIN_EXE_chancery"));
        let mut terminal = Command::new("script");
        terminal.args(["--quiet", "--return", "--command", &command, "/dev/null"]).env("TERM", "xterm").stdin(std::process::Stdio::null());
        let output = terminal.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains("ok"), "{text}");
        assert_eq!(text.contains("asking for health (2s)"), is_shown, "{text:?}");
        answering.join().unwrap();
    }
}

/// What is written for a shell is what that shell reads; a shell that is not there cannot say.
#[test]
fn completions_are_read_by_their_shells() {
    let requester = Requester::new();
    let has = |shell: &str| requester.command("sh", &["-c", &format!("command -v {shell}")]).output().unwrap().status.success();
    assert!(has("bash"), "what the package is built with is there");
    for (shell, sign, judged) in [
        ("bash", "complete -F _chancery", &["-n"][..]),
        ("zsh", "#compdef chancery", &["-n"]),
        ("fish", "complete -c chancery", &["--no-execute"]),
        ("elvish", "set edit:completion:arg-completer[chancery]", &["-compileonly"]),
        ("powershell", "Register-ArgumentCompleter", &[]),
    ] {
        let made = requester.command(env!("CARGO_BIN_EXE_chancery"), &["completions", shell]).output().unwrap();
        let script = String::from_utf8(made.stdout).unwrap();
        assert!(made.status.success() && made.stderr.is_empty(), "{shell}");
        assert!(script.contains(sign), "{shell}: {script}");
        for command in ["issue", "unrevoke", "completions"] {
            assert!(script.contains(command), "{shell} completes {command}");
        }
        if judged.is_empty() || !has(shell) {
            continue;
        }
        let name = requester.write(shell, &script);
        let judged = requester.command(shell, &[judged, &[name]].concat()).output().unwrap();
        assert!(judged.status.success() && judged.stderr.is_empty(), "{shell}: {}", String::from_utf8_lossy(&judged.stderr));
    }
    let unknown = requester.command(env!("CARGO_BIN_EXE_chancery"), &["completions", "tcsh"]).output().unwrap();
    assert_eq!((unknown.status.code(), unknown.stdout.len()), (Some(2), 0));
    // In bash, which is everywhere: what the script offers behind a word.
    let script = requester.write("bash", "");
    let made = requester.command(env!("CARGO_BIN_EXE_chancery"), &["completions", "bash"]).output().unwrap();
    requester.write(script, made.stdout);
    let asked = "source ./bash; COMP_WORDS=(chancery crl \"\"); COMP_CWORD=2; _chancery chancery \"\" crl; echo \"${COMPREPLY[*]}\"";
    let offered = crate::appliance::run(&mut requester.command("bash", &["-c", asked]));
    assert!(["get", "configure"].iter().all(|command| offered.split_whitespace().any(|word| word == *command)), "{offered}");
}

//! Other tokens than SoftHSM2: what the appliance does with one that can all that is needed, and what it says of one that cannot.

use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::appliance::{Appliance, run};
use crate::doctor;
use crate::faults::shim::Shim;
use crate::requester::Requester;

const PIN: &str = "12345678";
const PROXY: &str = "/usr/lib/x86_64-linux-gnu/libp11-kit.so.0";
const NSS: &str = "/usr/lib/x86_64-linux-gnu/libsoftokn3.so";

/// An appliance over a token that is there already.
fn appliance_over(scratch: &TempDir, module: &Path, label: &str, environment: &str) -> Appliance {
    let dir = scratch.path().join("appliance");
    std::fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
    let path = |name: &str| dir.join(name).display().to_string();
    let (data, pin, worker) = (path("data"), path("token.pin"), path("token.toml"));
    let files = [
        ("token.pin", PIN.to_owned()),
        ("token.ready", String::new()),
        (
            "chancery.toml",
            format!(
                "data_dir = {data:?}\nlisten = \"127.0.0.1:0\"\n[tls]\ncertificate = {:?}\nkey = {:?}\n\
                 [[token]]\nname = \"main\"\nconfig = {worker:?}\n",
                path("tls.pem"),
                path("tls.key"),
            ),
        ),
        (
            "token.toml",
            format!("module = {:?}\nlabel = {label:?}\npin_file = {pin:?}\n[environment]\n{environment}\n", module.display().to_string()),
        ),
    ];
    for (name, content) in files {
        let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(dir.join(name)).unwrap();
        file.write_all(content.as_bytes()).unwrap();
    }
    Appliance::start_in(&dir)
}

/// An authority of this key type that signs a certificate and a CRL which openssl believes.
fn assert_issues(appliance: &Appliance, key_type: &str, key_size: u32) {
    let name = format!("{key_type}-{key_size}");
    let ca = appliance.root(&name, key_type, key_size);
    appliance.role(&name, &ca, json!({}));
    let issued = appliance.call("POST", &format!("/v1/pki/issue/{name}"), Some(json!({"common_name": "www.example.com"}))).expect(201);
    let root = issued["ca_chain"][0].as_str().unwrap();
    Requester::new().verify(issued["certificate"].as_str().unwrap(), &[root]);
    assert_eq!(appliance.call("POST", &format!("/v1/pki/ca/{ca}/crl"), None).expect(200)["crl_number"], 2);
}

/// The code and the detail with which an authority of this key type is refused.
fn refusal(appliance: &Appliance, key_type: &str, key_size: Option<u32>) -> (String, String) {
    let mut body = json!({"name": key_type, "common_name": "Lesser CA", "ca_type": "root", "key_type": key_type});
    if let Some(key_size) = key_size {
        body["key_size"] = key_size.into();
    }
    let answer = appliance.call("POST", "/v1/pki/ca", Some(body));
    let (code, _) = answer.refused(answer.status);
    (format!("{} {code}", answer.status), answer.json()["detail"].as_str().unwrap().to_owned())
}

/// A database of NSS, and the file with its PIN.
fn nss_database(scratch: &TempDir) -> (PathBuf, PathBuf) {
    let (database, pin) = (scratch.path().join("nss"), scratch.path().join("pin"));
    std::fs::create_dir(&database).unwrap();
    std::fs::File::options().write(true).create_new(true).mode(0o600).open(&pin).unwrap().write_all(PIN.as_bytes()).unwrap();
    run(Command::new("certutil").arg("-N").arg("-d").arg(format!("sql:{}", database.display())).arg("-f").arg(&pin));
    (database, pin)
}

/// NSS takes its parameters from C_Initialize alone. p11-kit's proxy hands them on; it has them from a folder of the system, for which a
/// mount namespace has another one here, or for others than root from one in their home.
#[test]
fn nss_behind_the_proxy_of_p11_kit_is_examined() {
    let scratch = TempDir::new().unwrap();
    let (database, pin) = nss_database(&scratch);
    let modules = scratch.path().join(".config/pkcs11/modules");
    std::fs::create_dir_all(&modules).unwrap();
    let reserved = format!("configdir='sql:{}' certPrefix='' keyPrefix='' secmod='secmod.db' flags=", database.display());
    std::fs::write(modules.join("nss.module"), format!("module: {NSS}\nx-init-reserved: {reserved}\n")).unwrap();
    let mut command = if nix::unistd::geteuid().is_root() {
        let mut command = Command::new("unshare");
        let script = "mount -t tmpfs tmpfs /usr/share/p11-kit/modules && cp \"$0\"/nss.module /usr/share/p11-kit/modules && exec \"$@\"";
        command.args(["--mount", "--propagation", "private", "sh", "-c", script]).arg(&modules).arg(env!("CARGO_BIN_EXE_chancery"));
        command
    } else {
        Command::new(env!("CARGO_BIN_EXE_chancery"))
    };
    command.env("HOME", scratch.path()).args(["doctor", "token", "--json", "--module", PROXY, "--label", "NSS Certificate DB"]);
    command.arg("--pin-file").arg(&pin);
    let found = doctor::examine_by(command).is(2, "unusable");
    // A key whose origin the token does not tell is refused, and the attribute named: the same word as the appliance's own.
    assert!(found.report["unusable_because"].as_str().unwrap().contains("CKA_LOCAL"), "{}", found.report);
    for key in ["ec-256", "ec-521", "rsa-4096"] {
        assert_eq!(found.trial("generate", Some(key)), ("failed".to_owned(), "the token did not keep CKA_LOCAL of a new key".to_owned()));
    }
    assert_eq!(found.trial("generate", Some("ed25519")).0, "lacking");
    // It decrypts, but with no key that signs as well, which is what a registration authority has.
    assert_eq!(found.trial("decrypt", Some("rsa-2048")).0, "done");
    let (outcome, because) = found.trial("registration_authority", Some("rsa-2048"));
    assert!(outcome == "lacking" && because.contains("KeyTypeInconsistent"), "{outcome}: {because}");
    let lacking = found.lacking();
    let scep = lacking.lines().find(|line| line.contains("SCEP")).unwrap_or_else(|| panic!("SCEP is not said to be lacking:\n{lacking}"));
    assert!(scep.contains("registration authorities") && scep.contains("KeyTypeInconsistent"), "{scep}");
    // Its 0x210A is key wrap with another padding, which only looks the same from outside.
    assert!(found.trial("wrap_pad", Some("ec-256")).1.contains("RFC 5649"), "{:?}", found.trial("wrap_pad", Some("ec-256")));
    assert_eq!(found.report["left_behind"], 0);
}

#[test]
fn nss_cannot_say_where_its_keys_come_from_and_is_told_so() {
    let scratch = TempDir::new().unwrap();
    let (database, _) = nss_database(&scratch);
    // NSS takes its parameters from C_Initialize alone, which the shim gives it.
    let shim = Shim::before(
        Path::new(NSS),
        &format!("reserved configdir='sql:{}' certPrefix='' keyPrefix='' secmod='secmod.db' flags=\n", database.display()),
    );
    let mut appliance = appliance_over(&scratch, &shim.module(), "NSS Certificate DB", "");
    for (key_type, key_size) in [("ec", 256), ("ec", 384), ("rsa", 2048)] {
        let (code, detail) = refusal(&appliance, key_type, Some(key_size));
        assert_eq!(code, "502 token_refused");
        assert!(detail.contains("CKA_LOCAL"), "{detail}");
    }
    assert_eq!(refusal(&appliance, "ed25519", None).0, "501 token_unsupported");
    assert!(appliance.stop());
    assert_eq!(shim.calls("C_GenerateKeyPair"), 4);
    assert_eq!(shim.calls("C_DestroyObject"), 6, "the keys that were made are gone");
}

#[test]
#[ignore = "needs the Kryoptic module that CHANCERY_TEST_KRYOPTIC names; `make portability` builds it"]
fn kryoptic_serves_rsa_and_ec() {
    let module = std::env::var_os("CHANCERY_TEST_KRYOPTIC").expect("CHANCERY_TEST_KRYOPTIC");
    let module = Path::new(&module);
    let scratch = TempDir::new().unwrap();
    let configuration = scratch.path().join("kryoptic.toml");
    let database = scratch.path().join("kryoptic.db");
    std::fs::write(&configuration, format!("[[slots]]\nslot = 1\ndbtype = \"sqlite\"\ndbargs = {:?}\n", database.display().to_string()))
        .unwrap();
    let tool = |arguments: &[&str]| {
        run(Command::new("pkcs11-tool").env("KRYOPTIC_CONF", &configuration).arg("--module").arg(module).args(arguments));
    };
    tool(&["--init-token", "--slot", "1", "--label", "other", "--so-pin", PIN]);
    tool(&["--token-label", "other", "--login", "--login-type", "so", "--so-pin", PIN, "--init-pin", "--pin", PIN]);
    let pin = scratch.path().join("pin");
    std::fs::File::options().write(true).create_new(true).mode(0o600).open(&pin).unwrap().write_all(PIN.as_bytes()).unwrap();
    let variable = format!("KRYOPTIC_CONF={}", configuration.display());
    let found = doctor::examine(module, &variable, &["--label", "other", "--pin-file", pin.to_str().unwrap()]);
    let has_edwards = found.trial("generate", Some("ed25519")).0 == "done";
    let found = if has_edwards { found.is(0, "good") } else { found.is(1, "lesser") };
    assert_eq!(found.lacking().lines().count(), usize::from(!has_edwards), "{}", found.lacking());
    for key in ["ec-256", "rsa-2048"] {
        assert_eq!((found.trial("wrap_pad", Some(key)).0.as_str(), found.trial("unwrap_kwp", Some(key)).0.as_str()), ("lacking", "done"));
    }
    assert_eq!(found.report["left_behind"], 0);

    let environment = format!("KRYOPTIC_CONF = {:?}", configuration.display().to_string());
    let mut appliance = appliance_over(&scratch, module, "other", &environment);
    for (key_type, key_size) in [("ec", 256), ("ec", 384), ("ec", 521), ("rsa", 2048), ("rsa", 3072), ("rsa", 4096)] {
        assert_issues(&appliance, key_type, key_size);
    }
    assert!(appliance.stop());
}

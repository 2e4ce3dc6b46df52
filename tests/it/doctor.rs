//! `chancery doctor token`: what it says of a good token, of lesser ones, and of modules that crash, hang or let nobody in.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chancery::token::softhsm;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::appliance::{Appliance, run};
use crate::faults::shim::Shim;
use crate::token_tool::softhsm;

const PIN: &str = "12345678";

/// A SoftHSM2 token, and whoever examines it.
struct Bench {
    dir: TempDir,
    module: PathBuf,
}

/// How an examination ended and what it said.
pub struct Outcome {
    code: i32,
    pub report: Value,
    notes: String,
    process: u32,
}

impl Bench {
    fn new(module: PathBuf) -> Self {
        let dir = TempDir::new().unwrap();
        let conf = softhsm::prepare(dir.path()).unwrap();
        let arguments = ["--init-token", "--free", "--label", "examined", "--so-pin", "87654321", "--pin", PIN];
        run(Command::new("softhsm2-util").env("SOFTHSM2_CONF", &conf).args(arguments));
        let bench = Self { dir, module };
        bench.set_pin(PIN, 0o600);
        bench
    }

    fn set_pin(&self, pin: &str, mode: u32) {
        std::fs::write(self.path("pin"), pin).unwrap();
        std::fs::set_permissions(self.path("pin"), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn examine(&self, arguments: &[&str]) -> Outcome {
        let variable = format!("SOFTHSM2_CONF={}", self.path("softhsm2.conf").display());
        examine(&self.module, &variable, arguments)
    }

    /// The same with the PIN.
    fn try_out(&self, arguments: &[&str]) -> Outcome {
        let pin = self.path("pin").display().to_string();
        self.examine(&[&["--label", "examined", "--pin-file", &pin], arguments].concat())
    }

    /// Every object in the token, by a tool we did not write.
    fn objects(&self) -> String {
        let mut command = Command::new("pkcs11-tool");
        command.env("SOFTHSM2_CONF", self.path("softhsm2.conf")).arg("--module").arg(softhsm());
        run(command.args(["--token-label", "examined", "--login", "--pin", PIN, "--list-objects"]))
    }
}

/// Examines a module that finds this variable in its environment.
pub fn examine(module: &Path, environment: &str, arguments: &[&str]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
    command.args(["doctor", "token", "--json", "--environment", environment, "--module"]).arg(module).args(arguments);
    examine_by(command)
}

/// Runs an examination as it was put together.
pub fn examine_by(mut command: Command) -> Outcome {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let process = child.id();
    let output = child.wait_with_output().unwrap();
    let notes = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_default();
    Outcome { code: output.status.code().unwrap_or_else(|| panic!("{}: {notes}", output.status)), report, notes, process }
}

impl Outcome {
    #[track_caller]
    pub fn is(self, code: i32, verdict: &str) -> Self {
        assert_eq!((self.code, self.report["verdict"].as_str()), (code, Some(verdict)), "{}\n{:#}", self.notes, self.report);
        self
    }

    /// How a trial ended, and what was said of it.
    #[track_caller]
    pub fn trial(&self, operation: &str, key: Option<&str>) -> (String, String) {
        let trials = self.report["trials"].as_array().unwrap();
        let is_meant = |trial: &&Value| trial["operation"] == operation && trial["key"].as_str() == key;
        let trial = trials.iter().find(is_meant).unwrap_or_else(|| panic!("no {operation} {key:?}: {:#}", self.report));
        (trial["outcome"].as_str().unwrap().to_owned(), trial["detail"].as_str().unwrap_or_default().to_owned())
    }

    /// What is lacking and why, a line each.
    pub fn lacking(&self) -> String {
        let lacking = self.report["lacking"].as_array().unwrap();
        lacking.iter().map(|lack| format!("{}: {}\n", lack["feature"].as_str().unwrap(), lack["because"].as_str().unwrap())).collect()
    }
}

#[test]
fn a_good_token_is_told_so_and_its_configuration_serves() {
    let mut appliance = Appliance::start();
    let ca = appliance.root("before", "ec", 256);
    appliance.role("before", &ca, json!({}));
    assert!(appliance.stop());
    let (pin, written) = (appliance.path("token.pin").display().to_string(), appliance.path("examined.toml").display().to_string());
    let variable = format!("SOFTHSM2_CONF={}", appliance.path("softhsm2.conf").display());
    let arguments = ["--label", "chancery-dev", "--pin-file", &pin, "--write", &written];
    let found = examine(&softhsm(), &variable, &arguments).is(0, "good");

    assert_eq!(found.report["module"]["manufacturer"], "SoftHSM");
    assert_eq!(found.report["token"]["label"], "chancery-dev");
    for key in ["ec-256", "ec-384", "ec-521", "ed25519", "rsa-2048", "rsa-3072", "rsa-4096"] {
        for operation in ["generate", "find", "sign", "destroy"] {
            assert_eq!(found.trial(operation, Some(key)).0, "done", "{operation} {key}");
        }
        let rates = found.report["rates"].as_array().unwrap().iter().filter(|rate| rate["key"] == key);
        let sessions: Vec<_> = rates.map(|rate| (rate["sessions"].as_u64(), rate["per_second"].as_f64() > Some(0.0))).collect();
        // And more where that makes a difference, as on a machine of many cores.
        assert!(sessions.starts_with(&[1, 2, 4, 8].map(|sessions| (Some(sessions), true))), "{key}: {sessions:?}");
        assert!(sessions.iter().all(|(_, is_fast)| *is_fast), "{key}: {sessions:?}");
    }
    for (operation, key) in
        [("export", "ec-256"), ("export", "rsa-2048"), ("import", "ec-256"), ("import", "rsa-2048"), ("registration_authority", "rsa-2048")]
    {
        assert_eq!(found.trial(operation, Some(key)).0, "done", "{operation} {key}");
    }
    // OAEP is had with SHA-1 alone, which is said and no lack: clients are told.
    assert_eq!(found.trial("registration_authority", Some("rsa-2048")).1, "PKCS #1 v1.5, OAEP with SHA-1");
    assert!(found.trial("sign_pss", Some("rsa-4096")).1.contains("rsa-pss-sha512"));
    for operation in ["random", "seal", "login_lost", "module_lost", "clean_up"] {
        assert_eq!(found.trial(operation, None).0, "done", "{operation}");
    }
    assert_eq!(found.trial("unwrap_pad", Some("rsa-2048")).0, "done");
    // SoftHSM 2.6.1 wraps no Ed25519 key; it is sealed instead, so no feature is lost.
    assert_eq!(found.trial("wrap_pad", Some("ed25519")).0, "failed");
    assert_eq!(found.report["left_behind"], 0);
    let wrap = found.report["mechanisms"].as_array().unwrap().iter().find(|mechanism| mechanism["number"] == "0x0000210B").unwrap();
    assert_eq!((wrap["name"].as_str(), wrap["is_present"].as_bool()), (Some("CKM_AES_KEY_WRAP_KWP"), Some(false)));
    assert!((2..=64).contains(&found.report["recommended_sessions"].as_u64().unwrap()));
    assert!(!found.report["configuration"].as_str().unwrap().contains("do not work"), "{}", found.report["configuration"]);

    // What it wrote is a worker's configuration, and what lay in the token before still signs.
    assert_eq!(std::fs::read_to_string(&written).unwrap(), found.report["configuration"].as_str().unwrap());
    std::fs::rename(&written, appliance.path("token.toml")).unwrap();
    let appliance = Appliance::start_in(appliance.dir());
    appliance.call("POST", "/v1/pki/issue/before", Some(json!({"common_name": "www.example.com"}))).expect(201);
    assert!(appliance.call_as(None, "GET", "/healthz", None).expect(200).get("key_faults").is_none());
}

#[test]
fn the_report_is_read_by_people_too() {
    let bench = Bench::new(softhsm());
    let mut command = Command::new(env!("CARGO_BIN_EXE_chancery"));
    command.args(["doctor", "token", "--slot-list", "--module"]).arg(&bench.module);
    command.arg("--environment").arg(format!("SOFTHSM2_CONF={}", bench.path("softhsm2.conf").display()));
    let list = run(&mut command);
    assert!(list.contains("SERIAL") && list.contains("examined") && list.contains("TOKEN_INITIALIZED"), "{list}");
    assert!(!list.contains("VERDICT"), "{list}");
}

#[test]
fn a_wrong_pin_is_tried_once_and_none_is_no_examination() {
    let shim = Shim::new();
    let bench = Bench::new(shim.module());
    let found = bench.examine(&["--label", "examined"]).is(1, "untried");
    assert_eq!((shim.calls("C_Login"), found.report["trials"].as_array().unwrap().len()), (0, 0));
    assert_ne!(u32::try_from(shim.last_process()).unwrap(), found.process, "the command line itself loaded the module");

    bench.set_pin("wrong", 0o600);
    let found = bench.try_out(&[]).is(2, "unusable");
    assert!(found.report["unusable_because"].as_str().unwrap().contains("refused the PIN"), "{}", found.report);
    assert_eq!(shim.calls("C_Login"), 1);
    assert!(!found.report.to_string().contains("wrong"), "{}", found.report);

    // A PIN that everybody can read is not read at all.
    bench.set_pin(PIN, 0o644);
    let found = bench.try_out(&[]);
    assert_eq!(found.code, 2);
    assert!(found.notes.contains("chmod 600"), "{}", found.notes);
    assert_eq!(shim.calls("C_Login"), 1);
}

#[test]
fn what_is_no_module_or_no_token_is_named() {
    let bench = Bench::new(PathBuf::from("/nowhere/module.so"));
    let found = bench.try_out(&[]).is(2, "unusable");
    assert!(found.report["unusable_because"].as_str().unwrap().contains("cannot be loaded"), "{}", found.report);

    let bench = Bench::new(softhsm());
    let found = bench.examine(&["--label", "another"]).is(2, "unusable");
    assert!(found.report["unusable_because"].as_str().unwrap().contains("no token of that label"), "{}", found.report);
    let found = examine(&bench.module, "LD_PRELOAD=/tmp/evil.so", &["--slot-list"]);
    assert!(found.code == 2 && found.notes.contains("LD_PRELOAD"), "{}", found.notes);
    // A file that is there is not overwritten, and that is said before anything is tried.
    std::fs::write(bench.path("there"), "kept").unwrap();
    let found = bench.try_out(&["--write", bench.path("there").to_str().unwrap()]);
    assert!(found.code == 2 && found.notes.contains("exists"), "{}", found.notes);
    assert_eq!(std::fs::read_to_string(bench.path("there")).unwrap(), "kept");
}

#[test]
fn a_module_that_crashes_or_hangs_in_one_thing_is_examined_in_the_others() {
    let shim = Shim::new();
    let bench = Bench::new(shim.module());
    shim.set("C_WrapKey always segfault\nC_EncryptInit always hang\n");
    let found = bench.try_out(&["--patience", "8s"]).is(1, "lesser");
    assert_eq!(found.trial("seal", None).0, "hung");
    let (outcome, detail) = found.trial("wrap_pad", Some("ec-256"));
    assert!(outcome == "crashed" && detail.contains("SIGSEGV"), "{outcome}: {detail}");
    for (operation, key) in [("sign", Some("rsa-4096")), ("decrypt", Some("rsa-2048")), ("login_lost", None), ("module_lost", None)] {
        assert_eq!(found.trial(operation, key).0, "done", "{operation}");
    }
    let lacking = found.lacking();
    assert!(lacking.contains("sealing") && lacking.contains("keeping EC private keys"), "{lacking}");
    // Also what the processes that ended so had made.
    assert_eq!(found.report["left_behind"], 0);
    shim.set("");
    assert!(!bench.objects().contains("chancery-doctor"), "{}", bench.objects());
}

#[test]
fn a_module_that_cannot_even_begin_is_reported_and_not_suffered() {
    let shim = Shim::new();
    let bench = Bench::new(shim.module());
    for (rule, wanted) in
        [("C_Initialize always abort\n", "SIGABRT"), ("C_Login always hang\n", "did not return"), ("C_Login always segfault\n", "SIGSEGV")]
    {
        shim.set(rule);
        let before = shim.calls("C_Login");
        let found = bench.try_out(&["--patience", "5s"]).is(2, "unusable");
        let because = found.report["unusable_because"].as_str().unwrap().to_owned();
        assert!(because.contains(wanted), "{rule}: {because}");
        assert!(shim.calls("C_Login") <= before + 1, "the PIN was sent more than once");
    }
}

#[test]
fn a_lesser_token_is_told_what_it_costs() {
    // Without Ed25519, AES-GCM and AES key wrap.
    let shim = Shim::before(&softhsm(), "lacks 0x1055\nlacks 0x1057\nlacks 0x1087\nlacks 0x210A\n");
    let bench = Bench::new(shim.module());
    let found = bench.try_out(&[]).is(1, "lesser");
    assert_eq!(found.trial("generate", Some("ed25519")).0, "lacking");
    let lacking = found.lacking();
    let configuration = found.report["configuration"].as_str().unwrap();
    for (feature, asked) in [
        ("authorities with ed25519 keys", "generate ed25519"),
        ("the ACME server", "seal "),
        ("secrets under /v1/secrets", "seal "),
        ("keeping RSA private keys of subjects", "wrap_kwp rsa-2048"),
        ("taking imported EC private keys of subjects", "import ec-256"),
    ] {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut lacks = found.report["lacking"].as_array().unwrap().iter();
        let lack = lacks.find(|lack| text(&lack["feature"]).contains(feature)).unwrap_or_else(|| panic!("no {feature} in\n{lacking}"));
        assert_eq!(format!("{} {}", text(&lack["operation"]), text(&lack["key"])), asked, "{lack}");
        // Who reads the file a year later is told as well.
        assert!(configuration.contains(&format!("# - {}\n#   because ", text(&lack["feature"]))), "{feature}:\n{configuration}");
    }
    assert!(toml::from_str::<toml::Table>(configuration).is_ok(), "{configuration}");
    assert!(!lacking.contains("authorities with ec-256 keys") && !lacking.contains("SCEP"), "{lacking}");
    let mechanisms = found.report["mechanisms"].as_array().unwrap();
    let absent: Vec<_> = mechanisms.iter().filter(|m| m["is_present"] == false).map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!(absent, ["CKM_EC_EDWARDS_KEY_PAIR_GEN", "CKM_EDDSA", "CKM_AES_GCM", "CKM_AES_KEY_WRAP_PAD", "CKM_AES_KEY_WRAP_KWP"]);

    // And one that makes no key of any authority.
    let shim = Shim::before(&softhsm(), "lacks 0x1055\nlacks 0x1040\nlacks 0x0\n");
    let bench = Bench::new(shim.module());
    let found = bench.try_out(&[]).is(2, "unusable");
    assert!(found.report["unusable_because"].as_str().unwrap().contains("MechanismInvalid"), "{}", found.report);
    assert!(found.report.get("configuration").is_none());
}

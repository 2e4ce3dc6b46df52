//! The shim: compiled for each test with a directory of its own, told what to do, asked what it did.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::appliance::{Appliance, run};
use crate::token_tool::softhsm;

/// The functions the shim wraps, in the order of its counts.
const LIST: &str = include_str!("../../shim/rules.h");
/// A PKCS#11 module that fails as it is told.
pub struct Shim {
    dir: TempDir,
}

impl Shim {
    /// In front of SoftHSM2.
    pub fn new() -> Self {
        Self::before(&softhsm(), "")
    }

    /// In front of another module, with further lines for its configuration.
    pub fn before(module: &Path, lines: &str) -> Self {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory for the shim");
        let shim = Self { dir };
        let path = |name| shim.path(name).display().to_string();
        let configuration =
            format!("module {}\ncontrol {}\ncounts {}\nlog {}\n{lines}", module.display(), path("control"), path("counts"), path("log"));
        std::fs::write(shim.path("shim.conf"), configuration).expect("the shim's configuration");
        // Mapped by whoever loads the shim; made here so that it can be read before that.
        std::fs::write(shim.path("counts"), vec![0; functions().len() * 16]).expect("the shim's counts");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shim");
        let mut compiler = Command::new("gcc");
        compiler.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-g", "-fPIC", "-shared", "-I/usr/include/p11-kit-1"]);
        compiler.arg(format!("-DSHIM_CONFIGURATION=\"{}\"", path("shim.conf")));
        compiler.args([sources.join("shim.c"), sources.join("rules.c")]).arg("-o").arg(shim.module());
        run(&mut compiler);
        shim
    }

    /// An appliance whose token is behind it, in a directory that may be used already.
    pub fn start(&self, dir: &Path) -> Appliance {
        Appliance::start_with(dir, |command| {
            command.arg("--module").arg(self.module());
        })
    }

    /// What a PKCS#11 program loads.
    pub fn module(&self) -> PathBuf {
        self.path("shim.so")
    }

    /// From the next call on it does this: rules in the shim's language, or nothing.
    pub fn set(&self, rules: &str) {
        std::fs::write(self.path("control.new"), rules).expect("the rules can be written");
        std::fs::rename(self.path("control.new"), self.path("control")).expect("the rules can be renamed");
    }

    /// How often a function was called, by all processes together.
    pub fn calls(&self, function: &str) -> u64 {
        self.count(function, 0)
    }

    /// How often a rule hit a call of the function.
    pub fn hits(&self, function: &str) -> u64 {
        self.count(function, 8)
    }

    /// How often a rule hit any call.
    pub fn all_hits(&self) -> u64 {
        functions().iter().map(|function| self.hits(function)).sum()
    }

    /// The last lines of its log, for the message of a failure.
    pub fn last_calls(&self, count: usize) -> String {
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    /// The process that called last.
    pub fn last_process(&self) -> i32 {
        let last = self.last_calls(1);
        last.split(' ').next().and_then(|number| number.parse().ok()).expect("a line of the log begins with the process")
    }

    fn count(&self, function: &str, offset: usize) -> u64 {
        let place = functions().iter().position(|name| *name == function).unwrap_or_else(|| panic!("the shim does not wrap {function}"));
        let counts = std::fs::read(self.path("counts")).expect("the shim's counts");
        let begin = place * 16 + offset;
        u64::from_ne_bytes(counts[begin..begin + 8].try_into().expect("eight bytes"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn functions() -> Vec<&'static str> {
    let list = LIST.split_once("#define FUNCTIONS(X)").and_then(|(_, rest)| rest.split_once("enum function")).expect("the list").0;
    list.split("X(").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

/// A token of its own for programs that are not the appliance.
struct Token<'a> {
    shim: &'a Shim,
    dir: TempDir,
}

impl<'a> Token<'a> {
    fn new(shim: &'a Shim) -> Self {
        let dir = TempDir::new().expect("a directory for the token");
        chancery::token::softhsm::prepare(dir.path()).expect("a configuration of SoftHSM2");
        let token = Self { shim, dir };
        run(token.command("softhsm2-util").args([
            "--init-token",
            "--free",
            "--label",
            "shim",
            "--so-pin",
            "87654321",
            "--pin",
            "12345678",
        ]));
        token
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.dir.path()).env("SOFTHSM2_CONF", self.dir.path().join("softhsm2.conf"));
        command
    }

    /// pkcs11-tool through the shim, logged in.
    fn tool(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("pkcs11-tool");
        command.arg("--module").arg(self.shim.module()).args(["--token-label", "shim", "--login", "--pin", "12345678"]).args(arguments);
        command
    }

    /// What pkcs11-tool says when it fails.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.tool(arguments).output().expect("pkcs11-tool starts");
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success(), "{arguments:?} should have failed: {said}");
        said
    }
}

#[test]
fn the_shim_forwards_and_fails_as_it_is_told() {
    use std::os::unix::process::ExitStatusExt;

    let shim = Shim::new();
    let token = Token::new(&shim);
    let make = ["--keypairgen", "--key-type", "EC:prime256v1", "--id", "01", "--label", "first", "--usage-sign"];
    let sign = ["--sign", "--mechanism", "ECDSA", "--signature-format", "openssl", "--id", "01", "-i", "digest", "-o", "signature"];
    let verifies = || {
        let mut command = token.command("openssl");
        command.args(["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "public", "-in", "digest", "-sigfile", "signature"]);
        command.output().expect("openssl starts").status.success()
    };
    std::fs::write(token.dir.path().join("digest"), [7; 32]).unwrap();

    // Without rules it is the module behind it.
    run(&mut token.tool(&make));
    run(&mut token.tool(&["--read-object", "--type", "pubkey", "--id", "01", "-o", "public"]));
    run(&mut token.tool(&sign));
    assert!(verifies());
    assert_eq!((shim.calls("C_GenerateKeyPair"), shim.all_hits()), (1, 0));

    // Codes before the call and after it.
    shim.set("C_Login always before 0xE0\n");
    assert!(token.refused(&sign).contains("C_Login failed: rv = CKR_TOKEN_NOT_PRESENT (0xe0)"), "{}", shim.last_calls(5));
    shim.set("C_SignInit always before 0x60\nC_Login always before 0xE0\n");
    assert!(token.refused(&sign).contains("CKR_TOKEN_NOT_PRESENT"), "both rules stand");
    let second = make.map(|argument| if argument == "01" { "02" } else { argument });
    shim.set("C_GenerateKeyPair always before 0x30\n");
    assert!(token.refused(&second).contains("CKR_DEVICE_ERROR"));
    let keys = || run(&mut token.tool(&["--list-objects", "--type", "privkey"])).matches("Private Key Object").count();
    assert_eq!(keys(), 1, "the call was not made");
    shim.set("C_GenerateKeyPair always after 0x30\n");
    assert!(token.refused(&second).contains("CKR_DEVICE_ERROR"));
    assert_eq!(keys(), 2, "the call was made");

    // One bit of the signature.
    shim.set("C_Sign always flip\n");
    run(&mut token.tool(&sign));
    assert!(!verifies());
    shim.set("");
    run(&mut token.tool(&sign));
    assert!(verifies());

    // Nothing is found, although the search succeeds.
    shim.set("C_FindObjects always empty\n");
    assert_eq!(keys(), 0);

    // Each second call, counted over processes: every run logs in once.
    shim.set("C_Login 1/2 before 0x06\n");
    let outcomes: Vec<bool> = (0..4).map(|_| token.tool(&["--list-objects"]).output().unwrap().status.success()).collect();
    assert!(outcomes == [true, false, true, false] || outcomes == [false, true, false, true], "{outcomes:?}");

    // A delay, and then the next rule.
    shim.set("C_Login always delay 700\nC_Login always before 0x30\n");
    let begun = std::time::Instant::now();
    assert!(token.refused(&sign).contains("CKR_DEVICE_ERROR"));
    assert!(begun.elapsed().as_millis() >= 700);

    // The ends of a process.
    for (rule, signal) in [("abort", 6), ("segfault", 11)] {
        shim.set(&format!("C_SignInit always {rule}\n"));
        assert_eq!(token.tool(&sign).output().unwrap().status.signal(), Some(signal), "{rule}");
    }
    shim.set("C_SignInit always hang\n");
    let mut hanging = token.tool(&sign).spawn().unwrap();
    let begun = std::time::Instant::now();
    let before = shim.hits("C_SignInit");
    while shim.hits("C_SignInit") == before {
        assert!(begun.elapsed().as_secs() < 30, "it never came to sign");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    shim.set("");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(hanging.try_wait().unwrap().is_none(), "it hangs also after the rule is gone");
    hanging.kill().unwrap();
    hanging.wait().unwrap();

    // What is not understood ends the program: a test must not go on as if its fault had happened.
    shim.set("C_Sign sometimes\n");
    assert_eq!(token.tool(&sign).output().unwrap().status.signal(), Some(6));
}

//! Somebody outside the appliance: keys, CSRs and verifications made with openssl in a directory of their own.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::appliance::run;

/// A directory with the files of one requester.
pub struct Requester(TempDir);

impl Requester {
    pub fn new() -> Self {
        Self(TempDir::new().expect("a directory for the requester"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Keeps a file; its name is given back for command lines.
    pub fn write<'a>(&self, name: &'a str, content: impl AsRef<[u8]>) -> &'a str {
        std::fs::write(self.path(name), content).expect("the file can be written");
        name
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("the file can be read")
    }

    /// A program in this directory.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.0.path()).args(arguments);
        command
    }

    /// What openssl says; it must succeed.
    #[track_caller]
    pub fn openssl(&self, arguments: &[&str]) -> String {
        run(&mut self.command("openssl", arguments))
    }

    /// What a program says of something it must refuse.
    #[track_caller]
    pub fn fails(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program, arguments).output().expect("the program starts");
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success(), "{program} {arguments:?} should have failed:\n{text}");
        text
    }

    /// A new key in this file: `rsa-2048`, `P-256`, `secp256k1`, `ed25519`.
    #[track_caller]
    pub fn key(&self, name: &str, kind: &str) {
        let bits = kind.strip_prefix("rsa-").map(|bits| format!("rsa_keygen_bits:{bits}"));
        let curve = format!("ec_paramgen_curve:{kind}");
        let options: &[&str] = match (&bits, kind) {
            (Some(bits), _) => &["-algorithm", "RSA", "-pkeyopt", bits],
            (None, "ed25519") => &["-algorithm", "ED25519"],
            (None, _) => &["-algorithm", "EC", "-pkeyopt", &curve],
        };
        self.openssl(&[&["genpkey", "-out", name], options].concat());
    }

    /// A CSR by the key in this file, for this subject (`/CN=…`), with these lines of openssl's extension language.
    #[track_caller]
    pub fn csr(&self, key: &str, subject: &str, extensions: &str) -> String {
        let section = if extensions.is_empty() { "" } else { "req_extensions = wanted\n" };
        let configuration =
            format!("[req]\ndistinguished_name = dn\nutf8 = yes\nstring_mask = utf8only\n{section}[dn]\n[wanted]\n{extensions}\n");
        self.write("csr.cnf", configuration);
        self.openssl(&["req", "-new", "-utf8", "-key", key, "-subj", subject, "-config", "csr.cnf", "-out", "csr.pem"]);
        self.read("csr.pem")
    }

    /// What openssl reads in a certificate.
    #[track_caller]
    pub fn certificate_text(&self, pem: &str) -> String {
        self.write("shown.pem", pem);
        self.openssl(&["x509", "-in", "shown.pem", "-noout", "-text"])
    }

    /// What openssl reads in a CRL.
    #[track_caller]
    pub fn crl_text(&self, pem: &str) -> String {
        self.write("shown.crl", pem);
        self.openssl(&["crl", "-in", "shown.crl", "-noout", "-text"])
    }

    /// That openssl follows the chain from this certificate to its root, the last of the chain, with every strictness it has.
    #[track_caller]
    pub fn verify(&self, certificate: &str, chain: &[&str]) {
        let (root, between) = chain.split_last().expect("a chain ends with its root");
        self.write("root.pem", root);
        self.write("between.pem", between.concat());
        self.write("leaf.pem", certificate);
        let untrusted: &[&str] = if between.is_empty() { &[] } else { &["-untrusted", "between.pem"] };
        self.openssl(&[&["verify", "-x509_strict", "-check_ss_sig", "-CAfile", "root.pem"], untrusted, &["leaf.pem"]].concat());
    }
}

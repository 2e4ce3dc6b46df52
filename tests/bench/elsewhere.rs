//! A token that works elsewhere, as one on the network does: each signature takes a while in which no core of this machine works for it. It is
//! SoftHSM2 behind the tests' shim, which waits before each C_Sign; what SoftHSM2 itself takes comes on top, and is this machine's.
//!
//! With `CHANCERY_BENCH_DELAY` the whole program measures such a token and the appliance behind it.

use std::path::{Path, PathBuf};
use std::process::Command;

use chancery::x509::algorithm::KeyType;

use crate::settings::{DELAY, Settings};

/// Where the shim is, once it is compiled.
pub const MODULE: &str = "CHANCERY_BENCH_MODULE";
/// How many sessions such a token is given.
pub const SESSIONS: usize = 8;
/// How long a signature takes elsewhere. With RSA so long that SoftHSM2's own part fits into this machine.
const SIGNED_AFTER: [(KeyType, u32); 2] = [(KeyType::P256, 2), (KeyType::Rsa2048, 5)];

/// Runs this program with such tokens.
pub fn measure(settings: &Settings) {
    let program = std::env::current_exe().expect("the path of this program");
    for (kind, delay) in SIGNED_AFTER.into_iter().filter(|(kind, _)| settings.kinds().contains(kind)) {
        for part in ["sign", "ocsp"] {
            println!("\nA token that takes {delay} ms elsewhere for a signature, {SESSIONS} sessions:");
            let mut command = Command::new(&program);
            command.env(DELAY, delay.to_string()).env("CHANCERY_BENCH_ONLY", part).env("CHANCERY_BENCH_KEY", kind.to_string());
            // With a token directory of its own.
            command.env_remove(chancery::token::softhsm::CONFIGURATION_VARIABLE);
            assert!(command.status().expect("this program again").success(), "the measurement failed");
        }
    }
}

/// Compiles the shim into a directory and tells it how long to wait.
pub fn shim(directory: &Path, delay: u32) -> PathBuf {
    let path = |name: &str| directory.join(name).display().to_string();
    let rules = format!("C_Sign always delay {delay}\n");
    std::fs::write(path("control"), rules).expect("the shim's rules");
    std::fs::write(path("shim.conf"), format!("module {}\ncontrol {}\n", crate::keys::SOFTHSM, path("control")))
        .expect("its configuration");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shim");
    let mut compiler = Command::new("gcc");
    compiler.args(["-std=c11", "-O2", "-fPIC", "-shared", "-I/usr/include/p11-kit-1"]);
    compiler.arg(format!("-DSHIM_CONFIGURATION=\"{}\"", path("shim.conf")));
    compiler.args([sources.join("shim.c"), sources.join("rules.c")]).arg("-o").arg(path("shim.so"));
    assert!(compiler.status().expect("gcc").success(), "the shim is compiled");
    path("shim.so").into()
}

/// The module that is measured instead of SoftHSM2 alone.
pub fn module() -> Option<PathBuf> {
    std::env::var_os(MODULE).map(PathBuf::from)
}

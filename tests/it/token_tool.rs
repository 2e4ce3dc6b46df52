//! The token of a development appliance, seen by a tool we did not write.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::appliance::run;

/// Where Debian and its relatives keep SoftHSM2's module.
const MODULES: [&str; 2] = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"];

/// SoftHSM2's own module, whatever the appliance has before it.
pub fn softhsm() -> PathBuf {
    MODULES.iter().map(PathBuf::from).find(|path| path.exists()).expect("SoftHSM2 is installed")
}

/// What pkcs11-tool says, logged in to the token of the appliance in this directory.
#[track_caller]
pub fn token_tool(dir: &Path, arguments: &[&str]) -> String {
    let pin = std::fs::read_to_string(dir.join("token.pin")).expect("the PIN");
    run(without_login(dir).args(["--login", "--pin", pin.trim()]).args(arguments))
}

/// The same for what everybody may see.
pub fn without_login(dir: &Path) -> Command {
    let mut command = Command::new("pkcs11-tool");
    command.env("SOFTHSM2_CONF", dir.join("softhsm2.conf")).arg("--module").arg(softhsm()).args(["--token-label", "chancery-dev"]);
    command
}

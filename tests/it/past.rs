//! The daemon at another time: libfaketime tells it a clock that is behind. What it made then is old when it starts again.

use std::path::Path;
use std::process::Command;

use crate::appliance::Appliance;

const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// An appliance in this directory that believes it was this many days ago. Timers go by the time since the start, which is left alone.
pub fn start_days_ago(dir: &Path, days: u32) -> Appliance {
    Appliance::start_with(dir, |command| behind(command, days))
}

fn behind(command: &mut Command, days: u32) {
    assert!(Path::new(LIBRARY).exists(), "the package libfaketime is installed");
    command.env("LD_PRELOAD", LIBRARY).env("FAKETIME", format!("-{days}d")).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    // The offset is read again every ten seconds otherwise, from an environment that the daemon has wiped by then; and the library's shared
    // memory is nothing that the sandbox lets it have.
    command.env("FAKETIME_CACHE_DURATION", "1000000").env("FAKETIME_DISABLE_SHM", "1");
}

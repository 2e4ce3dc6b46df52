//! `make bench`: what the token and the disk can do, and how near the appliance comes to it. Everything is printed from one run, because ratios of
//! numbers from different hours say nothing. Nothing here fails for being slow.
//!
//! `CHANCERY_BENCH_SECONDS=2` makes it short; `settings.rs` names the other variables.

mod acme;
mod boundary;
mod client;
mod crl;
mod daemon;
mod elsewhere;
mod keys;
mod list;
mod ocsp;
mod process;
mod raw;
mod requests;
mod settings;
mod sign;
mod start;
#[path = "../it/store.rs"]
mod store;
mod table;
mod waiting;

use std::process::{Command, ExitCode};

use chancery::token::softhsm;

use settings::{Part, Settings};

fn main() -> ExitCode {
    // SoftHSM2 takes the place of its tokens from the environment, which is set before the first thread by starting this program again.
    if std::env::var_os(softhsm::CONFIGURATION_VARIABLE).is_none() {
        return again();
    }
    let settings = Settings::read();
    table::heading(&settings);
    let keys = keys::make(&settings);
    let journal = raw::journal(&settings);
    if settings.wants(Part::Sign) {
        sign::measure(&settings, &keys, &journal);
    }
    if settings.wants(Part::Boundary) {
        boundary::measure(&settings, &keys);
    }
    if settings.wants(Part::Start) {
        start::measure(&settings);
    }
    if settings.wants(Part::List) {
        list::measure(&settings);
    }
    if settings.wants(Part::Ocsp) {
        ocsp::measure(&settings, &keys);
    }
    if settings.wants(Part::Crl) {
        crl::measure(&settings);
    }
    if settings.wants(Part::Acme) {
        acme::measure(&settings, &keys);
    }
    if settings.wants(Part::Waiting) {
        waiting::measure(&settings, &keys);
    }
    if settings.wants(Part::Elsewhere) && settings.delay.is_none() {
        elsewhere::measure(&settings);
    }
    ExitCode::SUCCESS
}

/// Runs this program with a token directory of its own.
fn again() -> ExitCode {
    let home = tempfile::tempdir().expect("a directory for the token");
    let configuration = softhsm::prepare(home.path()).expect("SoftHSM2's configuration");
    let program = std::env::current_exe().expect("the path of this program");
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).env(softhsm::CONFIGURATION_VARIABLE, configuration);
    if let Some(delay) = Settings::read().delay {
        command.env(elsewhere::MODULE, elsewhere::shim(home.path(), delay));
    }
    let status = command.status();
    if status.is_ok_and(|status| status.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

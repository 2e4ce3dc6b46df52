//! How soon an appliance with many certificates answers, and how much memory it takes then.

use std::time::Instant;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::daemon::{self, Daemon};
use crate::settings::Settings;
use crate::{process, requests, store, table};

pub fn measure(settings: &Settings) {
    let dir = daemon::directory();
    let daemon = Daemon::start(dir.path(), &[]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(daemon.make_role("start", "ec", 256));
    let csr = requests::csrs(1).remove(0);
    let issued = runtime.block_on(daemon.post("/v1/pki/sign/start", json!({ "csr_pem": csr })));
    daemon.end(Signal::SIGTERM);
    let model = issued["serial_number"].as_str().expect("a serial number");
    store::add_certificates(&dir.path().join("data"), model, settings.store);

    let mut rows = Vec::new();
    for (when, signal) in [("after a clean stop", Signal::SIGKILL), ("after a kill", Signal::SIGTERM)] {
        let begun = Instant::now();
        let daemon = Daemon::start(dir.path(), &[]);
        let took = begun.elapsed();
        let resident = process::resident_mib(daemon.process());
        rows.push(vec![when.to_owned(), format!("{:.2} s", took.as_secs_f64()), format!("{resident:.0} MiB")]);
        daemon.end(signal);
    }
    table::print(&format!("Starting with {} certificates", settings.store), &["when", "ready after", "resident"], &rows);
}

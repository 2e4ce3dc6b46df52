//! Ends the process when the module does not come back, and shows signs of life to whoever started it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use super::connection::Clients;
use crate::token::engine::calls::Calls;

const LOOK: Duration = Duration::from_millis(100);
/// A token that is away is no load, and is back soon enough.
const LOOK_FOR_TOKEN: Duration = Duration::from_secs(1);

/// Starts the thread that looks.
pub fn start(calls: Calls, clients: Arc<Clients>) -> std::io::Result<()> {
    let sign = sd_notify::watchdog_enabled().map(|within| within / 3);
    let watching = move || {
        let (mut signed, mut looked) = (Instant::now(), Instant::now());
        notify(NotifyState::Ready);
        loop {
            std::thread::sleep(LOOK);
            if let Some(limit) = calls.overdue() {
                end(limit);
            }
            clients.tell_state();
            if looked.elapsed() >= LOOK_FOR_TOKEN {
                looked = Instant::now();
                clients.look();
            }
            if sign.is_some_and(|sign| signed.elapsed() >= sign) {
                signed = Instant::now();
                notify(NotifyState::Watchdog);
            }
        }
    };
    std::thread::Builder::new().name("watchdog".to_owned()).spawn(watching)?;
    Ok(())
}

/// A thread that is in the module cannot be ended alone, and what it left there cannot be trusted: the process goes, without a core file and
/// without the module's own destructors, which could hang as well.
fn end(limit: Duration) {
    tracing::error!(seconds = limit.as_secs_f64(), "the PKCS#11 module did not return in time; the worker ends");
    std::process::abort();
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

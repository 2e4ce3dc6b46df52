//! A sign of life on waits over a second.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

const PATIENCE: Duration = Duration::from_secs(1);

/// Waits; after a second it shows what for, on standard error, when that is a terminal. Nothing of it remains.
pub(super) async fn shown<T>(doing: &'static str, terminal: bool, wait: impl Future<Output = T>) -> T {
    if !terminal {
        return wait.await;
    }
    let mut wait = std::pin::pin!(wait);
    if let Ok(done) = tokio::time::timeout(PATIENCE, wait.as_mut()).await {
        return done;
    }
    // What is shown is the whole wait, which began before there was anything to show.
    let spinner = ProgressBar::new_spinner().with_message(doing).with_elapsed(PATIENCE);
    spinner.set_style(ProgressStyle::with_template("{spinner} {msg} ({elapsed})").unwrap_or_else(|_| ProgressStyle::default_spinner()));
    spinner.enable_steady_tick(Duration::from_millis(120));
    let done = wait.await;
    spinner.finish_and_clear();
    done
}

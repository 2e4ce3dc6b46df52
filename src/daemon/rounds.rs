//! What the daemon does again and again beside serving, until it stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::ca::Pruned;
use crate::http::app::App;
use crate::http::server;

/// How often it is looked for what has ended at the ACME server, at most and at least.
const ACME_LOOK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
const HOUR: Duration = Duration::from_secs(3_600);
/// How often the OCSP responders are looked after.
const OCSP_LOOK: Duration = Duration::from_secs(5);

/// Goes on with the work until `stop` turns true. What is under way then is given up, as it may be by a crash, and done after the next start.
pub async fn until_stopped(work: impl Future<Output = ()>, mut stop: watch::Receiver<bool>) {
    tokio::select! {
        () = work => {}
        () = server::stopped(&mut stop) => {}
    }
}

/// Tells every hour which certificates have come near their end.
pub async fn tell_of_expiry(app: Arc<App>) {
    loop {
        match app.expiry.tell().await {
            Ok(0) => {}
            Ok(told) => tracing::info!(told, "certificates are about to end"),
            Err(error) => tracing::error!(%error, "which certificates are about to end cannot be told"),
        }
        tokio::time::sleep(HOUR).await;
    }
}

/// Forgets every hour the idempotency keys whose time is over.
pub async fn forget_idempotency_keys(app: Arc<App>) {
    loop {
        match app.idempotency.sweep().await {
            Ok(0) => {}
            Ok(forgotten) => tracing::debug!(forgotten, "idempotency keys whose time is over"),
            Err(error) => tracing::error!(%error, "the idempotency keys cannot be read"),
        }
        tokio::time::sleep(HOUR).await;
    }
}

/// Forgets every hour what no CRL and no restore needs any more of the revocations.
pub async fn prune_revocations(app: Arc<App>) {
    loop {
        match app.crls.prune().await {
            Ok(pruned) if pruned == Pruned::default() => {}
            Ok(Pruned { lines, bytes }) => tracing::info!(lines, bytes, "what is not needed any more of the log of revocations is gone"),
            Err(error) => tracing::error!(%error, "the log of revocations cannot be made smaller"),
        }
        tokio::time::sleep(HOUR).await;
    }
}

/// Takes up every minute what the ACME server had begun and nobody is at, and forgets what has ended there.
pub async fn keep_acme(app: Arc<App>) {
    let Some(server) = &app.acme else { return std::future::pending().await };
    let pause = server.settings().ended_kept.as_std().clamp(ACME_LOOK.0, ACME_LOOK.1);
    loop {
        match server.resume().await {
            Ok(0) => {}
            Ok(resumed) => tracing::info!(resumed, "orders and validations of ACME clients are taken up again"),
            Err(error) => tracing::error!(%error, "what the ACME server had begun cannot be read"),
        }
        tokio::time::sleep(pause).await;
        match server.sweep().await {
            Ok(0) => {}
            Ok(swept) => tracing::debug!(swept, "nonces, orders and authorizations whose time is over"),
            Err(error) => tracing::error!(%error, "what has ended at the ACME server cannot be forgotten"),
        }
    }
}

/// Sends to the webhooks what has happened.
pub async fn send_to_webhooks(app: Arc<App>) {
    app.webhooks.run().await;
}

/// Looks after the OCSP responders: they are replaced in time, their old keys destroyed, answers made ahead.
pub async fn keep_ocsp(app: Arc<App>) {
    loop {
        app.ocsp.maintain(2 * OCSP_LOOK.as_secs() as i64).await;
        tokio::time::sleep(OCSP_LOOK).await;
    }
}

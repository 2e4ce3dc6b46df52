//! The regular publication of CRLs: every authority's in its period, and again soon when the token was away.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::access::Caller;
use crate::http::app::App;
use crate::http::server;

/// How often it is looked at which CRLs are due; a failed one is tried again then.
const LOOK: Duration = Duration::from_secs(20);

/// Publishes what is due until `stop` turns true.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    loop {
        for ca in app.crls.due() {
            match app.crls.publish(ca, &Caller::system()).await {
                Ok(published) => tracing::info!(%ca, number = published.number, entries = published.entries, "a CRL was published"),
                Err(error) => tracing::error!(%ca, %error, "a CRL that is due was not published"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = server::stopped(&mut stop) => return,
        }
    }
}

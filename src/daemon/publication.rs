//! The regular publication of CRLs: every authority's in its period, and again soon when the token was away.

use std::sync::Arc;

use tokio::sync::watch;

use crate::http::app::App;
use crate::http::server;

/// Publishes what is due until `stop` turns true. A publication that waits for its token then is given up: a token that hangs must
/// not delay the end, and what a crash may do to a publication it may do as well.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let publishing = async {
        loop {
            publish_due(&app).await;
            app.crls.rest().await;
        }
    };
    tokio::select! {
        () = publishing => {}
        () = server::stopped(&mut stop) => {}
    }
}

async fn publish_due(app: &App) {
    for due in app.crls.due() {
        match app.crls.publish_due(&due).await {
            Ok(published) => {
                for crl in published {
                    tracing::info!(crl = %crl.name, number = crl.number, entries = crl.entries, "a CRL was published");
                }
            }
            Err(error) => tracing::error!(ca = %due.ca, %error, "a CRL that is due was not published"),
        }
    }
}

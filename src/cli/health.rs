//! `chancery health`.

use crate::api::admin::Health;

use super::failure::Failure;
use super::session::Session;
use super::table::Rows;

pub(super) async fn run(session: &mut Session<'_, '_>) -> Result<(), Failure> {
    let client = session.client.clone();
    let health = session.wait("asking for health", client.health()).await?;
    session.print(&health, details)?;
    match health.into_value().status {
        status if status == "ok" => Ok(()),
        status => Err(Failure::Unhealthy { status }),
    }
}

fn details(health: &Health) -> Rows {
    Rows::fields([
        ("status", Some(health.status.clone())),
        ("token", Some(health.token.clone())),
        ("storage", Some(health.storage.clone())),
        ("version", Some(health.version.clone())),
    ])
}

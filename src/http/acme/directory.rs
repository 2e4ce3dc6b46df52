//! The directory and nonces (RFC 8555, 7.1.1 and 7.2).

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::Desk;
use crate::api::acme as wire;
use crate::http::call::Call;
use crate::http::pki::present;
use crate::http::problem::Problem;

pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    let Desk { server, base, .. } = Desk::open(call)?;
    let settings = server.settings();
    let directory = wire::Directory {
        new_nonce: base.of("new-nonce"),
        new_account: base.of("new-account"),
        new_order: base.of("new-order"),
        revoke_cert: base.of("revoke-cert"),
        key_change: base.of("key-change"),
        renewal_info: base.of("renewal-info"),
        meta: wire::DirectoryMeta {
            terms_of_service: settings.terms_of_service.clone(),
            website: settings.website.clone(),
            caa_identities: settings.caa_identities.clone(),
            external_account_required: settings.external_account_required,
            profiles: server.profiles().into_iter().collect(),
        },
    };
    present::json(StatusCode::OK, &directory)
}

/// The nonce is put on the answer where all answers get theirs.
pub async fn head_nonce(call: Call) -> Result<Response<Body>, Problem> {
    Desk::open(call)?.server.ready().await?;
    Ok(Response::new(Body::empty()))
}

/// RFC 8555, 7.2: 204 to everything but HEAD.
pub async fn new_nonce(call: Call) -> Result<Response<Body>, Problem> {
    Desk::open(call)?.server.ready().await?;
    Ok(present::no_content())
}

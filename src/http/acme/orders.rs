//! Orders (RFC 8555, 7.4).

use axum::body::Body;
use axum::http::{Response, StatusCode, header};

use super::{Desk, present as shown};
use crate::acme_server::ShownOrder;
use crate::base::id::AcmeOrderId;
use crate::http::call::Call;
use crate::http::pki::present;
use crate::http::problem::Problem;

pub async fn create(call: Call) -> Result<Response<Body>, Problem> {
    let mut desk = Desk::open(call)?;
    let request = desk.account().await?;
    let order = desk.server.new_order(&request).await?;
    answer(&desk, StatusCode::CREATED, &order)
}

pub async fn show(call: Call) -> Result<Response<Body>, Problem> {
    let mut desk = Desk::open(call)?;
    let id = known(&desk)?;
    let request = desk.account().await?;
    let order = desk.server.show_order(&request, id)?;
    answer(&desk, StatusCode::OK, &order)
}

pub async fn finalize(call: Call) -> Result<Response<Body>, Problem> {
    let mut desk = Desk::open(call)?;
    let id = known(&desk)?;
    let request = desk.account().await?;
    let order = desk.server.finalize(&request, id).await?;
    answer(&desk, StatusCode::OK, &order)
}

fn known(desk: &Desk) -> Result<AcmeOrderId, Problem> {
    let id = desk.call.id("id", "order")?;
    if desk.server.has_order(id)? { Ok(id) } else { Err(Problem::not_found("order")) }
}

fn answer(desk: &Desk, status: StatusCode, order: &ShownOrder) -> Result<Response<Body>, Problem> {
    let response = present::json(status, &shown::order(order, &desk.server, &desk.base)?)?;
    let response = shown::with(response, header::LOCATION, &desk.base.order(order.order.id))?;
    if shown::is_under_way(order.status) {
        return shown::with(response, header::RETRY_AFTER, &shown::ASK_AGAIN_SECONDS.to_string());
    }
    Ok(response)
}

//! The routers, made from the table of routes.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::StatusCode;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::app::App;
use super::dispatch;
use super::problem::Problem;
use super::routes::{RELYING_PARTY_PATHS, ROUTES, Route, Side};

/// Every endpoint.
pub fn whole(app: &Arc<App>) -> Router {
    router(app, ROUTES.iter())
}

/// Every endpoint but those of administration, which are elsewhere then.
pub fn without_administration(app: &Arc<App>) -> Router {
    router(app, ROUTES.iter().filter(|route| route.side == Side::Service))
}

/// Only what relying parties fetch by the URLs in certificates.
pub fn relying_parties(app: &Arc<App>) -> Router {
    router(app, ROUTES.iter().filter(|route| RELYING_PARTY_PATHS.contains(&route.path)))
}

fn router(app: &Arc<App>, routes: impl Iterator<Item = &'static Route>) -> Router {
    let mut router = Router::new();
    for route in routes {
        router = router.route(route.path, endpoint(app.clone(), route));
        if route.is_acme() {
            // Some clients put URLs together themselves.
            router = router.route(&format!("{}/", route.path), endpoint(app.clone(), route));
        }
    }
    let (unknown, other_method) = (app.clone(), app.clone());
    router
        .fallback(move |request: Request<Body>| {
            let app = unknown.clone();
            let problem = Problem::new(StatusCode::NOT_FOUND, "no_such_endpoint", "There is no such endpoint.");
            async move { dispatch::unrouted(&app, request, problem).await }
        })
        .method_not_allowed_fallback(move |request: Request<Body>| {
            let app = other_method.clone();
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This path does not know this method.");
            async move { dispatch::unrouted(&app, request, problem).await }
        })
}

fn endpoint(app: Arc<App>, route: &'static Route) -> MethodRouter {
    let filter = MethodFilter::try_from(route.method.clone()).unwrap_or(MethodFilter::GET);
    on(filter, move |parameters: Result<RawPathParams, RawPathParamsRejection>, request: Request<Body>| {
        // A parameter that is no UTF-8 names nothing that exists, as one that is empty.
        let parameters = parameters.as_ref().map(RawPathParams::iter).into_iter().flatten();
        let path = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        dispatch::serve(app.clone(), route, path, request)
    })
}

//! The table of all endpoints. The router, the metrics and the tests over every endpoint are made from it.

use std::future::Future;
use std::pin::Pin;

use axum::body::Body;
use axum::http::{Method, Response};

use super::call::Call;
use super::limits::{BODY, CSR_BODY};
use super::problem::Problem;
use super::{admin, pki, public};
use crate::access::{Permission, Scope};

/// What a handler gives back.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Problem>> + Send>>;

/// One endpoint.
pub struct Route {
    pub method: Method,
    /// The path, parameters in braces.
    pub path: &'static str,
    pub permission: Permission,
    pub side: Side,
    /// The longest body, in bytes.
    pub body_limit: usize,
    pub handler: fn(Call) -> Answer,
}

/// Which listeners have an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Every listener of the API.
    Service,
    /// The admin listener and the break-glass socket alone, when there is one of them.
    Administration,
}

const PUBLIC: Permission = Permission::Public;
const READ: Permission = Permission::Scope(Scope::PkiRead);
const ISSUE: Permission = Permission::Scope(Scope::PkiIssue);
const ADMIN: Permission = Permission::Scope(Scope::PkiAdmin);
const HERE: Side = Side::Service;
const BACK: Side = Side::Administration;

macro_rules! routes {
    ($($method:ident $path:literal $permission:ident $side:ident $limit:ident $handler:path;)*) => {
        /// Every endpoint.
        pub static ROUTES: &[Route] = &[$(Route {
            method: Method::$method,
            path: $path,
            permission: $permission,
            side: $side,
            body_limit: $limit,
            handler: |call| Box::pin($handler(call)),
        },)*];
    };
}

routes! {
    GET    "/v1/pki/ca"                      ADMIN  HERE BODY     pki::authorities::list;
    POST   "/v1/pki/ca"                      ADMIN  HERE BODY     pki::authorities::create;
    GET    "/v1/pki/ca/{id}"                 READ   HERE BODY     pki::authorities::show;
    GET    "/v1/pki/ca/{id}/certificate"     PUBLIC HERE BODY     pki::authorities::certificate;
    POST   "/v1/pki/ca/{id}/revoke"          ADMIN  HERE BODY     pki::authorities::revoke;
    GET    "/v1/pki/ca/{id}/crl"             PUBLIC HERE BODY     pki::crl::current;
    POST   "/v1/pki/ca/{id}/crl"             ADMIN  HERE BODY     pki::crl::publish;
    GET    "/v1/pki/roles"                   READ   HERE BODY     pki::roles::list;
    POST   "/v1/pki/roles"                   ADMIN  HERE BODY     pki::roles::create;
    GET    "/v1/pki/roles/{name}"            READ   HERE BODY     pki::roles::show;
    PATCH  "/v1/pki/roles/{name}"            ADMIN  HERE BODY     pki::roles::update;
    DELETE "/v1/pki/roles/{name}"            ADMIN  HERE BODY     pki::roles::delete;
    POST   "/v1/pki/issue/{role}"            ISSUE  HERE BODY     pki::issue::issue;
    POST   "/v1/pki/sign/{role}"             ISSUE  HERE CSR_BODY pki::issue::sign;
    GET    "/v1/pki/certificates"            READ   HERE BODY     pki::certificates::list;
    GET    "/v1/pki/certificates/{id}"       READ   HERE BODY     pki::certificates::show;
    GET    "/v1/pki/certificates/{id}/pem"   READ   HERE BODY     pki::certificates::pem;
    PATCH  "/v1/pki/certificates/{id}"       ISSUE  HERE BODY     pki::certificates::update;
    POST   "/v1/pki/revoke"                  ADMIN  HERE BODY     pki::certificates::revoke;
    POST   "/v1/pki/certificates/validate"   READ   HERE BODY     pki::validation::validate;
    GET    "/v1/pki/trust-anchors"           READ   HERE BODY     pki::trust_anchors::list;
    POST   "/v1/pki/trust-anchors"           ADMIN  HERE BODY     pki::trust_anchors::create;
    GET    "/v1/pki/trust-anchors/{id}"      READ   HERE BODY     pki::trust_anchors::show;
    DELETE "/v1/pki/trust-anchors/{id}"      ADMIN  HERE BODY     pki::trust_anchors::delete;
    POST   "/v1/admin/tokens"                ADMIN  BACK BODY     admin::tokens::create;
    GET    "/v1/admin/tokens"                ADMIN  BACK BODY     admin::tokens::list;
    DELETE "/v1/admin/tokens/{id}"           ADMIN  BACK BODY     admin::tokens::revoke;
    GET    "/v1/admin/audit"                 ADMIN  BACK BODY     admin::audit::list;
    GET    "/crl/{file}"                     PUBLIC HERE BODY     pki::crl::by_file;
    GET    "/ca/{file}"                      PUBLIC HERE BODY     pki::authorities::by_file;
    GET    "/healthz"                        PUBLIC HERE BODY     public::health;
    GET    "/metrics"                        PUBLIC BACK BODY     public::metrics;
}

/// The endpoints whose URLs are written into certificates; the plain-HTTP listener serves these and nothing else
/// (RFC 5280, 4.2.1.13 and 8: fetching them over TLS could need the very answer that is fetched).
pub static RELYING_PARTY_PATHS: &[&str] = &["/crl/{file}", "/ca/{file}"];

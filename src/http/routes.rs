//! The table of all endpoints. The router, the metrics and the tests over every endpoint are made from it.

use std::future::Future;
use std::pin::Pin;

use axum::body::Body;
use axum::http::{Method, Response};

use super::call::Call;
use super::limits::{BODY, CSR_BODY};
use super::problem::Problem;
use super::{acme, admin, events, ocsp, openapi, pki, public, secrets, webhooks};
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

impl Route {
    /// Whether it changes nothing: a question of OCSP is one by POST as well (RFC 6960, A.1).
    pub fn only_reads(&self) -> bool {
        self.method == Method::GET || RELYING_PARTY_PATHS.contains(&self.path)
    }

    /// Whether it is one of the ACME server's, where a signature under the account's key stands for a token.
    pub fn is_acme(&self) -> bool {
        self.path.starts_with("/api/acme/")
    }
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
const CA_ADMIN: Permission = Permission::Scope(Scope::CaAdmin);
const ACCESS: Permission = Permission::Scope(Scope::AccessAdmin);
const SECRETS_LIST: Permission = Permission::Scope(Scope::SecretsList);
const SECRETS_WRITE: Permission = Permission::Scope(Scope::SecretsWrite);
const SYSTEM: Permission = Permission::Scope(Scope::System);
const CA_READ: Permission = Permission::Scope(Scope::CaRead);
const CA_WRITE: Permission = Permission::Scope(Scope::CaWrite);
const CREATE_CA: Permission = Permission::ScopeOrOn { scope: Scope::PkiAdmin, capability: Scope::CreateCa };
const CREATE_CERT: Permission = Permission::ScopeOrOn { scope: Scope::PkiIssue, capability: Scope::CreateCert };
const EXPORT_KEY: Permission = Permission::ScopeOrOn { scope: Scope::PkiIssue, capability: Scope::ExportPrivateKey };
const REVOKE_CERT: Permission = Permission::ScopeOrOn { scope: Scope::PkiAdmin, capability: Scope::RevokeCert };
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
    GET    "/v1/pki/ca"                       ADMIN       HERE BODY     pki::authorities::list;
    POST   "/v1/pki/ca"                       CREATE_CA   HERE BODY     pki::authorities::create;
    GET    "/v1/pki/ca/{id}"                  READ        HERE BODY     pki::authorities::show;
    PATCH  "/v1/pki/ca/{id}"                  ADMIN       HERE BODY     pki::authorities::update;
    GET    "/v1/pki/ca/{id}/certificate"      PUBLIC      HERE BODY     pki::authorities::certificate;
    POST   "/v1/pki/ca/{id}/revoke"           ADMIN       HERE BODY     pki::authorities::revoke;
    GET    "/v1/pki/ca/{id}/crl"              PUBLIC      HERE BODY     pki::crl::current;
    POST   "/v1/pki/ca/{id}/crl"              ADMIN       HERE BODY     pki::crl::publish;
    GET    "/v1/pki/roles"                    READ        HERE BODY     pki::roles::list;
    POST   "/v1/pki/roles"                    ADMIN       HERE BODY     pki::roles::create;
    GET    "/v1/pki/roles/{name}"             READ        HERE BODY     pki::roles::show;
    PATCH  "/v1/pki/roles/{name}"             ADMIN       HERE BODY     pki::roles::update;
    DELETE "/v1/pki/roles/{name}"             ADMIN       HERE BODY     pki::roles::delete;
    POST   "/v1/pki/issue/{role}"             CREATE_CERT HERE BODY     pki::issue::issue;
    POST   "/v1/pki/sign/{role}"              CREATE_CERT HERE CSR_BODY pki::sign::sign;
    GET    "/v1/pki/certificates"             READ        HERE BODY     pki::certificates::list;
    GET    "/v1/pki/certificates/{id}"        READ        HERE BODY     pki::certificates::show;
    GET    "/v1/pki/certificates/{id}/pem"    READ        HERE BODY     pki::certificates::pem;
    PATCH  "/v1/pki/certificates/{id}"        ISSUE       HERE BODY     pki::certificates::update;
    POST   "/v1/pki/certificates/{id}/private-key" EXPORT_KEY HERE BODY pki::private_key::retrieve;
    DELETE "/v1/pki/certificates/{id}/private-key" ADMIN HERE BODY      pki::private_key::destroy;
    DELETE "/v1/pki/certificates/{id}"        ADMIN       HERE BODY     pki::certificates::delete;
    POST   "/v1/pki/certificates/{id}/unrevoke" REVOKE_CERT HERE BODY   pki::certificates::unrevoke;
    POST   "/v1/pki/certificates/{id}/renew"  ISSUE       HERE CSR_BODY pki::renew::renew;
    POST   "/v1/pki/revoke"                   REVOKE_CERT HERE BODY     pki::certificates::revoke;
    POST   "/v1/pki/certificates/validate"    READ        HERE BODY     pki::validation::validate;
    POST   "/v1/pki/certificates/import"      ISSUE       HERE BODY     pki::import::import;
    GET    "/v1/pki/csr"                      READ        HERE BODY     pki::csr::list;
    POST   "/v1/pki/csr"                      ISSUE       HERE BODY     pki::csr::create;
    POST   "/v1/pki/csr/import"               ISSUE       HERE CSR_BODY pki::csr::import;
    GET    "/v1/pki/csr/{id}"                 READ        HERE BODY     pki::csr::show;
    POST   "/v1/pki/csr/{id}/approve"         ADMIN       HERE BODY     pki::csr::approve;
    POST   "/v1/pki/csr/{id}/reject"          ADMIN       HERE BODY     pki::csr::reject;
    POST   "/v1/pki/csr/{id}/sign"            ADMIN       HERE BODY     pki::csr::sign;
    DELETE "/v1/pki/csr/{id}"                 ADMIN       HERE BODY     pki::csr::delete;
    GET    "/v1/pki/trust-anchors"            READ        HERE BODY     pki::trust_anchors::list;
    POST   "/v1/pki/trust-anchors"            ADMIN       HERE BODY     pki::trust_anchors::create;
    GET    "/v1/pki/trust-anchors/{id}"       READ        HERE BODY     pki::trust_anchors::show;
    DELETE "/v1/pki/trust-anchors/{id}"       ADMIN       HERE BODY     pki::trust_anchors::delete;
    GET    "/v1/secrets"                      SECRETS_LIST  HERE BODY   secrets::list;
    GET    "/v1/secrets/{*path}"              SECRETS_LIST  HERE BODY   secrets::show;
    PUT    "/v1/secrets/{*path}"              SECRETS_WRITE HERE BODY   secrets::write;
    DELETE "/v1/secrets/{*path}"              SECRETS_WRITE HERE BODY   secrets::delete;
    GET    "/api/v1/ca/{id}/crl"              PUBLIC      HERE BODY     pki::crl::current_der;
    POST   "/api/v1/ca/{id}/crl/regenerate"   CA_ADMIN    HERE BODY     pki::crl::regenerate;
    POST   "/api/v1/organizations/{id}/acme-credentials" CA_WRITE HERE BODY acme::credentials::create;
    GET    "/api/v1/organizations/{id}/acme-credentials" CA_READ HERE BODY acme::credentials::list;
    DELETE "/api/v1/organizations/{id}/acme-credentials/{cred_id}" CA_WRITE HERE BODY acme::credentials::revoke;
    GET    "/api/v1/organizations/{id}/acme-accounts" CA_READ HERE BODY acme::administration::accounts;
    GET    "/api/v1/organizations/{id}/acme-accounts/{account_id}" CA_READ HERE BODY acme::administration::account;
    DELETE "/api/v1/organizations/{id}/acme-accounts/{account_id}" CA_WRITE HERE BODY acme::administration::deactivate;
    GET    "/api/v1/organizations/{id}/acme-incidents" CA_READ HERE BODY acme::administration::incidents;
    PUT    "/api/v1/organizations/{id}/acme-incidents/{affected_id}" CA_WRITE HERE BODY acme::administration::declare;
    DELETE "/api/v1/organizations/{id}/acme-incidents/{affected_id}" CA_WRITE HERE BODY acme::administration::end;
    GET    "/api/acme/directory"              PUBLIC      HERE BODY     acme::directory::show;
    HEAD   "/api/acme/new-nonce"              PUBLIC      HERE BODY     acme::directory::head_nonce;
    GET    "/api/acme/new-nonce"              PUBLIC      HERE BODY     acme::directory::new_nonce;
    POST   "/api/acme/new-nonce"              PUBLIC      HERE BODY     acme::directory::new_nonce;
    POST   "/api/acme/new-account"            PUBLIC      HERE CSR_BODY acme::accounts::create;
    POST   "/api/acme/account/{id}"           PUBLIC      HERE CSR_BODY acme::accounts::update;
    POST   "/api/acme/account/{id}/orders"    PUBLIC      HERE CSR_BODY acme::accounts::orders;
    POST   "/api/acme/key-change"             PUBLIC      HERE CSR_BODY acme::accounts::change_key;
    POST   "/api/acme/new-order"              PUBLIC      HERE CSR_BODY acme::orders::create;
    POST   "/api/acme/order/{id}"             PUBLIC      HERE CSR_BODY acme::orders::show;
    POST   "/api/acme/finalize/{id}"          PUBLIC      HERE CSR_BODY acme::orders::finalize;
    POST   "/api/acme/authz/{id}"             PUBLIC      HERE CSR_BODY acme::authorizations::update;
    POST   "/api/acme/challenge/{id}"         PUBLIC      HERE CSR_BODY acme::authorizations::answer;
    POST   "/api/acme/cert/{id}"              PUBLIC      HERE CSR_BODY acme::certificates::download;
    POST   "/api/acme/revoke-cert"            PUBLIC      HERE CSR_BODY acme::certificates::revoke;
    GET    "/api/acme/renewal-info/{id}"      PUBLIC      HERE BODY     acme::certificates::renewal_info;
    POST   "/v1/admin/organizations"          SYSTEM      BACK BODY     admin::organizations::create;
    GET    "/v1/admin/organizations"          ACCESS      BACK BODY     admin::organizations::list;
    GET    "/v1/admin/organizations/{id}"     ACCESS      BACK BODY     admin::organizations::show;
    PATCH  "/v1/admin/organizations/{id}"     ACCESS      BACK BODY     admin::organizations::update;
    DELETE "/v1/admin/organizations/{id}"     SYSTEM      BACK BODY     admin::organizations::delete;
    POST   "/v1/admin/projects"               ACCESS      BACK BODY     admin::projects::create;
    GET    "/v1/admin/projects"               ACCESS      BACK BODY     admin::projects::list;
    GET    "/v1/admin/projects/{id}"          ACCESS      BACK BODY     admin::projects::show;
    PATCH  "/v1/admin/projects/{id}"          ACCESS      BACK BODY     admin::projects::update;
    DELETE "/v1/admin/projects/{id}"          ACCESS      BACK BODY     admin::projects::delete;
    POST   "/v1/admin/users"                  ACCESS      BACK BODY     admin::users::create;
    GET    "/v1/admin/users"                  ACCESS      BACK BODY     admin::users::list;
    GET    "/v1/admin/users/{id}"             ACCESS      BACK BODY     admin::users::show;
    PATCH  "/v1/admin/users/{id}"             ACCESS      BACK BODY     admin::users::update;
    DELETE "/v1/admin/users/{id}"             ACCESS      BACK BODY     admin::users::delete;
    POST   "/v1/admin/tokens"                 ACCESS      BACK BODY     admin::tokens::create;
    GET    "/v1/admin/tokens"                 ACCESS      BACK BODY     admin::tokens::list;
    DELETE "/v1/admin/tokens/{id}"            ACCESS      BACK BODY     admin::tokens::revoke;
    GET    "/v1/admin/audit"                  ACCESS      BACK BODY     admin::audit::list;
    GET    "/v1/events"                       READ        HERE BODY     events::list;
    GET    "/v1/events/stream"                READ        HERE BODY     events::follow;
    GET    "/v1/webhooks"                     ADMIN       HERE BODY     webhooks::list;
    POST   "/v1/webhooks"                     ADMIN       HERE BODY     webhooks::create;
    GET    "/v1/webhooks/{id}"                ADMIN       HERE BODY     webhooks::show;
    PATCH  "/v1/webhooks/{id}"                ADMIN       HERE BODY     webhooks::update;
    DELETE "/v1/webhooks/{id}"                ADMIN       HERE BODY     webhooks::delete;
    POST   "/v1/webhooks/{id}/test"           ADMIN       HERE BODY     webhooks::test;
    GET    "/v1/webhooks/{id}/deliveries"     ADMIN       HERE BODY     webhooks::deliveries;
    GET    "/v1/openapi.json"                 PUBLIC      HERE BODY     openapi::show;
    GET    "/v1/docs"                         PUBLIC      HERE BODY     openapi::show_page;
    GET    "/crl/{file}"                      PUBLIC      HERE BODY     pki::crl::by_file;
    GET    "/ca/{file}"                       PUBLIC      HERE BODY     pki::authorities::by_file;
    GET    "/ocsp/{ca}/{*request}"            PUBLIC      HERE BODY     ocsp::by_path;
    POST   "/ocsp/{ca}"                       PUBLIC      HERE CSR_BODY ocsp::by_body;
    GET    "/healthz"                         PUBLIC      HERE BODY     public::health;
    GET    "/metrics"                         PUBLIC      BACK BODY     public::metrics;
}

/// The endpoints whose URLs are written into certificates; the plain-HTTP listener serves these and nothing else
/// (RFC 5280, 4.2.1.13 and 8: fetching them over TLS could need the very answer that is fetched).
pub static RELYING_PARTY_PATHS: &[&str] = &["/crl/{file}", "/ca/{file}", "/ocsp/{ca}", "/ocsp/{ca}/{*request}"];

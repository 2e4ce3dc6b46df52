//! What every endpoint takes and gives, in the order of the routes. A test holds that each route stands here once.

use super::operation::{Answer, Content, Operation, Parameter, of};
use crate::api::{acme, admin, crl, events, import, pki, secrets};

const LIMIT: Parameter = Parameter::integer("limit", "How many at most, 1 to 1000; 100 unless given.");
const CURSOR: Parameter = Parameter::text("cursor", "The `cursor` of the page before.");
const PAGED: &[Parameter] = &[LIMIT, CURSOR];
const ORGANIZATION: Parameter = Parameter::text("organization_id", "Another organization than the caller's; only with the scope `system`.");
const PAGED_BY_ORGANIZATION: &[Parameter] = &[ORGANIZATION, LIMIT, CURSOR];
const CERTIFICATE_FILTERS: &[Parameter] = &[
    Parameter::text("ca_id", "Only those of this authority."),
    Parameter::text("expiring_within", "Only those that end within this duration, such as `30d`."),
    Parameter::boolean("include_revoked", "Whether revoked ones are listed too; false unless given."),
    LIMIT,
    CURSOR,
];

const REQUEST_FILTERS: &[Parameter] = &[Parameter::text("status", "`pending`, `approved`, `rejected` or `signed`."), LIMIT, CURSOR];
const PREFIX: Parameter = Parameter::text("prefix", "Only those whose paths begin so.");
const PAGED_BY_PREFIX: &[Parameter] = &[PREFIX, LIMIT, CURSOR];
const SECRET: &[Parameter] = &[
    Parameter::integer("version", "Another value than the newest; only with the scope `secrets:read`."),
    Parameter::boolean("metadata_only", "Whether the value is left out, which is not read then; false unless given."),
];

const KIND: Parameter = Parameter::text("type", "Only such events: `certificate.issued`, or `certificate.*` for all of a kind.");
const AFTER: Parameter = Parameter::integer("after", "Only events behind that of this id.");
const EVENTS: &[Parameter] = &[KIND, AFTER, LIMIT, CURSOR];
const FOLLOWED: &[Parameter] = &[KIND, AFTER];

/// What a request that is signed can be refused with: 400 for what it says, 401 and 403 for who says it, 415 for what is no JWS.
const SIGNED: &[u16] = &[400, 401, 403, 404, 408, 413, 415, 421];
const SIGNED_AND_TAKEN: &[u16] = &[400, 401, 403, 404, 408, 409, 413, 415, 421];
const NOTHING: &[Answer] = &[Answer { status: 204, contents: &[] }];
const BEHIND: &[Parameter] = &[Parameter::text("after", "The order behind which the page begins.")];
const PAGES: &[Parameter] =
    &[Parameter::integer("page", "Which page, from 1."), Parameter::integer("per_page", "How many at most, 1 to 100; 100 unless given.")];

const CHAIN: Content = Content::Other { media_type: "application/pem-certificate-chain", is_text: true };
const PEM: Content = Content::Other { media_type: "application/x-pem-file", is_text: true };
const CERTIFICATE: Content = Content::Other { media_type: "application/pkix-cert", is_text: false };
const CRL: Content = Content::Other { media_type: "application/pkix-crl", is_text: false };
/// A stream is no one string.
const EVENT_STREAM: Content = Content::Other { media_type: "text/event-stream", is_text: false };
const OCSP_RESPONSE: Content = Content::Other { media_type: "application/ocsp-response", is_text: false };
const METRICS: Content = Content::Other { media_type: "application/openmetrics-text", is_text: true };
const PAGE_OF_TEXT: Content = Content::Other { media_type: "text/html", is_text: true };

const PART_OF_CRL: Answer = Answer { status: 206, contents: &[CRL] };
const NOT_MODIFIED: Answer = Answer { status: 304, contents: &[] };

/// A JSON answer of one status.
macro_rules! json {
    ($status:literal $type:ty) => {
        &[Answer { status: $status, contents: &[Content::Json(of::<$type>())] }]
    };
}

/// Every endpoint.
pub static OPERATIONS: &[Operation] = &[
    Operation::get("/v1/pki/ca", "Lists the authorities", json!(200 pki::Page<pki::Authority>)).query(PAGED),
    Operation::post("/v1/pki/ca", "Creates a root or an intermediate authority; its key is made in the token", json!(201 pki::Authority))
        .body::<pki::CreateAuthority>()
        .problems(&[404, 409, 501, 502]),
    Operation::get("/v1/pki/ca/{id}", "Shows one authority", json!(200 pki::Authority)),
    Operation::patch("/v1/pki/ca/{id}", "Changes how an authority's CRLs are made; what is left out stays", json!(200 pki::Authority))
        .body::<crl::UpdateAuthority>()
        .problems(&[409]),
    Operation::get(
        "/v1/pki/ca/{id}/certificate",
        "Gives an authority's certificate",
        &[Answer { status: 200, contents: &[Content::Json(of::<pki::AuthorityCertificate>()), PEM, CERTIFICATE] }],
    ),
    Operation::post("/v1/pki/ca/{id}/revoke", "Revokes an authority and with it everything below it", json!(200 pki::Authority))
        .optional_body::<pki::RevokeAuthority>()
        .problems(&[409]),
    Operation::get(
        "/v1/pki/ca/{id}/crl",
        "Gives an authority's current CRL",
        &[Answer { status: 200, contents: &[CRL, PEM] }, PART_OF_CRL, NOT_MODIFIED],
    )
    .problems(&[416]),
    Operation::post("/v1/pki/ca/{id}/crl", "Makes an authority's next CRL now", json!(200 pki::CrlPublished)).problems(&[409, 502]),
    Operation::get("/v1/pki/roles", "Lists the roles", json!(200 pki::Page<pki::Role>)).query(PAGED),
    Operation::post("/v1/pki/roles", "Creates a role", json!(201 pki::Role)).body::<pki::CreateRole>().problems(&[409]),
    Operation::get("/v1/pki/roles/{name}", "Shows one role", json!(200 pki::Role)),
    Operation::patch("/v1/pki/roles/{name}", "Changes a role; what is left out stays", json!(200 pki::Role))
        .body::<pki::UpdateRole>()
        .problems(&[409]),
    Operation::delete("/v1/pki/roles/{name}", "Deletes a role").problems(&[409]),
    Operation::post(
        "/v1/pki/issue/{role}",
        "Issues a certificate with a new key, which is returned this once",
        json!(201 pki::IssuedCertificate),
    )
    .body::<pki::Issue>()
    .problems(&[409, 502]),
    Operation::post("/v1/pki/sign/{role}", "Signs a certificate request without approval", json!(201 pki::IssuedCertificate))
        .body::<pki::Sign>()
        .problems(&[409, 502]),
    Operation::get("/v1/pki/certificates", "Lists the certificates", json!(200 pki::Page<pki::CertificateSummary>))
        .query(CERTIFICATE_FILTERS),
    Operation::get("/v1/pki/certificates/{id}", "Shows one certificate", json!(200 pki::Certificate)),
    Operation::get("/v1/pki/certificates/{id}/pem", "Gives a certificate in PEM", &[Answer { status: 200, contents: &[PEM] }]),
    Operation::patch("/v1/pki/certificates/{id}", "Changes tags or description", json!(200 pki::Certificate))
        .body::<pki::UpdateCertificate>()
        .problems(&[409]),
    Operation::post(
        "/v1/pki/certificates/{id}/private-key",
        "Gives the private key of a certificate, where its role had it kept",
        json!(200 pki::KeptPrivateKey),
    )
    .optional_body::<pki::RetrievePrivateKey>()
    .problems(&[409, 502]),
    Operation::delete(
        "/v1/pki/certificates/{id}/private-key",
        "Destroys the kept private key of a certificate; one that another certificate was renewed with stays for that one",
    )
    .problems(&[409]),
    Operation::delete(
        "/v1/pki/certificates/{id}",
        "Deletes a certificate that has expired, was revoked or was signed elsewhere, and its kept key, for good; a revocation stays on the CRL",
    )
    .problems(&[409]),
    Operation::post("/v1/pki/certificates/{id}/unrevoke", "Lifts the hold of a certificate", json!(200 pki::Certificate)).problems(&[409]),
    Operation::post(
        "/v1/pki/certificates/{id}/renew",
        "Issues a new certificate for the same subject and names; a new key is returned this once",
        json!(201 pki::IssuedCertificate),
    )
    .optional_body::<pki::Renew>()
    .problems(&[409, 502]),
    Operation::post("/v1/pki/revoke", "Revokes a certificate", json!(200 pki::Certificate)).body::<pki::Revoke>().problems(&[404, 409]),
    Operation::post("/v1/pki/certificates/validate", "Validates a certificate and its chain", json!(200 pki::Validation))
        .body::<pki::Validate>(),
    Operation::post(
        "/v1/pki/certificates/import",
        "Takes a certificate that was issued elsewhere into the inventory, with its private key and chain where they are given",
        json!(201 import::ImportedCertificate),
    )
    .body::<import::ImportCertificate>()
    .problems(&[409, 502]),
    Operation::get("/v1/pki/csr", "Lists the requests that a person decides about", json!(200 pki::Page<pki::SigningRequest>))
        .query(REQUEST_FILTERS),
    Operation::post("/v1/pki/csr", "Makes a key in the token and a request for it", json!(201 pki::SigningRequestDetails))
        .body::<pki::CreateSigningRequest>()
        .problems(&[409, 501, 502]),
    Operation::post("/v1/pki/csr/import", "Takes in a request from outside", json!(201 pki::SigningRequestDetails))
        .body::<pki::ImportSigningRequest>()
        .problems(&[409]),
    Operation::get("/v1/pki/csr/{id}", "Shows what a request asks for and what became of it", json!(200 pki::SigningRequestDetails)),
    Operation::post("/v1/pki/csr/{id}/approve", "Approves a pending request", json!(200 pki::SigningRequestDetails))
        .optional_body::<pki::ApproveSigningRequest>()
        .problems(&[409]),
    Operation::post("/v1/pki/csr/{id}/reject", "Rejects a pending request", json!(200 pki::SigningRequestDetails))
        .body::<pki::RejectSigningRequest>()
        .problems(&[409]),
    Operation::post("/v1/pki/csr/{id}/sign", "Signs an approved request", json!(201 pki::IssuedCertificate))
        .body::<pki::SignSigningRequest>()
        .problems(&[409, 502]),
    Operation::delete("/v1/pki/csr/{id}", "Deletes a request; the key of one that was made here and not signed is destroyed")
        .problems(&[409, 502]),
    Operation::get("/v1/pki/trust-anchors", "Lists the trust anchors", json!(200 pki::Page<pki::TrustAnchor>)).query(PAGED),
    Operation::post("/v1/pki/trust-anchors", "Registers the certificate of a CA elsewhere as a trust anchor", json!(201 pki::TrustAnchor))
        .body::<pki::CreateTrustAnchor>()
        .problems(&[409]),
    Operation::get("/v1/pki/trust-anchors/{id}", "Shows one trust anchor", json!(200 pki::TrustAnchor)),
    Operation::delete("/v1/pki/trust-anchors/{id}", "Deletes a trust anchor").problems(&[409]),
    Operation::get("/v1/secrets", "Lists the secrets, without their values", json!(200 pki::Page<secrets::SecretSummary>))
        .query(PAGED_BY_PREFIX),
    Operation::get(
        "/v1/secrets/{*path}",
        "Shows one secret, with its value to who holds `secrets:read`; the slashes of the path are written as they are",
        json!(200 secrets::Secret),
    )
    .query(SECRET),
    Operation::put(
        "/v1/secrets/{*path}",
        "Writes a new version of a secret; the last ten are kept",
        &[
            Answer { status: 200, contents: &[Content::Json(of::<secrets::Secret>())] },
            Answer { status: 201, contents: &[Content::Json(of::<secrets::Secret>())] },
        ],
    )
    .body::<secrets::WriteSecret>()
    .problems(&[409, 502]),
    Operation::delete("/v1/secrets/{*path}", "Destroys a secret with all its versions").problems(&[409]),
    Operation::get(
        "/api/v1/ca/{id}/crl",
        "Gives an authority's current CRL",
        &[Answer { status: 200, contents: &[CRL] }, PART_OF_CRL, NOT_MODIFIED],
    )
    .problems(&[416]),
    Operation::post("/api/v1/ca/{id}/crl/regenerate", "Makes an authority's next full or delta CRL now", json!(200 crl::RegeneratedCrl))
        .body::<crl::RegenerateCrl>()
        .problems(&[409, 502]),
    Operation::post(
        "/api/v1/organizations/{id}/acme-credentials",
        "Makes a credential that binds ACME accounts to an organization; its HMAC key is shown this once",
        json!(201 acme::NewCredential),
    )
    .body::<acme::CreateCredential>()
    .problems(&[409, 502]),
    Operation::get("/api/v1/organizations/{id}/acme-credentials", "Lists the ACME credentials, without keys", json!(200 acme::NumberedPage<acme::Credential>))
        .query(PAGES)
        .problems(&[409]),
    Operation::delete("/api/v1/organizations/{id}/acme-credentials/{cred_id}", "Revokes an ACME credential, and stops its accounts")
        .problems(&[409]),
    Operation::get("/api/v1/organizations/{id}/acme-accounts", "Lists the ACME accounts of an organization", json!(200 acme::NumberedPage<acme::ManagedAccount>))
        .query(PAGES)
        .problems(&[409]),
    Operation::get("/api/v1/organizations/{id}/acme-accounts/{account_id}", "Shows an ACME account", json!(200 acme::ManagedAccount))
        .problems(&[409]),
    Operation::delete("/api/v1/organizations/{id}/acme-accounts/{account_id}", "Deactivates an ACME account, for good").problems(&[409]),
    Operation::get("/api/v1/organizations/{id}/acme-incidents", "Lists what ACME clients are told to replace now", json!(200 acme::NumberedPage<acme::Incident>))
        .query(PAGES)
        .problems(&[409]),
    Operation::put(
        "/api/v1/organizations/{id}/acme-incidents/{affected_id}",
        "Has ACME clients told to replace a certificate now, or all that an authority has issued until now (RFC 9773, 4.2)",
        json!(200 acme::Incident),
    )
    .body::<acme::DeclareIncident>()
    .problems(&[409]),
    Operation::delete(
        "/api/v1/organizations/{id}/acme-incidents/{affected_id}",
        "Has ACME clients told no more to replace what was affected",
    )
    .problems(&[409]),
    Operation::get("/api/acme/directory", "Gives the directory of the ACME server (RFC 8555, 7.1.1)", json!(200 acme::Directory))
        .problems(&[404, 421]),
    Operation::head("/api/acme/new-nonce", "Gives a nonce (RFC 8555, 7.2)", &[Answer { status: 200, contents: &[] }]).problems(&[404, 421]),
    Operation::get("/api/acme/new-nonce", "Gives a nonce (RFC 8555, 7.2)", NOTHING).problems(&[404, 421]),
    Operation::post("/api/acme/new-nonce", "Gives a nonce (RFC 8555, 7.2)", NOTHING).problems(&[404, 421]),
    Operation::post(
        "/api/acme/new-account",
        "Makes an account, or finds it by its key (RFC 8555, 7.3)",
        &[
            Answer { status: 200, contents: &[Content::Json(of::<acme::Account>())] },
            Answer { status: 201, contents: &[Content::Json(of::<acme::Account>())] },
        ],
    )
    .problems(SIGNED),
    Operation::post(
        "/api/acme/account/{id}",
        "Shows, changes or deactivates an account (RFC 8555, 7.3.2 and 7.3.6)",
        json!(200 acme::Account),
    )
    .problems(SIGNED),
    Operation::post("/api/acme/account/{id}/orders", "Lists the orders of an account (RFC 8555, 7.1.2.1)", json!(200 acme::Orders))
        .query(BEHIND)
        .problems(SIGNED),
    Operation::post("/api/acme/key-change", "Gives an account another key (RFC 8555, 7.3.5)", json!(200 acme::Account))
        .problems(SIGNED_AND_TAKEN),
    Operation::post("/api/acme/new-order", "Orders a certificate (RFC 8555, 7.4)", json!(201 acme::Order)).problems(SIGNED_AND_TAKEN),
    Operation::post("/api/acme/order/{id}", "Shows an order (RFC 8555, 7.4)", json!(200 acme::Order)).problems(SIGNED),
    Operation::post("/api/acme/finalize/{id}", "Has an order issued for a CSR (RFC 8555, 7.4)", json!(200 acme::Order)).problems(SIGNED),
    Operation::post(
        "/api/acme/authz/{id}",
        "Shows an authorization, or gives it up (RFC 8555, 7.5)",
        json!(200 acme::Authorization),
    )
    .problems(SIGNED),
    Operation::post("/api/acme/challenge/{id}", "Has a challenge validated, or shows it (RFC 8555, 7.5.1)", json!(200 acme::Challenge))
        .problems(SIGNED),
    Operation::post(
        "/api/acme/cert/{id}",
        "Gives a certificate with its chain (RFC 8555, 7.4.2)",
        &[Answer { status: 200, contents: &[CHAIN] }],
    )
    .problems(SIGNED),
    Operation::post("/api/acme/revoke-cert", "Revokes a certificate (RFC 8555, 7.6)", &[Answer { status: 200, contents: &[] }])
        .problems(SIGNED),
    Operation::get(
        "/api/acme/renewal-info/{id}",
        "Says when a certificate is best renewed (RFC 9773)",
        json!(200 acme::RenewalInfo),
    )
    .problems(&[421]),
    Operation::post("/v1/admin/organizations", "Makes an organization", json!(201 admin::Organization))
        .body::<admin::CreateOrganization>()
        .problems(&[409]),
    Operation::get("/v1/admin/organizations", "Lists the organizations the caller may know of", json!(200 pki::Page<admin::Organization>))
        .query(PAGED),
    Operation::get("/v1/admin/organizations/{id}", "Shows one organization", json!(200 admin::Organization)),
    Operation::patch("/v1/admin/organizations/{id}", "Changes an organization; what is left out stays", json!(200 admin::Organization))
        .body::<admin::UpdateOrganization>()
        .problems(&[409]),
    Operation::delete("/v1/admin/organizations/{id}", "Deletes an organization that owns nothing but projects, users and tokens")
        .problems(&[409]),
    Operation::post("/v1/admin/projects", "Makes a project", json!(201 admin::Project)).body::<admin::CreateProject>().problems(&[409]),
    Operation::get("/v1/admin/projects", "Lists the projects of an organization", json!(200 pki::Page<admin::Project>))
        .query(PAGED_BY_ORGANIZATION),
    Operation::get("/v1/admin/projects/{id}", "Shows one project", json!(200 admin::Project)),
    Operation::patch("/v1/admin/projects/{id}", "Changes a project; what is left out stays", json!(200 admin::Project))
        .body::<admin::UpdateProject>()
        .problems(&[409]),
    Operation::delete("/v1/admin/projects/{id}", "Deletes a project and its tokens").problems(&[409]),
    Operation::post("/v1/admin/users", "Makes a user", json!(201 admin::User)).body::<admin::CreateUser>().problems(&[409]),
    Operation::get("/v1/admin/users", "Lists the users of an organization", json!(200 pki::Page<admin::User>)).query(PAGED_BY_ORGANIZATION),
    Operation::get("/v1/admin/users/{id}", "Shows one user", json!(200 admin::User)),
    Operation::patch("/v1/admin/users/{id}", "Changes a user; what is left out stays", json!(200 admin::User))
        .body::<admin::UpdateUser>()
        .problems(&[409]),
    Operation::delete("/v1/admin/users/{id}", "Deletes a user and its tokens").problems(&[409]),
    Operation::post("/v1/admin/tokens", "Makes an API token; its secret is shown this once", json!(201 admin::CreatedToken))
        .body::<admin::CreateToken>()
        .problems(&[409]),
    Operation::get("/v1/admin/tokens", "Lists the API tokens, without secrets", json!(200 pki::Page<admin::Token>))
        .query(PAGED_BY_ORGANIZATION),
    Operation::delete("/v1/admin/tokens/{id}", "Revokes an API token").problems(&[409]),
    Operation::get(
        "/v1/admin/audit",
        "Lists the organization's part of the audit trail, oldest first; all of it with the scope `system`",
        json!(200 pki::Page<admin::AuditEntry>),
    )
    .query(PAGED),
    Operation::get("/v1/events", "Lists what has happened, oldest first, as CloudEvents", json!(200 pki::Page<events::CloudEvent>))
        .query(EVENTS),
    Operation::get(
        "/v1/events/stream",
        "Follows what happens, as server-sent events of the same form",
        &[Answer { status: 200, contents: &[EVENT_STREAM] }],
    )
    .query(FOLLOWED),
    Operation::get("/v1/webhooks", "Lists the webhooks", json!(200 pki::Page<events::Webhook>)).query(PAGED),
    Operation::post("/v1/webhooks", "Makes a webhook; its secret is told this once", json!(201 events::NewWebhook))
        .body::<events::CreateWebhook>()
        .problems(&[409]),
    Operation::get("/v1/webhooks/{id}", "Shows one webhook and how far it is", json!(200 events::Webhook)),
    Operation::patch("/v1/webhooks/{id}", "Changes a webhook; what is left out stays", json!(200 events::Webhook))
        .body::<events::UpdateWebhook>()
        .problems(&[409]),
    Operation::delete("/v1/webhooks/{id}", "Deletes a webhook; what was not sent is not sent any more").problems(&[409]),
    Operation::post("/v1/webhooks/{id}/test", "Sends a message that tells of nothing, once", json!(200 events::WebhookTest)),
    Operation::get(
        "/v1/webhooks/{id}/deliveries",
        "Lists what became of the last 1,000 events, newest first",
        json!(200 pki::Page<events::WebhookDelivery>),
    )
    .query(PAGED),
    Operation::get("/v1/openapi.json", "Gives this document", json!(200 serde_json::Map<String, serde_json::Value>)),
    Operation::get("/v1/docs", "Shows this document as a page", &[Answer { status: 200, contents: &[PAGE_OF_TEXT] }]),
    Operation::get(
        "/crl/{file}",
        "Gives the CRL whose URL stands in certificates: `{ca id}.crl`; of divided ones `{ca id}-{number}.crl` and `{ca id}-ca.crl`; delta \
         CRLs have `-delta` before the end; the authority's name does for its id, and `.crl` may be left out",
        &[Answer { status: 200, contents: &[CRL] }, PART_OF_CRL, NOT_MODIFIED],
    )
    .problems(&[416]),
    Operation::get(
        "/ca/{file}",
        "Gives the authority's certificate whose URL stands in certificates: `{ca id}.crt`",
        &[Answer { status: 200, contents: &[CERTIFICATE] }],
    ),
    Operation::get(
        "/ocsp/{ca}/{*request}",
        "Answers an OCSP request that stands in the path, in base64 (RFC 6960, A.1)",
        &[Answer { status: 200, contents: &[OCSP_RESPONSE] }, NOT_MODIFIED],
    ),
    Operation::post("/ocsp/{ca}", "Answers an OCSP request (RFC 6960)", &[Answer { status: 200, contents: &[OCSP_RESPONSE] }]),
    Operation::get("/healthz", "Says whether the appliance can sign and write; 503 with the same body when not", json!(200 admin::Health)),
    Operation::get("/metrics", "Gives the metrics as Prometheus reads them", &[Answer { status: 200, contents: &[METRICS] }]),
];

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::api::admin::{CreateOrganization, CreateProject, CreateToken, CreateUser, UpdateOrganization, UpdateProject, UpdateUser};
use crate::api::pki::{
    ApproveSigningRequest, CreateAuthority, CreateRole, CreateSigningRequest, ImportSigningRequest, Issue, RejectSigningRequest, Renew,
    Revoke, RevokeAuthority, Sign, SignSigningRequest, UpdateCertificate, UpdateRole,
};
use crate::base::secret::ExposeSecret;

use super::endpoint::Base;
use super::scripted::{Reaction, Scripted};
use super::*;

const TOKEN: &str = "chy_a-token-of-tests";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\\nc2VjcmV0\\n-----END PRIVATE KEY-----\\n";
const EMPTY_PAGE: &str = r#"{"data":[],"cursor":null,"has_more":false}"#;

fn client(server: &Scripted) -> Client {
    Client::new(Endpoint { base_url: server.url(), ca_file: None, token: Some(TOKEN.into()) }).unwrap()
}

fn issued() -> String {
    format!(r#"{{"id":"cert_1","certificate":"C","private_key":"{KEY}","ca_chain":[],"serial_number":"1A","not_after":"T","new":1}}"#)
}

#[test]
fn a_base_url_is_a_scheme_and_a_host() {
    for (given, shown) in [
        ("https://ca.example.com", "https://ca.example.com"),
        ("https://ca.example.com:8443/", "https://ca.example.com:8443"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1:80"),
        ("http://localhost", "http://localhost"),
        ("http://[::1]", "http://[::1]"),
    ] {
        assert_eq!(Base::parse(given).unwrap().to_string(), shown);
    }
    for bad in
        ["", "ca.example.com", "/x", "ftp://localhost", "https://h/path", "https://h?q", "https://h#f", "https://", "https://h:x", "h:1"]
    {
        assert!(matches!(Base::parse(bad), Err(EndpointFault::NotABaseUrl { .. })), "{bad}");
    }
    for clear in ["http://10.0.0.1", "http://localhost.example.com", "http://127.0.0.1.example.com"] {
        assert!(matches!(Base::parse(clear), Err(EndpointFault::InTheClear { .. })), "{clear}");
    }
    for bad in ["https://me:hunter2@host", "me:hunter2@host", "https://me:hunter2@host/x y"] {
        let fault = Base::parse(bad).unwrap_err();
        assert!(!format!("{fault} {fault:?}").contains("hunter2"), "{fault:?}");
    }
}

#[test]
fn a_token_that_is_none_is_refused_and_not_shown() {
    for token in ["", "two words", "line\n", "ü"] {
        let endpoint = Endpoint { base_url: "http://127.0.0.1:1".into(), ca_file: None, token: Some(token.into()) };
        assert!(matches!(Client::new(endpoint), Err(ClientError::Endpoint(EndpointFault::TokenForm))), "{token}");
    }
    let endpoint = Endpoint { base_url: "http://127.0.0.1:1".into(), ca_file: None, token: Some(TOKEN.into()) };
    assert!(!format!("{endpoint:?}").contains(TOKEN));
    assert!(!format!("{:?}", Client::new(endpoint).unwrap()).contains(TOKEN));
}

#[tokio::test]
async fn every_endpoint_is_asked_for_as_the_api_has_it() {
    // The answers are no good, and need not be: what is asked for is what is looked at.
    let server = Scripted::start((0..40).map(|_| Reaction::json(200, "{}")).collect());
    let c = client(&server);
    let _ = c.authorities(None).await;
    let _ = c.authorities(Some("a&b")).await;
    let _ = c.create_authority(&CreateAuthority::default()).await;
    let _ = c.authority("ca_1").await;
    let _ = c.authority_certificate("ca_1").await;
    let _ = c.revoke_authority("ca_1", &RevokeAuthority::default()).await;
    let _ = c.crl("ca_1", CrlForm::Der).await;
    let _ = c.publish_crl("ca_1").await;
    let _ = c.roles(None).await;
    let _ = c.create_role(&CreateRole::default()).await;
    let _ = c.role("../x").await;
    let _ = c.update_role("web", &UpdateRole::default()).await;
    let _ = c.delete_role("web").await;
    let _ = c.issue("web", &Issue::default()).await;
    let _ = c.sign("web", &Sign::default()).await;
    let _ = c.certificates(&CertificateFilter::default()).await;
    let filter = CertificateFilter {
        ca_id: Some("ca_1".into()),
        expiring_within: Some("30d".into()),
        include_revoked: Some(true),
        limit: Some(7),
        cursor: Some("x=".into()),
    };
    let _ = c.certificates(&filter).await;
    let _ = c.certificate("cert_1").await;
    let _ = c.certificate_pem("cert_1").await;
    let _ = c.update_certificate("cert_1", &UpdateCertificate::default()).await;
    let _ = c.revoke(&Revoke::default()).await;
    let _ = c.renew("cert_1", &Renew::default()).await;
    let _ = c.signing_requests(Some("pending"), None).await;
    let _ = c.create_signing_request(&CreateSigningRequest::default()).await;
    let _ = c.import_signing_request(&ImportSigningRequest::default()).await;
    let _ = c.signing_request("csr_1").await;
    let _ = c.approve_signing_request("csr_1", &ApproveSigningRequest::default()).await;
    let _ = c.reject_signing_request("csr_1", &RejectSigningRequest::default()).await;
    let _ = c.sign_signing_request("csr_1", &SignSigningRequest::default()).await;
    let _ = c.delete_signing_request("csr_1").await;
    let _ = c.create_token(&CreateToken::default()).await;
    let _ = c.tokens(None, None).await;
    let _ = c.tokens(Some("org_1"), Some("c")).await;
    let _ = c.delete_token("tok_1").await;
    let _ = c.audit(Some(5), Some("c")).await;
    let _ = c.health().await;
    let _ = c.metrics().await;
    assert_eq!(
        server.lines(),
        [
            "GET /v1/pki/ca",
            "GET /v1/pki/ca?cursor=a%26b",
            "POST /v1/pki/ca",
            "GET /v1/pki/ca/ca_1",
            "GET /v1/pki/ca/ca_1/certificate",
            "POST /v1/pki/ca/ca_1/revoke",
            "GET /v1/pki/ca/ca_1/crl",
            "POST /v1/pki/ca/ca_1/crl",
            "GET /v1/pki/roles",
            "POST /v1/pki/roles",
            "GET /v1/pki/roles/..%2Fx",
            "PATCH /v1/pki/roles/web",
            "DELETE /v1/pki/roles/web",
            "POST /v1/pki/issue/web",
            "POST /v1/pki/sign/web",
            "GET /v1/pki/certificates",
            "GET /v1/pki/certificates?ca_id=ca_1&expiring_within=30d&include_revoked=true&limit=7&cursor=x%3D",
            "GET /v1/pki/certificates/cert_1",
            "GET /v1/pki/certificates/cert_1/pem",
            "PATCH /v1/pki/certificates/cert_1",
            "POST /v1/pki/revoke",
            "POST /v1/pki/certificates/cert_1/renew",
            "GET /v1/pki/csr?status=pending",
            "POST /v1/pki/csr",
            "POST /v1/pki/csr/import",
            "GET /v1/pki/csr/csr_1",
            "POST /v1/pki/csr/csr_1/approve",
            "POST /v1/pki/csr/csr_1/reject",
            "POST /v1/pki/csr/csr_1/sign",
            "DELETE /v1/pki/csr/csr_1",
            "POST /v1/admin/tokens",
            "GET /v1/admin/tokens",
            "GET /v1/admin/tokens?organization_id=org_1&cursor=c",
            "DELETE /v1/admin/tokens/tok_1",
            "GET /v1/admin/audit?limit=5&cursor=c",
            "GET /healthz",
            "GET /metrics",
        ]
    );
    let seen = server.seen();
    assert!(seen.iter().all(|request| request.head.contains(&format!("authorization: Bearer {TOKEN}\r\n"))));
    assert!(seen.iter().all(|request| request.connection == 0), "the connection is kept");
}

#[tokio::test]
async fn organizations_projects_and_users_are_asked_for_as_the_api_has_them() {
    let server = Scripted::start((0..15).map(|_| Reaction::json(200, "{}")).collect());
    let c = client(&server);
    let _ = c.create_organization(&CreateOrganization::default()).await;
    let _ = c.organizations(Some("c")).await;
    let _ = c.organization("org_1").await;
    let _ = c.update_organization("org_1", &UpdateOrganization::default()).await;
    let _ = c.delete_organization("org_1").await;
    let _ = c.create_project(&CreateProject::default()).await;
    let _ = c.projects(Some("org_1"), None).await;
    let _ = c.project("proj_1").await;
    let _ = c.update_project("proj_1", &UpdateProject::default()).await;
    let _ = c.delete_project("proj_1").await;
    let _ = c.create_user(&CreateUser::default()).await;
    let _ = c.users(None, None).await;
    let _ = c.user("usr_1").await;
    let _ = c.update_user("usr_1", &UpdateUser::default()).await;
    let _ = c.delete_user("usr_1").await;
    assert_eq!(
        server.lines(),
        [
            "POST /v1/admin/organizations",
            "GET /v1/admin/organizations?cursor=c",
            "GET /v1/admin/organizations/org_1",
            "PATCH /v1/admin/organizations/org_1",
            "DELETE /v1/admin/organizations/org_1",
            "POST /v1/admin/projects",
            "GET /v1/admin/projects?organization_id=org_1",
            "GET /v1/admin/projects/proj_1",
            "PATCH /v1/admin/projects/proj_1",
            "DELETE /v1/admin/projects/proj_1",
            "POST /v1/admin/users",
            "GET /v1/admin/users",
            "GET /v1/admin/users/usr_1",
            "PATCH /v1/admin/users/usr_1",
            "DELETE /v1/admin/users/usr_1",
        ]
    );
}

#[tokio::test]
async fn an_answer_is_typed_and_kept_as_it_came() {
    let server = Scripted::start(vec![Reaction::json(200, EMPTY_PAGE), Reaction::json(201, &issued())]);
    let c = client(&server);
    let page = c.roles(None).await.unwrap();
    assert_eq!(page.json(), EMPTY_PAGE.as_bytes());
    let answer = c.issue("web", &Issue::default()).await.unwrap();
    assert_eq!(answer.json(), issued().as_bytes());
    assert!(!String::from_utf8(answer.json_without("private_key")).unwrap().contains("PRIVATE"));
    assert!(answer.value.private_key.as_ref().unwrap().expose_secret().contains("c2VjcmV0"));
    assert!(!format!("{answer:?}").contains("c2VjcmV0"));
}

#[tokio::test]
async fn a_problem_document_comes_through_whole() {
    let problem = r#"{"type":"urn:x","title":"T","status":200,"detail":"D","code":"invalid_request",
        "violations":[{"field":"ttl","message":"too long"}],"request_id":"req_1"}"#;
    let busy = Reaction::Answer { status: 503, headers: vec![("retry-after", "7")], body: problem.into() };
    let server = Scripted::start(vec![Reaction::json(422, problem), busy]);
    let c = client(&server);
    let refused = c.role("web").await.unwrap_err();
    let ClientError::Refused(document) = &refused else { panic!("{refused:?}") };
    assert_eq!((document.status, document.code.as_str(), document.violations.len()), (422, "invalid_request", 1));
    assert_eq!(refused.status(), Some(422));
    let busy = c.role("web").await.unwrap_err();
    assert!(matches!(busy, ClientError::Busy { retry_after: Some(after), .. } if after.as_secs() == 7), "{busy:?}");
}

#[tokio::test]
async fn what_is_not_our_api_is_said_to_be_something_else() {
    let html = || Reaction::Answer { status: 502, headers: vec![], body: "<html>".into() };
    let redirect = Reaction::Answer { status: 302, headers: vec![("location", "http://127.0.0.1:1/")], body: vec![] };
    let wrong = issued().replace(r#""ca_chain":[]"#, r#""ca_chain":"c2VjcmV0""#);
    let script = vec![html(), redirect, Reaction::json(200, "<html>"), Reaction::json(201, &wrong), html(), html()];
    let server = Scripted::start(script);
    let c = client(&server);
    for status in [502, 302] {
        let error = c.role("web").await.unwrap_err();
        assert!(matches!(&error, ClientError::NotUnderstood { status: s, mismatch: Mismatch::Status, .. } if *s == status), "{error:?}");
    }
    assert!(matches!(c.role("web").await, Err(ClientError::NotUnderstood { mismatch: Mismatch::Json { line: 1, .. }, .. })));
    let error = c.issue("web", &Issue::default()).await.unwrap_err();
    assert!(matches!(error, ClientError::NotUnderstood { mismatch: Mismatch::Json { .. }, .. }));
    assert!(!format!("{error} {error:?}").contains("c2VjcmV0"), "{error:?}");
    assert!(matches!(c.health().await, Err(ClientError::NotUnderstood { mismatch: Mismatch::Status, .. })));
}

#[tokio::test]
async fn broken_connections_are_told_apart() {
    let half = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\"".to_vec();
    let server = Scripted::start(vec![Reaction::Raw(vec![]), Reaction::Raw(half), Reaction::Raw(b"SSH-2.0-x\r\n".to_vec())]);
    let c = client(&server);
    for case in ["no answer", "half an answer", "another protocol"] {
        let error = c.delete_role("web").await.unwrap_err();
        assert!(matches!(error, ClientError::Interrupted { .. }), "{case}: {error:?}");
    }
    assert_eq!(server.lines().len(), 3, "nothing is sent twice");
    let nobody = Client::new(Endpoint { base_url: "http://127.0.0.1:1".into(), ca_file: None, token: None }).unwrap();
    assert!(matches!(nobody.health().await, Err(ClientError::Unreachable { .. })));
}

#[tokio::test]
async fn waits_and_answers_have_an_end() {
    let server = Scripted::start(vec![Reaction::Endless(64 << 20)]);
    assert!(matches!(client(&server).metrics().await, Err(ClientError::TooLarge { .. })));
    let server = Scripted::start(vec![Reaction::Silence]);
    let c = client(&server).with_timeout(Duration::from_millis(50));
    assert!(matches!(c.health().await, Err(ClientError::TimedOut { .. })));
}

#[tokio::test]
async fn health_is_a_result_when_it_is_bad_too() {
    let failing = r#"{"status":"failing","token":"lost","storage":"ok","version":"1"}"#;
    let server = Scripted::start(vec![Reaction::json(503, failing)]);
    assert_eq!(client(&server).health().await.unwrap().value.token, "lost");
}

#[tokio::test]
async fn a_crl_has_the_form_that_was_asked_for() {
    let der = || Reaction::Answer { status: 200, headers: vec![], body: vec![0x30, 0x03, 1, 2, 3] };
    let server = Scripted::start(vec![der(), der()]);
    let c = client(&server);
    assert_eq!(c.crl("ca_1", CrlForm::Der).await.unwrap().len(), 5);
    assert!(matches!(c.crl("ca_1", CrlForm::Pem).await, Err(ClientError::NotUnderstood { mismatch: Mismatch::Pem, .. })));
    let seen = server.seen();
    assert!(seen[0].head.contains("accept: application/pkix-crl\r\n") && seen[1].head.contains("accept: application/x-pem-file\r\n"));
}

#[tokio::test]
async fn only_named_roots_are_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let (mine, key) = certificate(dir.path(), "mine", "IP:127.0.0.1");
    let (other, other_key) = certificate(dir.path(), "other", "DNS:elsewhere.example");
    let read = |name: &Path| std::fs::read(name).unwrap();
    let start = |cert: &Path, key: &Path| Scripted::start_tls(vec![Reaction::json(200, EMPTY_PAGE)], &read(cert), &read(key));
    let call = async |server: &Scripted, roots: &Path| {
        let endpoint =
            Endpoint { base_url: format!("https://{}", server.address), ca_file: Some(roots.to_path_buf()), token: Some(TOKEN.into()) };
        Client::new(endpoint)?.roles(None).await
    };
    call(&start(&mine, &key), &mine).await.unwrap();
    let stranger = start(&mine, &key);
    assert!(matches!(call(&stranger, &other).await, Err(ClientError::Untrusted { .. })));
    assert!(stranger.seen().is_empty(), "no token went to a stranger");
    let misnamed = call(&start(&other, &other_key), &other).await;
    assert!(matches!(misnamed, Err(ClientError::Untrusted { .. })), "{misnamed:?}");

    let unused = Scripted::start(vec![]);
    std::fs::write(dir.path().join("empty"), "").unwrap();
    assert!(matches!(call(&unused, &dir.path().join("empty")).await, Err(ClientError::Endpoint(EndpointFault::NoRoots { .. }))));
    assert!(matches!(call(&unused, &dir.path().join("none")).await, Err(ClientError::Endpoint(EndpointFault::Roots { .. }))));
}

#[tokio::test]
async fn what_does_not_speak_tls_is_not_reached() {
    let dir = tempfile::tempdir().unwrap();
    let (mine, _) = certificate(dir.path(), "mine", "IP:127.0.0.1");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        std::thread::sleep(Duration::from_secs(1));
    });
    let plain = Client::new(Endpoint { base_url, ca_file: Some(mine), token: None }).unwrap().health().await;
    assert!(matches!(plain, Err(ClientError::Unreachable { .. })), "{plain:?}");
}

/// A self-signed server certificate and its key, made by openssl.
fn certificate(dir: &Path, name: &str, san: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let (cert, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    let config = dir.join("openssl.cnf");
    std::fs::write(&config, "[req]\ndistinguished_name=dn\nx509_extensions=v3\n[dn]\n[v3]\nbasicConstraints=critical,CA:FALSE\n").unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", &format!("/CN={name}"), "-addext", &format!("subjectAltName={san}"), "-config"])
        .arg(&config)
        .arg("-out")
        .arg(&cert)
        .arg("-keyout")
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (cert, key)
}

#[tokio::test]
async fn what_has_an_idempotency_key_is_sent_again_and_nothing_else_is() {
    let role = r#"{"name":"web","ca_id":"ca_1","allowed_domains":[],"allow_subdomains":false,"allow_ip_sans":false,"max_ttl":"1h","key_type":"ec","key_bits":256,"require_cn":true,"store_private_keys":false,"created_at":"C","updated_at":"U"}"#;
    let busy = || Reaction::Answer {
        status: 503,
        headers: vec![("content-type", "application/json"), ("retry-after", "1")],
        body: problem("token_busy", 503),
    };
    let script = || {
        vec![
            Reaction::Raw(Vec::new()),
            busy(),
            Reaction::json(409, std::str::from_utf8(&problem("idempotency_key_in_progress", 409)).unwrap()),
            Reaction::json(201, role),
        ]
    };
    let body = CreateRole { name: "web".into(), ca_id: "ca_1".into(), ..CreateRole::default() };
    let server = Scripted::start(script());
    client(&server).with_idempotency_key("once").with_retries(5).create_role(&body).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|request| request.head.contains("idempotency-key: once") && request.body == seen[0].body));

    // Without a key nobody knows whether it was done; a refusal stays one; and what only reads is the caller's to repeat.
    let server = Scripted::start(script());
    assert!(matches!(client(&server).with_retries(5).create_role(&body).await, Err(ClientError::Interrupted { .. })));
    let server =
        Scripted::start(vec![Reaction::json(409, std::str::from_utf8(&problem("name_taken", 409)).unwrap()), Reaction::json(201, role)]);
    let refused = client(&server).with_idempotency_key("once").with_retries(5).create_role(&body).await;
    assert!(matches!(refused, Err(ClientError::Refused(_))));
    let server = Scripted::start(script());
    let read = client(&server).with_idempotency_key("once").with_retries(5).role("web").await;
    assert!(matches!(read, Err(ClientError::Interrupted { .. })));
    // Patience has an end.
    let server = Scripted::start(vec![busy(), busy(), busy(), Reaction::json(201, role)]);
    let given_up = client(&server).with_idempotency_key("once").with_retries(2).create_role(&body).await;
    assert!(matches!(given_up, Err(ClientError::Busy { .. })));
    assert_eq!(server.seen().len(), 3);
}

fn problem(code: &str, status: u16) -> Vec<u8> {
    format!(r#"{{"type":"urn:x","title":"T","status":{status},"detail":"d","code":"{code}","request_id":"req_1"}}"#).into_bytes()
}

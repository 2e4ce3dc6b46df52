//! Administration on a listener of its own.

use std::collections::BTreeSet;
use std::process::Command;

use chancery::http::routes::{ROUTES, Side};

use super::{address, configured};
use crate::appliance::run;

fn status(base: &str, ca: &std::path::Path, method: &str, path: &str, token: &str) -> (String, String) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--http1.1", "--path-as-is", "--max-time", "60", "--write-out", "\n%{http_code}", "--cacert"]).arg(ca);
    if method == "HEAD" {
        command.arg("--head");
    } else {
        command.args(["--request", method]);
    }
    command.args(["--header", &format!("Authorization: Bearer {token}"), &format!("{base}{path}")]);
    let text = run(&mut command);
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

#[test]
fn administration_is_not_found_on_other_listeners_however_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let appliance = configured(dir.path(), |text| text.replace("[tls]", "[admin]\nlisten = \"127.0.0.1:0\"\n\n[tls]"));
    let (token, root) = (appliance.admin_token(), appliance.path("ca.pem"));
    let admin = format!("https://{}", std::fs::read_to_string(appliance.path("admin.addr")).unwrap());
    let others = [appliance.base_url(), format!("http://{}", std::fs::read_to_string(appliance.path("http.addr")).unwrap())];
    assert_ne!(address(&appliance), admin.replace("https://", ""));
    let apart: BTreeSet<_> = ROUTES.iter().filter(|route| route.side == Side::Administration).map(|route| route.path).collect();
    let known: BTreeSet<_> = ROUTES.iter().map(|route| route.path).filter(|path| path.starts_with("/v1/admin") || *path == "/metrics").collect();
    assert_eq!(apart, known, "what is administration is all of /v1/admin and the metrics");
    for path in apart {
        let path = path.replace("{id}", "tok_0123456789abcdef0123456789abcdef");
        let (found, body) = status(&admin, &root, "GET", &path, &token);
        assert!(["200", "405"].contains(&found.as_str()), "{path} on the admin listener: {found} {body}");
        let encoded = path.replacen("admin", "%61dmin", 1).replacen("metrics", "%6detrics", 1);
        let spellings = [
            path.clone(), format!("{path}/"), format!("/{path}"), format!("/.{path}"), format!("/x/..{path}"), encoded,
            path.to_uppercase(), format!("{path}?x=1"), format!("{path};x"), format!("{path}%2f"), format!("{path}%00"),
            path.replace("/", "//"), path.replace("/", "%2f").replacen("%2f", "/", 1), format!("/v1/pki/..{path}"),
        ];
        for base in &others {
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
                for spelling in &spellings {
                    let (found, body) = status(base, &root, method, spelling, &token);
                    assert_eq!(found, "404", "{method} {base}{spelling}: {body}");
                    assert!(method == "HEAD" || body.contains("no_such_endpoint"), "{method} {base}{spelling}: {body}");
                }
            }
        }
    }
    // Everything else is on both, and needs a token on both.
    for base in [&admin, &others[0]] {
        assert_eq!(status(base, &root, "GET", "/v1/pki/ca", &token).0, "200");
        assert_eq!(status(base, &root, "GET", "/v1/pki/ca", "chy_unknown").0, "401");
        assert_eq!(status(base, &root, "GET", "/healthz", "").0, "200");
    }
    assert_eq!(status(&admin, &root, "GET", "/v1/admin/tokens", "chy_unknown").0, "401");
    assert_eq!(status(&others[1], &root, "GET", "/v1/pki/ca", &token).0, "404");
}

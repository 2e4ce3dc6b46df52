//! Administration on a listener of its own.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use chancery::http::routes::{ROUTES, Side};

use super::{address, configured};
use crate::appliance::run;

fn status(base: &str, ca: &Path, method: &str, path: &str, token: &str) -> (String, String) {
    let (mut statuses, text) = statuses(base, ca, method, &[path.to_owned()], token);
    (statuses.remove(0), text)
}

/// The statuses of these paths, one after the other, and everything that was answered.
fn statuses(base: &str, ca: &Path, method: &str, paths: &[String], token: &str) -> (Vec<String>, String) {
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--http1.1", "--path-as-is", "--max-time", "60", "--write-out", "\nstatus %{http_code}\n", "--cacert"])
        .arg(ca);
    if method == "HEAD" {
        command.arg("--head");
    } else {
        command.args(["--request", method]);
    }
    command.args(["--header", &format!("Authorization: Bearer {token}"), "--globoff"]);
    command.args(paths.iter().map(|path| format!("{base}{path}")));
    let text = run(&mut command);
    (text.lines().filter_map(|line| line.strip_prefix("status ")).map(str::to_owned).collect(), text)
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
    let known: BTreeSet<_> =
        ROUTES.iter().map(|route| route.path).filter(|path| path.starts_with("/v1/admin") || *path == "/metrics").collect();
    assert_eq!(apart, known, "what is administration is all of /v1/admin and the metrics");
    for path in apart {
        let path = path.replace("{id}", "tok_0123456789abcdef0123456789abcdef");
        let (found, body) = status(&admin, &root, "GET", &path, &token);
        // One that names something says that it is not there; that the endpoint is, is seen by the code.
        let is_there = ["200", "405"].contains(&found.as_str()) || body.contains("\"code\":\"not_found\"");
        assert!(is_there, "{path} on the admin listener: {found} {body}");
        let encoded = path.replacen("admin", "%61dmin", 1).replacen("metrics", "%6detrics", 1);
        let spellings = [
            path.clone(),
            format!("{path}/"),
            format!("/{path}"),
            format!("/.{path}"),
            format!("/x/..{path}"),
            encoded,
            path.to_uppercase(),
            format!("{path}?x=1"),
            format!("{path};x"),
            format!("{path}%2f"),
            format!("{path}%00"),
            path.replace("/", "//"),
            path.replace("/", "%2f").replacen("%2f", "/", 1),
            format!("/v1/pki/..{path}"),
        ];
        for base in &others {
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
                let (found, text) = statuses(base, &root, method, &spellings, &token);
                assert_eq!(found, vec!["404"; spellings.len()], "{method} {base} {spellings:?}: {text}");
                assert!(
                    method == "HEAD" || text.matches("\"code\":\"no_such_endpoint\"").count() == spellings.len(),
                    "{method} {base}: {text}"
                );
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

//! Every endpoint of the table has a command that asks for it, but those that are named here with the reason.

use std::collections::BTreeSet;

use super::{CA, against, problem};
use crate::http::routes::ROUTES;

/// For programs, or for people with a browser.
const WITHOUT: [(&str, &str); 7] = [
    ("GET /v1/openapi.json", "for generators of clients and for browsers"),
    ("GET /v1/docs", "a page"),
    ("GET /metrics", "for whoever gathers metrics"),
    ("GET /ca/{file}", "the URL in certificates; `ca certificate` gets the same"),
    ("GET /ocsp/{ca}/{*request}", "for OCSP clients"),
    ("POST /ocsp/{ca}", "for OCSP clients"),
    ("GET /api/v1/ca/{id}/crl", "`crl get` asks the other family for the same"),
];

/// Command lines; `FILE` stands for a file with some text, `PEM` for one with a certificate request.
const COMMANDS: &[&str] = &[
    "ca list",
    "ca create --name n --common-name c --type root",
    "ca show CA",
    "ca certificate CA",
    "ca revoke CA --yes",
    "ca crl CA",
    "role list",
    "role create web --ca CA",
    "role show web",
    "role update web --allow-subdomains",
    "role delete web",
    "issue web --common-name a",
    "sign web --csr PEM",
    "cert list",
    "cert show cert_1",
    "cert pem cert_1",
    "cert private-key cert_1",
    "cert update cert_1 --tag x",
    "cert import PEM",
    "cert validate PEM",
    "cert renew cert_1",
    "cert delete cert_1 --yes",
    "cert delete cert_1 --only-private-key --yes",
    "cert revoke cert_1",
    "cert unrevoke cert_1",
    "csr list",
    "csr create --subject common_name=a",
    "csr import PEM",
    "csr show csr_1",
    "csr pem csr_1",
    "csr approve csr_1",
    "csr reject csr_1 --reason no",
    "csr sign csr_1 --ca CA",
    "csr delete csr_1",
    "anchor list",
    "anchor add n PEM",
    "anchor show a",
    "anchor delete a",
    "crl get CA",
    "crl get CA --delta",
    "crl publish CA",
    "crl publish CA --delta",
    "crl configure CA --crl-period 1h",
    "organization list",
    "organization create n",
    "organization show o",
    "organization update o --allow-self-approval",
    "organization delete o",
    "project list",
    "project create n",
    "project show p",
    "project update p --name m",
    "project delete p",
    "user list",
    "user create n --role user",
    "user show u",
    "user update u --role admin",
    "user delete u",
    "token list",
    "token create --name n --scope pki:read --ttl 1h",
    "token revoke t",
    "webhook list",
    "webhook create https://hook.example.com/",
    "webhook show w",
    "webhook update w --disable",
    "webhook delete w",
    "webhook test w",
    "webhook deliveries w",
    "secret put a/b FILE",
    "secret get a/b --metadata",
    "secret list",
    "acme credential create --role web",
    "acme credential list",
    "acme credential revoke cred_1",
    "acme account list",
    "acme account show acct_1",
    "acme account deactivate acct_1",
    "acme incident declare cert_1",
    "acme incident list",
    "acme incident end cert_1",
    "secret delete a/b",
    "audit list",
    "event list",
    "event follow",
    "health",
];

/// The endpoint that answers a request line: of those that fit, the one with the fewest parameters.
fn endpoint(line: &str) -> Option<String> {
    let (method, target) = line.split_once(' ')?;
    let path = target.split('?').next()?;
    let fits = |pattern: &str| {
        let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
        loop {
            match (wanted.next(), given.next()) {
                (None, None) => return true,
                (Some(name), Some(_)) if name.starts_with("{*") => return true,
                (Some(name), Some(segment)) if name.starts_with('{') || name == segment => {}
                _ => return false,
            }
        }
    };
    let found = ROUTES.iter().filter(|route| route.method == method && fits(route.path));
    found.min_by_key(|route| route.path.matches('{').count()).map(|route| format!("{method} {}", route.path))
}

#[tokio::test]
async fn every_endpoint_has_its_command() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let pem = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
    let (plain, pem) = (file("plain", "text"), file("pem", pem));
    let mut seen = BTreeSet::new();
    for command in COMMANDS {
        let arguments: Vec<&str> = command
            .split(' ')
            .map(|word| match word {
                "CA" => CA,
                "FILE" => &plain,
                "PEM" => &pem,
                word => word,
            })
            .collect();
        let (done, lines, _) = against(vec![problem(400)], &arguments).await;
        let line = lines.first().unwrap_or_else(|| panic!("`chancery {command}` asks for nothing: {}", done.notes));
        seen.insert(endpoint(line).unwrap_or_else(|| panic!("`chancery {command}` asks for {line}, which there is not")));
    }
    // What ACME clients speak is theirs.
    let ours = ROUTES.iter().filter(|route| !route.path.starts_with("/api/acme/"));
    let all: BTreeSet<String> = ours.map(|route| format!("{} {}", route.method, route.path)).collect();
    let without: Vec<_> = all.difference(&seen).map(String::as_str).collect();
    let mut excepted: Vec<_> = WITHOUT.iter().map(|(endpoint, _)| *endpoint).collect();
    excepted.sort_unstable();
    assert_eq!(without, excepted, "endpoints without a command, and those that are known to have none");
    // And the documentation has a row for each group of commands.
    let manual = include_str!("../../../docs/operations/command-line.md");
    for command in COMMANDS {
        let words: Vec<_> = command.split(' ').take(2).collect();
        let group = format!("`chancery {}", words[0]);
        let is_told = manual.lines().any(|line| {
            line.contains(&group) && (words.len() < 2 || ["issue", "sign", "health"].contains(&words[0]) || line.contains(words[1]))
        });
        assert!(is_told, "docs/operations/command-line.md does not tell of `chancery {}`", words.join(" "));
    }
}

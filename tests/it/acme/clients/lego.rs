//! lego 4.9, from Debian.

use super::*;

/// It wants to be told of the credential each time.
fn lego(ground: &Ground, arguments: &[&str]) -> Command {
    let mut command = without_eab(ground, &[]);
    command.args(["--eab", "--kid", &ground.kid, "--hmac", &ground.hmac]).args(arguments);
    command
}

fn without_eab(ground: &Ground, arguments: &[&str]) -> Command {
    let mut command = ground.client("lego");
    command.args(["--server", &ground.directory(), "--path", &ground.text("lego"), "--email", "admin@example.com", "--accept-tos"]);
    command.args(arguments);
    command.env("RFC2136_NAMESERVER", ground.names.address.to_string());
    command.env("RFC2136_TSIG_KEY", "update.").env("RFC2136_TSIG_SECRET", TSIG_SECRET).env("RFC2136_TSIG_ALGORITHM", "hmac-sha256.");
    command.env("RFC2136_TTL", "1").env("RFC2136_SEQUENCE_INTERVAL", "1");
    command
}

fn chain(ground: &Ground, name: &str) -> PathBuf {
    ground.path(&format!("lego/certificates/{name}.crt"))
}

#[test]
fn lego_shows_names_in_all_three_ways_renews_and_revokes() {
    let ground = Ground::new();
    let (http, tls) = (format!("{}:80", ground.web), format!("{}:443", ground.web));
    run(&mut lego(&ground, &["--http", "--http.port", &http, "-d", "http.example.com", "run"]));
    ground.is_good(&chain(&ground, "http.example.com"), &["http.example.com"]);
    run(&mut lego(&ground, &["--tls", "--tls.port", &tls, "-d", "tls.example.com", "-d", "tls2.example.com", "run"]));
    ground.is_good(&chain(&ground, "tls.example.com"), &["tls.example.com", "tls2.example.com"]);
    let resolver = ground.names.address.to_string();
    let dns = ["--dns", "rfc2136", "--dns.disable-cp", "--dns.resolvers", &resolver];
    run(&mut lego(&ground, &[&dns[..], &["-d", "*.dns.example.com", "-d", "dns.example.com", "run"]].concat()));
    ground.is_good(&chain(&ground, "_.dns.example.com"), &["*.dns.example.com", "dns.example.com"]);
    let before = std::fs::read(chain(&ground, "tls.example.com")).unwrap();
    let names = ["-d", "tls.example.com", "-d", "tls2.example.com"];
    run(&mut lego(&ground, &[&["--tls", "--tls.port", &tls][..], &names, &["renew", "--days", "900", "--no-random-sleep"]].concat()));
    assert_ne!(std::fs::read(chain(&ground, "tls.example.com")).unwrap(), before);
    ground.is_good(&chain(&ground, "tls.example.com"), &["tls.example.com", "tls2.example.com"]);
    run(&mut lego(&ground, &["-d", "http.example.com", "revoke", "--keep"]));
    // It archives what it has revoked.
    assert_eq!(ground.status(&chain(&ground, "http.example.com"))["is_revoked"], true);
}

#[test]
fn lego_goes_without_a_credential_where_none_is_asked_for() {
    let ground = Ground::with("external_account_required = false", json!({}));
    let tls = format!("{}:443", ground.web);
    run(&mut without_eab(&ground, &["--tls", "--tls.port", &tls, "-d", "www.example.com", "run"]));
    ground.is_good(&chain(&ground, "www.example.com"), &["www.example.com"]);
}

#[test]
fn caa_records_are_held_to_at_finalize() {
    let ground = Ground::with("caa_identities = [\"ca.example.net\"]", json!({"acme": {"caa": true}}));
    let http = format!("{}:80", ground.web);
    let order = |name: &str| lego(&ground, &["--http", "--http.port", &http, "-d", name, "run"]);
    let update = |line: &str| run(Command::new("sh").args(["-c", &ground.update(line)]));
    run(&mut order("www.example.com"));
    update("update add example.com. 1 CAA 0 issue \\\"other.example.net\\\"");
    let told = fails(&mut order("shop.example.com"));
    assert!(told.contains("urn:ietf:params:acme:error:caa"), "{told}");
    // The name's own records go before its parent's.
    update("update add shop.example.com. 1 CAA 0 issue \\\"ca.example.net; validationmethods=http-01\\\"");
    run(&mut order("shop.example.com"));
    ground.is_good(&chain(&ground, "shop.example.com"), &["shop.example.com"]);
}

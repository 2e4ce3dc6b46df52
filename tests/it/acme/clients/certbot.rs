//! certbot 5, from PyPI.

use super::*;

/// certbot, where the tests' requirements are.
fn certbot(ground: &Ground, arguments: &[&str]) -> Command {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/certbot");
    let mut command = ground.client(if own.exists() { own } else { PathBuf::from("certbot") });
    command.args(arguments).args(["--non-interactive", "--server", &ground.directory()]);
    for folder in ["config", "work", "logs"] {
        command.args([format!("--{folder}-dir"), ground.text(&format!("certbot/{folder}"))]);
    }
    command
}

fn registered(ground: &Ground) {
    let eab = ["--eab-kid", &ground.kid, "--eab-hmac-key", &ground.hmac];
    let register = ["register", "--agree-tos", "--email", "admin@example.com"];
    run(&mut certbot(ground, &[&register[..], &eab].concat()));
}

fn live(ground: &Ground, name: &str) -> PathBuf {
    ground.path(&format!("certbot/config/live/{name}/fullchain.pem"))
}

#[test]
fn certbot_registers_issues_renews_by_ari_and_revokes() {
    let ground = Ground::new();
    let register = ["register", "--agree-tos", "--email", "admin@example.com"];
    let refused = fails(&mut certbot(&ground, &register));
    assert!(refused.contains("requires external account binding"), "{refused}");
    registered(&ground);
    let address = ground.web.to_string();
    let standalone = ["--standalone", "--http-01-address", &address];
    let obtain = [&["certonly"][..], &standalone, &["-d", "www.example.com", "-d", "shop.example.com"]].concat();
    run(&mut certbot(&ground, &obtain));
    let chain = live(&ground, "www.example.com");
    ground.is_good(&chain, &["www.example.com", "shop.example.com"]);
    assert_eq!(ground.status(&chain)["is_revoked"], false);
    let first = std::fs::read(&chain).unwrap();
    // It is not time, and the server says so too.
    let renew = ["renew", "--no-random-sleep-on-renew"];
    let told = run(&mut certbot(&ground, &renew));
    assert!(told.contains("not due") || told.contains("not yet due"), "{told}");
    assert_eq!(std::fs::read(&chain).unwrap(), first);
    // A certificate that was revoked behind its back is renewed at once: OCSP says that it is, and renewal information that it is time.
    let id = ground.status(&chain)["id"].as_str().unwrap().to_owned();
    let body = json!({"certificate_id": id, "reason": "superseded"});
    ground.appliance.call("POST", "/v1/pki/revoke", Some(body)).expect(200);
    let told = run(&mut certbot(&ground, &renew));
    assert_ne!(std::fs::read(&chain).unwrap(), first, "{told}");
    ground.is_good(&chain, &["www.example.com", "shop.example.com"]);
    // So is one that an incident was declared for, while it is good. certbot asks for it once in six hours, so it is another one.
    run(&mut certbot(&ground, &[&["certonly"][..], &standalone, &["-d", "ari.example.com"]].concat()));
    let other = live(&ground, "ari.example.com");
    let before = std::fs::read(&other).unwrap();
    let id = ground.status(&other)["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/organizations/org_00000000000000000000000000000001/acme-incidents/{id}");
    ground.appliance.call("PUT", &path, None).expect(200);
    let told = run(&mut certbot(&ground, &[&renew[..], &["--cert-name", "ari.example.com"]].concat()));
    assert!(std::fs::read(&other).unwrap() != before, "{told}");
    ground.is_good(&other, &["ari.example.com"]);
    let chain_text = chain.display().to_string();
    run(&mut certbot(&ground, &["revoke", "--cert-path", &chain_text, "--reason", "keycompromise", "--no-delete-after-revoke"]));
    let status = ground.status(&chain);
    assert_eq!((&status["is_revoked"], &status["revocation_reason"]), (&json!(true), &json!("key_compromise")), "{status}");
    let account = run(&mut certbot(&ground, &["update_account", "--email", "other@example.com"]));
    assert!(account.contains("other@example.com") || account.contains("updated"), "{account}");
    run(&mut certbot(&ground, &["unregister"]));
}

#[test]
fn certbot_shows_names_by_dns_webroot_and_address() {
    // It takes no chain of one certificate, so a root that issues is in it.
    let ground = Ground::with("", json!({"ca": "root"}));
    registered(&ground);
    let name = "_acme-challenge.$CERTBOT_DOMAIN.";
    let add = ground.script("add.sh", &ground.update(&format!("update add {name} 1 TXT $CERTBOT_VALIDATION")));
    let delete = ground.script("delete.sh", &ground.update(&format!("update delete {name} TXT $CERTBOT_VALIDATION")));
    let manual = ["--manual", "--preferred-challenges", "dns", "--manual-auth-hook", &add, "--manual-cleanup-hook", &delete];
    run(&mut certbot(&ground, &[&["certonly"][..], &manual, &["-d", "*.example.com", "-d", "example.com"]].concat()));
    ground.is_good(&live(&ground, "example.com"), &["*.example.com", "example.com"]);
    let _nginx = ground.webroot();
    let webroot = ground.text("webroot");
    let webroot = ["--webroot", "--webroot-path", &webroot];
    run(&mut certbot(&ground, &[&["certonly"][..], &webroot, &["-d", "files.example.com"]].concat()));
    ground.is_good(&live(&ground, "files.example.com"), &["files.example.com"]);
    let address = ground.web.to_string();
    run(&mut certbot(&ground, &[&["certonly"][..], &webroot, &["--ip-address", &address]].concat()));
    ground.is_good(&live(&ground, &address), &[&address]);
}

#[test]
fn certbot_is_told_what_is_wrong() {
    let ground = Ground::new();
    registered(&ground);
    // Nobody serves the webroot.
    let webroot = ground.text("nowhere");
    std::fs::create_dir_all(ground.path("nowhere")).unwrap();
    let told = fails(&mut certbot(&ground, &["certonly", "--webroot", "--webroot-path", &webroot, "-d", "www.example.com"]));
    assert!(told.contains("nothing listens on port 80") && told.contains("connection"), "{told}");
    let told = fails(&mut certbot(&ground, &["certonly", "--webroot", "--webroot-path", &webroot, "-d", "www.example.org"]));
    assert!(told.contains("www.example.org is outside the role's allowed domains"), "{told}");
}

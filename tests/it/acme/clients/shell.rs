//! dehydrated 0.7, uacme 1.7 and acme-tiny 5, from Debian.

use super::*;

fn dehydrated(ground: &Ground, eab: bool, arguments: &[&str]) -> Command {
    let dir = ground.dir.path().display();
    let binding = if eab { format!("EAB_KID={}\nEAB_HMAC_KEY={}\n", ground.kid, ground.hmac) } else { String::new() };
    ground.write(
        "dehydrated.conf",
        format!(
            "CA={}\nBASEDIR={dir}/dehydrated\nWELLKNOWN={dir}/webroot/.well-known/acme-challenge\nKEY_ALGO=prime256v1\n{binding}",
            ground.directory()
        ),
    );
    let mut command = ground.client("dehydrated");
    command.args(arguments).args(["--config", &ground.text("dehydrated.conf")]);
    command
}

#[test]
fn dehydrated_issues_by_files_and_by_dns_and_revokes() {
    let ground = Ground::new();
    std::fs::create_dir_all(ground.path("dehydrated")).unwrap();
    let name = "_acme-challenge.$2.";
    let add = ground.update(&format!("update add {name} 1 TXT $4"));
    let delete = ground.update(&format!("update delete {name} TXT $4"));
    let hook = ground.script("hook.sh", &format!("case $1 in\ndeploy_challenge) {add} ;;\nclean_challenge) {delete} ;;\nesac"));
    run(&mut dehydrated(&ground, true, &["--register", "--accept-terms"]));
    let nginx = ground.webroot();
    run(&mut dehydrated(&ground, true, &["--cron", "-d", "www.example.com"]));
    let chain = ground.path("dehydrated/certs/www.example.com/fullchain.pem");
    ground.is_good(&chain, &["www.example.com"]);
    drop(nginx);
    run(&mut dehydrated(
        &ground,
        true,
        &["--cron", "-d", "*.wild.example.com wild.example.com", "--alias", "wild", "-t", "dns-01", "-k", &hook],
    ));
    ground.is_good(&ground.path("dehydrated/certs/wild/fullchain.pem"), &["*.wild.example.com", "wild.example.com"]);
    let before = std::fs::read(&chain).unwrap();
    run(&mut dehydrated(&ground, true, &["--cron", "--force", "-d", "www.example.com"]));
    assert_ne!(std::fs::read(&chain).unwrap(), before);
    let certificate = ground.path("dehydrated/certs/www.example.com").join("cert.pem");
    let kept = ground.path("kept.pem");
    std::fs::copy(&certificate, &kept).unwrap();
    run(&mut dehydrated(&ground, true, &["--revoke", &certificate.canonicalize().unwrap().display().to_string()]));
    assert_eq!(ground.status(&kept)["is_revoked"], true);
    run(&mut dehydrated(&ground, true, &["--deactivate"]));
}

#[test]
fn dehydrated_goes_without_a_credential_where_none_is_asked_for() {
    let ground = Ground::with("external_account_required = false", json!({}));
    std::fs::create_dir_all(ground.path("dehydrated")).unwrap();
    let _nginx = ground.webroot();
    run(&mut dehydrated(&ground, false, &["--register", "--accept-terms"]));
    run(&mut dehydrated(&ground, false, &["--cron", "-d", "www.example.com"]));
    ground.is_good(&ground.path("dehydrated/certs/www.example.com/fullchain.pem"), &["www.example.com"]);
}

/// It knows no other way to trust a server than the system's bundle, so it is given another one, which nobody else sees.
fn uacme(ground: &Ground, arguments: &[&str]) -> Command {
    let mut command = ground.client("unshare");
    let mount = "mount --bind \"$CURL_CA_BUNDLE\" /etc/ssl/certs/ca-certificates.crt && exec \"$@\"";
    command.args([
        "--mount",
        "sh",
        "-c",
        mount,
        "sh",
        "uacme",
        "-y",
        "-v",
        "-t",
        "EC",
        "-a",
        &ground.directory(),
        "-c",
        &ground.text("uacme"),
    ]);
    command.args(arguments);
    command
}

#[test]
fn uacme_issues_rolls_its_key_over_and_revokes() {
    let ground = Ground::new();
    let _nginx = ground.webroot();
    let webroot = ground.text("webroot/.well-known/acme-challenge");
    let add = ground.update("update add _acme-challenge.$3. 1 TXT $5");
    let delete = ground.update("update delete _acme-challenge.$3. TXT");
    // begin|done|failed, the kind, the name, the token and what is to be shown.
    let hook = ground.script(
        "hook.sh",
        &format!(
            "case \"$1 $2 $3\" in\n\"begin http-01 www\"*) printf %s \"$5\" > \"{webroot}/$4\" ;;\n\"begin dns-01 dns\"*) {add} ;;\n\
             begin*) exit 1 ;;\n*\" dns-01 \"*) {delete} ;;\nesac"
        ),
    );
    let eab = format!("{}:{}", ground.kid, ground.hmac);
    run(&mut uacme(&ground, &["-e", &eab, "new", "admin@example.com"]));
    run(&mut uacme(&ground, &["-h", &hook, "issue", "www.example.com", "www2.example.com"]));
    let chain = ground.path("uacme/www.example.com/cert.pem");
    ground.is_good(&chain, &["www.example.com", "www2.example.com"]);
    // RFC 8555, 7.3.5: the account goes on under another key.
    let key = std::fs::read(ground.path("uacme/private/key.pem")).unwrap();
    run(&mut uacme(&ground, &["newkey"]));
    assert_ne!(std::fs::read(ground.path("uacme/private/key.pem")).unwrap(), key);
    run(&mut uacme(&ground, &["-h", &hook, "issue", "dns.example.com"]));
    ground.is_good(&ground.path("uacme/dns.example.com/cert.pem"), &["dns.example.com"]);
    run(&mut uacme(&ground, &["-h", &hook, "-f", "issue", "www.example.com", "www2.example.com"]));
    ground.is_good(&chain, &["www.example.com", "www2.example.com"]);
    let kept = ground.path("kept.pem");
    std::fs::copy(&chain, &kept).unwrap();
    run(&mut uacme(&ground, &["revoke", &chain.display().to_string()]));
    assert_eq!(ground.status(&kept)["is_revoked"], true);
    run(&mut uacme(&ground, &["update", "other@example.com"]));
    run(&mut uacme(&ground, &["deactivate"]));
    let told = fails(&mut uacme(&ground, &["-h", &hook, "-f", "issue", "www.example.com"]));
    assert!(told.contains("deactivated") || told.contains("unauthorized") || told.contains("accountDoesNotExist"), "{told}");
}

#[test]
fn acme_tiny_signs_a_request_of_its_own() {
    // It knows no external account binding.
    let ground = Ground::with("external_account_required = false", json!({}));
    let _nginx = ground.webroot();
    run(Command::new("openssl").args(["genrsa", "-out", &ground.text("account.key"), "2048"]));
    let request = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/"];
    let san = ["-addext", "subjectAltName=DNS:www.example.com,DNS:tiny.example.com"];
    let files = ["-keyout", &ground.text("www.key"), "-out", &ground.text("www.csr")];
    run(Command::new("openssl").args(request).args(san).args(files));
    let webroot = ground.text("webroot/.well-known/acme-challenge");
    let mut command = ground.client("acme-tiny");
    command.args(["--account-key", "account.key", "--csr", "www.csr", "--acme-dir", &webroot, "--disable-check", "--quiet"]);
    let output = command.args(["--directory-url", &ground.directory(), "--contact", "mailto:admin@example.com"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ground.write("chain.pem", &output.stdout);
    ground.is_good(&ground.path("chain.pem"), &["www.example.com", "tiny.example.com"]);
}

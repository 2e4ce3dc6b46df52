//! Caddy 2.6, from Debian, which gets its certificate when it starts.

use super::*;

#[test]
fn caddy_serves_with_a_certificate_of_ours() {
    // By a root and by an authority below one, whose chains it follows up.
    for ca in ["issuing", "root"] {
        serves(&Ground::with("", json!({"ca": ca})));
    }
}

fn serves(ground: &Ground) {
    ground.write(
        "Caddyfile",
        format!(
            "{{\n\tadmin off\n\tstorage file_system {{\n\t\troot {dir}/caddy\n\t}}\n\tdefault_bind {web}\n\temail admin@example.com\n\tacme_ca {directory}\n\
             \tacme_ca_root {ca}\n\tacme_eab {{\n\t\tkey_id {kid}\n\t\tmac_key {hmac}\n\t}}\n}}\nwww.example.com {{\n\trespond \"at your service\"\n}}\n",
            dir = ground.dir.path().display(),
            web = ground.web,
            directory = ground.directory(),
            ca = ground.appliance.path("ca.pem").display(),
            kid = ground.kid,
            hmac = ground.hmac,
        ),
    );
    let mut command = Command::new("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config", &ground.text("Caddyfile")]).env("HOME", ground.dir.path());
    let _caddy = Process(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("caddy starts"));
    let resolve = format!("www.example.com:443:{}", ground.web);
    let answer = found("Caddy's answer", || {
        let mut curl = Command::new("curl");
        curl.args(["-s", "--max-time", "5", "--cacert", &ground.text("root.pem"), "--resolve", &resolve, "https://www.example.com/"]);
        let output = curl.output().unwrap();
        output.status.success().then_some(output.stdout)
    });
    assert_eq!(String::from_utf8_lossy(&answer), "at your service");
}

//! Clients that others wrote, unchanged, against the real daemon. Names are in a real name server, which clients change by RFC 2136, and
//! their servers listen on the ports of the RFCs, on a loopback address that each test has for itself.
//!
//! Not every client can do everything. An account's key is rolled over by uacme; certbot, lego 4.9, Caddy 2.6, dehydrated 0.7 and acme-tiny 5 know
//! no way to ask for it. Renewal information (RFC 9773) is asked for by certbot; Debian's lego, Caddy, uacme and dehydrated are of before it, and
//! acme-tiny renews nothing. dns-account-01 and dns-persist-01 are drafts that none of them speaks, so our own client does.

mod caddy;
mod certbot;
mod drafts;
mod lego;
mod shell;

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::appliance::{Appliance, run};
use crate::listener::configured;
use crate::name_server::{NameServer, own_address};
use crate::waiting::found;

/// In base64, as the tools around BIND have it.
const TSIG_SECRET: &str = "c2l4dGVlbiBieXRlcyBhbmQgYSBsaXR0bGUgbW9yZS4=";

/// An appliance with a role `web` that is open, names in DNS, and a place for a client.
struct Ground {
    appliance: Appliance,
    names: NameServer,
    /// Where every name below example.com is.
    web: Ipv4Addr,
    dir: TempDir,
    kid: String,
    hmac: String,
}

/// What a client makes of a challenge or an order: its directory of files, and programs in it.
impl Ground {
    fn new() -> Self {
        Self::with("", json!({}))
    }

    /// The same with other lines in `[acme]`, and other fields of the role; `ca` is the authority that issues, `issuing` below `root`.
    fn with(acme: &str, fields: Value) -> Self {
        let web = own_address();
        let dir = TempDir::new().unwrap();
        let key = format!("key \"update\" {{ algorithm hmac-sha256; secret \"{TSIG_SECRET}\"; }};");
        let names = NameServer::start_with(&[("example.com", &format!("* A {web}\n@ A {web}\n")), ("com", "")], &key);
        let resolver = names.address;
        let appliance = configured(&dir.path().join("appliance"), |text| {
            let text = text.replace("[outbound]\nenabled = true\n", &format!("[outbound]\nenabled = true\nresolvers = [\"{resolver}\"]\n"));
            text.replace("[acme]\nenabled = true\n", &format!("[acme]\nenabled = true\n{acme}\n"))
        });
        let root = appliance.root("root", "ec", 256);
        let below = json!({"name": "issuing", "common_name": "Issuing", "ca_type": "intermediate", "parent_ca_id": root, "key_type": "ec"});
        let issuing = appliance.call("POST", "/v1/pki/ca", Some(below)).expect(201)["id"].as_str().unwrap().to_owned();
        let mut role = json!({"acme": {}});
        for (name, value) in fields.as_object().into_iter().flatten().filter(|(name, _)| *name != "ca") {
            role[name] = value.clone();
        }
        appliance.role("web", if fields["ca"] == "root" { &root } else { &issuing }, role);
        let organization = appliance.call("GET", "/v1/admin/organizations", None).expect(200)["data"][0]["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/organizations/{organization}/acme-credentials");
        let made = appliance.call("POST", &path, Some(json!({"default_template_id": "web"}))).expect(201);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let (kid, hmac) = (text("eab_key_id"), text("eab_hmac_key"));
        let root = appliance.call("GET", &format!("/v1/pki/ca/{root}/certificate"), None).expect(200)["certificate_pem"].clone();
        std::fs::write(dir.path().join("root.pem"), root.as_str().unwrap()).unwrap();
        Self { appliance, names, web, dir, kid, hmac }
    }

    fn directory(&self) -> String {
        format!("{}/api/acme/directory", self.appliance.base_url())
    }

    /// A file of the client's.
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A script that the client runs.
    fn script(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        self.write(name, format!("#!/bin/bash\nset -euo pipefail\n{text}\n"));
        std::fs::set_permissions(self.path(name), PermissionsExt::from_mode(0o755)).unwrap();
        self.text(name)
    }

    /// A client that trusts the appliance's listener, by the way each of them has.
    fn client(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let ca = self.appliance.path("ca.pem");
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        for variable in ["REQUESTS_CA_BUNDLE", "LEGO_CA_CERTIFICATES", "CURL_CA_BUNDLE", "SSL_CERT_FILE"] {
            command.env(variable, &ca);
        }
        command
    }

    /// A shell line that sends one update to the name server, as nsupdate(1) writes it.
    fn update(&self, line: &str) -> String {
        let port = self.names.address.port();
        format!("printf 'server 127.0.0.1 {port}\\n%s\\nsend\\n' \"{line}\" | nsupdate -y 'hmac-sha256:update:{TSIG_SECRET}'")
    }

    /// nginx, which gives out what stands in the folder `webroot` on port 80.
    fn webroot(&self) -> Process {
        let dir = self.dir.path().display();
        std::fs::create_dir_all(self.path("webroot/.well-known/acme-challenge")).unwrap();
        self.write(
            "nginx.conf",
            format!(
                "daemon off;\nmaster_process off;\nuser root;\nerror_log {dir}/nginx.log info;\npid {dir}/nginx.pid;\nevents {{}}\nhttp {{\n\
                 access_log {dir}/access.log;\nclient_body_temp_path {dir}/t1;\nproxy_temp_path {dir}/t2;\nfastcgi_temp_path {dir}/t3;\n\
                 uwsgi_temp_path {dir}/t4;\nscgi_temp_path {dir}/t5;\nserver {{\nlisten {}:80;\nroot {dir}/webroot;\n}}\n}}\n",
                self.web
            ),
        );
        let mut command = Command::new("/usr/sbin/nginx");
        command.args(["-p", &dir.to_string(), "-c", &self.text("nginx.conf"), "-e", &self.text("nginx.log")]);
        let process = Process(command.stdin(Stdio::null()).spawn().expect("nginx starts"));
        found("nginx listens", || std::net::TcpStream::connect((self.web, 80)).ok());
        process
    }

    /// The certificate at the beginning of a file is good for these names, by what openssl says of its chain.
    #[track_caller]
    fn is_good(&self, chain: &Path, names: &[&str]) {
        let verified = run(Command::new("openssl").args(["verify", "-CAfile", &self.text("root.pem"), "-untrusted"]).arg(chain).arg(chain));
        assert!(verified.contains(": OK"), "{verified}");
        let shown = run(Command::new("openssl").args(["x509", "-noout", "-ext", "subjectAltName", "-in"]).arg(chain));
        let mut found: Vec<String> = shown
            .lines()
            .skip(1)
            .flat_map(|line| line.split(", "))
            .filter_map(|name| Some(name.trim().split_once(':')?.1.to_owned()))
            .collect();
        found.sort();
        let mut wanted: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        wanted.sort();
        assert_eq!(found, wanted);
    }

    /// The status that the appliance has for the certificate at the beginning of a file.
    fn status(&self, chain: &Path) -> Value {
        let serial = run(Command::new("openssl").args(["x509", "-noout", "-serial", "-in"]).arg(chain));
        let serial = serial.trim().split_once('=').unwrap().1.to_owned();
        self.appliance.call("GET", &format!("/v1/pki/certificates/{}", self.id(&serial)), None).expect(200)
    }

    fn id(&self, serial: &str) -> String {
        let listed = self.appliance.call("GET", "/v1/pki/certificates?limit=1000&include_revoked=true", None).expect(200);
        let plain = |text: &str| text.replace(':', "").to_uppercase();
        let found = listed["data"].as_array().unwrap().iter().find(|one| plain(one["serial_number"].as_str().unwrap()) == plain(serial));
        found.unwrap_or_else(|| panic!("{serial} is not among {listed}"))["id"].as_str().unwrap().to_owned()
    }
}

/// A server of the test's; it is killed when dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a client that has to fail, and gives what it said.
#[track_caller]
fn fails(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success(), "{command:?} did not fail:\n{text}");
    text
}

//! nginx asks the responder that its certificate names, verifies the answer and staples it.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use super::World;
use crate::waiting::wait_for;

/// A server of the test's; it is killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn nginx_staples_what_it_is_told() {
    let world = World::new();
    let issued = world.issue("www");
    let chain = format!("{}{}", issued["certificate"].as_str().unwrap(), world.requester.read("issuing.pem"));
    world.requester.write("server.pem", chain);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = world.requester.path("").display().to_string();
    let dir = dir.trim_end_matches('/');
    world.requester.write(
        "nginx.conf",
        format!(
            "daemon off;\nmaster_process off;\nerror_log {dir}/error.log info;\npid {dir}/nginx.pid;\nevents {{}}\nhttp {{\n\
             access_log off;\nclient_body_temp_path {dir}/t1;\nproxy_temp_path {dir}/t2;\nfastcgi_temp_path {dir}/t3;\n\
             uwsgi_temp_path {dir}/t4;\nscgi_temp_path {dir}/t5;\nserver {{\nlisten 127.0.0.1:{port} ssl;\n\
             ssl_certificate {dir}/server.pem;\nssl_certificate_key {dir}/www.key;\nssl_trusted_certificate {dir}/chain.pem;\n\
             ssl_stapling on;\nssl_stapling_verify on;\nreturn 200 ok;\n}}\n}}\n"
        ),
    );
    let mut command = Command::new("/usr/sbin/nginx");
    command.args(["-p", dir, "-c", &format!("{dir}/nginx.conf"), "-e", &format!("{dir}/error.log")]);
    let _server = Server(command.stdin(Stdio::null()).spawn().expect("nginx starts"));
    let address = format!("127.0.0.1:{port}");
    let mut said = String::new();
    // It asks when the first client comes, who gets nothing yet.
    wait_for("a stapled answer", || {
        let arguments = ["s_client", "-connect", &address, "-servername", "www.example.com", "-status", "-CAfile", "root.pem"];
        let output = world.requester.command("openssl", &arguments).stdin(Stdio::null()).output().unwrap();
        said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        said.contains("OCSP Response Status: successful")
    });
    for line in ["Cert Status: good", "Verify return code: 0 (ok)"] {
        assert!(said.contains(line), "no {line} in {said}");
    }
    assert!(world.requester.path("error.log").exists());
    let log = world.requester.read("error.log");
    assert!(!log.contains("OCSP_basic_verify() failed"), "{log}");
}

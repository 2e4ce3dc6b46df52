//! The socket for the day on which every token is lost.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output};

use super::configured;
use crate::appliance::{Appliance, run};

fn with_socket(dir: &Path) -> Appliance {
    let socket = dir.join("admin.sock");
    configured(
        dir,
        |text| if text.contains("[admin]") { text } else { text.replace("[tls]", &format!("[admin]\nsocket = {socket:?}\n\n[tls]")) },
    )
}

fn chancery(socket: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_chancery")).env_clear().arg("--socket").arg(socket).args(arguments).output().unwrap()
}

fn curl(socket: &Path, arguments: &[&str]) -> String {
    run(Command::new("curl").args(["--silent", "--max-time", "60", "--unix-socket"]).arg(socket).args(arguments))
}

#[test]
fn a_new_admin_token_is_made_when_all_are_lost() {
    let dir = tempfile::tempdir().unwrap();
    let appliance = with_socket(dir.path());
    let socket = appliance.path("admin.sock");
    let file = std::fs::metadata(&socket).unwrap();
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    // Over the network administration is gone with it, even for those who have a token.
    assert_eq!(appliance.call("GET", "/v1/admin/tokens", None).refused(404).0, "no_such_endpoint");

    let out = appliance.path("recovered.token");
    let made = chancery(
        &socket,
        &["token", "create", "--name", "recovered", "--scope", "pki:admin", "--ttl", "1d", "--out", &out.display().to_string()],
    );
    assert!(made.status.success(), "{made:?}");
    let token = std::fs::read_to_string(out).unwrap();
    appliance.call_as(Some(token.trim()), "GET", "/v1/pki/ca", None).expect(200);

    let listed = chancery(&socket, &["--json", "audit", "list", "--all"]);
    assert!(listed.status.success(), "{listed:?}");
    let entries: Vec<serde_json::Value> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .flat_map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["data"].as_array().unwrap().clone())
        .collect();
    let uid = nix::unistd::Uid::effective();
    let used: Vec<_> = entries.iter().filter(|entry| entry["action"] == "break_glass.use").collect();
    assert_eq!(used.len(), 2, "the making and the reading: {used:?}");
    for entry in &used {
        assert!(entry["actor"].as_str().unwrap().starts_with(&format!("break-glass (uid {uid}, pid ")), "{entry}");
    }
    assert_eq!((&used[0]["details"]["method"], &used[0]["details"]["path"]), (&"POST".into(), &"/v1/admin/tokens".into()));
    let created = entries.iter().rfind(|entry| entry["action"] == "token.create").unwrap();
    assert_eq!((&created["actor"], &created["request_id"]), (&used[0]["actor"], &used[0]["request_id"]));
    let place = |action: &str| entries.iter().rposition(|entry| entry["action"] == action);
    assert!(place("break_glass.use") > place("token.create"), "the last use was the reading");
    assert!(appliance.log().contains("BREAK GLASS"), "{}", appliance.log());

    // What is not of use without a token there needs one here neither, and a token that is shown is what counts.
    assert!(curl(&socket, &["http://x/healthz"]).contains("\"ok\""));
    let refused = curl(&socket, &["--header", "Authorization: Bearer chy_unknown", "http://x/v1/pki/ca"]);
    assert!(refused.contains("unauthenticated"), "{refused}");
}

#[test]
fn another_user_is_refused_by_the_file_and_by_the_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let appliance = with_socket(dir.path());
    let socket = appliance.path("admin.sock");
    if !nix::unistd::Uid::effective().is_root() {
        // Nobody else can be had here; that the own user is admitted is another test.
        let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
        return;
    }
    let as_nobody = |path: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "curl", "--silent", "--max-time", "60", "--unix-socket"]);
        command.arg(&socket).arg(format!("http://x{path}")).output().unwrap()
    };
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    assert!(!as_nobody("/v1/pki/ca").status.success(), "the file lets nobody in");
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    for path in ["/v1/pki/ca", "/v1/admin/tokens", "/healthz"] {
        let answer = as_nobody(path);
        let text = String::from_utf8_lossy(&answer.stdout);
        assert!(answer.status.success() && text.contains("\"forbidden\""), "{path}: {answer:?}");
    }
    let trail = curl(&socket, &["http://x/v1/admin/audit?limit=1000"]);
    assert!(trail.contains("refused: forbidden") && trail.contains("uid 65534 pid "), "{trail}");
}

#[test]
fn a_socket_that_was_left_behind_is_taken_and_any_other_file_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = with_socket(dir.path());
    appliance.kill();
    let socket = appliance.path("admin.sock");
    assert!(socket.exists(), "a killed daemon leaves it");
    let mut appliance = with_socket(dir.path());
    assert!(curl(&socket, &["http://x/v1/pki/ca"]).contains("data"));
    assert!(appliance.stop());
    std::fs::remove_file(&socket).unwrap();
    std::fs::write(&socket, "somebody's file").unwrap();
    let (status, log) = Appliance::try_start_in(dir.path()).err().expect("it is refused");
    assert!(!status.success() && log.contains("admin.sock cannot be made"), "{log}");
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "somebody's file");
    std::fs::remove_file(&socket).unwrap();
    let _held = UnixListener::bind(&socket).unwrap();
    assert!(Appliance::try_start_in(dir.path()).is_err(), "another daemon's socket is not taken");
}

#[test]
fn the_command_line_says_what_is_wrong_with_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let refused = chancery(&dir.path().join("none.sock"), &["ca", "list"]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{text}");
    assert!(text.contains("none.sock"), "{text}");
    let both = chancery(&dir.path().join("none.sock"), &["--url", "https://127.0.0.1:1", "ca", "list"]);
    assert_eq!(both.status.code(), Some(2));
}

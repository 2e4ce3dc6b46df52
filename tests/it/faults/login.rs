//! A PIN that the token refuses is sent once: hardware counts, and locks itself.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use super::shim::Shim;
use crate::appliance::Appliance;
use crate::token_tool::token_tool;

#[test]
fn a_refused_pin_is_sent_once_and_the_appliance_says_so() {
    let shim = Shim::new();
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("appliance");
    let start = || shim.start(&dir);
    let mut appliance = start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let issue = |appliance: &Appliance| appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"})));
    issue(&appliance).expect(201);

    let tried = shim.calls("C_Login");
    shim.set("C_Sign always before 0x101\nC_Login always before 0xA0\n");
    issue(&appliance).refused(503);
    std::thread::sleep(Duration::from_secs(3));
    for _ in 0..20 {
        let (code, _) = issue(&appliance).refused(503);
        assert_eq!(code, "token_pin_refused");
    }
    assert_eq!(shim.calls("C_Login") - tried, 1, "{}", shim.last_calls(30));
    // It may be that nobody can log in any more; what is there is served all the same.
    assert_eq!(appliance.call_raw(None, "GET", &format!("/v1/pki/ca/{ca}/crl"), None, &[]).status, 200);

    // Also when the token would take it again: nobody but an administrator knows that.
    shim.set("");
    assert_eq!(issue(&appliance).refused(503).0, "token_pin_refused");
    assert_eq!(shim.calls("C_Login") - tried, 1);
    assert!(appliance.stop());
    let appliance = start();
    issue(&appliance).expect(201);
}

#[test]
fn a_worker_that_comes_after_a_refused_pin_does_not_send_it_again() {
    let shim = Shim::new();
    let scratch = tempfile::tempdir().unwrap();
    let appliance = shim.start(&scratch.path().join("appliance"));
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let issue = || appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"})));
    issue().expect(201);
    let tried = shim.calls("C_Login");
    shim.set("C_Sign always before 0x101\nC_Login always before 0xA0\n");
    issue().refused(503);
    std::thread::sleep(Duration::from_secs(1));
    let end_worker = || kill(Pid::from_raw(shim.last_process()), Signal::SIGKILL).expect("the worker is there");
    for _ in 0..3 {
        end_worker();
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(issue().refused(503).0, "token_pin_refused");
    }
    assert_eq!(shim.calls("C_Login") - tried, 1, "{}", shim.last_calls(30));

    // Another PIN is another matter: the administrator's, who has mended the file.
    token_tool(appliance.dir(), &["--change-pin", "--new-pin", "another-pin"]);
    std::fs::write(appliance.path("token.pin"), "another-pin\n").unwrap();
    shim.set("");
    end_worker();
    let begun = std::time::Instant::now();
    while issue().status != 201 {
        assert!(begun.elapsed() < Duration::from_secs(30), "{}", appliance.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(shim.calls("C_Login") - tried, 2);
}

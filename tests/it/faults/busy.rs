//! A token that is slow: what has no place in its queue is told so at once, and nothing piles up behind it.

use std::collections::BTreeMap;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tempfile::TempDir;

use super::shim::Shim;
use crate::appliance::Appliance;
use crate::waiting::wait_for;

const CLIENTS: usize = 48;
/// More than a token has that computes on this machine.
const SESSIONS: u64 = 24;

#[test]
fn behind_a_slow_token_the_queue_is_bounded_and_who_comes_later_is_told_to_come_again() {
    let (shim, scratch) = (Shim::new(), TempDir::new().unwrap());
    let dir = scratch.path().join("appliance");
    let start = || shim.start(&dir);
    let mut appliance = start();
    assert!(appliance.stop());
    let config = dir.join("chancery.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains("[[token]]\n"), "{text}");
    std::fs::write(&config, text.replace("[[token]]\n", "[[token]]\nqueue = 4\n")).unwrap();
    let appliance = start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let issue = || appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"})));
    issue().expect(201);
    let tasks = || {
        let of = |process: u32| std::fs::read_dir(format!("/proc/{process}/task")).map_or(0, Iterator::count);
        of(appliance.process_id()) + of(shim.last_process() as u32)
    };
    let before = tasks();
    shim.set("C_Sign always delay 1500\n");
    let mut answers: BTreeMap<(u16, String), usize> = BTreeMap::new();
    let mut most = 0;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(issue)).collect();
        while clients.iter().any(|client| !client.is_finished()) {
            most = most.max(tasks());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        for client in clients {
            let answer = client.join().unwrap();
            let code = if answer.status == 201 { String::new() } else { answer.refused(answer.status).0 };
            if answer.status == 503 {
                let wait: u32 = answer.header("retry-after").expect("when to come again").parse().unwrap();
                assert!((1..=60).contains(&wait), "{wait} s");
            }
            *answers.entry((answer.status, code)).or_default() += 1;
        }
    });
    shim.set("");
    println!("{answers:?}; {before} threads before, {most} at most");
    let of = |status: u16, code: &str| answers.get(&(status, code.to_owned())).copied().unwrap_or_default();
    assert!(of(503, "token_busy") > 0 && of(201, "") > 0, "{answers:?}");
    assert_eq!(of(503, "token_busy") + of(201, ""), CLIENTS, "{answers:?}");
    assert!(most < before + CLIENTS / 2, "{before} threads before, {most} at most");
    issue().expect(201);
}

/// An appliance that issues, whose token's worker has these settings besides.
fn with_settings(shim: &Shim, scratch: &TempDir, settings: &str) -> Appliance {
    let dir = scratch.path().join("appliance");
    assert!(shim.start(&dir).stop());
    let worker = dir.join("token.toml");
    let text = std::fs::read_to_string(&worker).unwrap();
    std::fs::write(&worker, format!("{settings}\n{text}")).unwrap();
    let appliance = shim.start(&dir);
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    appliance
}

#[test]
fn as_many_signatures_are_under_way_as_the_configuration_gives_sessions() {
    let (shim, scratch) = (Shim::new(), TempDir::new().unwrap());
    let appliance = with_settings(&shim, &scratch, &format!("sessions = {SESSIONS}\ncall_timeout = \"120s\""));
    let issue = || appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"})));
    issue().expect(201);
    // Of calls that never return there are as many as there are sessions, however slow the machine is.
    shim.set("C_Sign always hang\n");
    let begun = || shim.hits("C_Sign");
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(issue)).collect();
        wait_for("a call in each session", || begun() >= SESSIONS);
        // The next worker is asked again for what was under way.
        shim.set("");
        kill(Pid::from_raw(shim.last_process()), Signal::SIGKILL).unwrap();
        for client in clients {
            let answer = client.join().unwrap();
            assert!(answer.status == 201 || ["token_unavailable", "token_busy"].contains(&answer.refused(503).0.as_str()));
        }
    });
    assert_eq!(begun(), SESSIONS);
    issue().expect(201);
}

/// Such threads took the work that others had a session for, and had the login renewed that those had.
#[test]
fn a_thread_that_the_token_has_no_session_for_leaves_the_work_to_the_others() {
    let (shim, scratch) = (Shim::new(), TempDir::new().unwrap());
    let appliance = with_settings(&shim, &scratch, &format!("sessions = {SESSIONS}"));
    let issue = || appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com"})));
    issue().expect(201);
    // CKR_SESSION_COUNT; those that have a session go on.
    let logins = shim.calls("C_Login");
    shim.set("C_OpenSession always before 0xB1\nC_Sign always delay 20\n");
    let answers: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(|| (0..10).map(|_| issue()).collect::<Vec<_>>())).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let issued = answers.iter().filter(|answer| answer.status == 201).count();
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        assert_eq!(answer.refused(503).0, "token_busy");
    }
    // Each of the others took at most one in a second.
    println!("{issued} of {} issued", answers.len());
    assert!(issued >= answers.len() / 2, "{issued} of {}", answers.len());
    assert_eq!(shim.calls("C_Login"), logins);
    let health = appliance.call("GET", "/healthz", None).expect(200);
    assert_eq!(health["status"], "ok", "{health}");
    shim.set("");
    issue().expect(201);
}

//! What a daemon that was taken over could still do: its process is looked at from outside, and what the sandbox should refuse is tried
//! from inside.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, dup};
use serde_json::json;
use tempfile::TempDir;

use crate::appliance::{Appliance, run};
use crate::memory;

fn of_process(appliance: &Appliance, name: &str) -> String {
    let path = format!("/proc/{}/{name}", appliance.process_id());
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A directory whose appliance has stopped, and its configuration.
fn prepared() -> (TempDir, String) {
    let dir = TempDir::new().unwrap();
    let mut made = Appliance::start_in(dir.path());
    let config = made.path("chancery.toml").display().to_string();
    assert!(made.stop());
    (dir, config)
}

fn probe(dir: &Path, config: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chanceryd"));
    run(command.env("SOFTHSM2_CONF", dir.join("softhsm2.conf")).args(["sandbox-probe", "--config", config]))
}

#[test]
fn every_thread_is_filtered_and_gains_no_privilege() {
    let appliance = Appliance::start();
    // A request first: threads that are started later are as the others.
    appliance.root("r", "ec", 256);
    let threads = std::fs::read_dir(format!("/proc/{}/task", appliance.process_id())).unwrap();
    let mut count = 0;
    for thread in threads {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        for line in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
            assert!(status.lines().any(|known| known == line), "{line} is missing:\n{status}");
        }
        count += 1;
    }
    assert!(count > 3, "{count} threads");
}

#[test]
fn the_worker_is_shut_in_as_well() {
    let appliance = Appliance::start();
    appliance.root("r", "ec", 256);
    let worker = memory::worker(&appliance);
    let threads = std::fs::read_dir(format!("/proc/{worker}/task")).unwrap();
    for thread in threads {
        let status = std::fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        for line in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
            assert!(status.lines().any(|known| known == line), "{line} is missing:\n{status}");
        }
    }
    let limits = std::fs::read_to_string(format!("/proc/{worker}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("/proc/{worker}/environ")).unwrap());
    assert_eq!(owner, 0, "it is dumpable");
}

#[test]
fn the_worker_s_sandbox_refuses_every_call_on_its_list() {
    let found = run(Command::new(env!("CARGO_BIN_EXE_chanceryd")).args(["sandbox-probe", "--worker"]));
    for line in found.lines() {
        assert!(line.starts_with("as meant\t"), "{line}\n{found}");
    }
    assert!(found.lines().filter(|line| line.contains("make system call")).count() >= 40, "{found}");
    for what in ["be traced", "write no core file", "be out of others' sight", "be without a way to new privileges", "load a library"] {
        assert!(found.contains(what), "{what}: {found}");
    }
}

#[test]
fn its_memory_is_out_of_reach_and_never_in_a_core_file() {
    let appliance = Appliance::start();
    let limits = of_process(&appliance, "limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    // What is not dumpable belongs to root in /proc (proc(5)), also for a process of another user.
    if !Uid::effective().is_root() {
        for name in ["environ", "mem"] {
            let error = std::fs::File::open(format!("/proc/{}/{name}", appliance.process_id())).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{name}");
        }
    }
    // Dumpable processes own their files there.
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("/proc/{}/environ", appliance.process_id())).unwrap());
    assert_eq!(owner, 0);
}

#[test]
fn nothing_is_left_of_the_environment_and_of_inherited_descriptors() {
    let secret = "correct-horse-battery-staple";
    let dir = TempDir::new().unwrap();
    let inherited = dir.path().join("inherited");
    let file: OwnedFd = std::fs::File::create(&inherited).unwrap().into();
    // Unlike the original a copy is not closed when another program is executed.
    let _copy = dup(&file).unwrap();
    let appliance = Appliance::start_with(dir.path(), |command| {
        command.env("CHANCERY_SECRET", secret);
    });
    let environment = of_process(&appliance, "environ");
    assert!(environment.bytes().all(|byte| byte == 0), "{}", environment.replace('\0', "\n"));
    for entry in std::fs::read_dir(format!("/proc/{}/fd", appliance.process_id())).unwrap() {
        let target = std::fs::read_link(entry.unwrap().path()).unwrap_or_default();
        assert_ne!(target, inherited);
    }
}

#[test]
fn the_sandbox_refuses_what_the_daemon_does_not_need() {
    let (dir, config) = prepared();
    let found = probe(dir.path(), &config);
    assert!(found.lines().count() >= 15, "{found}");
    // All that are not on the list, whatever the kernel calls them.
    let others = found.lines().find_map(|line| line.strip_prefix("as meant\tmake ")?.split_once(" other system calls"));
    assert!(others.is_some_and(|(count, _)| count.parse::<u32>().unwrap() > 400), "{found}");
    for line in found.lines() {
        assert!(line.starts_with("as meant\t"), "{found}");
    }
    // The same without a sandbox is possible, so that the refusals are the sandbox's.
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\n[sandbox]\nmode = \"off\"\n")).unwrap();
    let open = probe(dir.path(), &config);
    for what in ["read /etc/passwd", "write in the folder for temporary files", "start a program", "bind a port", "signal its parent"] {
        assert!(open.lines().any(|line| line == format!("NOT AS MEANT\t{what}\tpossible")), "{what}:\n{open}");
    }
}

#[test]
fn connections_go_where_the_configuration_lets_them() {
    let (dir, config) = prepared();
    let text = std::fs::read_to_string(&config).unwrap();
    let (before, _) = text.split_once("[outbound]").unwrap();
    for (section, what) in [
        // Nothing is said of it, which is what an appliance is by default.
        ("", "connect to a port"),
        ("[outbound]\nenabled = true\nallow = [\"127.0.0.0/8\"]\n", "connect to another port"),
        ("[outbound]\nenabled = true\nports = []\n", "connect to a port"),
    ] {
        std::fs::write(&config, format!("{before}{section}")).unwrap();
        let found = probe(dir.path(), &config);
        assert!(found.lines().all(|line| line.starts_with("as meant\t")), "{section}:\n{found}");
        let line = found.lines().find(|line| line.contains(&format!("\t{what}\t"))).unwrap_or_else(|| panic!("{what}:\n{found}"));
        assert_eq!(line.ends_with("possible"), section.contains("ports = []"), "{section}:\n{found}");
        assert!(found.contains("raw packets"), "{found}");
    }
}

#[test]
fn the_appliance_works_when_a_denied_call_would_end_it() {
    let (dir, config) = prepared();
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\n[sandbox]\ndenied = \"kill\"\n")).unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    let ca = appliance.root("r", "ec", 256);
    appliance.role("web", &ca, json!({}));
    for name in ["a.example.com", "b.example.com"] {
        let issued = appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": name}))).expect(201);
        let serial = issued["serial_number"].as_str().unwrap().to_owned();
        appliance.call("POST", "/v1/pki/revoke", Some(json!({"serial_number": serial}))).expect(200);
    }
    assert_eq!(appliance.call("GET", &format!("/v1/pki/ca/{ca}/crl"), None).status, 200);
    // A debugger, a terminal or a snapshot of the machine stops it for a while: waits that were interrupted are begun anew.
    appliance.signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_millis(200));
    appliance.signal(Signal::SIGCONT);
    appliance.signal(Signal::SIGHUP);
    appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "c.example.com"}))).expect(201);
    assert!(appliance.stop(), "{}", appliance.log());
}

#[test]
fn it_is_closed_before_the_first_connection_is_taken() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("trace");
    let mut appliance = Appliance::start_with(&dir.path().join("appliance"), |command| {
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-yy", "-e", "trace=prctl,landlock_restrict_self,seccomp,accept4", "-o"]).arg(&file);
        traced.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        *command = traced;
    });
    // It has answered by now. Each line begins with the thread; of all that were started the daemon alone closes files.
    let trace = std::fs::read_to_string(&file).unwrap();
    let closing = trace.lines().find(|line| line.contains("landlock_restrict_self(")).unwrap_or_else(|| panic!("{trace}"));
    let main = closing.split_whitespace().next().unwrap();
    // strace takes no signal itself, and ends with the daemon.
    kill(Pid::from_raw(main.parse().unwrap()), Signal::SIGTERM).unwrap();
    assert!(appliance.stop());
    let own = |call: &str| -> Vec<usize> {
        let is_own = |line: &str| line.split_whitespace().next() == Some(main) && line.contains(call);
        let places = trace.lines().enumerate().filter(|(_, line)| is_own(line));
        places.map(|(place, _)| place).collect()
    };
    let (privileges, files, calls) =
        (own("prctl(PR_SET_NO_NEW_PRIVS"), own("landlock_restrict_self("), own("seccomp(SECCOMP_SET_MODE_FILTER"));
    let taken = trace.lines().position(|line| line.contains("accept4(") && line.contains("<TCP")).expect("a connection was taken");
    let in_order = privileges.first() < files.first() && files.last() < calls.first();
    assert!(!privileges.is_empty() && in_order && calls.last() < Some(&taken), "the first connection in line {taken}:\n{trace}");
}

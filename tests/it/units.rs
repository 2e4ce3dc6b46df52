//! The units of systemd: well formed, and as closed as is promised, judged by systemd itself.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::appliance::run;

fn unit(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name)
}

fn exposure(name: &str) -> f64 {
    exposure_of(&unit(name))
}

fn exposure_of(unit: &Path) -> f64 {
    let mut command = Command::new("systemd-analyze");
    let text = run(command.env("LC_ALL", "C").args(["security", "--no-pager", "--offline=true"]).arg(unit));
    let line = text.lines().find(|line| line.contains("Overall exposure level")).unwrap_or_else(|| panic!("{text}"));
    let level = line.rsplit(": ").next().and_then(|rest| rest.split(' ').next());
    level.and_then(|level| level.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

#[test]
fn the_daemon_and_the_worker_are_exposed_as_little_as_is_promised() {
    let daemon = exposure("chanceryd.service");
    assert!(daemon <= 1.5, "chanceryd.service: {daemon}");
    let worker = exposure("chancery-token@.service");
    assert!(worker <= 0.5, "chancery-token@.service: {worker}");
}

#[test]
fn the_drop_in_for_outgoing_connections_opens_those_and_nothing_else() {
    // With what it adds, the unit as systemd puts it together.
    let dropped = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/outbound.conf")).unwrap();
    let dir = TempDir::new().unwrap();
    let whole = std::fs::read_to_string(unit("chanceryd.service")).unwrap();
    let (before, install) = whole.split_once("[Install]").unwrap();
    let path = dir.path().join("chanceryd.service");
    std::fs::write(&path, format!("{before}{dropped}\n[Install]{install}")).unwrap();
    let level = exposure_of(&path);
    assert!(level <= 1.5, "chanceryd.service with outbound.conf: {level}");
}

#[test]
fn systemd_understands_every_unit() {
    // The program the units start is not installed where tests run, and systemd looks whether it can be executed.
    let dir = TempDir::new().unwrap();
    let plain =
        ["chanceryd.service", "chanceryd.socket", "chanceryd-public.socket", "chanceryd-admin.socket", "chanceryd-break-glass.socket"];
    for name in plain.into_iter().chain(["chancery-token@.service", "chancery-token@.socket"]) {
        let text = std::fs::read_to_string(unit(name)).unwrap();
        let text = text.replace("/usr/bin/chanceryd", env!("CARGO_BIN_EXE_chanceryd"));
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let drop_ins = dir.path().join("chanceryd.service.d");
    std::fs::create_dir(&drop_ins).unwrap();
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/outbound.conf"), drop_ins.join("outbound.conf")).unwrap();
    for name in plain.into_iter().chain(["chancery-token@main.service", "chancery-token@main.socket"]) {
        let mut command = Command::new("systemd-analyze");
        command.env("LC_ALL", "C").env("SYSTEMD_UNIT_PATH", format!("{}:", dir.path().display()));
        let text = run(command.args(["verify", "--man=no", "--recursive-errors=no"]).arg(name));
        assert!(!text.contains(&dir.path().display().to_string()), "{text}");
    }
}

#[test]
fn the_users_and_folders_can_be_made() {
    let root = TempDir::new().unwrap();
    std::fs::create_dir_all(root.path().join("etc")).unwrap();
    let of_root = format!("--root={}", root.path().display());
    run(Command::new("systemd-sysusers").arg(&of_root).arg(unit("sysusers.d/chanceryd.conf")));
    let users = std::fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    for user in ["chancery:", "chancery-token:"] {
        assert!(users.lines().any(|line| line.starts_with(user) && line.ends_with("/nologin")), "{users}");
    }
    if nix::unistd::Uid::effective().is_root() {
        run(Command::new("systemd-tmpfiles").arg(&of_root).arg("--create").arg(unit("tmpfiles.d/chanceryd.conf")));
        for made in ["etc/chancery/tokens", "var/lib/chancery", "var/lib/chancery-token", "run/chancery-token", "run/chancery"] {
            assert!(root.path().join(made).is_dir(), "{made}");
        }
    }
}

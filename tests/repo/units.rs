//! The document on security gives a reason for every fence of a unit, and for what is left open.

use crate::tree;

const UNITS: [&str; 2] = ["systemd/chanceryd.service", "systemd/chancery-token@.service"];
/// How a unit is started, watched and stopped says nothing of what it may do.
const LIFE: [&str; 14] = [
    "Type",
    "NotifyAccess",
    "WatchdogSec",
    "ExecStart",
    "ExecStartPre",
    "ExecReload",
    "Restart",
    "RestartSec",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "KillMode",
    "StartLimitIntervalSec",
    "StartLimitBurst",
    "Documentation",
];

#[test]
fn every_directive_of_a_unit_is_documented() {
    let document = tree::read("docs/security.md");
    let (_, section) = document.split_once("### The units").unwrap();
    crate::assert_none(UNITS.iter().flat_map(|unit| undocumented(&tree::read(unit), section)).collect());
}

fn undocumented(unit: &str, document: &str) -> Vec<String> {
    let service = unit.split("\n[").find(|section| section.starts_with("Service]")).unwrap_or_default();
    let names = service.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let mut missing: Vec<_> = names.filter(|name| !LIFE.contains(name) && !document.contains(&format!("`{name}`"))).collect();
    missing.dedup();
    missing.into_iter().map(|name| format!("{name} is in a unit and not in docs/security.md")).collect()
}

#[test]
fn a_directive_without_a_word_is_found() {
    let unit = "[Unit]\nDescription=x\n[Service]\nType=notify\nUser=a\n# Group=b\nProtectHome=yes\n\n[Install]\nWantedBy=c\n";
    assert_eq!(undocumented(unit, "`User` and Protect"), ["ProtectHome is in a unit and not in docs/security.md"]);
}

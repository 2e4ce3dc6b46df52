//! `chanceryd migrate`: a store is read beside its daemon, brought up to date without one, and refused where this version cannot read it.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use chancery::storage::{Change, Class, Options, Storage, Table};
use serde_json::json;
use tempfile::TempDir;

use crate::appliance::{Appliance, run};

/// How it ended, and all it said.
fn migrate(config: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chanceryd"));
    let output = command.env_clear().arg("migrate").args(arguments).arg("--config").arg(config).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[track_caller]
fn assert_says(config: &Path, arguments: &[&str], code: i32, parts: &[&str]) {
    let (ended, text) = migrate(config, arguments);
    assert_eq!(ended, Some(code), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

/// An appliance that has issued three certificates.
fn appliance(dir: &Path) -> Appliance {
    let appliance = Appliance::start_in(dir);
    let ca = appliance.root("r", "ec", 256);
    appliance.role("web", &ca, json!({}));
    for name in ["a", "b", "c"] {
        appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": format!("{name}.example.com")}))).expect(201);
    }
    appliance
}

/// Every file of a store with what it holds.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let listed = run(Command::new("find").arg(folder).args(["-type", "f"]));
    listed.lines().map(|path| (path.into(), std::fs::read(path).unwrap())).collect()
}

/// Puts a change into the store of an appliance that is not running.
fn commit(data: &Path, change: Change) {
    let (storage, _) = Storage::open(data, Options::default()).unwrap();
    storage.commit_blocking(change).unwrap();
}

#[test]
fn a_dry_run_reads_everything_beside_the_daemon_and_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let config = dir.path().join("chancery.toml");
    let mut appliance = appliance(dir.path());
    assert_says(&config, &["--dry-run"], 0, &["every record can be read, and the hash chain is whole", "up to date: nothing to move"]);
    // Only a dry run may be beside a daemon.
    assert_says(&config, &[], 1, &["in use by another process", "when it is started"]);
    assert!(appliance.stop());
    let before = files(&dir.path().join("data"));
    assert_says(&config, &["--dry-run"], 0, &["audit entries"]);
    assert_eq!(files(&dir.path().join("data")), before);
}

#[test]
fn an_index_of_an_earlier_version_is_told_of_and_then_moved() {
    let dir = TempDir::new().unwrap();
    let (config, data) = (dir.path().join("chancery.toml"), dir.path().join("data"));
    let mut made = appliance(dir.path());
    assert!(made.stop());
    // As it was: one index for all authorities, with the authority for its value.
    let (storage, _) = Storage::open(&data, Options::default()).unwrap();
    let mut change = Change::new(Class::Normal);
    let mut places = 0;
    for key in storage.scan_keys(Table::CertificatesByCaExpiry, &[], None).map(Result::unwrap) {
        let (ca, place) = key.split_at(16);
        change = change.delete(Table::CertificatesByCaExpiry, &key).put(Table::CertificatesByExpiry, place, ca);
        places += 1;
    }
    assert!(places >= 3, "{places}");
    storage.commit_blocking(change).unwrap();
    drop(storage);

    let told = format!("of an earlier version: {places} places move");
    assert_says(&config, &["--dry-run"], 0, &[&told]);
    assert_says(&config, &["--dry-run"], 0, &[&told]);
    assert_says(&config, &[], 0, &[&told, &format!("done: {places} places moved")]);
    assert_says(&config, &["--dry-run"], 0, &["up to date: nothing to move"]);
    let appliance = Appliance::start_in(dir.path());
    let soon = appliance.call("GET", "/v1/pki/certificates?expiring_within=3650d", None).expect(200);
    assert!(soon["data"].as_array().unwrap().len() >= 3, "{soon}");
}

#[test]
fn what_this_version_cannot_read_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    let (config, data) = (dir.path().join("chancery.toml"), dir.path().join("data"));
    let mut made = appliance(dir.path());
    assert!(made.stop());
    let backup = dir.path().join("backup");
    run(Command::new("cp").arg("-a").arg(&data).arg(&backup));
    let restore = || {
        std::fs::remove_dir_all(&data).unwrap();
        run(Command::new("cp").arg("-a").arg(&backup).arg(&data));
    };

    // A form of a later version.
    commit(&data, Change::new(Class::Normal).put(Table::TokenKeys, &[1; 16], &[77]));
    let refused = ["this version cannot serve the store", "puts into the table token-keys what this version cannot read"];
    assert_says(&config, &["--dry-run"], 1, &refused);
    assert_says(&config, &[], 1, &refused);

    restore();
    commit(&data, Change::new(Class::Normal).put(Table::Meta, b"format", &99_u32.to_be_bytes()));
    assert_says(&config, &["--dry-run"], 1, &["this version cannot serve the store", "the table meta"]);

    restore();
    let journal = std::fs::File::options().read(true).write(true).open(data.join("journal/0000000001.log")).unwrap();
    let mut byte = [0];
    journal.read_exact_at(&mut byte, 300).unwrap();
    journal.write_all_at(&[byte[0] ^ 1], 300).unwrap();
    assert_says(&config, &["--dry-run"], 1, &["this version cannot serve the store", "the journal is damaged in segment 1"]);

    std::fs::remove_dir_all(&data).unwrap();
    assert_says(&config, &["--dry-run"], 0, &["no store yet"]);
    assert_says(&config, &[], 0, &["no store yet"]);
    assert!(!data.exists());
}

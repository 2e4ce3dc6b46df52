//! The disk fills up or fails: what can wait is refused, revocation goes on, and what was acknowledged stays.
//!
//! The disk is a tmpfs, which only root may mount; whoever is not sees that these tests were left out.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chancery::client::{Client, ClientError, CrlForm};
use chancery::x509::crl::Crl;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::appliance::Appliance;
use crate::injection::Injection;
use crate::load::{self, Answered};

const MIB: u64 = 1 << 20;
/// As much as the first start wants to be free, and a little more.
const SIZE: u64 = 96;
const RESERVE: u64 = 4;

/// A small disk of its own; it is taken away when dropped.
pub struct Disk(TempDir);

impl Disk {
    /// None where mounting is not permitted, which is said loudly.
    pub fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={SIZE}m,mode=0700");
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "chancery-test"]).arg(dir.path()).output().unwrap();
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!nix::unistd::geteuid().is_root() || why.contains("permi") || why.contains("denied"), "mount failed: {why}");
            eprintln!("\n*** NOT TESTED: what happens on a full disk. Mounting a tmpfs is not permitted here: {why}");
            eprintln!("*** Run this test as root.\n");
            return None;
        }
        Some(Self(dir))
    }

    pub fn appliance(&self) -> PathBuf {
        self.0.path().join("appliance")
    }

    fn free(&self) -> u64 {
        let stat = nix::sys::statvfs::statvfs(self.0.path()).unwrap();
        stat.blocks_available() * stat.fragment_size()
    }

    /// Somebody else's file, which leaves so many bytes.
    pub fn fill(&self, leave: u64) {
        let mut file = File::options().create(true).append(true).open(self.filler()).unwrap();
        let block = vec![0x5a; MIB as usize];
        while self.free() > leave {
            let part = (self.free() - leave).min(MIB) as usize;
            match file.write(&block[..part]) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(self.free() <= leave + 4096, "{} bytes are left", self.free());
    }

    pub fn clear(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("somebody-elses")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whatever the daemon leaves open goes away with it.
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// An appliance on a small disk with a small reserve, some certificates issued.
struct Story {
    appliance: Appliance,
    runtime: Runtime,
    client: Client,
    ca: String,
    csrs: Vec<String>,
    certificates: Vec<Answered>,
}

impl Story {
    fn begin(dir: &Path, count: usize) -> Self {
        let mut appliance = Appliance::start_in(dir);
        assert!(appliance.stop());
        let config = dir.join("chancery.toml");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap();
        let text = fs::read_to_string(&config).unwrap().replace("127.0.0.1:0", &free.to_string());
        fs::write(&config, format!("{text}\n[storage]\nreserve_mib = {RESERVE}\n")).unwrap();
        let appliance = Appliance::start_in(dir);
        let scratch = tempfile::tempdir().unwrap();
        let (runtime, client, csrs) = (load::runtime(), load::client(&appliance), load::requests(4, scratch.path()));
        let ca = appliance.root("root", "ec", 256);
        appliance.role("web", &ca, json!({}));
        let certificates = load::issue(&runtime, &client, "web", &csrs, count);
        Self { appliance, runtime, client, ca, csrs, certificates }
    }

    fn sign(&mut self) -> Result<(), ClientError> {
        let answered = self.runtime.block_on(load::sign(&self.client, "web", &self.csrs[0]))?;
        self.certificates.push(answered);
        Ok(())
    }

    /// Signs until that is refused, and says with which status and code. The daemon believes a look at the disk for a moment, in which
    /// a quick machine signs a lot; `before` is done ahead of each.
    fn sign_until_refused(&mut self, before: impl Fn()) -> (u16, String) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            before();
            if let Err(error) = self.sign() {
                return told(&error);
            }
        }
        panic!("ten seconds later, nothing was refused");
    }

    fn revoke(&self, place: usize) {
        self.runtime.block_on(load::revoke(&self.client, &self.certificates[place])).expect("revocation goes on");
    }

    /// Publishes a CRL, which is handed out and lists so many.
    fn publish(&self, revoked: usize) {
        let published = self.runtime.block_on(self.client.publish_crl(&self.ca)).expect("CRLs go on").into_value();
        let der = self.runtime.block_on(self.client.crl(&self.ca, CrlForm::Der)).unwrap();
        let crl = Crl::from_der(&der).unwrap();
        assert_eq!((crl.number(), crl.entries().count()), (Some(published.crl_number), revoked));
    }

    fn assert_all_there(&self) {
        load::assert_there(&self.runtime, &self.client, &self.certificates);
    }

    fn has_reserve(&self) -> bool {
        self.appliance.path("data/reserve").exists()
    }

    /// Signing works again, by itself and soon.
    fn assert_signs_again(&mut self) {
        let begun = Instant::now();
        while let Err(error) = self.sign() {
            assert_eq!(told(&error), (507, "storage_full".to_owned()));
            assert!(begun.elapsed() < Duration::from_secs(10), "there is room and nothing is issued");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The status and code of a refusal.
fn told(error: &ClientError) -> (u16, String) {
    let problem = error.problem().unwrap_or_else(|| panic!("no problem document: {error:?}"));
    (problem.status, problem.code.clone())
}

#[test]
fn a_full_disk_refuses_new_certificates_and_nothing_that_must_not_fail() {
    let Some(disk) = Disk::mount() else { return };
    let mut story = Story::begin(&disk.appliance(), 100);
    assert!(story.has_reserve());
    let token = story.appliance.call("POST", "/v1/admin/tokens", Some(json!({"name": "leaver", "scopes": ["pki:read"], "ttl": "1h"})));
    let token = token.expect(201);

    // Certificates fill the rest.
    disk.fill(2 * RESERVE * MIB + MIB / 2);
    assert_eq!(story.sign_until_refused(|| {}), (507, "storage_full".to_owned()));
    let signed = story.certificates.len();
    assert!(signed > 100, "there was room for some");
    let refused = story.appliance.call("POST", "/v1/admin/tokens", Some(json!({"name": "new", "scopes": ["pki:read"], "ttl": "1h"})));
    assert_eq!(refused.refused(507).0, "storage_full");
    let health = story.appliance.call("GET", "/healthz", None).expect(200);
    assert_eq!(health["storage"], "full", "it can still revoke, so a load balancer keeps it");

    (0..5).for_each(|place| story.revoke(place));
    story.publish(5);
    let leaver = story.appliance.call_as(token["token"].as_str(), "GET", "/v1/pki/certificates", None);
    leaver.expect(200);
    story.appliance.call("DELETE", &format!("/v1/admin/tokens/{}", token["id"].as_str().unwrap()), None).expect(204);
    story.appliance.call_as(token["token"].as_str(), "GET", "/v1/pki/certificates", None).refused(401);
    story.assert_all_there();

    disk.clear();
    // A monitor sees it before anybody asks for a certificate again.
    assert_eq!(story.appliance.call("GET", "/healthz", None).expect(200)["storage"], "ok");
    story.assert_signs_again();
    story.publish(5);
    story.assert_all_there();
    assert!(story.appliance.stop(), "{}", story.appliance.log());
}

#[test]
fn a_disk_filled_by_somebody_else_leaves_the_reserve_to_revocation_and_crls() {
    let Some(disk) = Disk::mount() else { return };
    let mut story = Story::begin(&disk.appliance(), 400);
    // What the daemon gives back meanwhile, such as the file of an earlier CRL, somebody takes as well.
    assert_eq!(story.sign_until_refused(|| disk.fill(0)), (507, "storage_full".to_owned()));
    // The first thing to need a new file is the CRL, long before the journal has used up its room.
    assert!(story.has_reserve());
    story.revoke(0);
    story.publish(1);
    assert!(!story.has_reserve(), "the CRL is on the disk by the reserve's room");
    assert_eq!(story.sign_until_refused(|| {}), (507, "storage_full".to_owned()), "the reserve is not for new certificates");
    for place in 1..300 {
        story.revoke(place);
        if place % 100 == 0 {
            story.publish(place + 1);
        }
    }
    story.publish(300);
    story.assert_all_there();

    disk.clear();
    story.assert_signs_again();
    assert!(story.has_reserve(), "it is held again");

    // A crash on the full disk loses nothing, and the next start goes on where it was.
    disk.fill(0);
    for place in 300..350 {
        story.revoke(place);
    }
    story.appliance.kill();
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    story.appliance = serve(&disk.appliance(), elsewhere.path());
    story.client = load::client(&story.appliance);
    assert_eq!(story.sign_until_refused(|| {}), (507, "storage_full".to_owned()));
    for place in 350..400 {
        story.revoke(place);
    }
    story.publish(400);
    story.assert_all_there();

    disk.clear();
    story.assert_signs_again();
    assert!(!story.appliance.log().contains("panicked"), "{}", story.appliance.log());
    assert!(story.appliance.stop(), "{}", story.appliance.log());
    chancery::audit::verify(&disk.appliance().join("data")).unwrap();
}

/// Starts it as in production: `chanceryd serve` writes no files beside the data directory, which a full disk would not take. Its address
/// is kept in the other file, for which there is room.
fn serve(dir: &Path, elsewhere: &Path) -> Appliance {
    let config = dir.join("chancery.toml");
    let text = fs::read_to_string(&config).unwrap();
    let address = text.lines().find_map(|line| line.strip_prefix("listen = ")).unwrap().trim_matches('"').to_owned();
    Appliance::start_with(dir, |command| {
        let mut serving = Command::new(command.get_program());
        serving.args(["serve", "--config"]).arg(&config);
        serving.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        *command = serving;
        // A full disk takes no file, be it one of a line, but still a link to where there is room.
        fs::write(elsewhere, &address).unwrap();
        std::os::unix::fs::symlink(elsewhere, dir.join("listen.addr")).unwrap();
    })
}

#[test]
fn after_a_failed_fdatasync_nothing_is_acknowledged_until_the_next_start() {
    let scratch = tempfile::tempdir().unwrap();
    let mut story = Story::begin(&scratch.path().join("appliance"), 50);
    story.revoke(0);

    // One call fails. The next would work, and prove nothing: the kernel has dropped what it could not write.
    let injection = Injection::begin(story.appliance.process_id(), "fdatasync:error=EIO:when=12");
    let failed = (503, "storage_failed".to_owned());
    assert_eq!(story.sign_until_refused(|| {}), failed);
    assert!(story.certificates.len() > 50, "some were signed before");
    drop(injection);

    for _ in 0..5 {
        assert_eq!(told(&story.sign().unwrap_err()), failed);
    }
    let revoked = story.runtime.block_on(load::revoke(&story.client, &story.certificates[1]));
    assert_eq!(told(&revoked.unwrap_err()), failed);
    assert_eq!(told(&story.runtime.block_on(story.client.publish_crl(&story.ca)).unwrap_err()), failed);
    let health = story.appliance.call("GET", "/healthz", None).expect(503);
    assert_eq!((&health["status"], &health["storage"]), (&json!("failing"), &json!("failed")));
    // Reading goes on.
    story.assert_all_there();
    assert!(story.appliance.log().contains("the journal cannot be written; nothing more is accepted"), "{}", story.appliance.log());
    assert!(!story.appliance.log().contains("panicked"), "{}", story.appliance.log());

    story.appliance = restarted(story.appliance);
    story.client = load::client(&story.appliance);
    story.assert_all_there();
    story.revoke(1);
    story.publish(2);
    story.assert_signs_again();
    assert!(story.appliance.stop());
}

/// Waits for the end of a daemon, which may be no good one, and starts it again.
fn restarted(mut appliance: Appliance) -> Appliance {
    let dir = appliance.dir().to_owned();
    appliance.stop();
    Appliance::start_in(&dir)
}

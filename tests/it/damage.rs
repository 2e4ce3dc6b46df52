//! What is on the disk was damaged: the index is made anew, the journal is refused by segment and offset, and no certificate is lost.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use chancery::audit::{self, VerifyError};
use chancery::client::Client;
use chancery::journal::{Frames, JournalError, Position};
use chancery::storage::{Change, Class, Options, Storage, Table};
use chancery::x509::pem;
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::appliance::{Appliance, run};
use crate::load::{self, Answered, Choices};

const CERTIFICATES: usize = 300;
const REVOKED: usize = 20;

/// An appliance that is not running, with everything it answered.
struct Stopped {
    scratch: TempDir,
    runtime: Runtime,
    ca: String,
    certificates: Vec<Answered>,
}

/// How an appliance was ended before it was damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The index has everything.
    Stopped,
    /// The journal has more than the index.
    Killed,
}

impl Stopped {
    fn new(end: End) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let runtime = load::runtime();
        let dir = scratch.path().join("appliance");
        let csrs = load::requests(4, scratch.path());
        let mut appliance = Appliance::start_in(&dir);
        let ca = appliance.root("root", "ec", 256);
        appliance.role("web", &ca, json!({}));
        let mut certificates = load::issue(&runtime, &load::client(&appliance), "web", &csrs, CERTIFICATES / 2);
        // A clean stop makes a checkpoint, so the index has the first half for certain.
        assert!(appliance.stop());
        appliance = Appliance::start_in(&dir);
        let client = load::client(&appliance);
        certificates.extend(load::issue(&runtime, &client, "web", &csrs, CERTIFICATES / 2));
        for certificate in &certificates[..REVOKED] {
            runtime.block_on(load::revoke(&client, certificate)).unwrap();
        }
        match end {
            End::Stopped => assert!(appliance.stop()),
            End::Killed => appliance.kill(),
        }
        let stopped = Self { scratch, runtime, ca, certificates };
        run(Command::new("cp").arg("-a").arg(stopped.data()).arg(stopped.backup()));
        stopped
    }

    fn dir(&self) -> PathBuf {
        self.scratch.path().join("appliance")
    }

    fn data(&self) -> PathBuf {
        self.dir().join("data")
    }

    fn backup(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    /// The data directory as it was before any damage, and an empty log.
    fn restore(&self) {
        fs::remove_dir_all(self.data()).unwrap();
        run(Command::new("cp").arg("-a").arg(self.backup()).arg(self.data()));
        let _ = fs::remove_file(self.dir().join("daemon.log"));
    }

    /// Starts it, and gives what it said when it refused.
    fn start(&self) -> Result<Appliance, String> {
        let _ = fs::remove_file(self.dir().join("daemon.log"));
        Appliance::try_start_in(&self.dir()).map_err(|(status, log)| refusal(status, &log))
    }

    #[track_caller]
    fn assert_refused(&self, parts: &[&str]) {
        let Err(log) = self.start() else { panic!("it was started") };
        for part in parts {
            assert!(log.contains(part), "{part:?} is not in:\n{log}");
        }
    }

    /// Looks for all certificates and revocations.
    fn assert_complete(&self, appliance: &Appliance) {
        let client = load::client(appliance);
        load::assert_there(&self.runtime, &client, &self.certificates);
        self.runtime.block_on(async {
            for certificate in &self.certificates[..REVOKED] {
                assert!(is_revoked(&client, certificate).await, "{} is no longer revoked", certificate.serial);
            }
            assert!(!is_revoked(&client, &self.certificates[REVOKED]).await);
            let issued = client.authority(&self.ca).await.unwrap().into_value().certificates_issued;
            assert!(issued >= CERTIFICATES as u64, "{issued} are counted");
        });
        assert!(!appliance.log().contains("panicked"), "{}", appliance.log());
    }
}

async fn is_revoked(client: &Client, certificate: &Answered) -> bool {
    client.certificate(&certificate.id).await.expect("a certificate").into_value().summary.is_revoked
}

/// What a daemon that did not start said; it must be an error and no panic.
fn refusal(status: ExitStatus, log: &str) -> String {
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    log.to_owned()
}

#[test]
fn no_damage_to_the_index_costs_a_certificate() {
    let mut choices = Choices::from_environment("CHANCERY_DAMAGE_SEED");
    let (mut rebuilt, mut variants) = (0, 0);
    for end in [End::Stopped, End::Killed] {
        let stopped = Stopped::new(end);
        for kind in 0..14 {
            stopped.restore();
            let what = damage(&stopped.data(), kind, &mut choices);
            let appliance = stopped.start().unwrap_or_else(|log| {
                assert!(log.contains("index"), "{end:?}, {what}: a refusal names what is damaged:\n{log}");
                panic!("{end:?}, {what}: the journal is whole, so it should have started:\n{log}");
            });
            println!("{end:?}, {what}: {}", if is_rebuilt(&appliance) { "rebuilt" } else { "used" });
            variants += 1;
            rebuilt += usize::from(is_rebuilt(&appliance));
            stopped.assert_complete(&appliance);
            // What was made anew is good: the next start uses it.
            if kind % 5 == 0 {
                let mut appliance = appliance;
                assert!(appliance.stop(), "{end:?}, {what}");
                let appliance = stopped.start().unwrap();
                assert!(!is_rebuilt(&appliance), "{end:?}, {what}: rebuilt again:\n{}", appliance.log());
                stopped.assert_complete(&appliance);
            }
        }
    }
    println!("{rebuilt} of {variants} were rebuilt");
    assert!(rebuilt >= variants / 2, "{rebuilt} of {variants} were noticed");
}

fn is_rebuilt(appliance: &Appliance) -> bool {
    appliance.log().contains("the index was rebuilt from the journal")
}

/// Damages the index in one way and says in which.
fn damage(data: &Path, kind: u32, choices: &mut Choices) -> String {
    let (index, checkpoint) = (data.join("index"), data.join("index.checkpoint"));
    let db = index.join("db");
    let length = fs::metadata(&db).unwrap().len();
    let at = choices.below(length);
    match kind {
        0 => fs::remove_dir_all(&index).unwrap(),
        1 => fs::remove_file(&db).unwrap(),
        2 => fs::remove_file(index.join("conf")).unwrap(),
        3 => truncate(&db, 0),
        4 => truncate(&db, at),
        5 => truncate(&db, length - 1 - choices.below(1000)),
        6 => fs::write(&db, vec![0; length as usize]).unwrap(),
        7 => zero(&db, at, 4096.min(length - at)),
        8 => flip(&db, at, choices),
        9 => (0..20).for_each(|_| flip(&db, choices.below(length), choices)),
        10 => OpenOptions::new().append(true).open(&db).unwrap().write_all(&noise(5000, choices)).unwrap(),
        11 => fs::remove_file(&checkpoint).unwrap(),
        12 => flip(&checkpoint, choices.below(fs::metadata(&checkpoint).unwrap().len()), choices),
        _ => {
            fs::remove_dir_all(&index).unwrap();
            fs::write(&index, b"no folder").unwrap();
        }
    }
    let names = [
        "index deleted",
        "index/db deleted",
        "index/conf deleted",
        "index/db emptied",
        "index/db cut",
        "the end of index/db cut off",
        "index/db zeroed",
        "4 KiB of index/db zeroed",
        "one bit of index/db flipped",
        "20 bits of index/db flipped",
        "noise behind index/db",
        "index.checkpoint deleted",
        "one bit of index.checkpoint flipped",
        "a file in the place of index",
    ];
    format!("{} (at {at} of {length})", names[kind as usize])
}

fn truncate(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

fn zero(path: &Path, at: u64, length: u64) {
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(&vec![0; length as usize], at).unwrap();
}

fn flip(path: &Path, at: u64, choices: &mut Choices) {
    change(path, at, |byte| byte ^ (1 << choices.below(8)));
}

fn change(path: &Path, at: u64, new: impl FnOnce(u8) -> u8) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[new(byte[0])], at).unwrap();
}

fn noise(length: usize, choices: &mut Choices) -> Vec<u8> {
    (0..length).map(|_| choices.below(256) as u8).collect()
}

/// Where the frames of a journal begin, and where the last one ends.
fn frames(data: &Path) -> (Vec<u32>, Position) {
    let mut frames = Frames::open(&data.join("journal"), Position::START).unwrap();
    let mut starts = Vec::new();
    while let Some(frame) = frames.next_frame().unwrap() {
        starts.push(frame.offset);
    }
    (starts, frames.position())
}

fn segment(data: &Path) -> PathBuf {
    data.join("journal").join("0000000001.log")
}

#[test]
fn a_damaged_journal_is_refused_by_segment_and_offset() {
    let mut choices = Choices::from_environment("CHANCERY_DAMAGE_SEED");
    let stopped = Stopped::new(End::Killed);
    let (starts, end) = frames(&stopped.data());
    assert_eq!(end.segment, 1);
    // What is replayed at the start is the half behind the checkpoint, and all of it when there is no index.
    for (first, without_index) in [(starts.len() * 3 / 4, false), (starts.len() / 4, true), (0, true)] {
        for _ in 0..4 {
            stopped.restore();
            let frame = first + choices.below(starts.len() as u64 / 8) as usize;
            let (from, to) = (u64::from(starts[frame]), u64::from(starts[frame + 1]));
            // The byte of the format's version is another story.
            let at = from + 8 + choices.below(to - from - 8);
            flip(&segment(&stopped.data()), at, &mut choices);
            if without_index {
                fs::remove_dir_all(stopped.data().join("index")).unwrap();
            }
            stopped.assert_refused(&["segment 1", &format!("offset {from}:")]);
            match audit::verify(&stopped.data()) {
                Err(VerifyError::Journal(JournalError::Corrupt { segment: 1, offset, .. })) => assert_eq!(offset, from),
                other => panic!("{other:?}"),
            }
        }
    }
    // Nothing was cut or moved by all the refusals: the bytes from the backup are enough.
    fs::copy(segment(&stopped.backup()), segment(&stopped.data())).unwrap();
    stopped.assert_complete(&stopped.start().unwrap());
}

#[test]
fn damage_that_no_start_reads_is_found_by_verify_and_never_read_as_a_certificate() {
    let mut choices = Choices::from_environment("CHANCERY_DAMAGE_SEED");
    let stopped = Stopped::new(End::Stopped);
    // A certificate's own bytes, in the half that only the index leads to.
    let victim = &stopped.certificates[CERTIFICATES / 4];
    let der = pem::decode_one(&victim.pem, pem::Label::Certificate).unwrap();
    let journal = fs::read(segment(&stopped.data())).unwrap();
    let at = journal.windows(der.len()).position(|window| window == der).expect("the certificate is in the journal");
    flip(&segment(&stopped.data()), (at + der.len() / 2) as u64, &mut choices);
    let (starts, _) = frames(&stopped.backup());
    let frame = starts[starts.partition_point(|start| (*start as usize) < at) - 1];
    match audit::verify(&stopped.data()) {
        Err(VerifyError::Journal(JournalError::Corrupt { segment: 1, offset, .. })) => assert_eq!(offset, u64::from(frame)),
        other => panic!("{other:?}"),
    }
    let appliance = stopped.start().unwrap();
    let (code, _) = appliance.call("GET", &format!("/v1/pki/certificates/{}/pem", victim.id), None).refused(500);
    assert_eq!(code, "internal");
    assert!(appliance.log().contains("a value in segment 1 at offset"), "{}", appliance.log());
    // The others are as they were.
    let others: Vec<_> = stopped.certificates.iter().filter(|other| other.id != victim.id).cloned().collect();
    load::assert_there(&stopped.runtime, &load::client(&appliance), &others);
}

#[test]
fn a_torn_end_is_cut_off_and_kept() {
    let stopped = Stopped::new(End::Killed);
    let (starts, end) = frames(&stopped.data());
    let (size, largest) = starts.windows(2).map(|pair| (pair[1] - pair[0], pair[0])).max().unwrap();
    for part in [1, 40, 68, 200, size - 1] {
        stopped.restore();
        // A frame that a power cut tore begins as a whole one does. Zeros at its end cannot be told from room.
        let mut torn = vec![0; part as usize];
        File::open(segment(&stopped.data())).unwrap().read_exact_at(&mut torn, largest.into()).unwrap();
        torn.truncate(torn.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        let part = torn.len();
        let file = OpenOptions::new().write(true).open(segment(&stopped.data())).unwrap();
        file.write_all_at(&torn, end.offset.into()).unwrap();
        assert_eq!(audit::verify(&stopped.data()).unwrap().torn_bytes, part as u64);

        let mut appliance = stopped.start().unwrap();
        let kept = stopped.data().join("journal").join(format!("torn-{}.bin", end.sequence + 1));
        assert_eq!(fs::read(kept).unwrap(), torn);
        assert!(appliance.log().contains(&format!("torn_bytes={part}")), "{}", appliance.log());
        stopped.assert_complete(&appliance);
        assert!(appliance.stop());
        assert_eq!(audit::verify(&stopped.data()).unwrap().torn_bytes, 0);
    }
}

#[test]
fn a_second_daemon_on_the_same_directory_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let first = Appliance::start_in(scratch.path());
    let address = fs::read_to_string(first.path("listen.addr")).unwrap();
    let mut second = Appliance::command(scratch.path()).spawn().unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = second.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "the second did not end");
        std::thread::sleep(Duration::from_millis(20));
    };
    let log = refusal(status, &first.log());
    assert!(log.contains("another chanceryd serves"), "{log}");
    // The first goes on, where clients look for it.
    assert_eq!(fs::read_to_string(first.path("listen.addr")).unwrap(), address);
    first.root("root", "ec", 256);
}

#[test]
fn what_a_newer_program_wrote_is_refused() {
    let stopped = Stopped::new(End::Stopped);
    let (starts, _) = frames(&stopped.data());
    let last = starts[starts.len() - 1];
    change(&segment(&stopped.data()), u64::from(last) + 4, |_| 2);
    stopped.assert_refused(&["segment 1", &format!("offset {last}"), "journal format 2", "newer"]);

    stopped.restore();
    let options = Options { reserve_bytes: 0, low_water_bytes: 0, ..Options::default() };
    let (storage, _) = Storage::open(&stopped.data(), options).unwrap();
    storage.commit_blocking(Change::new(Class::Normal).put(Table::Meta, b"format", &2_u32.to_be_bytes())).unwrap();
    drop(storage);
    stopped.assert_refused(&["the store has format 2", "use the newer program"]);
}

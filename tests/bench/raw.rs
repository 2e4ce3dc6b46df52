//! The yardsticks: the token's signatures and the journal's durable frames, with nothing of the appliance around them.

use std::time::{Duration, Instant};

use chancery::journal::{Batch, Journal, Options};
use chancery::token::engine::rate::raw_sign_rate;
use chancery::x509::algorithm::KeyType;

use crate::keys::Keys;
use crate::process::Shares;
use crate::settings::Settings;
use crate::{daemon, process, table};

/// What storing one certificate puts into the journal: its record with the audit entry, as measured with a P-256 certificate.
const RECORD_BYTES: usize = 1_400;
const GROUP: u32 = 32;

/// Durable records a second, one in each frame and [`GROUP`] in each frame.
pub struct JournalRate {
    pub single: f64,
    pub grouped: f64,
}

/// What the token did in the slices of time it had for itself.
#[derive(Default)]
pub struct Signatures {
    pub sessions: usize,
    pub made: u64,
    pub elapsed: Duration,
    /// Processor time.
    pub used: Duration,
    /// Seconds of one whole machine that the hypervisor took.
    pub stolen: f64,
}

impl Signatures {
    /// Lets the token sign for so long.
    pub fn add_slice(&mut self, keys: &Keys, kind: KeyType, time: Duration) {
        let Some((_, key)) = keys.keys.iter().find(|(known, _)| *known == kind) else { return };
        let (shares, before) = (Shares::now(), process::processor_time(std::process::id()));
        let found = raw_sign_rate(&keys.engine, key, time).expect("the token signs");
        self.sessions = found.sessions;
        self.made += found.signatures;
        self.elapsed += found.elapsed;
        self.used += process::processor_time(std::process::id()) - before;
        self.stolen += shares.stolen_since() * found.elapsed.as_secs_f64();
    }

    pub fn per_second(&self) -> f64 {
        self.made as f64 / self.elapsed.as_secs_f64()
    }
}

/// Measures and prints what the journal can do.
pub fn journal(settings: &Settings) -> JournalRate {
    let mut rows = Vec::new();
    let mut measured = |group| {
        let shares = Shares::now();
        let rate = journal_rate(settings, group);
        rows.push(vec![format!("{group} a frame"), table::rate(rate), table::share(shares.stolen_since())]);
        rate
    };
    let found = JournalRate { single: measured(1), grouped: measured(GROUP) };
    table::print("The journal's raw rate", &["records", "durable a second", "stolen"], &rows);
    found
}

/// Durable records a second of one thread.
fn journal_rate(settings: &Settings, group: u32) -> f64 {
    let folder = daemon::directory();
    let (mut journal, _) = Journal::open(folder.path(), Options::default()).expect("a new journal");
    let mut batch = Batch::new();
    let record: Vec<u8> = (0..RECORD_BYTES).map(|at| (at * 31 % 251) as u8).collect();
    let (begun, mut records) = (Instant::now(), 0);
    while begun.elapsed() < settings.raw {
        batch.clear();
        for _ in 0..group {
            batch.record(|out| out.extend_from_slice(&record));
        }
        journal.append(&mut batch, 0).expect("the journal writes");
        records += group;
    }
    f64::from(records) / begun.elapsed().as_secs_f64()
}

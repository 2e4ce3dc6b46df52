//! The yardsticks: the token's signatures and the journal's durable frames, with nothing of the appliance around them.

use std::time::Instant;

use chancery::journal::{Batch, Journal, Options};
use chancery::token::engine::rate::raw_sign_rate;
use chancery::x509::algorithm::KeyType;

use crate::keys::Keys;
use crate::settings::Settings;
use crate::{daemon, process, table};

/// What storing one certificate puts into the journal: its record with the audit entry, as measured with a P-256 certificate.
const RECORD_BYTES: usize = 1_400;
const GROUP: u32 = 32;

pub struct Raw {
    /// Signatures a second by the kind of the key.
    pub signatures: Vec<(KeyType, f64)>,
    /// Durable records a second, one in each frame and [`GROUP`] in each frame.
    pub journal_single: f64,
    pub journal_grouped: f64,
}

impl Raw {
    pub fn measure(settings: &Settings, keys: &Keys) -> Self {
        let mut rows = Vec::new();
        let mut signatures = Vec::new();
        for (kind, key) in &keys.keys {
            let before = process::processor_time(std::process::id());
            let found = raw_sign_rate(&keys.engine, key, settings.raw.as_secs()).expect("the token signs");
            signatures.push((*kind, found.per_second()));
            let used = process::processor_time(std::process::id()) - before;
            rows.push(vec![
                format!("token, {kind}"),
                format!("{} sessions", found.sessions),
                table::rate(found.per_second()),
                table::each(used, found.signatures),
            ]);
        }
        let journal_single = journal_rate(settings, 1);
        let journal_grouped = journal_rate(settings, GROUP);
        rows.push(vec!["journal".to_owned(), "1 record a frame".to_owned(), table::rate(journal_single), String::new()]);
        rows.push(vec!["journal".to_owned(), format!("{GROUP} records a frame"), table::rate(journal_grouped), String::new()]);
        table::print("Raw rates", &["what", "how", "a second", "processor time"], &rows);
        Self { signatures, journal_single, journal_grouped }
    }

    pub fn signatures_of(&self, kind: KeyType) -> f64 {
        self.signatures.iter().find(|(known, _)| *known == kind).map_or(0.0, |(_, rate)| *rate)
    }
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

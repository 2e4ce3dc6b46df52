//! How long and how much, from the environment.

use std::time::Duration;

use chancery::x509::algorithm::KeyType;

/// What is measured beside the token and the journal, which every run needs for its ratios.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Sign,
    Boundary,
    Waiting,
    Start,
    List,
    Ocsp,
    Crl,
    Acme,
    Elsewhere,
}

/// The variable that puts the token elsewhere.
pub const DELAY: &str = "CHANCERY_BENCH_DELAY";

pub struct Settings {
    /// How long each load is measured: `CHANCERY_BENCH_SECONDS`.
    pub time: Duration,
    /// How long each yardstick is measured: half of it.
    pub raw: Duration,
    /// How long the daemon is warmed up: `CHANCERY_BENCH_WARM_SECONDS`.
    pub warm: Duration,
    /// Connections that ask at once: `CHANCERY_BENCH_CONNECTIONS`.
    pub connections: usize,
    /// Different requests: `CHANCERY_BENCH_REQUESTS`.
    pub requests: usize,
    /// Certificates in the store when starting is measured: `CHANCERY_BENCH_STORE`.
    pub store: usize,
    /// Certificates in the store when lists are measured: `CHANCERY_BENCH_LISTED`.
    pub listed: usize,
    /// Entries of a CRL: `CHANCERY_BENCH_REVOKED`.
    pub revoked: usize,
    /// What the daemon is started under, such as `valgrind --tool=callgrind`: `CHANCERY_BENCH_UNDER`.
    pub under: Vec<String>,
    /// Milliseconds that each signature takes elsewhere ([`crate::elsewhere`]): `CHANCERY_BENCH_DELAY`.
    pub delay: Option<u32>,
    /// One of `sign`, `boundary`, `waiting`, `start`, `list`, `ocsp`, `crl`, `acme`, `elsewhere`; all when absent: `CHANCERY_BENCH_ONLY`.
    only: Option<String>,
    /// One of `rsa-2048`, `ec-256`; all when absent: `CHANCERY_BENCH_KEY`.
    key: Option<String>,
}

impl Settings {
    pub fn read() -> Self {
        let time = number("CHANCERY_BENCH_SECONDS", 10);
        Self {
            time: Duration::from_secs(time as u64),
            raw: Duration::from_secs((time as u64).div_ceil(2)),
            warm: Duration::from_secs(number("CHANCERY_BENCH_WARM_SECONDS", time.min(2)) as u64),
            connections: number("CHANCERY_BENCH_CONNECTIONS", 48),
            requests: number("CHANCERY_BENCH_REQUESTS", 512),
            store: number("CHANCERY_BENCH_STORE", 100_000),
            listed: number("CHANCERY_BENCH_LISTED", 1_000_000),
            revoked: number("CHANCERY_BENCH_REVOKED", 1_000_000),
            under: std::env::var("CHANCERY_BENCH_UNDER").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
            delay: std::env::var(DELAY).ok().map(|text| text.parse().expect("CHANCERY_BENCH_DELAY is a whole number")),
            only: std::env::var("CHANCERY_BENCH_ONLY").ok(),
            key: std::env::var("CHANCERY_BENCH_KEY").ok(),
        }
    }

    pub fn wants(&self, part: Part) -> bool {
        let name = match part {
            Part::Sign => "sign",
            Part::Boundary => "boundary",
            Part::Waiting => "waiting",
            Part::Start => "start",
            Part::List => "list",
            Part::Ocsp => "ocsp",
            Part::Crl => "crl",
            Part::Acme => "acme",
            Part::Elsewhere => "elsewhere",
        };
        self.only.as_deref().is_none_or(|only| only == name)
    }

    /// The kinds of authority that are measured.
    pub fn kinds(&self) -> Vec<KeyType> {
        let wanted = |kind: &KeyType| self.key.as_deref().is_none_or(|key| key == kind.to_string());
        [KeyType::Rsa2048, KeyType::P256].into_iter().filter(wanted).collect()
    }
}

fn number(variable: &str, default: usize) -> usize {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is a whole number")),
        Err(_) => default,
    }
}

//! The books of a siege: every call that needed the token, every certificate that was answered, and what must never happen.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use chancery::client::ClientError;

use crate::load::Answered;

/// What is answered and its codes, as it is promised to clients.
const DOCUMENTED: &str = include_str!("../../../docs/api/problems.md");

/// One call that needs the token.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub began: Instant,
    pub ended: Instant,
    /// The status and code of a refusal.
    pub refused: Option<(u16, String)>,
}

#[derive(Default)]
pub struct Books {
    pub attempts: Vec<Attempt>,
    pub certificates: Vec<Answered>,
    pub serials: HashSet<String>,
    pub reads: usize,
    pub slowest_read: Duration,
    pub crl_number: u64,
    /// What must never happen.
    pub wrongs: Vec<String>,
}

impl Books {
    /// A certificate, or a refusal; whether it was one.
    pub fn signed(&mut self, began: Instant, outcome: Result<Answered, ClientError>) -> bool {
        let refused = self.attempt(began, outcome.as_ref().map(drop));
        if let Ok(answered) = outcome {
            if !self.serials.insert(answered.serial.clone()) {
                self.wrongs.push(format!("the serial number {} was answered twice", answered.serial));
            }
            self.certificates.push(answered);
        }
        refused
    }

    /// The number of a CRL, or a refusal.
    pub fn published(&mut self, began: Instant, outcome: Result<u64, ClientError>) {
        self.attempt(began, outcome.as_ref().map(drop));
        if let Ok(number) = outcome {
            if number <= self.crl_number {
                self.wrongs.push(format!("CRL number {number} was answered after {}", self.crl_number));
            }
            self.crl_number = number;
        }
    }

    fn attempt(&mut self, began: Instant, outcome: Result<(), &ClientError>) -> bool {
        let refused = outcome.err().map(|error| {
            match error.problem() {
                Some(problem) if is_documented(problem.status, &problem.code) => {}
                Some(problem) => self.wrongs.push(format!("an answer that is not documented: {problem:?}")),
                None => self.wrongs.push(format!("no problem document: {error:?}")),
            }
            error.problem().map_or((0, String::new()), |problem| (problem.status, problem.code.clone()))
        });
        let is_refused = refused.is_some();
        self.attempts.push(Attempt { began, ended: Instant::now(), refused });
        is_refused
    }
}

/// Whether docs/api/problems.md has that status with that code. That the appliance itself is at fault is never the token's doing.
pub fn is_documented(status: u16, code: &str) -> bool {
    status >= 501 && DOCUMENTED.lines().any(|line| line.starts_with(&format!("| {status} | ")) && line.contains(&format!("`{code}`")))
}

/// The codes of refusals with their numbers, for the report.
pub fn tally(attempts: &[Attempt]) -> String {
    let mut codes = BTreeMap::new();
    for attempt in attempts {
        let code = attempt.refused.as_ref().map_or("issued".to_owned(), |(status, code)| format!("{status} {code}"));
        *codes.entry(code).or_insert(0) += 1;
    }
    codes.iter().map(|(code, count)| format!("{count} {code}")).collect::<Vec<_>>().join(", ")
}

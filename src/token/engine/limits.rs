//! How often a key may sign: so many times in a span, counted durably, and so many times a second.
//!
//! A signature is counted before it is made and stays counted when making it fails, or when the daemon asks for it again because a worker
//! ended: a budget may run out early and is never exceeded. What was counted is in a file for each key, eight bytes of seconds since 1970
//! for each signature, which is read again every time, so that a worker that is replaced while it works counts with its successor.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use crate::token::error::{FailedCall, TokenError};
use crate::token::key::KeyId;
use crate::token::lock;

/// The most signatures a budget can have: more are a rate.
pub const LARGEST_BUDGET: u64 = 100_000;

/// What the worker's configuration says of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitConfig {
    /// The CKA_ID in hexadecimal digits, or the label; with an asterisk at its end, all keys whose labels begin so, together.
    pub key: String,
    pub budget: Option<Budget>,
    pub per_second: Option<u32>,
}

/// So many signatures in any span of that length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    pub signatures: u64,
    pub per: Duration,
    /// Where they are counted.
    pub directory: PathBuf,
}

/// The limits of every key that has one.
#[derive(Default)]
pub struct Limits(Vec<Limit>);

struct Limit {
    config: LimitConfig,
    /// Signatures that may be made at once, and when that was so.
    ready: Mutex<(f64, Instant)>,
}

impl Limits {
    pub fn new(configs: Vec<LimitConfig>) -> Self {
        let limit = |config: LimitConfig| {
            let ready = Mutex::new((f64::from(config.per_second.unwrap_or_default()), Instant::now()));
            Limit { config, ready }
        };
        Self(configs.into_iter().map(limit).collect())
    }

    /// Whether labels have to be read to know the limit of a key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The place of the limit that means this key.
    pub fn of(&self, id: KeyId, label: &str) -> Option<usize> {
        let id = id.to_string();
        self.0.iter().position(|limit| {
            let key = &limit.config.key;
            *key == label || key.eq_ignore_ascii_case(&id) || key.strip_suffix('*').is_some_and(|begin| label.starts_with(begin))
        })
    }

    /// Counts a signature that is about to be made, or says why it may not be.
    pub fn spend(&self, place: usize) -> Result<(), TokenError> {
        let Some(limit) = self.0.get(place) else { return Ok(()) };
        // The rate first: what it refuses is not counted.
        limit.pace()?;
        match &limit.config.budget {
            None => Ok(()),
            Some(budget) => budget.spend(&limit.config.key, SystemTime::now()),
        }
    }
}

impl Limit {
    fn pace(&self) -> Result<(), TokenError> {
        let Some(per_second) = self.config.per_second else { return Ok(()) };
        let mut ready = lock(&self.ready);
        let (left, since) = *ready;
        let left = (left + since.elapsed().as_secs_f64() * f64::from(per_second)).min(f64::from(per_second));
        *ready = (left, Instant::now());
        if left < 1.0 {
            return Err(TokenError::RateLimited { retry_after_seconds: 1 });
        }
        ready.0 -= 1.0;
        Ok(())
    }
}

impl Budget {
    fn spend(&self, key: &str, now: SystemTime) -> Result<(), TokenError> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let outcome = self.count(key, now).map_err(|error| {
            tracing::error!(%error, key, "a signature cannot be counted, and so is not made");
            TokenError::Unavailable(Some(FailedCall::Uncounted))
        })?;
        match outcome {
            None => Ok(()),
            Some(free_at) => Err(TokenError::BudgetExhausted { retry_after_seconds: free_at.saturating_sub(now).max(1) }),
        }
    }

    /// Notes a signature durably; or says when the next may be made.
    fn count(&self, key: &str, now: u64) -> io::Result<Option<u64>> {
        let mut file = File::options().read(true).append(true).create(true).mode(0o600).open(self.file(key))?;
        file.lock()?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        let (counted, torn) = bytes.as_chunks::<8>();
        if !torn.is_empty() {
            // It was never durable, so nothing was signed for it.
            file.set_len((bytes.len() - torn.len()) as u64)?;
        }
        let begin = now.saturating_sub(self.per.as_secs());
        // Times to come count too: a clock that was set back gives nothing free.
        let mut within: Vec<u64> = counted.iter().map(|time| u64::from_le_bytes(*time)).filter(|time| *time > begin).collect();
        within.sort_unstable();
        let spent = within.len() as u64;
        if spent >= self.signatures {
            // So many have to leave the span before one more fits.
            let leaving = usize::try_from(spent - self.signatures).ok().and_then(|place| within.get(place));
            return Ok(Some(leaving.map_or(now, |time| time.saturating_add(self.per.as_secs()))));
        }
        file.write_all(&now.to_le_bytes())?;
        file.sync_all()?;
        if bytes.is_empty() {
            File::open(&self.directory)?.sync_all()?;
        }
        Ok(None)
    }

    fn file(&self, key: &str) -> PathBuf {
        Path::new(&self.directory).join(format!("signatures-{}", hex::encode(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: Duration = Duration::from_secs(365 * 86_400);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_budget_is_never_exceeded_and_comes_back_with_time() {
        let dir = tempfile::tempdir().unwrap();
        let budget = Budget { signatures: 2, per: YEAR, directory: dir.path().to_owned() };
        let start = 1_700_000_000;
        budget.spend("root", at(start)).unwrap();
        budget.spend("root", at(start + 10)).unwrap();
        // A new worker reads what the old one counted; another key has its own.
        let budget = Budget { ..budget };
        let Err(TokenError::BudgetExhausted { retry_after_seconds }) = budget.spend("root", at(start + 20)) else { panic!() };
        assert_eq!(retry_after_seconds, YEAR.as_secs() - 20);
        budget.spend("other", at(start + 20)).unwrap();
        // A clock that was set back frees nothing.
        assert!(matches!(budget.spend("root", at(start - 1_000)), Err(TokenError::BudgetExhausted { .. })));
        budget.spend("root", at(start + YEAR.as_secs())).unwrap();
        assert!(matches!(budget.spend("root", at(start + YEAR.as_secs() + 9)), Err(TokenError::BudgetExhausted { .. })));
        budget.spend("root", at(start + YEAR.as_secs() + 10)).unwrap();
    }

    #[test]
    fn what_was_torn_is_cut_off_and_what_cannot_be_counted_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let budget = Budget { signatures: 2, per: YEAR, directory: dir.path().to_owned() };
        budget.spend("root", at(1_700_000_000)).unwrap();
        let file = budget.file("root");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes.extend([1, 2, 3]);
        std::fs::write(&file, &bytes).unwrap();
        budget.spend("root", at(1_700_000_001)).unwrap();
        assert_eq!(std::fs::read(&file).unwrap().len(), 16);
        let nowhere = Budget { directory: dir.path().join("gone"), ..budget };
        assert!(matches!(nowhere.spend("root", at(1)), Err(TokenError::Unavailable(Some(FailedCall::Uncounted)))));
    }

    #[test]
    fn a_rate_lets_a_second_s_worth_through_at_once() {
        let limits = Limits::new(vec![LimitConfig { key: "00ff".to_owned(), budget: None, per_second: Some(3) }]);
        assert_eq!(limits.of(KeyId::from_bytes([0; 16]), "other"), None);
        let place = limits.of(KeyId::from_bytes([0; 16]), "00ff").unwrap();
        let all = Limits::new(vec![LimitConfig { key: "subject:*".to_owned(), budget: None, per_second: Some(1) }]);
        assert_eq!(all.of(KeyId::from_bytes([0; 16]), "subject:cert_1"), Some(0));
        assert_eq!(all.of(KeyId::from_bytes([0; 16]), "ca_1"), None);
        let refused = (0..50).filter(|_| limits.spend(place).is_err()).count();
        // Slow machines let a few more pass.
        assert!((30..=47).contains(&refused), "{refused}");
    }
}

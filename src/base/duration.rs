//! Durations as requests write them: a whole number followed by s, m, h, d or w ("720h", "30d").
//!
//! Bare numbers are refused because their unit would be a guess, and months because their length is one.

use std::fmt;
use std::str::FromStr;

/// A span of whole seconds, at most a hundred years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

/// The longest span that is read: no certificate or role needs more.
const LONGEST: u64 = 100 * 366 * 86_400;

impl Span {
    /// A span of so many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// A span of so many days of 24 hours.
    pub const fn days(days: u64) -> Self {
        Self(days * 86_400)
    }

    /// Its length in seconds.
    pub const fn as_seconds(self) -> u64 {
        self.0
    }

    /// The same as the standard library's type.
    pub const fn as_std(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0)
    }
}

/// Why a text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationFault {
    #[error("a duration is a whole number with a unit: s, m, h, d or w, as in \"720h\" or \"30d\"")]
    Form,
    #[error("a duration needs a unit after the number: s, m, h, d or w")]
    NoUnit,
    #[error("a duration is longer than zero")]
    Zero,
    #[error("a duration is at most 100 years")]
    TooLong,
}

impl FromStr for Span {
    type Err = DurationFault;

    fn from_str(text: &str) -> Result<Self, DurationFault> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(DurationFault::Form);
        }
        let factor = match unit {
            "" => return Err(DurationFault::NoUnit),
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 604_800,
            _ => return Err(DurationFault::Form),
        };
        // More digits than u64 holds is too long as well, not malformed.
        let count: u64 = number.parse().map_err(|_| DurationFault::TooLong)?;
        match count.checked_mul(factor) {
            Some(0) => Err(DurationFault::Zero),
            Some(seconds) if seconds <= LONGEST => Ok(Self(seconds)),
            _ => Err(DurationFault::TooLong),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Hours are what certificate lifetimes are read in; days and weeks come back as hours.
        match self.0 {
            s if s.is_multiple_of(3_600) => write!(f, "{}h", s / 3_600),
            s if s.is_multiple_of(60) => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit() {
        for (text, seconds) in [("45s", 45), ("5m", 300), ("720h", 2_592_000), ("30d", 2_592_000), ("2w", 1_209_600)] {
            assert_eq!(text.parse::<Span>().unwrap().as_seconds(), seconds, "{text}");
        }
    }

    #[test]
    fn refuses_what_would_be_a_guess() {
        for (text, fault) in [
            ("720", DurationFault::NoUnit),
            ("", DurationFault::Form),
            ("h", DurationFault::Form),
            ("-1h", DurationFault::Form),
            ("1.5h", DurationFault::Form),
            ("1M", DurationFault::Form),
            ("1h ", DurationFault::Form),
            ("0h", DurationFault::Zero),
            ("99999999999999999999999h", DurationFault::TooLong),
            ("5300w", DurationFault::TooLong),
        ] {
            assert_eq!(text.parse::<Span>(), Err(fault), "{text}");
        }
    }

    #[test]
    fn is_written_as_it_is_read() {
        for text in ["720h", "90m", "61s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
    }
}

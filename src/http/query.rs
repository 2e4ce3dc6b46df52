//! The query of a request: parameters taken one by one, every fault of them at once.

use std::str::FromStr;

use super::problem::Problem;
use crate::api::problem::Violation;
use crate::base::page::{Cursor, DEFAULT_LIMIT, MAX_LIMIT};
use crate::base::text::escaped;

/// More than any list has: names are compared with one another.
const MOST_PAIRS: usize = 32;

/// The query of a list: its own parameters are taken one by one, and what is left over is a fault.
pub struct Query {
    pairs: Vec<(String, String)>,
    violations: Vec<Violation>,
}

impl Query {
    /// Takes a query apart (WHATWG URL, application/x-www-form-urlencoded).
    pub fn read(text: &str) -> Self {
        let mut query = Self { pairs: Vec::new(), violations: Vec::new() };
        for (place, pair) in text.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if place == MOST_PAIRS {
                query.violations.push(Violation::new("", format!("more than {MOST_PAIRS} parameters")));
                break;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decode(name), decode(value)) {
                (Some(name), Some(_)) if query.pairs.iter().any(|(known, _)| *known == name) => {
                    query.violations.push(Violation::new(&escaped(&name), "given twice".to_owned()));
                }
                (Some(name), Some(value)) => query.pairs.push((name, value)),
                _ => query.violations.push(Violation::new("", "the query is not percent-encoded UTF-8".to_owned())),
            }
        }
        query
    }

    /// A parameter as it stands.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let position = self.pairs.iter().position(|(known, _)| known == name)?;
        Some(self.pairs.swap_remove(position).1)
    }

    /// A parameter of a type; `wanted` says what would be right.
    pub fn parse<T: FromStr>(&mut self, name: &str, wanted: &str) -> Option<T> {
        let text = self.take(name)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.violations.push(Violation::new(name, format!("{wanted} is wanted, not {:?}", escaped(&text))));
        }
        parsed
    }

    /// The size of a page.
    pub fn limit(&mut self) -> usize {
        match self.parse::<usize>("limit", "a number from 1 to 1000") {
            None => DEFAULT_LIMIT,
            Some(limit @ 1..=MAX_LIMIT) => limit,
            Some(_) => {
                self.violations.push(Violation::new("limit", format!("a number from 1 to {MAX_LIMIT} is wanted")));
                DEFAULT_LIMIT
            }
        }
    }

    /// The cursor, which must come from a list with the same filter.
    pub fn cursor(&mut self, filter: &str) -> Option<Cursor> {
        let text = self.take("cursor")?;
        match Cursor::parse(&text, filter) {
            Ok(cursor) => Some(cursor),
            Err(fault) => {
                self.violations.push(Violation::new("cursor", fault.to_string()));
                None
            }
        }
    }

    /// Ends the reading: parameters nobody took are unknown.
    pub fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in &self.pairs {
            self.violations.push(Violation::new(&escaped(name), "unknown parameter".to_owned()));
        }
        if self.violations.is_empty() { Ok(()) } else { Err(Problem::invalid(self.violations)) }
    }
}

/// Percent-decoding of one name or value (WHATWG URL, application/x-www-form-urlencoded).
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok().filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()))?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_of_thousands_of_parameters_is_refused_before_they_are_compared() {
        let text: String = (0..5_000).map(|n| format!("a{n}=&")).collect();
        let query = Query::read(&text);
        assert_eq!(query.pairs.len(), MOST_PAIRS);
        assert_eq!(query.violations.len(), 1);
        assert!(query.finish().is_err());
    }
}

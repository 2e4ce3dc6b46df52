//! Query strings: every parameter is taken once, and what nobody took is a fault.
#![no_main]

use chancery::base::duration::Span;
use chancery::base::page::MAX_LIMIT;
use chancery::http::query::Query;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut query = Query::read(text);
    let (limit, cursor) = (query.limit(), query.cursor("fuzz"));
    assert!((1..=MAX_LIMIT).contains(&limit));
    let span = query.parse::<Span>("expiring_within", "a duration");
    let named = query.take("prefix");
    assert_eq!(query.take("prefix"), None);
    match query.finish() {
        // Then everything in it was understood.
        Ok(()) => {
            let parts = text.split('&').filter(|part| !part.is_empty()).count();
            let taken = [cursor.is_some(), span.is_some(), named.is_some()].into_iter().filter(|taken| *taken).count();
            assert!(parts == taken || parts == taken + 1, "{parts} parts, {taken} taken");
        }
        Err(problem) => assert!(!problem.violations.is_empty()),
    }
});

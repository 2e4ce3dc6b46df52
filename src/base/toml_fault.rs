//! What is wrong with a configuration file, said without repeating what stands in it: that may be a PIN.

/// The line, counted from one, and what is wrong there.
pub fn explain(text: &str, error: &toml::de::Error) -> (usize, String) {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let message = match error.message().rsplit_once(", expected") {
        // These repeat the value.
        Some((found, wanted)) if found.starts_with("invalid") => format!("a wrong type or value, expected{wanted}"),
        _ => error.message().to_owned(),
    };
    (before.matches('\n').count() + 1, message)
}

//! Texts that people write and others read: names of tokens, tags, descriptions; and what is shown of those that others sent.

/// Whether every character of the text can be seen for what it is: printable ASCII, letters and digits of any script, and
/// punctuation that is in daily use. It is a list of what is allowed, because what hides or turns a text (controls, marks of
/// direction, invisible and variant characters) grows with every version of Unicode.
pub fn is_printable(text: &str) -> bool {
    text.chars().all(|c| matches!(c, ' '..='~') || (!c.is_ascii() && c.is_alphanumeric() && !is_invisible(c)) || PUNCTUATION.contains(c))
}

/// Dashes, quotation marks, currency and section signs.
const PUNCTUATION: &str = "–—‘’‚‛“”„‟«»‹›…·•°§¶†‡€£¥¢©®™±×÷¿¡";

/// Letters by their class that nobody sees: the fillers of Hangul.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}')
}

/// What may be shown of a text that came from outside: short and printable.
pub fn escaped(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_default).collect()
}

/// Enough of a text to recognise it by.
pub fn shortened(text: &str) -> String {
    if text.chars().count() <= 100 { text.to_owned() } else { text.chars().take(100).chain("…".chars()).collect() }
}

#[cfg(test)]
mod tests {
    use super::{escaped, is_printable, shortened};

    #[test]
    fn what_is_shown_of_a_text_is_short_and_printable() {
        assert_eq!(escaped("a\nb\"ü"), r#"a\nb\"\u{fc}"#);
        assert_eq!(escaped(&"a".repeat(65)), "a".repeat(64));
        assert_eq!(shortened(&"ü".repeat(100)), "ü".repeat(100));
        assert_eq!(shortened(&"ü".repeat(101)), "ü".repeat(100) + "…");
    }

    #[test]
    fn texts_of_many_scripts_are_printable() {
        for text in ["build server #3 (eu)", "Prüfstand – Ä", "認証局", "Центр", "“quoted” §5"] {
            assert!(is_printable(text), "{text}");
        }
    }

    #[test]
    fn what_hides_or_turns_a_text_is_not() {
        for c in "\n\t\0\u{7f}\u{85}\u{ad}\u{200b}\u{200d}\u{200e}\u{200f}\u{202a}\u{202e}\u{2028}\u{2066}\u{2069}\u{feff}\u{61c}\u{fe0f}\u{3164}\u{e0041}".chars() {
            assert!(!is_printable(&format!("a{c}b")), "{c:?}");
        }
    }
}

//! The names people give to things of the appliance.

/// What to say to somebody whose name is none.
pub const WANTED: &str = "1 to 128 letters, digits, spaces, dots, dashes or underscores, not beginning or ending with a space";

/// Whether the text can be a name. Only characters that look the same to everybody and everywhere: names are compared by people.
pub fn is_object_name(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"._- ".contains(&b);
    (1..=128).contains(&text.len()) && text.bytes().all(inside) && text.trim() == text
}

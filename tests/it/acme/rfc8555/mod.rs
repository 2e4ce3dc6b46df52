//! What RFC 8555 says that a server must refuse, and must do: a test for each, by section.

mod section_10;
mod section_6;
mod section_7_3;
mod section_7_4;
mod section_7_5;
mod section_7_6;

//! The environment is read once, at the start, and then wiped: what others put there, secrets perhaps, must not wait in memory to be
//! found, and nothing that is loaded later should take orders from it.

use std::ffi::c_char;

use nix::libc::strlen;

unsafe extern "C" {
    /// The C library's list of the environment's strings, ended by a null pointer.
    static mut environ: *mut *mut c_char;
}

/// The strings the process was started with, remembered by their places before anything changes the list.
#[derive(Debug)]
pub struct Environment(Vec<Text>);

#[derive(Debug)]
struct Text {
    at: *mut c_char,
    length: usize,
}

impl Environment {
    /// Call it first, while there is one thread.
    pub fn remember() -> Self {
        let mut texts = Vec::new();
        // SAFETY: the C library keeps the list valid and ended by a null pointer, and there is no other thread that changes it.
        #[expect(unsafe_code, reason = "no safe interface tells where the environment's strings are")]
        unsafe {
            let mut entry = environ;
            while !entry.is_null() && !(*entry).is_null() {
                texts.push(Text { at: *entry, length: strlen(*entry) });
                entry = entry.add(1);
            }
        }
        Self(texts)
    }

    /// Overwrites every string, those that were removed since included, and empties the list. There must be one thread only.
    pub fn wipe(self) {
        let now = Self::remember();
        // SAFETY: the strings of the start are in the process's own stack and are never freed, those of now are in the list; both are
        // writable, and there is no other thread that reads them.
        #[expect(unsafe_code, reason = "no safe interface overwrites the environment's strings")]
        unsafe {
            for text in self.0.iter().chain(&now.0) {
                std::ptr::write_bytes(text.at, 0, text.length);
            }
            if !environ.is_null() {
                *environ = std::ptr::null_mut();
            }
        }
    }
}

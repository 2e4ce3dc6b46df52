//! Memory is overwritten when it is given back.
//!
//! Types that wipe themselves cannot reach the copies that other people's code makes: a buffer that grew and moved, the text an answer was
//! written into, what the HTTP and TLS libraries held for a while. All of them are given back to the allocator in the end, and there they are wiped,
//! so that a private key on its way to a client, or a token in a header, is nowhere once nobody uses it.
//!
//! It does not reach copies on the stack and in registers, nor what a vendor's PKCS#11 module allocates for itself.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;

/// The system's allocator, wiping what it gets back.
#[derive(Debug)]
pub struct Wiping;

// SAFETY: every block comes from the system's allocator and goes back to it with the layout it was asked for with.
#[expect(unsafe_code, reason = "an allocator is unsafe by its nature, and no safe code sees what was given back")]
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of this very function.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block has this layout and nobody uses it any more, so it may be overwritten; the hint keeps the compiler from
        // leaving that out because nobody reads it.
        unsafe {
            black_box(block).write_bytes(0, layout.size());
            System.dealloc(black_box(block), layout);
        }
    }

    // Growing goes by a new block, since a block that the system moves leaves its old place as it was: that is GlobalAlloc's own way.
}

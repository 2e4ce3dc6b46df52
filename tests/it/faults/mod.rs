//! The token's module fails in every way there is, under load: what the appliance still does, and that it does all of it again soon after.
//!
//! Between the appliance and SoftHSM2 stands the shim of tests/shim. With CHANCERY_FAULT_SECONDS every fault lasts that long, without it
//! some of them last 2 seconds; CHANCERY_FAULT_ISSUES says how many certificates are issued through a module that crashes and hangs now
//! and then (300). `make faults` sets both to what is promised.

mod aftermath;
mod books;
mod busy;
mod crashes;
mod custody;
mod keys;
mod login;
mod making;
mod returned;
pub mod shim;
mod siege;
mod table;

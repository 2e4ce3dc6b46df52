//! The token's module fails in every way there is, under load: what the appliance still does, and that it does all of it again soon after.
//!
//! Between the appliance and SoftHSM2 stands the shim of tests/shim. CHANCERY_FAULT_SECONDS says how long each fault lasts (2) and
//! CHANCERY_FAULT_ISSUES how many certificates are issued through a module that crashes and hangs now and then (400); `make faults` sets
//! both to what is promised.

mod keys;
mod login;
mod returned;
mod shim;
mod siege;
mod table;

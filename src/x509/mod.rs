//! Pure DER: names, keys, requests, certificates, CRLs and their extensions. No I/O, no clock, no randomness: all three come as arguments.

pub mod algorithm;

//! Pure DER: names, keys, requests, certificates, CRLs, OCSP and their extensions. No I/O, no clock, no randomness: all three come as arguments.

pub mod algorithm;
pub mod certificate;
pub mod crl;
pub mod csr;
pub mod dns_name;
pub mod draft;
pub mod extension;
pub mod key;
pub mod lint;
pub mod name;
pub mod ocsp;
pub mod path;
pub mod pem;
pub mod private_key;
pub mod reason;
pub mod san;
pub mod serial;
pub mod signed;
pub mod tbs;
pub mod time;
pub mod tlv;
pub mod weak_key;

#[cfg(test)]
mod test_keys;

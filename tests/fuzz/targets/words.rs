//! The short texts of requests, paths and headers: what is taken is written again as it was read.
#![no_main]

use chancery::access::{Grant, Scope, UserRole};
use chancery::base::id::{CaId, CertId, CsrId, OrgId};
use chancery::base::page::Cursor;
use chancery::events::Pattern;
use chancery::policy::DomainPattern;
use chancery::profiles::RoleName;
use chancery::requests::Status;
use chancery::secrets::{SecretPath, is_prefix};
use chancery::x509::extension::{ExtendedKeyUsage, KeyUsage};
use chancery::x509::reason::RevocationReason;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(cursor) = Cursor::parse(text, "fuzz") {
        assert_eq!(Cursor::parse(&cursor.to_string(), "fuzz"), Ok(cursor.clone()));
        assert!(Cursor::parse(text, "another list").is_err());
    }
    if let Ok(path) = SecretPath::parse(text) {
        assert_eq!(path.as_str(), text);
        assert!(is_prefix(text) && !text.contains("//") && text.split('/').all(|segment| !matches!(segment, "." | "..")));
    }
    if let Ok(pattern) = text.parse::<Pattern>() {
        assert_eq!(pattern.to_string(), text);
    }
    if let Ok(grant) = text.parse::<Grant>() {
        assert_eq!(grant.to_string().parse::<Grant>().ok(), Some(grant));
    }
    if let Ok(scope) = text.parse::<Scope>() {
        assert_eq!(scope.name(), text);
    }
    if let Some(name) = RoleName::parse(text) {
        assert_eq!(name.to_string(), text);
    }
    if let Ok(id) = text.parse::<CertId>() {
        assert_eq!(id.to_string().parse::<CertId>().ok(), Some(id));
        // An id of one kind is none of another.
        assert!(text.parse::<CaId>().is_err() && text.parse::<CsrId>().is_err() && text.parse::<OrgId>().is_err());
    }
    if let Ok(pattern) = DomainPattern::parse(text) {
        assert!(!text.is_empty(), "{pattern:?}");
    }
    if let Ok(reason) = text.parse::<RevocationReason>() {
        assert_eq!(reason.name().parse::<RevocationReason>().ok(), Some(reason));
    }
    let _ = (text.parse::<Status>(), text.parse::<UserRole>(), text.parse::<KeyUsage>(), text.parse::<ExtendedKeyUsage>());
});

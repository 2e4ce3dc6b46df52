use super::*;
use crate::api::pki::CreateAuthority;

fn faults(body: &str) -> Vec<String> {
    read::<CreateAuthority>(body.as_bytes()).unwrap_err().into_iter().map(|v| v.field).collect()
}

#[test]
fn every_fault_is_named_at_once() {
    let body = r#"{"name": 5, "ca_type": "root", "ca_type": "root", "key_size": -1, "shoe_size": 44}"#;
    assert_eq!(faults(body), ["name", "ca_type", "key_size", "shoe_size", "common_name"]);
}

#[test]
fn list_items_are_named_by_their_place() {
    let body = r#"{"name": "a", "common_name": "b", "ca_type": "root", "crl_urls": ["http://x/", 1, null]}"#;
    assert_eq!(faults(body), ["crl_urls[1]", "crl_urls[2]"]);
}

#[test]
fn what_is_not_an_object_is_said() {
    for body in ["", "[]", "{", "nul", "{} {}", "\u{0}"] {
        assert_eq!(faults(body), [""], "{body}");
    }
    assert!(read::<CreateAuthority>(br#"{"name":"a","common_name":"b","ca_type":"root"} x"#).is_err());
}

#[test]
fn null_is_the_same_as_absent_for_what_is_optional() {
    let body = r#"{"name": "a", "common_name": "b", "ca_type": "root", "key_size": null}"#;
    assert!(read::<CreateAuthority>(body.as_bytes()).unwrap().key_size.is_none());
    assert_eq!(faults(r#"{"name": null, "common_name": "b", "ca_type": "root"}"#), ["name"]);
}

/// serde reads `[null, null]` into a struct whose fields may be absent; an array is no object for all that.
#[test]
fn an_array_is_not_read_into_the_fields_by_their_order() {
    let faults = read::<crate::api::pki::UpdateCertificate>(b" [null, null]").unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].message.starts_with("a JSON object is wanted"), "{faults:?}");
}

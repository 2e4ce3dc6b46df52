//! Lists of certificates: filters, and pages that stay right while others write.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::World;

fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn filters_show_what_fits_and_nothing_else() {
    let world = World::new();
    let issue = |host: &str, ttl: &str| {
        let body = json!({"common_name": host, "ttl": ttl});
        world.appliance.call("POST", "/v1/pki/issue/svc-mtls", Some(body)).expect(201)["id"].as_str().unwrap().to_owned()
    };
    let (late, soon, revoked) = (issue("late.internal", "700h"), issue("soon.internal", "20h"), issue("revoked.internal", "30h"));
    world.appliance.call("POST", "/v1/pki/revoke", Some(json!({"certificate_id": revoked}))).expect(200);
    let list = |query: &str| ids(&world.all(&format!("/v1/pki/certificates?{query}")));
    let issuing = &world.issuing;
    assert_eq!(list(&format!("ca_id={issuing}")), [late.clone(), soon.clone()]);
    assert_eq!(list(&format!("ca_id={issuing}&include_revoked=false")), [late.clone(), soon.clone()]);
    assert_eq!(list(&format!("ca_id={issuing}&include_revoked=true")), [late.clone(), soon.clone(), revoked.clone()]);
    assert_eq!(list("expiring_within=2d"), std::slice::from_ref(&soon));
    assert_eq!(list("expiring_within=2d&include_revoked=true"), [soon.clone(), revoked], "soonest first");
    assert_eq!(list("expiring_within=30d"), [soon, late], "soonest first");
    assert_eq!(list(&format!("ca_id={}&expiring_within=30d", world.root)), [""; 0]);
    let of_root = world.all(&format!("/v1/pki/certificates?ca_id={}", world.root));
    assert_eq!(of_root.len(), 1, "the intermediate: {of_root:?}");
    assert_eq!(list("").len(), 3);
}

#[test]
fn pages_show_each_certificate_once_while_others_write() {
    let world = World::new();
    let before: Vec<_> = (0..11).map(|i| world.issue(&format!("h{i}"))["id"].as_str().unwrap().to_owned()).collect();
    let first = format!("/v1/pki/certificates?ca_id={}&limit=4", world.issuing);
    let mut page = world.get(&first);
    let mut seen = ids(page["data"].as_array().unwrap());
    assert_eq!(seen, before[..4]);
    // One that was shown and the one the cursor stands on are revoked, and a new one is issued, between the pages.
    for id in [&before[0], &before[3]] {
        world.appliance.call("POST", "/v1/pki/revoke", Some(json!({"certificate_id": id}))).expect(200);
    }
    let new = world.issue("new")["id"].as_str().unwrap().to_owned();
    while let Some(cursor) = page["cursor"].as_str() {
        page = world.get(&format!("{first}&cursor={cursor}"));
        seen.extend(ids(page["data"].as_array().unwrap()));
    }
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "none twice");
    assert_eq!(seen[..11], before[..]);
    assert_eq!(seen[11..], [new]);
}

#[test]
fn a_cursor_belongs_to_its_list_and_filter() {
    let world = World::new();
    for i in 0..3 {
        world.issue(&format!("h{i}"));
    }
    let page = world.get("/v1/pki/certificates?limit=1");
    let cursor = page["cursor"].as_str().unwrap();
    let with = |query: &str| world.appliance.call("GET", &format!("/v1/pki/certificates?{query}"), None);
    with(&format!("limit=2&cursor={cursor}")).expect(200);
    for query in [
        format!("include_revoked=true&cursor={cursor}"),
        format!("ca_id={}&cursor={cursor}", world.issuing),
        format!("expiring_within=30d&cursor={cursor}"),
        "cursor=AAAA".to_owned(),
        "cursor=".to_owned(),
        format!("cursor={cursor}A"),
    ] {
        assert_eq!(with(&query).refused(400).1, ["cursor"], "{query}");
    }
    let other = world.appliance.call("GET", &format!("/v1/pki/roles?cursor={cursor}"), None);
    assert_eq!(other.refused(400).1, ["cursor"]);
}

#[test]
fn a_query_with_faults_is_refused_with_all_of_them() {
    let world = World::new();
    let with = |query: &str| world.appliance.call("GET", &format!("/v1/pki/certificates?{query}"), None).refused(400).1;
    for limit in ["0", "1001", "ten", "-1", "1e2", ""] {
        assert_eq!(with(&format!("limit={limit}")), ["limit"], "{limit}");
    }
    let mut fields = with("ca_id=root&expiring_within=30&include_revoked=perhaps&limit=0&sort=asc&cursor=x");
    fields.sort_unstable();
    assert_eq!(fields, ["ca_id", "cursor", "expiring_within", "include_revoked", "limit", "sort"]);
    assert_eq!(with("limit=1&limit=2"), ["limit"]);
    assert_eq!(with("%ff=1"), [""]);
    assert_eq!(world.all("/v1/pki/certificates?limit=1000").len(), 1);
}

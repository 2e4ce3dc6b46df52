//! What the documentation of /v1/pki shows, held field for field, through curl.

mod admin;
mod certificates;
mod crl;
mod paging;
mod printed;
mod renewal;
mod requests;
mod revocation;
mod roles;
mod seeds;
mod table;
mod validation;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::appliance::Appliance;

/// An appliance with the root, the intermediate and the role of the seeds.
struct World {
    appliance: Appliance,
    root: String,
    issuing: String,
}

impl World {
    fn new() -> Self {
        let appliance = Appliance::start();
        let root = seeds::create_root(&appliance)["id"].as_str().unwrap().to_owned();
        let issuing = seeds::create_intermediate(&appliance, &root)["id"].as_str().unwrap().to_owned();
        seeds::create_role(&appliance, &issuing);
        Self { appliance, root, issuing }
    }

    /// A certificate for this host of the seeds' domain.
    fn issue(&self, host: &str) -> Value {
        let body = json!({"common_name": format!("{host}.svc.cluster.local"), "ttl": "168h"});
        self.appliance.call("POST", "/v1/pki/issue/svc-mtls", Some(body)).expect(201)
    }

    fn get(&self, path: &str) -> Value {
        self.appliance.call("GET", path, None).expect(200)
    }

    /// Every item of a list, page by page.
    fn all(&self, path: &str) -> Vec<Value> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut page = self.get(path);
        loop {
            items.extend(page["data"].as_array().expect("a list").iter().cloned());
            let cursor = page["cursor"].as_str().map(str::to_owned);
            assert_eq!(page["has_more"], cursor.is_some(), "{page}");
            match cursor {
                Some(cursor) => page = self.get(&format!("{path}{separator}cursor={cursor}")),
                None => return items,
            }
        }
    }
}

/// The time in a field, which must be RFC 3339 in UTC with whole seconds.
#[track_caller]
fn time(value: &Value) -> Timestamp {
    let text = value.as_str().unwrap_or_else(|| panic!("a time is wanted, not {value}"));
    assert!(text.len() == 20 && text.ends_with('Z'), "{text}");
    text.parse().unwrap_or_else(|_| panic!("not a time: {text}"))
}

/// That the object has these fields and no other.
#[track_caller]
fn assert_fields(object: &Value, wanted: &[&str]) {
    let mut found: Vec<_> = object.as_object().expect("an object").keys().map(String::as_str).collect();
    let mut wanted = wanted.to_vec();
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted, "{object}");
}

/// That a serial number is written as `1A:2B:…`, with at least 120 random bits behind it.
#[track_caller]
fn assert_serial(value: &Value) {
    let text = value.as_str().expect("a serial number");
    let pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
    assert!(text.split(':').all(pair) && (15..=20).contains(&text.split(':').count()), "{text}");
}

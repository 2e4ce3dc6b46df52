//! The audit trail, as the API shows it.

use serde_json::Value;

use crate::appliance::Appliance;

impl Appliance {
    /// Every entry of the audit trail.
    #[track_caller]
    pub fn trail(&self) -> Vec<Value> {
        let (mut entries, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.call("GET", &format!("/v1/admin/audit?limit=1000{cursor}"), None).expect(200);
            entries.extend(page["data"].as_array().expect("a list").iter().cloned());
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return entries,
            }
        }
    }

    /// The entries that tell of this deed.
    #[track_caller]
    pub fn told(&self, action: &str) -> Vec<Value> {
        self.trail().into_iter().filter(|entry| entry["action"] == action).collect()
    }
}

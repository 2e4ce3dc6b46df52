//! The operator's list of accounts comes in numbered pages.

use serde_json::json;

use super::client::Client;
use super::open;

const ACCOUNTS: &str = "/api/v1/organizations/org_00000000000000000000000000000001/acme-accounts";

#[test]
fn accounts_come_in_pages_and_each_says_how_many_there_are() {
    let (appliance, credential) = open();
    let register = || Client::register(&appliance, &credential).account.rsplit('/').next().unwrap().to_owned();
    let accounts: Vec<String> = std::iter::repeat_with(register).take(3).collect();
    let page = |number: u32, length: u32| -> Vec<String> {
        let listed = appliance.call("GET", &format!("{ACCOUNTS}?page={number}&per_page={length}"), None).expect(200);
        assert_eq!(listed["pagination"], json!({"page": number, "per_page": length, "total": 3}));
        listed["data"].as_array().unwrap().iter().map(|account| account["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(page(1, 2), accounts[..2]);
    assert_eq!(page(2, 2), accounts[2..]);
    assert!(page(3, 2).is_empty() && page(u32::MAX, 100).is_empty());
    assert_eq!(page(1, 100), accounts);
}

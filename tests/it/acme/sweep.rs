//! What has ended is gone from the store, and an account that does nothing costs its own record.

use std::path::Path;

use chancery::storage::{Change, Class, Options, Storage, Table};
use serde_json::json;

use super::client::{Client, assert_refused, csr, order_of};
use super::{furnish, with_acme};
use crate::appliance::Appliance;
use crate::listener::reconfigure;
use crate::waiting::found;

/// Time enough for one order, on any machine.
const FIRST: &str = "url = \"https://acme.test\"\norder_life = \"15s\"\norders_kept = \"1s\"";
const THEN: &str =
    "url = \"https://acme.test\"\norder_life = \"1s\"\norders_kept = \"1s\"\nauthorization_life = \"1s\"\nended_kept = \"1s\"";

fn count(data: &Path, table: Table) -> usize {
    let (storage, _) = Storage::open(data, Options::default()).expect("the store opens");
    storage.scan_keys(table, &[], None).count()
}

/// Asks until what has this URL is there no more.
fn is_gone(client: &Client<'_>, url: &str) {
    let answer = found("its end", || Some(client.get(url)).filter(|answer| answer.status == 404));
    assert_refused(&answer, 404, "malformed");
}

#[test]
fn what_has_ended_is_gone_and_an_idle_account_costs_its_record() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut appliance = with_acme(dir.path(), FIRST);
    let credential = furnish(&appliance, json!({}));
    let (key, account, finished, certificate) = {
        let client = Client::register(&appliance, &credential);
        let (place, order) = client.order(&["a.internal.example.com"]);
        let order = client.finalize(&order, &csr(&["a.internal.example.com"])).expect(200);
        (client.key, client.account, place, order["certificate"].as_str().unwrap().to_owned())
    };
    assert!(appliance.stop());
    // More used nonces of long ago than one change forgets, and one that could come again.
    let now = jiff::Timestamp::now().as_second();
    {
        let (storage, _) = Storage::open(&data, Options::default()).unwrap();
        let mut change = Change::new(Class::Normal);
        for number in 0..450_i64 {
            let end = if number == 0 { now + 3_600 } else { now - number };
            let nonce = [end.to_be_bytes().as_slice(), &[7; 12]].concat();
            change = change.put(Table::AcmeUsedNonces, &nonce, &[]);
        }
        storage.commit_blocking(change).unwrap();
    }
    // From now on everything ends soon.
    reconfigure(dir.path(), |text| text.replace(FIRST, THEN));
    appliance = Appliance::start_in(dir.path());
    let mut client = Client::stranger(&appliance, "ES256");
    (client.key, client.account) = (key, account);
    let mut urls = vec![finished];
    for number in 0..30 {
        let (place, order) = client.order(&[&format!("n{number}.example.com"), &format!("n{number}.internal.example.com")]);
        urls.push(place);
        urls.extend(order["authorizations"].as_array().unwrap().iter().map(|url| url.as_str().unwrap().to_owned()));
    }
    urls.iter().for_each(|url| is_gone(&client, url));
    client.get(&client.account).expect(200);
    // The certificate stays, and its account may still have it.
    client.get(&certificate).expect_any(200);
    assert!(appliance.stop());
    for table in [Table::AcmeOrders, Table::AcmeOrdersByAccount, Table::AcmeOrdersByContent, Table::AcmeUnfinished] {
        assert_eq!(count(&data, table), 0, "{}", table.name());
    }
    // The authorization of the first order lasts for thirty days, as it was when it was made.
    for table in [Table::AcmeAuthorizations, Table::AcmeAuthorizationsByName, Table::AcmeEnds] {
        assert_eq!(count(&data, table), 1, "{}", table.name());
    }
    for table in [Table::AcmeAccounts, Table::AcmeAccountKeys, Table::AcmeCertificates] {
        assert_eq!(count(&data, table), 1, "{}", table.name());
    }
    let (storage, _) = Storage::open(&data, Options::default()).unwrap();
    let ends = storage.scan_keys(Table::AcmeUsedNonces, &[], None).map(|key| i64::from_be_bytes(*key.unwrap().first_chunk().unwrap()));
    let ends: Vec<_> = ends.collect();
    assert!(ends.iter().all(|end| *end > now) && ends.contains(&(now + 3_600)), "{ends:?}");
}

/// Of accounts that nobody vouches for, those that have never ordered anything are forgotten.
#[test]
fn accounts_that_nobody_uses_are_forgotten_where_anybody_gets_one() {
    let dir = tempfile::tempdir().unwrap();
    let lines = "external_account_required = false\nended_kept = \"1s\"\nunused_accounts_kept = \"2s\"";
    let appliance = with_acme(dir.path(), lines);
    let credential = furnish(&appliance, json!({}));
    let open = || {
        let mut client = Client::stranger(&appliance, "ES256");
        client.account = client.post_with_key("new-account", &json!({})).header("location").unwrap().to_owned();
        client
    };
    // Whatever the machine does meanwhile, one that orders at once has ordered before two seconds are over, or is made again.
    let used = loop {
        let client = open();
        if client.post("new-order", &order_of(&["www.example.com"], json!({}))).status == 201 {
            break client;
        }
    };
    let (idle, bound) = (open(), Client::register(&appliance, &credential));
    let answer = found("the account's end", || {
        let answer = idle.post("new-order", &json!({}));
        (answer.json()["type"] == "urn:ietf:params:acme:error:accountDoesNotExist").then_some(answer)
    });
    assert_refused(&answer, 400, "accountDoesNotExist");
    let listed = appliance.call("GET", "/v1/admin/audit?limit=1000", None).expect(200);
    assert!(listed.to_string().contains("acme_account.forget"), "{listed}");
    used.get(&used.account).expect(200);
    bound.get(&bound.account).expect(200);
    // Its key is free for another account.
    assert_refused(&idle.post_with_key("new-account", &json!({"onlyReturnExisting": true})), 400, "accountDoesNotExist");
    idle.post_with_key("new-account", &json!({})).expect(201);
}

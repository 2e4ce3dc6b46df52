//! Many at once.

use std::collections::BTreeSet;
use std::sync::Barrier;

use super::client::{Client, csr, refusal};
use super::open;

#[test]
fn a_hundred_parallel_finalizes_make_one_certificate() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (place, order) = client.order(&["a.internal.example.com"]);
    let url = order["finalize"].as_str().unwrap();
    let requests: Vec<_> = (0..100)
        .map(|number| {
            // Half of them with one CSR, half with another.
            static CSRS: std::sync::OnceLock<[Vec<u8>; 2]> = std::sync::OnceLock::new();
            let csrs = CSRS.get_or_init(|| [csr(&["a.internal.example.com"]), csr(&["a.internal.example.com"])]);
            let payload = serde_json::json!({"csr": super::client::b64(&csrs[number % 2])}).to_string();
            let nonce = appliance.call_raw(None, "HEAD", "/api/acme/new-nonce", None, &[]).header("replay-nonce").unwrap().to_owned();
            let header = serde_json::json!({"alg": "ES256", "kid": client.account, "nonce": nonce, "url": url});
            client.key.jws(&header, payload.as_bytes()).to_string()
        })
        .collect();
    let path = url.strip_prefix(&client.origin).unwrap();
    let barrier = Barrier::new(requests.len());
    let one = |body: &str| {
        barrier.wait();
        appliance.call_raw(None, "POST", path, Some(body.as_bytes()), &[super::client::JOSE])
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = requests.iter().map(|body| scope.spawn(|| one(body))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut done = 0;
    for answer in &answers {
        match answer.status {
            200 => done += 1,
            _ => assert_eq!(refusal(answer), (403, "orderNotReady".to_owned()), "{}", answer.text()),
        }
    }
    assert_eq!(done, 1);
    assert_eq!(client.get(&place).expect(200)["status"], "valid");
    let listed = appliance.call("GET", "/v1/pki/certificates", None).expect(200);
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed}");
}

#[test]
fn parallel_orders_for_the_same_names_are_one() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let url = client.url("new-order");
            let nonce = appliance.call_raw(None, "HEAD", "/api/acme/new-nonce", None, &[]).header("replay-nonce").unwrap().to_owned();
            let header = serde_json::json!({"alg": "ES256", "kid": client.account, "nonce": nonce, "url": url});
            let payload = super::client::order_of(&["a.internal.example.com", "b.internal.example.com"], serde_json::json!({}));
            client.key.jws(&header, payload.to_string().as_bytes()).to_string()
        })
        .collect();
    let one = |body: &str| {
        let answer = appliance.call_raw(None, "POST", "/api/acme/new-order", Some(body.as_bytes()), &[super::client::JOSE]);
        answer.expect(201);
        answer.header("location").unwrap().to_owned()
    };
    let places: BTreeSet<_> = std::thread::scope(|scope| {
        let running: Vec<_> = requests.iter().map(|body| scope.spawn(|| one(body))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(places.len(), 1, "{places:?}");
}

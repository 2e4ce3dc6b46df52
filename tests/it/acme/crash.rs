//! Killed at any moment: no order that was acknowledged is lost, and no order has two certificates.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Client, JOSE, b64, csr, order_of};
use super::{furnish, with_acme};
use crate::appliance::Appliance;
use crate::waiting::{found, wait_for};

const ROUNDS: u64 = 6;

/// An order as the client knows it.
struct Known {
    name: String,
    place: String,
    finalize: String,
    /// Whether a finalize was answered with a certificate.
    is_done: bool,
}

#[test]
fn no_acknowledged_order_is_lost_and_none_has_two_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = with_acme(dir.path(), "url = \"https://acme.test\"");
    let credential = furnish(&appliance, json!({}));
    let (key, account) = {
        let client = Client::register(&appliance, &credential);
        (client.key, client.account)
    };
    let request = |names: &str| csr(&[names]);
    let mut known: Vec<Known> = Vec::new();
    let mut key = Some(key);
    for round in 0..ROUNDS {
        let orders: Vec<_> = {
            let mut client = Client::stranger(&appliance, "ES256");
            (client.key, client.account) = (key.take().unwrap(), account.clone());
            let (stop, is_first_made) = (AtomicBool::new(false), AtomicBool::new(false));
            let pid = appliance.process_id();
            let orders = std::thread::scope(|scope| {
                let killer = scope.spawn(|| {
                    wait_for("an order", || is_first_made.load(Ordering::SeqCst));
                    std::thread::sleep(Duration::from_millis(90 * round));
                    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL).unwrap();
                    stop.store(true, Ordering::SeqCst);
                });
                let mut made = Vec::new();
                for number in 0..200 {
                    let name = format!("r{round}n{number}.internal.example.com");
                    if stop.load(Ordering::SeqCst) || !one(&client, &name, &request, &mut made) {
                        break;
                    }
                    is_first_made.store(true, Ordering::SeqCst);
                }
                killer.join().unwrap();
                made
            });
            key = Some(client.key);
            orders
        };
        known.extend(orders);
        appliance.kill();
        appliance = Appliance::start_in(dir.path());
    }
    let mut client = Client::stranger(&appliance, "ES256");
    (client.key, client.account) = (key.take().unwrap(), account);
    assert!(known.len() >= ROUNDS as usize, "{} orders", known.len());
    let listed = appliance.call("GET", "/v1/pki/certificates?limit=1000", None).expect(200);
    let names: Vec<_> = listed["data"].as_array().unwrap().iter().map(|one| one["common_name"].as_str().unwrap().to_owned()).collect();
    let mut unique = names.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), names.len(), "no order has two certificates");
    for Known { name, place, finalize, is_done } in &known {
        let order = settled(&client, place);
        let status = order["status"].as_str().unwrap();
        match (is_done, status) {
            (_, "valid") => client.get(order["certificate"].as_str().unwrap()).expect_any(200),
            (false, "ready") => {
                let order = client.post(finalize, &json!({"csr": b64(request(name))})).expect(200);
                assert_eq!(order["status"], "valid", "{order}");
                continue;
            }
            _ => panic!("{name}, acknowledged: {is_done}: {order}"),
        };
    }
}

/// Orders and finalizes one; false when the daemon is gone.
fn one(client: &Client<'_>, name: &str, request: &dyn Fn(&str) -> Vec<u8>, made: &mut Vec<Known>) -> bool {
    let post = |url: &str, payload: &Value| {
        let nonce = client.appliance.curl("HEAD", "/api/acme/new-nonce", None, None, &[])?.header("replay-nonce")?.to_owned();
        let header = json!({"alg": "ES256", "kid": client.account, "nonce": nonce, "url": url});
        let body = client.key.jws(&header, payload.to_string().as_bytes()).to_string();
        client.appliance.curl("POST", url.strip_prefix(&client.origin)?, None, Some(body.as_bytes()), &[JOSE])
    };
    let Some(answer) = post(&client.url("new-order"), &order_of(&[name], json!({}))) else { return false };
    let order = answer.expect(201);
    let (place, finalize) = (answer.header("location").unwrap().to_owned(), order["finalize"].as_str().unwrap().to_owned());
    made.push(Known { name: name.to_owned(), place, finalize: finalize.clone(), is_done: false });
    let Some(answer) = post(&finalize, &json!({"csr": b64(request(name))})) else { return false };
    let is_done = answer.expect(200)["status"] == "valid";
    if let Some(last) = made.last_mut() {
        last.is_done = is_done;
    }
    true
}

/// The order, once what was being issued when the daemon was killed has been.
fn settled(client: &Client<'_>, place: &str) -> Value {
    found("the end of what was begun", || Some(client.get(place).expect(200)).filter(|order| order["status"] != "processing"))
}

//! Validations that do not come to their end: the daemon is killed, there is no room for the result, or the account is gone by then.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use serde_json::{Value, json};

use super::client::{Client, csr, order_of};
use super::{furnish, with_acme};
use crate::appliance::Appliance;
use crate::disk::Disk;
use crate::listener::configured;
use crate::name_server::own_address;
use crate::waiting::wait_for;

const PATIENCE: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;

/// A web server that is asked and does not answer before it is told to.
struct Hesitant {
    was_asked: Arc<AtomicBool>,
    may_answer: Arc<AtomicBool>,
}

impl Hesitant {
    fn start(address: Ipv4Addr, page: String) -> Self {
        let listener = TcpListener::bind((address, 80)).unwrap();
        let (was_asked, may_answer) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let (asked, answer) = (was_asked.clone(), may_answer.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (page, asked, answer) = (page.clone(), asked.clone(), answer.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &page, &asked, &answer));
            }
        });
        Self { was_asked, may_answer }
    }

    fn await_asked(&self) {
        wait_for("the web server is asked", || self.was_asked.load(Ordering::SeqCst));
    }

    fn answer(&self) {
        self.may_answer.store(true, Ordering::SeqCst);
    }
}

fn serve(mut stream: TcpStream, page: &str, asked: &AtomicBool, answer: &AtomicBool) {
    let _ = stream.read(&mut [0; 4096]);
    asked.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    while !answer.load(Ordering::SeqCst) && begun.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}", page.len());
}

/// An order for an address of this machine, and its challenge http-01 with the authorization's URL.
fn ordered(client: &Client<'_>, address: Ipv4Addr) -> (String, Value) {
    let (_, order) = client.order(&[&address.to_string()]);
    client.challenge(&order, "http-01")
}

#[test]
fn a_validation_that_was_cut_short_is_taken_up_by_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = with_acme(dir.path(), "url = \"https://acme.test\"");
    let credential = furnish(&appliance, json!({}));
    let address = own_address();
    let (key, account, url, server) = {
        let client = Client::register(&appliance, &credential);
        let (url, challenge) = ordered(&client, address);
        let server = Hesitant::start(address, client.key.authorization(challenge["token"].as_str().unwrap()));
        client.post(challenge["url"].as_str().unwrap(), &json!({})).expect(200);
        server.await_asked();
        let found = client.get(&url).expect(200);
        assert!(found["challenges"].to_string().contains("processing"), "{found}");
        (client.key, client.account, url, server)
    };
    appliance.kill();
    server.answer();
    let appliance = Appliance::start_in(dir.path());
    let mut client = Client::stranger(&appliance, "ES256");
    (client.key, client.account) = (key, account);
    assert_eq!(client.decided(&url)["status"], "valid");
}

#[test]
fn a_result_that_there_is_no_room_for_is_found_again_when_there_is() {
    let Some(disk) = Disk::mount() else { return };
    let appliance = with_acme(&disk.appliance(), "ended_kept = \"1s\"\n[acme.validation]\nwithin = \"60s\"\n[storage]\nreserve_mib = 4");
    let credential = furnish(&appliance, json!({}));
    let address = own_address();
    let client = Client::register(&appliance, &credential);
    let (url, challenge) = ordered(&client, address);
    let server = Hesitant::start(address, client.key.authorization(challenge["token"].as_str().unwrap()));
    client.post(challenge["url"].as_str().unwrap(), &json!({})).expect(200);
    server.await_asked();
    // Less than twice the reserve, so that nothing new is taken; the daemon believes a look at the disk for a moment.
    disk.fill(2 * 4 * MIB - MIB);
    let mut number = 0;
    wait_for("the disk is full", || {
        number += 1;
        client.post("new-order", &order_of(&[&format!("n{number}.example.com")], json!({}))).status == 507
    });
    server.answer();
    wait_for("the result cannot be kept", || appliance.log().contains("the result of a validation cannot be kept"));
    assert_eq!(client.get(&url).expect(200)["status"], "pending");
    disk.clear();
    assert_eq!(client.decided(&url)["status"], "valid");
}

/// A name server that keeps a question for CAA records until it is told to answer it, by an empty answer.
fn hesitant_dns() -> (std::net::SocketAddr, Arc<AtomicBool>, Arc<AtomicBool>) {
    let socket = UdpSocket::bind((own_address(), 5300)).unwrap();
    let address = socket.local_addr().unwrap();
    let (was_asked, may_answer) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let (asked, answer) = (was_asked.clone(), may_answer.clone());
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let question = Message::from_vec(&buffer[..length]).unwrap();
            let query = question.queries[0].clone();
            if query.query_type() == RecordType::CAA {
                asked.store(true, Ordering::SeqCst);
                if !answer.load(Ordering::SeqCst) {
                    continue;
                }
            }
            let mut message = Message::response(question.metadata.id, question.metadata.op_code);
            message.add_query(query);
            let _ = socket.send_to(&message.to_vec().unwrap(), from);
        }
    });
    (address, was_asked, may_answer)
}

/// What the account may do is looked at behind the question for CAA records, which takes as long as DNS takes.
#[test]
fn an_account_that_is_ended_while_dns_is_asked_gets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (resolver, was_asked, may_answer) = hesitant_dns();
    let appliance = configured(dir.path(), |text| {
        text.replace("[outbound]\nenabled = true\n", &format!("[outbound]\nenabled = true\nresolvers = [\"{resolver}\"]\n"))
    });
    let credential = furnish(&appliance, json!({"acme": {"pre_authorized": ["internal.example.com"], "caa": true}}));
    let client = Client::register(&appliance, &credential);
    let (place, order) = client.order(&["a.internal.example.com"]);
    let request = csr(&["a.internal.example.com"]);
    std::thread::scope(|scope| {
        let finalizing = scope.spawn(|| {
            // By a client of its own, since the other one's nonce is its own.
            let mut other = Client::stranger(&appliance, "ES256");
            other.account = client.account.clone();
            let url = order["finalize"].as_str().unwrap();
            let header = json!({"alg": "ES256", "kid": client.account, "nonce": other.nonce(), "url": url});
            let payload = json!({"csr": super::client::b64(&request)}).to_string();
            other.send(url, client.key.jws(&header, payload.as_bytes()).to_string().as_bytes(), &[super::client::JOSE])
        });
        wait_for("DNS is asked", || was_asked.load(Ordering::SeqCst));
        let id = client.account.rsplit('/').next().unwrap();
        let path = format!("/api/v1/organizations/org_00000000000000000000000000000001/acme-accounts/{id}");
        appliance.call("DELETE", &path, None).expect(204);
        may_answer.store(true, Ordering::SeqCst);
        finalizing.join().unwrap();
    });
    super::client::assert_refused(&client.get(&place), 401, "unauthorized");
    let listed = appliance.call("GET", "/v1/pki/certificates", None).expect(200);
    assert_eq!(listed["data"], json!([]));
    wait_for("the order has come to nothing", || appliance.log().contains("an ACME order comes to nothing"));
    let trail = appliance.call("GET", "/v1/admin/audit?limit=1000", None).expect(200);
    assert!(trail.to_string().contains("acme_order.fail"), "{trail}");
}

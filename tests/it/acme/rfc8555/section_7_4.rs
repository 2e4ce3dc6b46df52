//! Section 7.1 and 7.4: the directory and orders.

use serde_json::{Value, json};

use crate::acme::client::{Client, assert_refused, b64, csr, csr_in, csr_of, order_of};
use crate::acme::{furnish, open};
use crate::appliance::Appliance;
use crate::requester::Requester;

const EC: [&str; 6] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "key.pem"];

/// 7.1.3 and 7.4: the members of an order.
#[test]
fn an_order_has_what_it_must_have() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (place, order) = client.order(&["b.internal.example.com", "A.Internal.Example.com"]);
    assert_eq!(order["status"], "ready");
    let names = json!([{"type": "dns", "value": "b.internal.example.com"}, {"type": "dns", "value": "a.internal.example.com"}]);
    assert_eq!(order["identifiers"], names, "7.1.3: in lower case");
    assert_eq!(order["authorizations"].as_array().unwrap().len(), 2);
    assert!(order["expires"].is_string() && order.get("certificate").is_none() && order["profile"] == "web", "{order}");
    assert_eq!(client.get(&place).expect(200), order);
    // 7.1.2.1: the list of orders.
    let listed = client.get(&format!("{}/orders", client.account)).expect(200);
    assert_eq!(listed["orders"], json!([place]));
}

/// 7.1.2.1: a list of many orders comes in pages, each with a link to the next.
#[test]
fn a_list_of_orders_comes_in_pages() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let mut made: Vec<_> = (0..105).map(|number| client.order(&[&format!("h{number}.internal.example.com")]).0).collect();
    let mut found = Vec::new();
    let mut next = Some(format!("{}/orders", client.account));
    while let Some(url) = next {
        let answer = client.get(&url);
        found.extend(answer.expect(200)["orders"].as_array().unwrap().iter().map(|url| url.as_str().unwrap().to_owned()));
        let links = answer.headers.iter().filter(|(name, _)| name == "link").map(|(_, value)| value);
        let link = links.filter_map(|value| value.strip_suffix(">;rel=\"next\"")?.strip_prefix('<')).next();
        next = link.map(str::to_owned);
    }
    made.sort();
    found.sort();
    assert_eq!(found, made);
}

/// 7.4: what is no order.
#[test]
fn what_is_no_order_is_malformed() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let name = json!({"type": "dns", "value": "a.internal.example.com"});
    for payload in [
        json!({}),
        json!({"identifiers": []}),
        json!({"identifiers": name}),
        json!({"identifiers": [{"type": "dns"}]}),
        json!({"identifiers": [{"value": "x"}]}),
        json!({"identifiers": vec![name.clone(); 101]}),
        json!({"identifiers": [name, name]}),
        json!([name]),
    ] {
        assert_refused(&client.post("new-order", &payload), 400, "malformed");
    }
    assert_refused(&client.get("new-order"), 400, "malformed");
}

/// 7.4 and 6.7.1: names that cannot be certified are refused at once, each with its own problem.
#[test]
fn names_that_cannot_be_certified_are_all_told() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let ask = |identifiers: Value| client.post("new-order", &json!({"identifiers": identifiers}));
    let dns = |name: &str| json!({"type": "dns", "value": name});
    for name in ["example.org", "a_b.internal.example.com", "*.*.example.com", "192.0.2.1", "internal.example.com.", "", "*"] {
        let answer = ask(json!([dns(name)]));
        assert_refused(&answer, 400, "rejectedIdentifier");
        assert_eq!(answer.json()["subproblems"][0]["identifier"], dns(name));
    }
    assert_refused(&ask(json!([{"type": "email", "value": "a@example.com"}])), 400, "unsupportedIdentifier");
    assert_refused(&ask(json!([{"type": "ip", "value": "192.0.2.01"}])), 400, "rejectedIdentifier");
    assert_refused(&ask(json!([{"type": "ip", "value": "2001:DB8:0::1"}])), 400, "rejectedIdentifier");
    let answer = ask(json!([dns("a.internal.example.com"), dns("example.org"), {"type": "tel", "value": "1"}]));
    assert_refused(&answer, 400, "compound");
    let problem = answer.json();
    let told: Vec<_> = problem["subproblems"].as_array().unwrap().iter().map(|one| (&one["identifier"]["value"], &one["type"])).collect();
    assert_eq!(told.len(), 2, "{problem}");
    assert!(told.contains(&(&json!("example.org"), &json!("urn:ietf:params:acme:error:rejectedIdentifier"))), "{problem}");
    assert!(told.contains(&(&json!("1"), &json!("urn:ietf:params:acme:error:unsupportedIdentifier"))), "{problem}");
}

/// 7.4: "If the server is unable to … notBefore and notAfter": refused where the profile does not have them, kept where it does.
#[test]
fn dates_are_kept_or_refused() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let time = |seconds: i64| jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + seconds).unwrap().to_string();
    let names = ["a.internal.example.com"];
    for members in [json!({"notAfter": time(3_600)}), json!({"notBefore": time(60)})] {
        assert_refused(&client.post("new-order", &order_of(&names, members)), 400, "malformed");
    }
    appliance.call("PATCH", "/v1/pki/roles/web", Some(json!({"acme": {"allow_dates": true}}))).expect(200);
    for members in [
        json!({"notAfter": time(-60)}),
        json!({"notAfter": time(10 * 365 * 86_400)}),
        json!({"notBefore": time(7_200), "notAfter": time(3_600)}),
        json!({"notAfter": "tomorrow"}),
    ] {
        assert_refused(&client.post("new-order", &order_of(&names, members)), 400, "malformed");
    }
    let (begin, end) = (time(600), time(7_200));
    let (_, order) = client.order_with(&names, json!({"notBefore": begin, "notAfter": end}));
    assert_eq!((&order["notBefore"], &order["notAfter"]), (&json!(begin), &json!(end)));
    let order = client.finalize(&order, &csr(&names)).expect(200);
    let id = order["certificate"].as_str().unwrap().rsplit('/').next().unwrap();
    let stored = appliance.call("GET", &format!("/v1/pki/certificates/{id}"), None).expect(200);
    assert_eq!((&stored["valid_from"], &stored["valid_until"]), (&json!(begin), &json!(end)));
}

/// 7.4: an order that is pending is not finalized; "orderNotReady" and 403.
#[test]
fn an_order_that_is_not_ready_is_not_finalized() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (_, pending) = client.order(&["www.example.com"]);
    assert_eq!(pending["status"], "pending");
    assert_refused(&client.finalize(&pending, &csr(&["www.example.com"])), 403, "orderNotReady");
    let (_, order) = client.certify(&["a.internal.example.com"]);
    assert_refused(&client.finalize(&order, &csr(&["a.internal.example.com"])), 403, "orderNotReady");
}

/// 7.4: "The CSR MUST indicate the exact same set of requested identifiers"; "badCSR"; and the order stays as it is.
#[test]
fn a_csr_for_other_names_is_bad() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (one, two) = ("a.internal.example.com", "b.internal.example.com");
    let (place, order) = client.order(&[one, two]);
    for der in [
        csr(&[one]),
        csr(&[one, two, "c.internal.example.com"]),
        csr(&[one, two, "192.0.2.1"]),
        csr_of(&EC, "/CN=c.internal.example.com", &[one, two]),
        csr_of(&EC, "/CN=Somebody", &[one, two]),
        csr_of(&EC, "/", &[]),
        csr_of(&EC, &format!("/CN={one}"), &[]),
        b"no request".to_vec(),
        Vec::new(),
    ] {
        assert_refused(&client.finalize(&order, &der), 400, "badCSR");
    }
    // More names than hosts and addresses.
    let requester = Requester::new();
    let san = format!("subjectAltName=DNS:{one},DNS:{two},email:a@example.com");
    requester.openssl(&[&["req", "-new", "-nodes"], &EC[..], &["-outform", "DER", "-out", "r", "-subj", "/", "-addext", &san]].concat());
    assert_refused(&client.finalize(&order, &std::fs::read(requester.path("r")).unwrap()), 400, "badCSR");
    // One that asks to be an authority.
    let san = format!("subjectAltName=DNS:{one},DNS:{two}");
    let more = ["-outform", "DER", "-out", "r", "-subj", "/", "-addext", &san, "-addext", "basicConstraints=critical,CA:TRUE"];
    requester.openssl(&[&["req", "-new", "-nodes"], &EC[..], &more].concat());
    assert_refused(&client.finalize(&order, &std::fs::read(requester.path("r")).unwrap()), 400, "badCSR");
    assert_refused(&client.post(order["finalize"].as_str().unwrap(), &json!({"csr": "a=b"})), 400, "malformed");
    assert_refused(&client.post(order["finalize"].as_str().unwrap(), &json!({})), 400, "malformed");
    assert_eq!(client.get(&place).expect(200)["status"], "ready");
    // A name in the common name, another among the alternative names, and twice.
    client.finalize(&order, &csr_of(&EC, &format!("/O=Left out/CN={one}"), &[two, two])).expect(200);
}

/// 7.4: a CSR whose signature is not its key's.
#[test]
fn a_csr_without_possession_is_bad() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (_, order) = client.order(&["a.internal.example.com"]);
    let mut der = csr(&["a.internal.example.com"]);
    let last = der.len() - 1;
    der[last] ^= 1;
    assert_refused(&client.finalize(&order, &der), 400, "badCSR");
}

/// 11.1: the account's key must not be the certificate's.
#[test]
fn the_accounts_key_is_not_certified() {
    let appliance = Appliance::start();
    let credential = furnish(&appliance, json!({}));
    let requester = Requester::new();
    let der = csr_in(&requester, &EC, "/", &["a.internal.example.com"]);
    requester.openssl(&["pkcs8", "-topk8", "-nocrypt", "-in", "key.pem", "-outform", "DER", "-out", "key.der"]);
    let pkcs8 = std::fs::read(requester.path("key.der")).unwrap();
    let signing = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let pair = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(signing, &pkcs8).unwrap();
    let mut client = Client::stranger(&appliance, "ES256");
    client.key = crate::acme::client::Key::Ec(pair, "ES256", "P-256");
    client.sign_up(&credential, json!({})).expect(201);
    let (_, order) = client.order(&["a.internal.example.com"]);
    assert_refused(&client.finalize(&order, &der), 400, "badCSR");
}

/// 7.4.2: a chain of PEM certificates, each of which certifies the one before it.
#[test]
fn a_certificate_comes_with_its_chain() {
    let appliance = Appliance::start();
    let root = appliance.root("root", "ec", 256);
    let body = json!({"name": "issuing", "common_name": "Issuing", "ca_type": "intermediate", "parent_ca_id": root, "key_type": "ec"});
    let issuing = appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)["id"].as_str().unwrap().to_owned();
    appliance.role("web", &issuing, json!({"acme": {"pre_authorized": ["internal.example.com"]}}));
    let credential = crate::acme::client::Credential::create(&appliance, json!({"default_template_id": "web"}));
    let client = Client::register(&appliance, &credential);
    let (_, order) = client.order(&["a.internal.example.com"]);
    let order = client.finalize(&order, &csr(&["a.internal.example.com"])).expect(200);
    let answer = client.get(order["certificate"].as_str().unwrap());
    answer.expect_any(200);
    assert_eq!(answer.header("content-type"), Some("application/pem-certificate-chain"));
    let up = answer.headers.iter().find_map(|(name, value)| value.strip_suffix(">;rel=\"up\"").filter(|_| name == "link"));
    let up = up.unwrap_or_else(|| panic!("{:?}", answer.headers)).trim_start_matches('<');
    let chain = answer.text();
    assert_eq!(chain.matches("BEGIN CERTIFICATE").count(), 2);
    let requester = Requester::new();
    let pem = appliance.call("GET", &format!("/v1/pki/ca/{root}/certificate"), None).expect(200)["certificate_pem"].clone();
    // What would come next, in the same form.
    let above = client.get(up);
    assert_eq!((above.status, above.header("content-type")), (200, Some("application/pem-certificate-chain")));
    assert_eq!(above.text().trim(), pem.as_str().unwrap().trim());
    requester.write("root.pem", pem.as_str().unwrap());
    requester.write("chain.pem", &chain);
    requester.openssl(&["verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "chain.pem", "chain.pem"]);
    assert_refused(&client.get("cert/cert_0123456789abcdef0123456789abcdef"), 404, "malformed");
}

/// An identical order that is still open is found again, and one that asks for anything else is another.
#[test]
fn an_identical_order_in_flight_is_shared() {
    let (appliance, credential) = open();
    let client = Client::register(&appliance, &credential);
    let (one, _) = client.order(&["a.internal.example.com", "b.internal.example.com"]);
    let (again, _) = client.order(&["b.internal.example.com", "A.internal.example.com"]);
    let (other, order) = client.order(&["a.internal.example.com"]);
    assert_eq!(one, again);
    assert_ne!(one, other);
    client.finalize(&order, &csr(&["a.internal.example.com"])).expect(200);
    let (next, _) = client.order(&["a.internal.example.com"]);
    assert_ne!(next, other, "one that is valid is not ordered again");
}

/// Profiles: an order names one, or has that of its credential; another is invalidProfile.
#[test]
fn a_profile_is_one_of_the_directory() {
    let (appliance, credential) = open();
    let ca = appliance.call("GET", "/v1/pki/roles/web", None).expect(200)["ca_id"].as_str().unwrap().to_owned();
    appliance.role("closed", &ca, json!({}));
    appliance.role("short", &ca, json!({"max_ttl": "1h", "acme": {"challenges": [], "pre_authorized": ["internal.example.com"]}}));
    let directory = appliance.call_as(None, "GET", "/api/acme/directory", None).expect(200);
    let profiles: Vec<_> = directory["meta"]["profiles"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(profiles, ["short", "web"]);
    // What this one's operator vouches for is what a credential for that profile, or for those names, is given for.
    let client = Client::register(&appliance, &credential);
    let answer = client.post("new-order", &order_of(&["a.internal.example.com"], json!({"profile": "short"})));
    assert_refused(&answer, 400, "rejectedIdentifier");
    let fields = json!({"default_template_id": "web", "allowed_names": ["*.internal.example.com", "www.example.com"]});
    let client = Client::register(&appliance, &crate::acme::client::Credential::create(&appliance, fields));
    for profile in ["closed", "unknown", "", "a b"] {
        let answer = client.post("new-order", &order_of(&["a.internal.example.com"], json!({"profile": profile})));
        assert_refused(&answer, 400, "invalidProfile");
    }
    assert_eq!(client.order_with(&["a.internal.example.com"], json!({"profile": "short"})).1["profile"], "short");
    assert_eq!(client.order(&["a.internal.example.com"]).1["profile"], "web");
    // Without challenges nothing but what the operator vouches for can be certified.
    let answer = client.post("new-order", &order_of(&["www.example.com"], json!({"profile": "short"})));
    assert_refused(&answer, 400, "rejectedIdentifier");
    // A role that is closed meanwhile issues no more.
    let (_, order) = client.order_with(&["c.internal.example.com"], json!({"profile": "short"}));
    appliance.call("PATCH", "/v1/pki/roles/short", Some(json!({"acme": {"enabled": false}}))).expect(200);
    assert_refused(&client.finalize(&order, &csr(&["c.internal.example.com"])), 400, "invalidProfile");
}

/// The names of a credential bind its accounts.
#[test]
fn a_credential_may_be_for_some_names_only() {
    let (appliance, _) = open();
    let fields = json!({"default_template_id": "web", "allowed_names": ["a.internal.example.com", "*.b.internal.example.com"]});
    let credential = crate::acme::client::Credential::create(&appliance, fields);
    let client = Client::register(&appliance, &credential);
    client.certify(&["a.internal.example.com", "x.b.internal.example.com"]);
    for name in ["b.internal.example.com", "x.y.b.internal.example.com", "z.a.internal.example.com", "192.0.2.7"] {
        assert_refused(&client.post("new-order", &order_of(&[name], json!({}))), 400, "rejectedIdentifier");
    }
    let _ = b64("");
}

//! The form of names that come as text.

use serde_json::json;

use super::assert_violations;
use crate::appliance::Appliance;
use crate::requester::Requester;

const BAD: [(&str, &str); 31] = [
    ("", "empty"),
    ("www.example.com\0.evil.org", "control character"),
    ("www.example.com\n", "control character"),
    ("www.example.com\u{7f}", "control character"),
    ("bücher.example.com", "non-ASCII"),
    ("www.example。com", "non-ASCII"),
    ("10.0.5.100", "ip_sans"),
    ("2001:db8::1", "ip_sans"),
    ("10.0.5", "all digits"),
    ("*", "bare wildcard"),
    ("*.com", "at least two labels"),
    ("a*.example.com", "whole leftmost label"),
    ("*a.example.com", "whole leftmost label"),
    ("www.*.example.com", "leftmost label"),
    ("*.*.example.com", "leftmost label"),
    ("**.example.com", "whole leftmost label"),
    ("xn--a.example.com", "punycode"),
    ("xn--abc.example.com", "punycode"),
    ("ab--c.example.com", "reserved"),
    ("_dmarc.example.com", "underscore"),
    ("-a.example.com", "begins with a hyphen"),
    ("a-.example.com", "ends with a hyphen"),
    ("www.example.com.", "ends with a dot"),
    (".example.com", "empty label"),
    ("a..example.com", "empty label"),
    ("www example.com", "only letters"),
    ("https://www.example.com", "only letters"),
    ("www.example.com:443", "only letters"),
    ("user@example.com", "only letters"),
    ("www.example.com/path", "only letters"),
    ("CN=www.example.com", "only letters"),
];

#[test]
fn malformed_names_are_all_refused_at_once() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let (label, name) = (format!("{}.example.com", "a".repeat(64)), format!("{}example.com", "a.".repeat(122)));
    let bad: Vec<_> = BAD.into_iter().chain([(label.as_str(), "at most 63"), (name.as_str(), "at most 253")]).collect();
    let names: Vec<_> = bad.iter().map(|(name, _)| name).collect();
    let answer = appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "www.example.com", "alt_names": names})));
    assert_violations(&answer, bad.iter().enumerate().map(|(i, (_, part))| (format!("alt_names[{i}]"), *part)));
}

#[test]
fn a_malformed_common_name_is_refused() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({"allow_ip_sans": false}));
    let issue = |name: &str| appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": name})));
    // RFC 5280, A.1: ub-common-name is 64. A name that is too long is refused, not cut.
    let long = format!("{}.example.com", "a".repeat(53));
    assert_eq!(long.len(), 65);
    for (name, part) in BAD.into_iter().chain([("Billing Service", "only letters"), (&long, "64")]) {
        let part = if part == "ip_sans" { "does not allow IP addresses" } else { part };
        assert_violations(&issue(name), [("common_name".to_owned(), part)]);
    }
    issue(&long[1..]).expect(201);
    let body = json!({"common_name": "www.example.com", "alt_names": [long]});
    appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201);
}

#[test]
fn good_names_are_written_in_lower_case_and_once() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let label = "a".repeat(63);
    let names = ["WWW.Example.COM", "www.example.com", "*.example.com", "xn--bcher-kva.example.com", "1and1.example.com", "EXAMPLE.com"];
    let names: Vec<_> = names.into_iter().map(str::to_owned).chain([format!("{label}.example.com")]).collect();
    let body = json!({"common_name": "Www.Example.com", "alt_names": names, "ip_sans": ["2001:DB8:0:0::1", "2001:db8::1"]});
    let issued = appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201);
    let text = Requester::new().certificate_text(issued["certificate"].as_str().unwrap());
    let wanted = format!(
        "DNS:www.example.com, DNS:*.example.com, DNS:xn--bcher-kva.example.com, DNS:1and1.example.com, DNS:example.com, \
         DNS:{label}.example.com, IP Address:2001:DB8:0:0:0:0:0:1\n"
    );
    assert!(text.contains(&wanted), "{text}");
    assert!(text.contains("Subject: CN = www.example.com\n"), "{text}");
}

#[test]
fn texts_that_are_no_addresses_are_refused() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let bad = ["", "10.0.5", "10.0.5.256", "010.0.0.1", "10.0.0.1/24", "fe80::1%eth0", "[::1]", "www.example.com", " 10.0.0.1"];
    let body = json!({"common_name": "www.example.com", "ip_sans": bad});
    let (code, fields) = appliance.call("POST", "/v1/pki/issue/web", Some(body)).refused(400);
    assert_eq!(code, "invalid_request");
    assert_eq!(fields, (0..bad.len()).map(|i| format!("ip_sans[{i}]")).collect::<Vec<_>>());
}

#[test]
fn a_hundred_names_and_no_more() {
    let appliance = Appliance::start();
    let ca = appliance.root("root", "ec", 256);
    appliance.role("web", &ca, json!({}));
    let names = |count: usize| (0..count).map(|i| format!("h{i}.example.com")).collect::<Vec<_>>();
    let issue =
        |count| appliance.call("POST", "/v1/pki/issue/web", Some(json!({"common_name": "h0.example.com", "alt_names": names(count)})));
    issue(100).expect(201);
    assert_violations(&issue(101), [("alt_names[0]".to_owned(), "at most 100 names")]);
}

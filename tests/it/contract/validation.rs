//! Trust anchors, and the validation of certificates of ours and of others.

use serde_json::{Value, json};

use super::{World, assert_fields, assert_serial, time};
use crate::appliance::Appliance;
use crate::requester::Requester;

/// A CA elsewhere: root.pem, sub.pem under it and leaf.pem under that, made by openssl.
fn elsewhere() -> Requester {
    let requester = Requester::new();
    let ca = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
    requester.write("ca.ext", ca);
    requester.write("leaf.ext", "basicConstraints=CA:FALSE\nsubjectAltName=DNS:www.vendor.example\n");
    for name in ["root", "sub", "leaf"] {
        requester.key(&format!("{name}.key"), "P-256");
        let subject = format!("/O=Vendor XYZ/CN=Vendor {name}");
        requester.openssl(&["req", "-new", "-key", &format!("{name}.key"), "-subj", &subject, "-out", &format!("{name}.csr")]);
    }
    let sign = ["x509", "-req", "-days", "30", "-in"];
    requester.openssl(&[&sign[..], &["root.csr", "-key", "root.key", "-extfile", "ca.ext", "-out", "root.pem"]].concat());
    let under = |csr, ca, key, extensions, out| {
        requester.openssl(&[&sign[..], &[csr, "-CA", ca, "-CAkey", key, "-CAcreateserial", "-extfile", extensions, "-out", out]].concat())
    };
    under("sub.csr", "root.pem", "root.key", "ca.ext", "sub.pem");
    under("leaf.csr", "sub.pem", "sub.key", "leaf.ext", "leaf.pem");
    requester
}

fn validate(world: &World, body: Value) -> Value {
    world.appliance.call("POST", "/v1/pki/certificates/validate", Some(body)).expect(200)
}

#[test]
fn a_trust_anchor_is_registered_shown_listed_and_deleted() {
    let (world, vendor) = (World::new(), elsewhere());
    let body = json!({"name": "vendor-xyz-root", "certificate_pem": vendor.read("root.pem")});
    let anchor = world.appliance.call("POST", "/v1/pki/trust-anchors", Some(body.clone())).expect(201);
    let fields = [
        "id",
        "name",
        "common_name",
        "subject",
        "serial_number",
        "fingerprint_sha256",
        "valid_from",
        "valid_until",
        "certificate_pem",
        "created_at",
    ];
    assert_fields(&anchor, &fields);
    let id = anchor["id"].as_str().unwrap();
    assert!(id.starts_with("trust_anchor_"), "{id}");
    assert_eq!((&anchor["name"], &anchor["common_name"]), (&json!("vendor-xyz-root"), &json!("Vendor root")));
    assert_serial(&anchor["serial_number"]);
    assert!(time(&anchor["valid_from"]) < time(&anchor["valid_until"]));
    assert_eq!(anchor["certificate_pem"], vendor.read("root.pem"));
    assert_eq!(world.get(&format!("/v1/pki/trust-anchors/{id}")), anchor);
    assert_eq!(world.all("/v1/pki/trust-anchors"), std::slice::from_ref(&anchor));

    let again = |body| world.appliance.call("POST", "/v1/pki/trust-anchors", Some(body)).refused(409).0;
    assert_eq!(again(body), "already_known");
    assert_eq!(again(json!({"name": "vendor-xyz-root", "certificate_pem": vendor.read("sub.pem")})), "name_taken");
    let refused = json!({"name": "a\u{202e}b", "certificate_pem": vendor.read("leaf.pem")});
    assert_eq!(world.appliance.call("POST", "/v1/pki/trust-anchors", Some(refused)).refused(400).1, ["name"]);
    let leaf = json!({"name": "leaf", "certificate_pem": vendor.read("leaf.pem")});
    assert_eq!(world.appliance.call("POST", "/v1/pki/trust-anchors", Some(leaf)).refused(400).1, ["certificate_pem"]);

    assert_eq!(world.appliance.call("DELETE", &format!("/v1/pki/trust-anchors/{id}"), None).status, 204);
    assert_eq!(world.all("/v1/pki/trust-anchors"), [] as [Value; 0]);
    assert_eq!(world.appliance.call("DELETE", &format!("/v1/pki/trust-anchors/{id}"), None).refused(404).0, "not_found");
}

#[test]
fn a_vendors_certificate_is_valid_once_its_root_is_trusted() {
    let (world, vendor) = (World::new(), elsewhere());
    let question = json!({"certificate_pem": vendor.read("leaf.pem"), "chain_pem": vendor.read("sub.pem"), "check_revocation": true});
    let before = validate(&world, question.clone());
    assert_eq!((&before["valid"], &before["chain_valid"], &before["not_revoked"]), (&json!(false), &json!(false), &json!(true)));
    assert!(before["errors"][0].as_str().unwrap().contains("no way leads"), "{before}");
    assert!(before.get("trusted_anchor").is_none());

    let body = json!({"name": "vendor-xyz-root", "certificate_pem": vendor.read("root.pem")});
    let anchor = world.appliance.call("POST", "/v1/pki/trust-anchors", Some(body)).expect(201);
    let trusted = validate(&world, question.clone());
    assert_fields(&trusted, &["valid", "chain_valid", "not_expired", "not_revoked", "trusted_anchor", "warnings", "path"]);
    for field in ["valid", "chain_valid", "not_expired", "not_revoked"] {
        assert_eq!(trusted[field], true, "{field}: {trusted}");
    }
    assert_eq!(trusted["trusted_anchor"], anchor["id"]);
    assert_eq!(trusted["path"].as_array().unwrap().len(), 3);
    assert_eq!(trusted["warnings"].as_array().unwrap().len(), 2, "nobody here knows whether leaf or sub was revoked: {trusted}");

    let alone = validate(&world, json!({"certificate_pem": vendor.read("leaf.pem")}));
    assert_eq!(alone["valid"], false, "without the intermediate there is no path");

    let World { mut appliance, .. } = world;
    appliance.kill();
    let again = Appliance::start_in(appliance.dir());
    let answer = again.call("POST", "/v1/pki/certificates/validate", Some(question)).expect(200);
    assert_eq!(answer["trusted_anchor"], anchor["id"]);
}

#[test]
fn our_own_certificates_are_valid_until_they_are_revoked() {
    let world = World::new();
    let issued = world.issue("www");
    let question = json!({"certificate_pem": issued["certificate"], "chain_pem": "", "check_revocation": true});
    let good = validate(&world, question.clone());
    assert_fields(&good, &["valid", "chain_valid", "not_expired", "not_revoked", "trusted_anchor", "path"]);
    assert_eq!((&good["valid"], &good["trusted_anchor"]), (&json!(true), &json!(world.root)), "{good}");

    let revoke = json!({"serial_number": issued["serial_number"], "reason": "superseded"});
    world.appliance.call("POST", "/v1/pki/revoke", Some(revoke)).expect(200);
    let revoked = validate(&world, question.clone());
    let said = ["valid", "chain_valid", "not_expired", "not_revoked"].map(|field| revoked[field].as_bool().unwrap());
    assert_eq!(said, [false, true, true, false], "{revoked}");
    assert!(revoked["errors"][0].as_str().unwrap().contains("revoked at"), "{revoked}");

    let other = json!({"certificate_pem": world.issue("other")["certificate"]});
    assert_eq!(validate(&world, other.clone())["valid"], true);
    world.appliance.call("POST", &format!("/v1/pki/ca/{}/revoke", world.issuing), Some(json!({}))).expect(200);
    let below = validate(&world, other);
    assert_eq!((&below["valid"], &below["not_revoked"]), (&json!(false), &json!(false)), "{below}");
}

#[test]
fn every_fault_of_the_question_is_named() {
    let world = World::new();
    let body = json!({"certificate_pem": "no PEM", "chain_pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"});
    let refused = world.appliance.call("POST", "/v1/pki/certificates/validate", Some(body)).refused(400);
    assert_eq!(refused.1, ["certificate_pem", "chain_pem"]);
}

/// An authority below Vendor root with these extensions, and certificates by it; made by openssl.
fn below_root(vendor: &Requester, key: &str, sign: &[&str], extensions: &str) -> String {
    vendor.key("below.key", key);
    vendor.openssl(&["req", "-new", "-key", "below.key", "-subj", "/O=Vendor XYZ/CN=Below", "-out", "below.csr"]);
    let ca = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
    vendor.write("below.ext", format!("{ca}{extensions}"));
    let by_root = ["x509", "-req", "-days", "30", "-in", "below.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial"];
    vendor.openssl(&[&by_root[..], sign, &["-extfile", "below.ext", "-out", "below.pem"]].concat());
    vendor.read("below.pem")
}

fn leaf_below(vendor: &Requester, sign: &[&str], names: &str) -> String {
    vendor.write("names.ext", format!("basicConstraints=CA:FALSE\nsubjectAltName={names}\n"));
    let by_below = ["x509", "-req", "-days", "30", "-in", "leaf.csr", "-CA", "below.pem", "-CAkey", "below.key", "-CAcreateserial"];
    vendor.openssl(&[&by_below[..], sign, &["-extfile", "names.ext", "-out", "named.pem"]].concat());
    vendor.read("named.pem")
}

fn trusting(vendor: &Requester) -> World {
    let world = World::new();
    let body = json!({"name": "vendor-xyz-root", "certificate_pem": vendor.read("root.pem")});
    world.appliance.call("POST", "/v1/pki/trust-anchors", Some(body)).expect(201);
    world
}

#[test]
fn addresses_are_held_against_what_is_permitted_and_excluded() {
    let vendor = elsewhere();
    let world = trusting(&vendor);
    let constraints = "nameConstraints=critical,permitted;IP:10.0.0.0/255.0.0.0,permitted;IP:2001:db8::/ffff:ffff::,\
                       excluded;IP:10.66.0.0/255.255.0.0,excluded;IP:2001:db8:bad::/ffff:ffff:ffff::\n";
    let chain = below_root(&vendor, "P-256", &[], constraints);
    for (names, why) in [
        ("IP:10.1.2.3", None),
        ("IP:10.255.255.255,IP:2001:db8::1", None),
        ("IP:2001:db8:ffff::1,DNS:www.vendor.example", None),
        ("IP:11.0.0.1", Some("outside what is permitted")),
        ("IP:10.66.0.1", Some("is excluded")),
        ("IP:10.1.2.3,IP:10.66.255.255", Some("is excluded")),
        ("IP:2001:db9::1", Some("outside what is permitted")),
        ("IP:2001:db8:bad::1", Some("is excluded")),
        // An IPv4 address within an IPv6 one is another address.
        ("IP:::ffff:10.1.2.3", Some("outside what is permitted")),
    ] {
        let leaf = leaf_below(&vendor, &[], names);
        let answer = validate(&world, json!({"certificate_pem": leaf, "chain_pem": chain}));
        assert_eq!(answer["valid"], why.is_none(), "{names}: {answer}");
        assert_eq!(answer["chain_valid"], why.is_none(), "{names}: {answer}");
        let errors = answer["errors"].as_array().map_or(String::new(), |errors| errors.iter().map(Value::to_string).collect());
        assert_eq!(errors.contains(why.unwrap_or("is")), why.is_some(), "{names}: {answer}");
    }
}

#[test]
fn a_weak_link_makes_no_chain() {
    let vendor = elsewhere();
    let world = trusting(&vendor);
    let ask = |leaf: &str, chain: &str| validate(&world, json!({"certificate_pem": leaf, "chain_pem": chain}));
    let names = "DNS:www.vendor.example";
    for (key, by_root, by_below, why) in [
        ("P-256", &["-sha256"][..], &["-sha256"][..], None),
        ("P-256", &["-sha1"], &["-sha256"], Some("certificate 1 (CN=Below,O=Vendor XYZ): its signature algorithm is not accepted")),
        ("P-256", &["-sha256"], &["-sha1"], Some("certificate 0 (CN=Vendor leaf,O=Vendor XYZ): its signature algorithm is not accepted")),
        ("rsa-1024", &["-sha256"], &["-sha256"], Some("certificate 1 (CN=Below,O=Vendor XYZ): its key is not of an accepted type or size")),
    ] {
        let chain = below_root(&vendor, key, by_root, "");
        let answer = ask(&leaf_below(&vendor, by_below, names), &chain);
        assert_eq!((&answer["valid"], &answer["chain_valid"]), (&json!(why.is_none()), &json!(why.is_none())), "{key}: {answer}");
        let errors = answer["errors"].as_array().map_or(String::new(), |errors| errors.iter().map(Value::to_string).collect());
        assert_eq!(errors.contains(why.unwrap_or("is")), why.is_some(), "{key}: {answer}");
    }
}

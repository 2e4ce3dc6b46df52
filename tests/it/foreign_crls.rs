//! The status of certificates that an authority elsewhere issued: by the CRL it publishes, by one that is handed over, or not known.

use serde_json::{Value, json};

use crate::appliance::Appliance;

/// An authority elsewhere, with a certificate that stands and one that was revoked.
struct Elsewhere {
    appliance: Appliance,
    root: String,
    good: String,
    revoked: String,
    crl: String,
}

impl Elsewhere {
    fn new() -> Self {
        let appliance = Appliance::start();
        let ca = appliance.root("elsewhere", "ec", 256);
        appliance.role("web", &ca, json!({}));
        let issue = |name: &str| {
            let body = json!({"common_name": format!("{name}.example.com")});
            appliance.call("POST", "/v1/pki/issue/web", Some(body)).expect(201)
        };
        let (good, revoked) = (issue("good"), issue("revoked"));
        let body = json!({"certificate_id": revoked["id"], "reason": "keyCompromise"});
        appliance.call("POST", "/v1/pki/revoke", Some(body)).expect(200);
        let published = appliance.call("POST", &format!("/v1/pki/ca/{ca}/crl"), None).expect(200);
        let root = appliance.call("GET", &format!("/v1/pki/ca/{ca}/certificate"), None).expect(200);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (good, revoked) = (text(&good["certificate"]), text(&revoked["certificate"]));
        Self { root: text(&root["certificate_pem"]), crl: text(&published["crl_pem"]), good, revoked, appliance }
    }

    /// An appliance that trusts it.
    fn trusting(&self) -> Appliance {
        let appliance = Appliance::start();
        let body = json!({"name": "elsewhere", "certificate_pem": self.root});
        appliance.call("POST", "/v1/pki/trust-anchors", Some(body)).expect(201);
        appliance
    }
}

fn validate(appliance: &Appliance, body: Value) -> Value {
    appliance.call("POST", "/v1/pki/certificates/validate", Some(body)).expect(200)
}

#[test]
fn the_crl_that_a_certificate_names_is_fetched_and_kept() {
    let mut elsewhere = Elsewhere::new();
    let appliance = elsewhere.trusting();
    let ask = |certificate: &str| {
        let body = json!({"certificate_pem": certificate, "check_revocation": true, "revocation_required": true});
        validate(&appliance, body)
    };
    let good = ask(&elsewhere.good);
    assert_eq!((&good["valid"], &good["not_revoked"]), (&json!(true), &json!(true)), "{good}");
    assert!(good.get("warnings").is_none() && good.get("errors").is_none(), "{good}");
    let revoked = ask(&elsewhere.revoked);
    assert_eq!((&revoked["valid"], &revoked["chain_valid"], &revoked["not_revoked"]), (&json!(false), &json!(true), &json!(false)));
    assert!(revoked["errors"][0].as_str().unwrap().contains("revoked at"), "{revoked}");
    // Until its next update it is not fetched again.
    elsewhere.appliance.kill();
    assert_eq!(ask(&elsewhere.good)["valid"], true);
    assert_eq!(ask(&elsewhere.revoked)["not_revoked"], false);
}

#[test]
fn what_is_not_known_is_said_and_a_crl_can_be_handed_over() {
    let mut elsewhere = Elsewhere::new();
    elsewhere.appliance.kill();
    let appliance = elsewhere.trusting();
    let unasked = validate(&appliance, json!({"certificate_pem": elsewhere.revoked}));
    assert_eq!((&unasked["valid"], unasked.get("warnings")), (&json!(true), None), "{unasked}");
    let asked = validate(&appliance, json!({"certificate_pem": elsewhere.revoked, "check_revocation": true}));
    assert_eq!(asked["valid"], true, "{asked}");
    assert!(asked["warnings"][0].as_str().unwrap().contains("is not known here: its CRL cannot be fetched"), "{asked}");
    let body = json!({"certificate_pem": elsewhere.revoked, "check_revocation": true, "revocation_required": true});
    let required = validate(&appliance, body);
    assert_eq!((&required["valid"], &required["not_revoked"]), (&json!(false), &json!(true)), "{required}");
    assert!(required["errors"][0].as_str().unwrap().contains("is not known here"), "{required}");

    let with = |certificate: &str, crl: &str| {
        let body = json!({"certificate_pem": certificate, "crl_pem": crl, "check_revocation": true, "revocation_required": true});
        validate(&appliance, body)
    };
    assert_eq!(with(&elsewhere.good, &elsewhere.crl)["valid"], true);
    assert_eq!(with(&elsewhere.revoked, &elsewhere.crl)["not_revoked"], false);
    // Another authority of the same name has another key.
    let impostor = Elsewhere::new();
    let refused = with(&elsewhere.good, &impostor.crl);
    assert_eq!(refused["valid"], false, "{refused}");
    assert!(refused["errors"][0].as_str().unwrap().contains("the signature of the CRL is not its issuer's"), "{refused}");

    let nonsense = json!({"certificate_pem": elsewhere.good, "crl_pem": elsewhere.good, "revocation_required": true});
    let (_, fields) = appliance.call("POST", "/v1/pki/certificates/validate", Some(nonsense)).refused(400);
    assert_eq!(fields, ["crl_pem", "revocation_required"]);
}

#[test]
fn nobody_goes_where_an_untrusted_certificate_points() {
    let elsewhere = Elsewhere::new();
    let appliance = Appliance::start();
    let answer = validate(&appliance, json!({"certificate_pem": elsewhere.good, "check_revocation": true}));
    assert_eq!((&answer["valid"], &answer["chain_valid"]), (&json!(false), &json!(false)));
    let metrics = || elsewhere.appliance.call("GET", "/metrics", None).text();
    let is_asked = |line: &str| line.contains("/crl/{file}") || line.contains("/ocsp/{ca}");
    let fetched = |text: &str| text.lines().any(|line| is_asked(line) && !line.starts_with('#'));
    assert!(!fetched(&metrics()), "{}", metrics());
    // Once its root is trusted it is gone to.
    let trusting = elsewhere.trusting();
    assert_eq!(validate(&trusting, json!({"certificate_pem": elsewhere.good, "check_revocation": true}))["valid"], true);
    assert!(fetched(&metrics()), "{}", metrics());
}

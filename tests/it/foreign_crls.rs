//! The status of certificates that an authority elsewhere issued: by the CRL it publishes, by one that is handed over, or not known.

use std::net::TcpListener;

use chancery::x509::certificate::Certificate;
use chancery::x509::pem::{self, Label};
use serde_json::{Value, json};

use crate::appliance::{Appliance, run};
use crate::requester::Requester;

/// An authority elsewhere, with a certificate that stands and one that was revoked.
struct Elsewhere {
    appliance: Appliance,
    ca: String,
    root: String,
    good: String,
    revoked: String,
    crl: String,
}

impl Elsewhere {
    fn new() -> Self {
        Self::with(json!({}))
    }

    /// One whose CRLs are made as asked.
    fn with(crl: Value) -> Self {
        let appliance = Appliance::start();
        let body =
            json!({"name": "elsewhere", "common_name": "elsewhere CA", "ca_type": "root", "key_type": "ec", "key_size": 256, "crl": crl});
        let ca = appliance.call("POST", "/v1/pki/ca", Some(body)).expect(201)["id"].as_str().unwrap().to_owned();
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
        Self { root: text(&root["certificate_pem"]), crl: text(&published["crl_pem"]), good, revoked, ca, appliance }
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

/// A CRL of a part covers the certificates that name it, and says nothing of any other (RFC 5280, 6.3.3 b 2).
#[test]
fn the_parts_of_a_divided_crl_are_found_by_those_who_name_them() {
    let mut elsewhere = Elsewhere::with(json!({"shards": 3}));
    let appliance = elsewhere.trusting();
    let ask = |appliance: &Appliance, certificate: &str, crl: Option<&str>| {
        let mut body = json!({"certificate_pem": certificate, "check_revocation": true, "revocation_required": true});
        crl.into_iter().for_each(|crl| body["crl_pem"] = json!(crl));
        validate(appliance, body)
    };
    let point = Certificate::from_der(&pem::decode_one(&elsewhere.good, Label::Certificate).unwrap()).unwrap().crl_urls()[0].clone();
    assert!(!point.ends_with(&format!("{}.crl", elsewhere.ca)), "{point} is the URL of a part");
    let good = ask(&appliance, &elsewhere.good, None);
    assert_eq!((&good["valid"], &good["not_revoked"]), (&json!(true), &json!(true)), "{good}");
    let revoked = ask(&appliance, &elsewhere.revoked, None);
    assert_eq!((&revoked["valid"], &revoked["not_revoked"]), (&json!(false), &json!(false)), "{revoked}");

    let of_part = |suffix: &str| {
        let answer = elsewhere.appliance.call_raw(None, "GET", &format!("/crl/{}{suffix}.crl", elsewhere.ca), None, &[]);
        assert_eq!(answer.status, 200, "{suffix}: {}", answer.text());
        pem::encode(Label::Crl, &answer.body)
    };
    let own = point.rsplit(&elsewhere.ca).next().unwrap().trim_end_matches(".crl").to_owned();
    let others = ["-1", "-2", "-3"].into_iter().filter(|suffix| *suffix != own);
    let (own, others, authorities) = (of_part(&own), others.map(of_part).collect::<String>(), of_part("-ca"));
    elsewhere.appliance.kill();
    let appliance = elsewhere.trusting();
    assert_eq!(ask(&appliance, &elsewhere.good, Some(&own))["valid"], true);
    assert_eq!(ask(&appliance, &elsewhere.good, Some(&format!("{others}{own}{authorities}")))["valid"], true);
    for (crl, why) in [(others, "of another distribution point"), (authorities, "the other kind of certificate")] {
        let unknown = ask(&appliance, &elsewhere.good, Some(&crl));
        assert_eq!((&unknown["valid"], &unknown["not_revoked"]), (&json!(false), &json!(true)), "{unknown}");
        assert!(unknown["errors"][0].as_str().unwrap().contains(why), "{unknown}");
    }
}

/// The files of `foreign_crls.py`, and a CRL by GnuTLS beside them.
fn made_by_others() -> Requester {
    let requester = Requester::new();
    requester.write("foreign_crls.py", include_str!("foreign_crls.py"));
    let own = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/python3");
    let python = if own.exists() { own.display().to_string() } else { "python3".to_owned() };
    run(&mut requester.command(&python, &["foreign_crls.py"]));
    requester.write("template", "crl_next_update = 10\ncrl_number = 8\n");
    let arguments = [
        ["--generate-crl", "--template"],
        ["template", "--load-ca-privkey"],
        ["root.key", "--load-ca-certificate"],
        ["root.pem", "--load-certificate"],
        ["revoked.pem", "--outfile"],
    ];
    run(&mut requester.command("certtool", &[&arguments.concat()[..], &["gnutls.crl"]].concat()));
    requester
}

#[test]
fn crls_by_gnutls_and_python_are_understood_as_far_as_they_reach() {
    let (appliance, others) = (Appliance::start(), made_by_others());
    let body = json!({"name": "elsewhere", "certificate_pem": others.read("root.pem")});
    appliance.call("POST", "/v1/pki/trust-anchors", Some(body)).expect(201);
    let ask = |certificate: &str, crl: &str| {
        let (certificate, crl) = (others.read(certificate), others.read(crl));
        validate(&appliance, json!({"certificate_pem": certificate, "crl_pem": crl, "check_revocation": true, "revocation_required": true}))
    };
    for crl in ["gnutls.crl", "full.crl", "users.crl", "point.crl", "both.crl", "issuer.crl"] {
        let good = ask("good.pem", crl);
        assert_eq!((&good["valid"], good.get("errors")), (&json!(true), None), "{crl}: {good}");
        let revoked = ask("revoked.pem", crl);
        assert_eq!((&revoked["valid"], &revoked["not_revoked"]), (&json!(false), &json!(false)), "{crl}: {revoked}");
    }
    for (crl, why) in [
        ("authorities.crl", "only the other kind of certificate"),
        ("elsewhere.crl", "of another distribution point"),
        ("relative.crl", "of another distribution point"),
        ("reasons.crl", "only some reasons"),
        ("indirect.crl", "speaks for other issuers"),
        ("attributes.crl", "only attribute certificates"),
        ("old.crl", "out of date"),
    ] {
        for certificate in ["good.pem", "revoked.pem"] {
            let unknown = ask(certificate, crl);
            assert_eq!((&unknown["valid"], &unknown["not_revoked"]), (&json!(false), &json!(true)), "{crl}: {unknown}");
            assert!(unknown["errors"][0].as_str().unwrap().contains(why), "{crl}: {unknown}");
        }
    }
    let expired = validate(&appliance, json!({"certificate_pem": others.read("expired.pem")}));
    let said = ["valid", "chain_valid", "not_expired", "not_revoked"].map(|field| expired[field].as_bool().unwrap());
    assert_eq!(said, [false, true, false, true], "{expired}");
    assert!(expired["errors"][0].as_str().unwrap().contains("expired at"), "{expired}");
}

/// What a certificate names is dialled under the same policy of addresses as all else.
#[test]
fn a_crl_and_a_responder_at_a_forbidden_address_are_not_dialled() {
    let dir = tempfile::tempdir().unwrap();
    let mut appliance = Appliance::start_in(dir.path());
    assert!(appliance.stop());
    let config = dir.path().join("chancery.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let (before, _) = text.split_once("[outbound]").unwrap();
    std::fs::write(&config, format!("{before}[outbound]\nenabled = true\nallow = [\"127.0.0.1/32\"]\nports = []\n")).unwrap();
    let appliance = Appliance::start_in(dir.path());
    let requester = Requester::new();
    requester.key("root.key", "P-256");
    requester.openssl(&["req", "-x509", "-new", "-key", "root.key", "-subj", "/CN=Elsewhere", "-days", "100", "-out", "root.pem"]);
    let body = json!({"name": "elsewhere", "certificate_pem": requester.read("root.pem")});
    appliance.call("POST", "/v1/pki/trust-anchors", Some(body)).expect(201);
    requester.key("leaf.key", "P-256");
    requester.openssl(&["req", "-new", "-key", "leaf.key", "-subj", "/CN=leaf", "-out", "leaf.csr"]);
    // A port of an address of this machine that is not on the list: whoever dialled it would be seen.
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let private = format!("127.0.0.2:{}", listener.local_addr().unwrap().port());
    for host in ["169.254.169.254", "10.255.255.1", &private] {
        for extension in [format!("crlDistributionPoints=URI:http://{host}/a.crl"), format!("authorityInfoAccess=OCSP;URI:http://{host}/")]
        {
            requester.write("leaf.ext", &extension);
            let sign = ["x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial"];
            requester.openssl(&[&sign[..], &["-days", "9", "-extfile", "leaf.ext", "-out", "leaf.pem"]].concat());
            let body = json!({"certificate_pem": requester.read("leaf.pem"), "check_revocation": true});
            let answer = validate(&appliance, body);
            assert!(answer["warnings"][0].as_str().unwrap().contains("refused: the address is none that"), "{extension}: {answer}");
        }
    }
    let unseen = listener.accept().expect_err("nobody came");
    assert_eq!(unseen.kind(), std::io::ErrorKind::WouldBlock);
}

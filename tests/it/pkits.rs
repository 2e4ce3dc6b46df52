//! NIST's Public Key Interoperability Test Suite (PKITS): what RFC 5280 says of paths and of the CRLs along them. The file names of the suite
//! say what is expected; every certificate of the suite is offered as an intermediate, and every CRL as one that might be the right one, so that
//! both have to be found as well.

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use chancery::inventory::{Listing, listing, signers};
use chancery::x509::certificate::Certificate;
use chancery::x509::path::{Inputs, Outcome, validate};
use const_oid::ObjectIdentifier;

const DSA: &str = "DSA is not accepted (NIST FIPS 186-5 withdrew it)";

const INDIRECT: &str = "an indirect CRL, which speaks for other issuers, is not understood: unknown (RFC 5280, 5.2.5)";
const KEY_OF_ITS_OWN: &str =
    "the issuer's key for CRLs has a certificate that is not of the path, and no path to it is looked for: unknown";
const REASONS: &str = "a CRL of some reasons is not put together with that of the others: unknown (RFC 5280, 5.2.5)";

/// Where this program decides otherwise, and why.
const DEVIATIONS: [(&str, &str); 16] = [
    (
        "InvaliddeltaCRLTest4EE",
        "delta CRLs are not used, which RFC 5280, 6.3.3, leaves open, and the full CRL in its time does not list it yet",
    ),
    ("ValidBasicSelfIssuedCRLSigningKeyTest6EE", KEY_OF_ITS_OWN),
    ("ValidBasicSelfIssuedNewWithOldTest4EE", KEY_OF_ITS_OWN),
    ("ValidDSAParameterInheritanceTest5EE", DSA),
    ("ValidDSASignaturesTest4EE", DSA),
    ("ValidIDPwithindirectCRLTest22EE", INDIRECT),
    ("ValidIDPwithindirectCRLTest24EE", INDIRECT),
    ("ValidIDPwithindirectCRLTest25EE", INDIRECT),
    ("ValidSeparateCertificateandCRLKeysTest19EE", KEY_OF_ITS_OWN),
    ("ValidcRLIssuerTest28EE", INDIRECT),
    ("ValidcRLIssuerTest29EE", INDIRECT),
    ("ValidcRLIssuerTest30EE", INDIRECT),
    ("ValidcRLIssuerTest33EE", INDIRECT),
    ("ValiddeltaCRLTest5EE", "delta CRLs are not used: the hold that the newer one lifts stands in the full CRL"),
    ("ValidonlySomeReasonsTest18EE", REASONS),
    ("ValidonlySomeReasonsTest19EE", REASONS),
];

struct Suite {
    certificates: Vec<Certificate>,
    anchor: Vec<Certificate>,
    crls: Vec<Bytes>,
    folder: PathBuf,
}

impl Suite {
    fn read() -> Self {
        let folder = package().join("x509/PKITS_data/certs");
        let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        let is_of_a_ca = |path: &PathBuf| !path.to_string_lossy().contains("EE.crt");
        let certificates =
            names.iter().filter(|path| is_of_a_ca(path)).flat_map(|path| Certificate::from_der(&std::fs::read(path).unwrap()));
        let anchor = Certificate::from_der(&std::fs::read(folder.join("TrustAnchorRootCertificate.crt")).unwrap()).unwrap();
        let certificates: Vec<_> = certificates.filter(|certificate| *certificate != anchor).collect();
        assert!(certificates.len() > 150, "{} certificates of CAs", certificates.len());
        let mut names: Vec<_> =
            std::fs::read_dir(package().join("x509/PKITS_data/crls")).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        let crls: Vec<Bytes> = names.iter().map(|path| std::fs::read(path).unwrap().into()).collect();
        assert!(crls.len() > 170, "{} CRLs", crls.len());
        Self { certificates, anchor: vec![anchor], crls, folder }
    }

    fn certificate(&self, name: &str) -> Result<Certificate, String> {
        let der = std::fs::read(self.folder.join(format!("{name}.crt"))).map_err(|error| format!("{name}: {error}"))?;
        Certificate::from_der(&der).map_err(|fault| fault.to_string())
    }

    /// Whether the path is valid; a certificate that cannot be read is not.
    fn is_valid(&self, name: &str, inputs: &Inputs) -> bool {
        let Ok(certificate) = self.certificate(name) else { return false };
        self.outcome(&certificate, inputs).is_valid()
    }

    /// What is wrong with the path or, by the CRLs, with a certificate along it; one whose status no CRL tells is not valid either.
    fn faults(&self, name: &str) -> Vec<String> {
        let certificate = match self.certificate(name) {
            Ok(certificate) => certificate,
            Err(fault) => return vec![fault],
        };
        let outcome = self.outcome(&certificate, &inputs());
        let mut faults: Vec<_> = outcome.faults.iter().map(ToString::to_string).collect();
        for (place, certificate) in outcome.path.iter().enumerate().take(outcome.path.len() - 1) {
            match listing(certificate, &signers(&outcome.path, place), &self.crls, inputs().at) {
                Listing::Unlisted => {}
                Listing::Revoked(at) => faults.push(format!("{} was revoked at {at}", certificate.subject())),
                Listing::Unknown(doubt) => faults.push(format!("{} is not known: {doubt:?}", certificate.subject())),
            }
        }
        faults
    }

    fn outcome<'a>(&'a self, certificate: &'a Certificate, inputs: &Inputs) -> Outcome<'a> {
        validate(certificate, &self.certificates, &self.anchor, inputs)
    }
}

/// Where pip has put the vectors.
fn package() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv/bin/python");
    let python = if own.exists() { own } else { PathBuf::from("python3") };
    let arguments = ["-c", "import cryptography_vectors as vectors; print(vectors.__path__[0])"];
    PathBuf::from(crate::appliance::run(Command::new(python).args(arguments)).trim())
}

fn inputs() -> Inputs {
    Inputs::at("2024-06-01T00:00:00Z".parse().unwrap())
}

/// NIST-test-policy-1 and so on.
fn policy(number: u32) -> ObjectIdentifier {
    ObjectIdentifier::new(&format!("2.16.840.1.101.3.2.1.48.{number}")).unwrap()
}

#[test]
fn what_the_names_promise_is_found() {
    let suite = Suite::read();
    let mut names: Vec<String> =
        std::fs::read_dir(&suite.folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let (mut tried, mut wrong) = (0, Vec::new());
    for name in names.iter().filter_map(|name| name.strip_suffix(".crt")) {
        let expected = match (name.starts_with("Valid"), name.starts_with("Invalid")) {
            (true, _) => true,
            (_, true) => false,
            _ => continue,
        };
        if DEVIATIONS.iter().any(|(known, _)| *known == name) {
            continue;
        }
        tried += 1;
        let faults = suite.faults(name);
        if faults.is_empty() == expected {
            continue;
        }
        wrong.push(format!("{name}: {faults:?}"));
    }
    assert!(wrong.is_empty(), "of {tried}:\n{}", wrong.join("\n"));
    assert!(tried > 185, "only {tried}");
}

#[test]
fn deviations_are_still_deviations() {
    let suite = Suite::read();
    for (name, why) in DEVIATIONS {
        assert_eq!(
            suite.faults(name).is_empty(),
            name.starts_with("Invalid"),
            "{name} is judged as the suite does: take it off the list ({why})"
        );
    }
}

/// The settings of sections 4.8, 4.10 and 4.12 of the suite: a certificate, the policies the user wants (none for any), whether a
/// policy is required, and what is found.
#[test]
fn policies_are_judged_by_what_the_user_wants() {
    const CASES: [(&str, &[u32], bool, bool); 44] = [
        ("ValidCertificatePathTest1EE", &[], true, true),
        ("ValidCertificatePathTest1EE", &[1], true, true),
        ("ValidCertificatePathTest1EE", &[2], true, false),
        ("ValidCertificatePathTest1EE", &[1, 2], true, true),
        ("AllCertificatesNoPoliciesTest2EE", &[], false, true),
        ("AllCertificatesNoPoliciesTest2EE", &[], true, false),
        ("DifferentPoliciesTest3EE", &[], false, true),
        ("DifferentPoliciesTest3EE", &[], true, false),
        ("DifferentPoliciesTest3EE", &[1, 2], true, false),
        ("DifferentPoliciesTest4EE", &[], false, false),
        ("DifferentPoliciesTest5EE", &[], false, false),
        ("OverlappingPoliciesTest6EE", &[], false, true),
        ("OverlappingPoliciesTest6EE", &[1], false, true),
        ("OverlappingPoliciesTest6EE", &[2], false, false),
        ("DifferentPoliciesTest7EE", &[], false, false),
        ("DifferentPoliciesTest8EE", &[], false, false),
        ("DifferentPoliciesTest9EE", &[], false, false),
        ("AllCertificatesSamePoliciesTest10EE", &[], false, true),
        ("AllCertificatesSamePoliciesTest10EE", &[1], false, true),
        ("AllCertificatesSamePoliciesTest10EE", &[2], false, true),
        ("AllCertificatesanyPolicyTest11EE", &[], false, true),
        ("AllCertificatesanyPolicyTest11EE", &[1], false, true),
        ("DifferentPoliciesTest12EE", &[], false, false),
        ("AllCertificatesSamePoliciesTest13EE", &[1], false, true),
        ("AllCertificatesSamePoliciesTest13EE", &[2], false, true),
        ("AllCertificatesSamePoliciesTest13EE", &[3], false, true),
        ("AnyPolicyTest14EE", &[1], false, true),
        ("AnyPolicyTest14EE", &[2], false, false),
        ("UserNoticeQualifierTest15EE", &[], false, true),
        ("UserNoticeQualifierTest16EE", &[], false, true),
        ("UserNoticeQualifierTest17EE", &[], false, true),
        ("UserNoticeQualifierTest18EE", &[1], false, true),
        ("UserNoticeQualifierTest18EE", &[2], false, true),
        ("UserNoticeQualifierTest19EE", &[], false, true),
        ("CPSPointerQualifierTest20EE", &[], true, true),
        ("ValidPolicyMappingTest1EE", &[1], false, true),
        ("ValidPolicyMappingTest1EE", &[2], false, false),
        ("ValidPolicyMappingTest3EE", &[1], false, false),
        ("ValidPolicyMappingTest3EE", &[2], false, true),
        ("ValidPolicyMappingTest5EE", &[1], false, true),
        ("ValidPolicyMappingTest5EE", &[6], false, false),
        ("ValidPolicyMappingTest6EE", &[1], false, true),
        ("ValidPolicyMappingTest6EE", &[6], false, false),
        ("inhibitAnyPolicyTest3EE", &[], false, true),
    ];
    let suite = Suite::read();
    let mut wrong = Vec::new();
    for (name, wanted, explicit_policy, expected) in CASES {
        let policies = (!wanted.is_empty()).then(|| wanted.iter().map(|number| policy(*number)).collect());
        let inputs = Inputs { policies, explicit_policy, ..inputs() };
        if suite.is_valid(name, &inputs) != expected {
            wrong.push(format!("{name} wanting {wanted:?}, required {explicit_policy}: not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let no_any = Inputs { inhibit_any_policy: true, ..inputs() };
    assert!(!suite.is_valid("inhibitAnyPolicyTest3EE", &no_any));
    let no_mapping = Inputs { policies: Some(vec![policy(1)]), inhibit_policy_mapping: true, ..inputs() };
    assert!(!suite.is_valid("ValidPolicyMappingTest1EE", &no_mapping));
}

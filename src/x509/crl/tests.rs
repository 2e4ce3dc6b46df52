use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::x509::algorithm::{Hash, KeyType};
use crate::x509::draft::{Draft, Extensions};
use crate::x509::extension::{BasicConstraints, KeyUsage};
use crate::x509::key::PublicKey;
use crate::x509::key::tests::openssl;
use crate::x509::name::{AttributeType, DistinguishedName};
use crate::x509::pem::{self, Label};
use crate::x509::serial::SerialFault;
use crate::x509::test_keys::TestKey;
use crate::x509::tlv::DerFault;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn issuer() -> DistinguishedName {
    let attributes = [(AttributeType::Country, "DE"), (AttributeType::CommonName, "Example Root")];
    DistinguishedName::from_attributes(&attributes.map(|(kind, value)| (kind, value.to_owned()))).unwrap()
}

/// A certificate of the issuer for this key, as PEM.
fn certificate(key: &TestKey, signature: SignatureAlgorithm) -> String {
    let (name, public) = (issuer(), key.public());
    let certificate = key.issue(&Draft {
        serial: &Serial::from_random([7; 16]),
        signature,
        issuer: &name,
        not_before: time("2020-01-01T00:00:00Z"),
        not_after: time("2099-01-01T00:00:00Z"),
        subject: &name,
        public_key: &public,
        extensions: &Extensions {
            basic_constraints: BasicConstraints::ca(None),
            key_usage: KeyUsage::KEY_CERT_SIGN.union(KeyUsage::CRL_SIGN),
            authority_key_id: public.key_identifier().to_vec(),
            ..Extensions::default()
        },
    });
    pem::encode(Label::Certificate, certificate.der())
}

const AUTHORITY: &[u8] = &[9; 20];

// The content of their identifiers (RFC 5280, 5.2 and 5.3).
const CRL_NUMBER: &[u8] = &[0x55, 0x1D, 20];
const REASON_CODE: &[u8] = &[0x55, 0x1D, 21];
const AUTHORITY_KEY_ID: &[u8] = &[0x55, 0x1D, 35];

fn draft(name: &DistinguishedName) -> CrlDraft<'_> {
    CrlDraft {
        issuer: name.der(),
        signature: SignatureAlgorithm::Ecdsa(Hash::Sha256),
        this_update: time("2026-03-01T12:00:00Z"),
        next_update: time("2050-03-02T12:00:00Z"),
        number: 300,
        authority_key_id: AUTHORITY,
        distribution_point: None,
        base: None,
        delta_urls: &[],
    }
}

/// One entry of each reason, and one with an invalidity date.
fn entries() -> Vec<CrlEntry> {
    let reasons = RevocationReason::ALL.into_iter().filter(|reason| *reason != RevocationReason::RemoveFromCrl);
    let mut entries: Vec<CrlEntry> = (1u8..)
        .zip(reasons)
        .map(|(number, reason)| CrlEntry {
            serial: Serial::from_random([number; 16]),
            revoked_at: time("2026-02-01T00:00:00Z"),
            reason,
            invalidity_date: None,
        })
        .collect();
    entries[1].invalidity_date = Some(time("2025-12-31T23:59:58Z"));
    entries[0].invalidity_date = Some(time("1949-01-02T03:04:05Z"));
    entries.push(CrlEntry {
        serial: "80".parse().unwrap(),
        revoked_at: time("2051-02-01T00:00:00Z"),
        reason: RevocationReason::Unspecified,
        invalidity_date: None,
    });
    entries
}

fn sign(key: &TestKey, draft: &CrlDraft<'_>, entries: impl Iterator<Item = CrlEntry>) -> Vec<u8> {
    let tbs = draft.to_tbs(entries).unwrap();
    signed::assemble(&tbs, draft.signature, &key.sign(draft.signature, &tbs)).unwrap()
}

const SIGNERS: [(KeyType, SignatureAlgorithm); 6] = [
    (KeyType::P256, SignatureAlgorithm::Ecdsa(Hash::Sha256)),
    (KeyType::P384, SignatureAlgorithm::Ecdsa(Hash::Sha384)),
    (KeyType::P521, SignatureAlgorithm::Ecdsa(Hash::Sha512)),
    (KeyType::Ed25519, SignatureAlgorithm::Ed25519),
    (KeyType::Rsa2048, SignatureAlgorithm::RsaPkcs1(Hash::Sha256)),
    (KeyType::Rsa2048, SignatureAlgorithm::RsaPss(Hash::Sha384)),
];

#[test]
fn openssl_verifies_every_crl_and_reads_it_alike() {
    let name = issuer();
    for (key_type, signature) in SIGNERS {
        let key = TestKey::generate(key_type);
        let directory = tempfile::tempdir().unwrap();
        let ca = write(directory.path(), "ca.pem", &certificate(&key, signature));
        let identifier = key.public().key_identifier();
        let draft = CrlDraft { signature, authority_key_id: &identifier, ..draft(&name) };
        for list in [entries(), Vec::new()] {
            let der = sign(&key, &draft, list.iter().copied());
            let pem = pem::encode(Label::Crl, &der);
            let text = String::from_utf8(openssl(&["crl", "-CAfile", &ca, "-text"], pem.as_bytes())).unwrap();
            let path = write(directory.path(), "crl.pem", &pem);
            openssl(&["crl", "-in", &path, "-CAfile", &ca, "-noout", "-verify"], b"");
            assert!(text.contains("Version 2 (0x1)") && text.contains("X509v3 CRL Number: \n                300"), "{text}");
            assert!(text.contains("Last Update: Mar  1 12:00:00 2026 GMT") && text.contains("Next Update: Mar  2 12:00:00 2050 GMT"));
            assert_eq!(text.contains("No Revoked Certificates"), list.is_empty());
            assert_eq!(text.matches("Serial Number:").count(), list.len());
            assert_eq!(text.matches("CRL Reason Code").count(), list.len().saturating_sub(2), "{text}");
            assert_eq!(text.matches("Invalidity Date").count(), if list.is_empty() { 0 } else { 2 });
            // openssl writes again what it read, byte for byte.
            assert_eq!(openssl(&["crl", "-outform", "DER"], pem.as_bytes()), der);

            let crl = Crl::from_der(&der).unwrap();
            assert!(crl.is_signed_by(&key.public()));
            assert!(!crl.is_signed_by(&TestKey::generate(key_type).public()));
            assert_eq!(crl.entries().collect::<Vec<_>>(), list);
        }
    }
}

fn write(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const URLS: [&str; 2] = ["http://pki.example.com/crl/a-1.crl", "http://pki.example.org/crl/a-1.crl"];

#[test]
fn a_delta_of_a_part_says_what_it_is() {
    let (name, key, urls) = (issuer(), TestKey::generate(KeyType::P256), URLS.map(str::to_owned));
    let removed = CrlEntry { reason: RevocationReason::RemoveFromCrl, ..entries()[6] };
    for (only, shown) in [(Covered::Users, "Only User Certificates"), (Covered::Authorities, "Only CA Certificates")] {
        let part = CrlDraft { distribution_point: Some(IssuingDistributionPoint { urls: &urls, only }), ..draft(&name) };
        let full = CrlDraft { delta_urls: &urls[..1], ..part };
        let delta = CrlDraft { base: Some(299), ..part };
        assert_eq!(full.to_tbs([removed].into_iter()), Err(CrlDraftFault::OnlyInDelta(removed.serial)));
        for (draft, list) in [(full, entries()), (delta, vec![removed]), (delta, Vec::new())] {
            let der = sign(&key, &draft, list.iter().copied());
            let text = String::from_utf8(openssl(&["crl", "-inform", "DER", "-noout", "-text"], &der)).unwrap();
            assert!(text.contains("X509v3 Issuing Distribution Point: critical") && text.contains(shown), "{text}");
            for url in &urls {
                assert!(text.contains(&format!("URI:{url}")), "{text}");
            }
            let is_delta = draft.base.is_some();
            assert_eq!(text.contains("X509v3 Delta CRL Indicator: critical\n                299"), is_delta, "{text}");
            assert_eq!(text.contains("X509v3 Freshest CRL: \n"), !is_delta, "{text}");
            assert_eq!(text.contains("Remove From CRL"), is_delta && !list.is_empty(), "{text}");
            // A delta is never taken for a full list.
            assert_eq!(matches!(Crl::from_der(&der), Err(CrlFault::Critical(_))), is_delta);
            assert!(is_delta || Crl::from_der(&der).is_ok());
        }
    }
}

#[test]
fn a_delta_has_an_earlier_base_and_no_delta_of_its_own() {
    let (name, urls) = (issuer(), URLS.map(str::to_owned));
    let refused = |draft: CrlDraft<'_>| draft.frame(0).unwrap_err();
    assert_eq!(refused(CrlDraft { base: Some(300), ..draft(&name) }), CrlDraftFault::Base);
    assert_eq!(refused(CrlDraft { base: Some(1), delta_urls: &urls, ..draft(&name) }), CrlDraftFault::Base);
    let nowhere = IssuingDistributionPoint { urls: &[], only: Covered::Users };
    assert_eq!(refused(CrlDraft { distribution_point: Some(nowhere), ..draft(&name) }), CrlDraftFault::DistributionPoint);
    assert_eq!(draft(&name).frame(u64::MAX).unwrap_err(), CrlDraftFault::TooLong);
}

#[test]
fn pkilint_finds_no_error() {
    let (name, linter) = (issuer(), crate::x509::test_keys::python_tool("lint_crl"));
    let urls = URLS.map(str::to_owned);
    let lists = SIGNERS.into_iter().flat_map(|signer| [(signer, None, false), (signer, Some(Covered::Users), true)]);
    for ((key_type, signature), only, is_delta) in lists.chain([(SIGNERS[0], Some(Covered::Authorities), false), (SIGNERS[0], None, true)])
    {
        let key = TestKey::generate(key_type);
        let identifier = key.public().key_identifier();
        let draft = CrlDraft {
            signature,
            authority_key_id: &identifier,
            distribution_point: only.map(|only| IssuingDistributionPoint { urls: &urls, only }),
            base: is_delta.then_some(3),
            delta_urls: if is_delta { &[] } else { &urls },
            ..draft(&name)
        };
        for list in [entries(), Vec::new()] {
            let directory = tempfile::tempdir().unwrap();
            let path = write(directory.path(), "crl.pem", &pem::encode(Label::Crl, &sign(&key, &draft, list.into_iter())));
            let arguments = ["lint", "-t", "CRL", "-p", "PKIX", "-s", "WARNING", &path];
            let output = std::process::Command::new(&linter).args(arguments).output().unwrap();
            let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success() && text.trim().is_empty(), "{key_type} {signature}: {text}");
        }
    }
}

#[test]
fn what_was_drafted_is_read() {
    let name = issuer();
    let key = TestKey::generate(KeyType::P256);
    for number in [0, 1, 127, 128, 255, 256, 32_768, u64::MAX / 2, u64::MAX / 2 + 1, u64::MAX] {
        let draft = CrlDraft { number, ..draft(&name) };
        let der = sign(&key, &draft, entries().into_iter());
        let crl = Crl::from_der(&der).unwrap();
        assert_eq!(crl.number(), Some(number));
        assert_eq!(crl.issuer_der(), name.der());
        assert_eq!(crl.this_update(), draft.this_update);
        assert_eq!(crl.next_update(), Some(draft.next_update));
        assert_eq!(crl.authority_key_id(), Some(AUTHORITY));
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    let name = issuer();
    let none = || std::iter::empty();
    let entry = entries()[0];
    for issuer in [&b""[..], &[0x30, 0], &[0x31, 0], &[0x30, 2, 1], &[name.der(), &[0]].concat()] {
        assert_eq!(CrlDraft { issuer, ..draft(&name) }.to_tbs(none()), Err(CrlDraftFault::Issuer));
    }
    assert_eq!(CrlDraft { authority_key_id: &[], ..draft(&name) }.to_tbs(none()), Err(CrlDraftFault::AuthorityKeyId));
    let same = draft(&name).this_update;
    assert_eq!(CrlDraft { next_update: same, ..draft(&name) }.to_tbs(none()), Err(CrlDraftFault::UpdateOrder));
    assert_eq!(CrlDraft { this_update: time("1949-01-01T00:00:00Z"), ..draft(&name) }.to_tbs(none()), Err(CrlDraftFault::Time));
    let early = CrlEntry { revoked_at: time("1900-01-01T00:00:00Z"), ..entry };
    assert_eq!(draft(&name).to_tbs([early].into_iter()), Err(CrlDraftFault::Time));
    let before_years = CrlEntry { invalidity_date: Some(Timestamp::MIN), ..entry };
    assert_eq!(draft(&name).to_tbs([before_years].into_iter()), Err(CrlDraftFault::Time));
    let removed = CrlEntry { reason: RevocationReason::RemoveFromCrl, ..entry };
    assert_eq!(draft(&name).to_tbs([removed].into_iter()), Err(CrlDraftFault::OnlyInDelta(entry.serial)));
}

/// A CRL of these revoked certificates and extensions, not signed by anyone.
fn assembled(revoked: &[u8], extensions: &[u8]) -> Vec<u8> {
    let (name, algorithm) = (issuer(), SignatureAlgorithm::Ecdsa(Hash::Sha256));
    let mut tbs = Vec::new();
    tlv::write(&mut tbs, tlv::SEQUENCE, |out| {
        tlv::write_small(out, 1);
        signed::write_algorithm(out, algorithm);
        out.extend_from_slice(name.der());
        tlv::write_value(out, tlv::UTC_TIME, b"260301120000Z");
        tlv::write_value(out, tlv::SEQUENCE, revoked);
        tlv::write(out, tlv::context_constructed(0), |out| tlv::write_value(out, tlv::SEQUENCE, extensions));
    });
    signed::assemble(&tbs, algorithm, b"nobody's").unwrap()
}

fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    tlv::write(&mut out, tlv::SEQUENCE, |out| {
        tlv::write_value(out, tlv::OBJECT_IDENTIFIER, oid);
        if critical {
            tlv::write_value(out, tlv::BOOLEAN, &[0xFF]);
        }
        tlv::write_value(out, tlv::OCTET_STRING, value);
    });
    out
}

#[test]
fn lists_that_are_not_full_are_refused() {
    let fault = |extensions: &[u8]| Crl::from_der(&assembled(&[], extensions)).err();
    let (delta, distribution_point) = ([0x55, 0x1D, 27], [0x55, 0x1D, 28]);
    assert!(matches!(fault(&extension(&delta, true, &[2, 1, 1])), Some(CrlFault::Critical(_))));
    assert_eq!(fault(&extension(&delta, false, &[2, 1, 1])), None, "what is not critical may be passed over");
    let scope = |content: &[u8]| fault(&extension(&distribution_point, true, &[&[0x30, content.len() as u8], content].concat()));
    // Whether a certificate is covered is asked later; here it has to be understood, whole and once.
    for understood in [&[][..], &[0x81, 1, 0xFF], &[0x82, 1, 0xFF], &[0x83, 2, 1, 2], &[0x84, 1, 0xFF, 0x85, 1, 0xFF]] {
        assert_eq!(scope(understood), None, "{understood:02X?}");
    }
    assert_eq!(scope(&[0x81, 1, 0xFF, 0x82, 1, 0xFF]), Some(CrlFault::Der(DerFault::Value)), "users' and authorities' alone");
    assert_eq!(scope(&[0x81, 1, 1]), Some(CrlFault::Der(DerFault::Value)));
    assert_eq!(scope(&[0x82, 1, 0xFF, 0x81, 1, 0xFF]), Some(CrlFault::Der(DerFault::Trailing)));
    assert_eq!(scope(&[0x86, 1, 0xFF]), Some(CrlFault::Der(DerFault::Trailing)));
    assert_eq!(scope(&[0xA0, 2, 0xA2, 0]), Some(CrlFault::Der(DerFault::Tag)));
    assert_eq!(scope(&[0xA0, 4, 0xA0, 2, 0x86, 1]), Some(CrlFault::Der(DerFault::Incomplete)));
    assert_eq!(fault(&extension(&distribution_point, true, &[0x30, 0]).repeat(2)), Some(CrlFault::Repeated));
    assert_eq!(fault(&extension(CRL_NUMBER, false, &[2, 1, 1]).repeat(2)), Some(CrlFault::Repeated));
    assert_eq!(fault(&extension(AUTHORITY_KEY_ID, false, &[0x30, 0]).repeat(2)), Some(CrlFault::Repeated));
    assert_eq!(fault(&extension(CRL_NUMBER, false, &[2, 1, 0x80])), Some(CrlFault::Number));
    assert_eq!(fault(&extension(CRL_NUMBER, false, &[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0])), Some(CrlFault::Number));
    assert_eq!(fault(&extension(CRL_NUMBER, false, &[4, 1, 1])), Some(CrlFault::Der(DerFault::Tag)));
}

#[test]
fn entries_are_checked_when_the_list_is_opened() {
    let read = |extensions: &[u8], serial: &[u8]| {
        let mut revoked = Vec::new();
        tlv::write(&mut revoked, tlv::SEQUENCE, |out| {
            tlv::write_value(out, tlv::INTEGER, serial);
            tlv::write_value(out, tlv::UTC_TIME, b"260301120000Z");
            if !extensions.is_empty() {
                tlv::write_value(out, tlv::SEQUENCE, extensions);
            }
        });
        Crl::from_der(&assembled(&revoked, &[])).map(|crl| crl.entries().count())
    };
    assert_eq!(read(&[], &[1]), Ok(1));
    assert_eq!(read(&[], &[0x80]), Ok(1));
    assert_eq!(read(&[], &[0, 1]), Err(CrlFault::Serial(SerialFault::NotMinimal)));
    assert_eq!(read(&extension(REASON_CODE, false, &[10, 1, 1]), &[1]), Ok(1));
    assert_eq!(read(&extension(REASON_CODE, false, &[10, 1, 7]), &[1]), Err(CrlFault::Reason));
    assert_eq!(read(&extension(REASON_CODE, false, &[10, 2, 0, 1]), &[1]), Err(CrlFault::Reason));
    assert_eq!(read(&extension(REASON_CODE, false, &[10, 1, 1]).repeat(2), &[1]), Err(CrlFault::Repeated));
    // RFC 5280, 5.3.3: the certificate issuer of an indirect CRL is critical.
    assert!(matches!(read(&extension(&[0x55, 0x1D, 29], true, &[0x30, 0]), &[1]), Err(CrlFault::Critical(_))));
}

#[test]
fn the_algorithm_inside_is_the_one_outside() {
    let name = issuer();
    let tbs = draft(&name).to_tbs(std::iter::empty()).unwrap();
    let der = signed::assemble(&tbs, SignatureAlgorithm::Ed25519, &[0; 64]).unwrap();
    assert_eq!(Crl::from_der(&der).err(), Some(CrlFault::AlgorithmMismatch));
}

#[test]
fn crls_of_openssl_are_read() {
    let key = TestKey::generate(KeyType::P256);
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let private = openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], b"");
    std::fs::write(path("key"), private).unwrap();
    openssl(&["req", "-x509", "-key", &path("key"), "-subj", "/CN=Test", "-out", &path("ca")], b"");
    let database = "R\t300101000000Z\t260101000000Z,keyCompromise\t1A2B\tunknown\t/CN=a\n\
                    R\t300101000000Z\t260102000000Z,keyTime,20250601000000Z\t80\tunknown\t/CN=b\n\
                    R\t300101000000Z\t260103000000Z\tC0FFEE\tunknown\t/CN=c\n";
    std::fs::write(path("index"), database).unwrap();
    std::fs::write(path("number"), "0100\n").unwrap();
    let config = format!(
        "[ca]\ndefault_ca=d\n[d]\ndatabase={}\ncrlnumber={}\ndefault_md=sha256\ncrl_extensions=x\n[x]\nauthorityKeyIdentifier=keyid\n",
        path("index"),
        path("number")
    );
    std::fs::write(path("config"), config).unwrap();
    let arguments = ["ca", "-config", &path("config"), "-gencrl", "-keyfile", &path("key"), "-cert", &path("ca"), "-crldays", "30"];
    let text = String::from_utf8(openssl(&arguments, b"")).unwrap();
    let der = pem::decode_one(&text, Label::Crl).unwrap();
    let crl = Crl::from_der(&der).unwrap();
    assert_eq!(crl.number(), Some(0x100));
    let read: Vec<_> = crl.entries().map(|entry| (entry.serial.to_string(), entry.reason, entry.invalidity_date)).collect();
    let expected = [
        ("80".to_owned(), RevocationReason::KeyCompromise, Some(time("2025-06-01T00:00:00Z"))),
        ("1A:2B".to_owned(), RevocationReason::KeyCompromise, None),
        ("C0:FF:EE".to_owned(), RevocationReason::Unspecified, None),
    ];
    assert_eq!(read, expected);
    let signer = openssl(&["pkey", "-in", &path("key"), "-pubout", "-outform", "DER"], b"");
    assert!(crl.is_signed_by(&PublicKey::from_spki_der(&signer).unwrap()));
    assert!(!crl.is_signed_by(&key.public()));
}

#[test]
fn no_changed_byte_panics_or_keeps_its_signature() {
    let name = issuer();
    let key = TestKey::generate(KeyType::P256);
    let der = sign(&key, &draft(&name), entries().into_iter());
    let public = key.public();
    for place in 0..der.len() {
        for bit in 0..8 {
            let mut changed = der.clone();
            changed[place] ^= 1 << bit;
            if let Ok(crl) = Crl::from_der(&changed) {
                assert!(!crl.is_signed_by(&public), "byte {place}");
                assert!(crl.entries().count() <= 10);
            }
        }
        assert!(Crl::from_der(&der[..place]).is_err());
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = Crl::from_der(&bytes);
        let _ = Crl::from_der(&assembled(&bytes, &[])).map(|crl| crl.entries().count());
        let _ = Crl::from_der(&assembled(&[], &bytes));
    }

    #[test]
    fn every_list_comes_back(rows in proptest::collection::vec((any::<[u8; 16]>(), 0..2_500_000_000i64, 0..9usize, any::<Option<i32>>()), 0..200)) {
        let name = issuer();
        let reasons: Vec<_> = RevocationReason::ALL.into_iter().filter(|reason| *reason != RevocationReason::RemoveFromCrl).collect();
        let second = |second| Timestamp::from_second(second).unwrap();
        let list: Vec<CrlEntry> = rows.iter().map(|(random, at, reason, invalid)| CrlEntry {
            serial: Serial::from_random(*random),
            revoked_at: second(*at),
            reason: reasons[*reason],
            invalidity_date: invalid.map(|at| second(at.into())),
        }).collect();
        let tbs = draft(&name).to_tbs(list.iter().copied()).unwrap();
        let der = signed::assemble(&tbs, draft(&name).signature, &[1]).unwrap();
        prop_assert_eq!(Crl::from_der(&der).unwrap().entries().collect::<Vec<_>>(), list);
    }
}

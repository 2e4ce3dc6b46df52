use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::x509::algorithm::{Hash, KeyType, SignatureAlgorithm};
use crate::x509::certificate::Certificate;
use crate::x509::draft::{Draft, Extensions};
use crate::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, RevocationNotice, write};
use crate::x509::name::{AttributeType, DistinguishedName};
use crate::x509::reason::RevocationReason;
use crate::x509::serial::Serial;
use crate::x509::test_keys::TestKey;
use crate::x509::tlv;

const ECDSA: SignatureAlgorithm = SignatureAlgorithm::Ecdsa(Hash::Sha256);

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn name(common_name: &str) -> DistinguishedName {
    DistinguishedName::from_attributes(&[(AttributeType::CommonName, common_name.to_owned())]).unwrap()
}

fn serial(octet: u8) -> Serial {
    Serial::from_random([octet; 16])
}

struct Bench {
    key: TestKey,
    certificate: Certificate,
    responder: TestKey,
}

impl Bench {
    fn new() -> Self {
        let (key, responder) = (TestKey::generate(KeyType::P256), TestKey::generate(KeyType::P256));
        let (subject, public) = (name("Issuer"), key.public());
        let certificate = key.issue(&Draft {
            serial: &serial(1),
            signature: ECDSA,
            issuer: &subject,
            not_before: time("2020-01-01T00:00:00Z"),
            not_after: time("2099-01-01T00:00:00Z"),
            subject: &subject,
            public_key: &public,
            extensions: &Extensions {
                basic_constraints: BasicConstraints::ca(None),
                key_usage: KeyUsage::KEY_CERT_SIGN.union(KeyUsage::CRL_SIGN),
                authority_key_id: public.key_identifier().to_vec(),
                ..Extensions::default()
            },
        });
        Self { key, certificate, responder }
    }

    /// The responder's certificate.
    fn delegated(&self, purposes: &[ExtendedKeyUsage], revocation_notice: RevocationNotice) -> Certificate {
        self.key.issue(&Draft {
            serial: &serial(2),
            signature: ECDSA,
            issuer: &name("Issuer"),
            not_before: time("2026-01-01T00:00:00Z"),
            not_after: time("2026-02-01T00:00:00Z"),
            subject: &name("Responder"),
            public_key: &self.responder.public(),
            extensions: &Extensions {
                key_usage: KeyUsage::DIGITAL_SIGNATURE,
                extended_key_usage: purposes.to_vec(),
                revocation_notice,
                authority_key_id: self.certificate.subject_key_id().unwrap().to_vec(),
                ..Extensions::default()
            },
        })
    }

    fn good_responder(&self) -> Certificate {
        self.delegated(&[ExtendedKeyUsage::OcspSigning], RevocationNotice::NotChecked)
    }

    fn issuer(&self) -> Issuer<'_> {
        Issuer { name: self.certificate.subject().der(), key_bits: self.issuer_bits() }
    }

    fn issuer_bits(&self) -> &[u8] {
        // The last 65 octets of the SPKI of a P-256 key are its point.
        let spki = self.certificate.spki_der();
        &spki[spki.len() - 65..]
    }

    fn id(&self, of: u8) -> Vec<u8> {
        let mut id = Vec::new();
        CertificateId::write(&mut id, IdHash::Sha1, self.issuer(), &serial(of));
        id
    }

    /// What is believed of a certificate by that response.
    fn believed(&self, der: &[u8], of: u8, nonce: Option<&[u8]>, now: &str) -> Result<Status, Untrusted> {
        let asked = OcspRequest::write(IdHash::Sha1, self.issuer(), &serial(of), None);
        let asked = OcspRequest::from_der(&asked).unwrap();
        let response = OcspResponse::from_der(der).unwrap();
        response.status(&asked.ids[0], &self.certificate, nonce, time(now)).map(|(status, until)| {
            assert_eq!(until, time("2026-01-11T00:00:00Z"));
            status
        })
    }

    fn respond(&self, signer: &TestKey, certificate: Option<&Certificate>, singles: &[SingleStatus<'_>], nonce: Option<&[u8]>) -> Vec<u8> {
        let public = signer.public();
        let draft = ResponseDraft {
            responder: &public,
            produced_at: time("2026-01-10T12:00:00Z"),
            this_update: time("2026-01-10T12:00:00Z"),
            next_update: time("2026-01-11T00:00:00Z"),
            singles,
            nonce,
        };
        let tbs = draft.to_tbs().unwrap();
        ResponseDraft::assemble(&tbs, ECDSA, &signer.sign(ECDSA, &tbs), certificate.map(Certificate::der))
    }
}

fn request(extensions: impl Fn(&mut Vec<u8>), single_extensions: impl Fn(&mut Vec<u8>), count: usize) -> Vec<u8> {
    let issuer = Issuer { name: b"name", key_bits: b"key" };
    let mut out = Vec::new();
    tlv::write(&mut out, tlv::SEQUENCE, |out| {
        tlv::write(out, tlv::SEQUENCE, |out| {
            tlv::write(out, tlv::SEQUENCE, |out| {
                for _ in 0..count {
                    tlv::write(out, tlv::SEQUENCE, |out| {
                        CertificateId::write(out, IdHash::Sha256, issuer, &serial(3));
                        tlv::write(out, tlv::context_constructed(0), |out| tlv::write(out, tlv::SEQUENCE, &single_extensions));
                    });
                }
            });
            tlv::write(out, tlv::context_constructed(2), |out| tlv::write(out, tlv::SEQUENCE, &extensions));
        });
    });
    out
}

fn nonce(out: &mut Vec<u8>, length: usize) {
    write::extension(out, NONCE, false, |out| tlv::write_value(out, tlv::OCTET_STRING, &vec![7; length]));
}

#[test]
fn a_request_is_read_as_it_was_written() {
    let bench = Bench::new();
    for hash in IdHash::ALL {
        for nonce in [None, Some(&[9u8; 32][..])] {
            let der = OcspRequest::write(hash, bench.issuer(), &serial(4), nonce);
            let read = OcspRequest::from_der(&der).unwrap();
            assert_eq!((read.ids.len(), read.nonce, read.is_plain), (1, nonce, nonce.is_none()));
            let id = read.ids[0];
            assert_eq!((id.hash, id.serial), (Some(hash), Some(serial(4))));
            assert!(id.is_of(bench.issuer()));
            assert!(!id.is_of(Issuer { name: b"other", ..bench.issuer() }));
            assert!(!id.is_of(Issuer { key_bits: b"other", ..bench.issuer() }));
        }
    }
}

#[test]
fn a_nonce_has_1_to_128_octets() {
    let none = |_: &mut Vec<u8>| {};
    for (length, fits) in [(0, false), (1, true), (128, true), (129, false)] {
        let der = request(|out| nonce(out, length), none, 1);
        let read = OcspRequest::from_der(&der);
        match read {
            Ok(read) if fits => assert_eq!(read.nonce.map(<[u8]>::len), Some(length)),
            Err(RequestFault::Nonce) if !fits => {}
            other => panic!("{length}: {other:?}"),
        }
    }
    let bare = request(|out| write::extension(out, NONCE, false, |out| out.extend([1, 2, 3])), none, 1);
    assert_eq!(OcspRequest::from_der(&bare), Err(RequestFault::Nonce));
    let twice = request(|out| (0..2).for_each(|_| nonce(out, 8)), none, 1);
    assert_eq!(OcspRequest::from_der(&twice), Err(RequestFault::Repeated(NONCE)));
}

#[test]
fn what_is_unknown_is_passed_over_unless_it_is_critical() {
    let none = |_: &mut Vec<u8>| {};
    let unknown = ObjectIdentifier::new_unwrap("1.2.3.4");
    let extension = |critical| move |out: &mut Vec<u8>| write::extension(out, unknown, critical, |out| out.extend([5, 0]));
    assert!(OcspRequest::from_der(&request(extension(false), extension(false), 2)).is_ok());
    assert_eq!(OcspRequest::from_der(&request(extension(true), none, 1)), Err(RequestFault::Critical(unknown)));
    assert_eq!(OcspRequest::from_der(&request(none, extension(true), 1)), Err(RequestFault::Critical(unknown)));
}

#[test]
fn a_request_is_bounded_and_asks_about_something() {
    let none = |_: &mut Vec<u8>| {};
    assert_eq!(OcspRequest::from_der(&request(none, none, 0)), Err(RequestFault::Empty));
    assert_eq!(OcspRequest::from_der(&request(none, none, MOST_IDS)).unwrap().ids.len(), MOST_IDS);
    assert_eq!(OcspRequest::from_der(&request(none, none, MOST_IDS + 1)), Err(RequestFault::TooMany));
    assert_eq!(OcspRequest::from_der(&vec![0x30; LONGEST_REQUEST + 1]), Err(RequestFault::TooLong));
    let mut trailing = request(none, none, 1);
    trailing.push(0);
    assert!(matches!(OcspRequest::from_der(&trailing), Err(RequestFault::Der(_))));
}

#[test]
fn a_response_says_what_was_meant_to_be_said() {
    let bench = Bench::new();
    let responder = bench.good_responder();
    let at = time("2026-01-09T01:02:03Z");
    let revoked = |reason| Status::Revoked { at, reason };
    let said = [
        Status::Good,
        Status::Unknown,
        revoked(RevocationReason::Unspecified),
        revoked(RevocationReason::CertificateHold),
        revoked(RevocationReason::KeyCompromise),
    ];
    let ids: Vec<_> = (10..).take(said.len()).map(|octet| bench.id(octet)).collect();
    let singles: Vec<_> = ids.iter().zip(said).map(|(id, status)| SingleStatus { id, status }).collect();
    let der = bench.respond(&bench.responder, Some(&responder), &singles, Some(b"nonce"));
    let read = OcspResponse::from_der(&der).unwrap();
    assert_eq!(read.nonce(), Some(&b"nonce"[..]));
    assert_eq!(read.produced_at(), time("2026-01-10T12:00:00Z"));
    assert!(read.statuses().map(|(_, status)| status).eq(said));
    let now = "2026-01-10T13:00:00Z";
    let believed = |of, nonce: &[u8], now| bench.believed(&der, of, Some(nonce), now);
    for (of, status) in (10..).zip(said) {
        assert_eq!(believed(of, b"nonce", now), Ok(status));
    }
    assert_eq!(believed(99, b"nonce", now), Err(Untrusted::OtherCertificate));
    assert_eq!(believed(10, b"other", now), Err(Untrusted::Nonce));
    assert_eq!(believed(10, b"nonce", "2026-01-10T11:00:00Z"), Err(Untrusted::Time));
    assert_eq!(believed(10, b"nonce", "2026-01-11T01:00:00Z"), Err(Untrusted::Time));
}

#[test]
fn only_the_issuer_and_whom_it_has_named_are_believed() {
    let bench = Bench::new();
    let id = bench.id(20);
    let singles = [SingleStatus { id: &id, status: Status::Good }];
    let status = |der: &[u8]| bench.believed(der, 20, None, "2026-01-10T13:00:00Z");
    assert_eq!(status(&bench.respond(&bench.key, None, &singles, None)), Ok(Status::Good));
    let responder = &bench.responder;
    assert_eq!(status(&bench.respond(responder, Some(&bench.good_responder()), &singles, None)), Ok(Status::Good));
    assert_eq!(status(&bench.respond(responder, None, &singles, None)), Err(Untrusted::Signature));
    for (purpose, notice) in
        [(ExtendedKeyUsage::ServerAuth, RevocationNotice::NotChecked), (ExtendedKeyUsage::OcspSigning, RevocationNotice::Published)]
    {
        let unnamed = bench.delegated(&[purpose], notice);
        assert_eq!(status(&bench.respond(responder, Some(&unnamed), &singles, None)), Err(Untrusted::Signature));
    }
    let stranger = Bench::new();
    let of_stranger = stranger.respond(&stranger.responder, Some(&stranger.good_responder()), &singles, None);
    assert_eq!(status(&of_stranger), Err(Untrusted::Signature));
    let mut tampered = bench.respond(&bench.key, None, &singles, None);
    let place = tampered.windows(2).position(|pair| pair == [0x80, 0]).unwrap();
    tampered[place] = 0x82;
    assert_eq!(status(&tampered), Err(Untrusted::Signature));
}

#[test]
fn refusals_are_read_as_such() {
    for refusal in Refusal::ALL {
        assert_eq!(OcspResponse::from_der(&refusal.to_der()).unwrap_err(), ResponseFault::Refused(refusal));
    }
    assert!(OcspResponse::from_der(&[0x30, 3, 0x0A, 1, 4]).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (OcspRequest::from_der(&bytes), OcspResponse::from_der(&bytes));
    }
}

#[test]
fn what_openssl_writes_is_read() {
    let seeds = |kind: &str| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(kind);
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap())).collect::<Vec<_>>()
    };
    for (file, der) in seeds("ocsp_request") {
        let request = OcspRequest::from_der(&der).unwrap_or_else(|fault| panic!("{file}: {fault}"));
        assert_eq!(
            (request.ids.len(), request.nonce.is_some()),
            if file.starts_with("two") { (2, true) } else { (1, file == "signed.der") }
        );
    }
    for (file, der) in seeds("ocsp_response") {
        match OcspResponse::from_der(&der) {
            Ok(response) => assert_eq!(response.statuses().count(), if file.starts_with("two") { 2 } else { 1 }, "{file}"),
            Err(fault) => assert_eq!((fault, file.as_str()), (ResponseFault::Refused(Refusal::TryLater), "try-later.der")),
        }
    }
}

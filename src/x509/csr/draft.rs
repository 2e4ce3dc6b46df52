//! A request of ours before it is signed.

use const_oid::db::rfc5912;

use crate::x509::extension::write;
use crate::x509::key::PublicKey;
use crate::x509::name::DistinguishedName;
use crate::x509::san::SubjectAltName;
use crate::x509::tlv;

/// What a request asks for: a subject and names for a key.
#[derive(Clone, Copy, Debug)]
pub struct RequestDraft<'a> {
    pub subject: &'a DistinguishedName,
    pub public_key: &'a PublicKey,
    pub alt_names: &'a [SubjectAltName],
}

impl RequestDraft<'_> {
    /// The DER CertificationRequestInfo (RFC 2986, 4.1), which its key has to sign.
    pub fn to_info(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        tlv::write(&mut out, tlv::SEQUENCE, |out| {
            tlv::write_small(out, 0);
            out.extend_from_slice(self.subject.der());
            out.extend_from_slice(self.public_key.spki_der());
            // The set of attributes stands there when it is empty too.
            tlv::write(out, tlv::context_constructed(0), |out| self.write_attributes(out));
        });
        out
    }

    /// One attribute, extensionRequest (RFC 2985, 5.4.2).
    fn write_attributes(&self, out: &mut Vec<u8>) {
        if self.alt_names.is_empty() {
            return;
        }
        tlv::write(out, tlv::SEQUENCE, |out| {
            tlv::write_oid(out, rfc5912::ID_EXTENSION_REQ);
            tlv::write(out, tlv::SET, |out| {
                tlv::write(out, tlv::SEQUENCE, |out| write::subject_alt_name(out, self.alt_names, self.subject.is_empty()));
            });
        });
    }
}

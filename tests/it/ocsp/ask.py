"""Asks about good.pem and revoked.pem with Python's cryptography, and verifies what is said."""

import sys
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID


def read(name):
    with open(name, "rb") as file:
        return x509.load_pem_x509_certificate(file.read())


issuer = read("issuing.pem")
for name, status in [("good.pem", ocsp.OCSPCertStatus.GOOD), ("revoked.pem", ocsp.OCSPCertStatus.REVOKED)]:
    for digest in [hashes.SHA1(), hashes.SHA256()]:
        for nonce in [None, b"x", b"n" * 128]:
            certificate = read(name)
            builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, digest)
            if nonce is not None:
                builder = builder.add_extension(x509.OCSPNonce(nonce), False)
            request = builder.build().public_bytes(serialization.Encoding.DER)
            asked = urllib.request.Request(sys.argv[1], request, {"Content-Type": "application/ocsp-request"})
            with urllib.request.urlopen(asked, timeout=60) as answer:
                response = ocsp.load_der_ocsp_response(answer.read())
            assert response.response_status == ocsp.OCSPResponseStatus.SUCCESSFUL
            assert response.certificate_status == status
            assert response.serial_number == certificate.serial_number
            if status == ocsp.OCSPCertStatus.REVOKED:
                assert response.revocation_reason == x509.ReasonFlags.affiliation_changed
                assert response.revocation_time_utc <= response.produced_at_utc
            repeated = [e.value.nonce for e in response.extensions if isinstance(e.value, x509.OCSPNonce)]
            assert repeated == ([] if nonce is None else [nonce]), repeated
            [responder] = response.certificates
            responder.verify_directly_issued_by(issuer)
            usages = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            assert list(usages) == [ExtendedKeyUsageOID.OCSP_SIGNING]
            responder.extensions.get_extension_for_class(x509.OCSPNoCheck)
            key_hash = x509.SubjectKeyIdentifier.from_public_key(responder.public_key()).digest
            assert response.responder_key_hash == key_hash and response.responder_name is None
            responder.public_key().verify(
                response.signature, response.tbs_response_bytes, padding.PKCS1v15(), response.signature_hash_algorithm
            )
print("all asked and verified")

"""Reads and verifies with Python's cryptography: root, issuing, the leaves named on the command line with their keys, and the CRL."""

import datetime
import ipaddress
import sys

from cryptography import x509
from cryptography.x509 import verification
from cryptography.hazmat.primitives import serialization


def load(name):
    with open(name, "rb") as file:
        return file.read()


def certificate(name):
    return x509.load_pem_x509_certificate(load(name + ".pem"))


root, issuing = certificate("root"), certificate("issuing")
root.verify_directly_issued_by(root)
issuing.verify_directly_issued_by(root)
for name in sys.argv[1:]:
    leaf = certificate(name)
    leaf.verify_directly_issued_by(issuing)
    if name != "ed25519":
        # Its verifier knows the key types of the CA/Browser Forum alone.
        verifier = verification.PolicyBuilder().store(verification.Store([root])).time(
            datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
        )
        verifier.build_server_verifier(x509.DNSName("api.example.com")).verify(leaf, [issuing])
        verifier.build_server_verifier(x509.IPAddress(ipaddress.ip_address("10.0.5.100"))).verify(leaf, [issuing])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["www.example.com", "api.example.com"], names
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["10.0.5.100", "2001:db8::1"], names
    identifier = issuing.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert issuer.key_identifier == identifier.digest, issuer
    for kind in (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.CRLDistributionPoints, x509.AuthorityInformationAccess):
        leaf.extensions.get_extension_for_class(kind)
    assert leaf.serial_number.bit_length() <= 159 and leaf.serial_number > 0
    key = serialization.load_pem_private_key(load(name + ".key"), None)
    assert key.public_key() == leaf.public_key(), name
crl = x509.load_pem_x509_crl(load("issuing.crl"))
assert crl.is_signature_valid(issuing.public_key())
entry = crl.get_revoked_certificate_by_serial_number(int(load("revoked.txt"), 16))
assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason == x509.ReasonFlags.superseded
assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number > 0
assert crl.next_update_utc > datetime.datetime.now(datetime.timezone.utc)
print("all read and verified")

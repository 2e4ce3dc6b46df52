"""An authority elsewhere, made by Python's cryptography: a root, two certificates that name a distribution point, and CRLs of every scope."""

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
# Nobody listens at the discard port.
POINT = "http://127.0.0.1:9/point.crl"
KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Elsewhere"), x509.NameAttribute(NameOID.COMMON_NAME, "Root")])


def keep(name, der):
    with open(name, "wb") as file:
        file.write(der)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(file, subject, key, ca, begin, end, serial):
    builder = x509.CertificateBuilder().issuer_name(NAME).subject_name(subject).public_key(key.public_key()).serial_number(serial)
    builder = builder.not_valid_before(begin).not_valid_after(end)
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    usage = dict.fromkeys(
        ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"], False
    )
    usage = x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage)
    builder = builder.add_extension(usage, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if not ca:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(POINT)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("www.example.com")]), critical=False)
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(KEY.public_key()), critical=False)
    keep(file, builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def crl(file, scope=None, begin=NOW - DAY, end=NOW + DAY):
    entry = x509.RevokedCertificateBuilder().serial_number(2).revocation_date(NOW - DAY)
    entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
    builder = x509.CertificateRevocationListBuilder().issuer_name(NAME).last_update(begin).next_update(end)
    builder = builder.add_extension(x509.CRLNumber(7), critical=False).add_revoked_certificate(entry.build())
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(KEY.public_key()), critical=False)
    if scope is not None:
        fields = {
            "full_name": None,
            "relative_name": None,
            "only_contains_user_certs": False,
            "only_contains_ca_certs": False,
            "only_some_reasons": None,
            "indirect_crl": False,
            "only_contains_attribute_certs": False,
        }
        builder = builder.add_extension(x509.IssuingDistributionPoint(**{**fields, **scope}), critical=True)
    keep(file, builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
keep("root.key", KEY.private_bytes(pem, pkcs8, serialization.NoEncryption()))
certificate("root.pem", NAME, KEY, True, NOW - 1000 * DAY, NOW + 1000 * DAY, 100)
for serial, file in [(1, "good"), (2, "revoked")]:
    certificate(file + ".pem", name(file), ec.generate_private_key(ec.SECP256R1()), False, NOW - DAY, NOW + 10 * DAY, serial)
certificate("expired.pem", name("expired"), ec.generate_private_key(ec.SECP256R1()), False, NOW - 10 * DAY, NOW - DAY, 3)

crl("full.crl")
crl("users.crl", {"only_contains_user_certs": True})
crl("point.crl", {"full_name": [x509.UniformResourceIdentifier("http://elsewhere.example/"), x509.UniformResourceIdentifier(POINT)]})
crl("both.crl", {"full_name": [x509.UniformResourceIdentifier(POINT)], "only_contains_user_certs": True})
# RFC 5280, 6.3.3: a CRL that no distribution point names is looked at as if one had its issuer's name.
crl("issuer.crl", {"full_name": [x509.DirectoryName(NAME)]})
crl("authorities.crl", {"only_contains_ca_certs": True})
crl("elsewhere.crl", {"full_name": [x509.UniformResourceIdentifier("http://127.0.0.1:9/other.crl")]})
relative = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "CRL1")])
crl("relative.crl", {"relative_name": relative})
crl("reasons.crl", {"only_some_reasons": frozenset([x509.ReasonFlags.key_compromise])})
crl("indirect.crl", {"indirect_crl": True})
crl("attributes.crl", {"only_contains_attribute_certs": True})
crl("old.crl", begin=NOW - 3 * DAY, end=NOW - DAY)

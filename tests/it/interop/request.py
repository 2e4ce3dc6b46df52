"""Makes CSRs with Python's cryptography: rsa.csr, ec.csr and ed25519.csr."""

import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

keys = {
    "rsa": (rsa.generate_private_key(65537, 2048), hashes.SHA256()),
    "pss": (rsa.generate_private_key(65537, 2048), hashes.SHA384()),
    "ec": (ec.generate_private_key(ec.SECP256R1()), hashes.SHA512()),
    "ed25519": (ed25519.Ed25519PrivateKey.generate(), None),
}
names = x509.SubjectAlternativeName([x509.DNSName("www.example.com"), x509.IPAddress(ipaddress.ip_address("10.0.5.100"))])
usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
for name, (key, digest) in keys.items():
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "www.example.com")]))
        .add_extension(names, critical=False)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    pss = padding.PSS(padding.MGF1(hashes.SHA384()), padding.PSS.DIGEST_LENGTH)
    request = builder.sign(key, digest, rsa_padding=pss) if name == "pss" else builder.sign(key, digest)
    with open(name + ".csr", "wb") as file:
        file.write(request.public_bytes(serialization.Encoding.PEM))

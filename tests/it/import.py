"""Certificates that are legal and odd, a chain, one that ends soon; with an argument, a twin of that certificate under another signature."""
import datetime
import json
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.x509.name import _ASN1Type as Asn1
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def write(name, certificate):
    with open(name + ".pem", "wb") as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))


def length(size):
    if size < 128:
        return bytes([size])
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def element(tag, content):
    return bytes([tag]) + length(len(content)) + content


def twin(path):
    with open(path, "rb") as file:
        certificate = x509.load_pem_x509_certificate(file.read())
    r, s = decode_dss_signature(certificate.signature)
    signature = element(3, b"\0" + encode_dss_signature(r, ORDER - s))
    algorithm = element(0x30, bytes.fromhex("06082a8648ce3d040302"))
    der = element(0x30, certificate.tbs_certificate_bytes + algorithm + signature)
    write("twin", x509.load_der_x509_certificate(der))


def name(text, kind=None):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text, kind)])


def build(key, subject, issuer=None, signer=None, serial=None, begin=NOW - DAY, end=NOW + 60 * DAY, extensions=(), digest=hashes.SHA256()):
    builder = x509.CertificateBuilder(issuer or subject, subject, key.public_key(), serial or x509.random_serial_number(), begin, end)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    signer = signer or key
    return builder.sign(signer, None if isinstance(signer, ed448.Ed448PrivateKey) else digest)


if len(sys.argv) > 1:
    twin(sys.argv[1])
    sys.exit()

p256 = ec.generate_private_key(ec.SECP256R1())
made = {}


def odd(label, wanted, key=p256, **how):
    made[label] = wanted
    write(label, build(key, how.pop("subject", name(label)), **how))


odd("zeros", {"common_name": "zeros", "key_type": "ec", "key_bits": 256, "serial_number": "01"}, serial=1)
odd("long", {"serial_number": "7F" + ":FF" * 19}, serial=(1 << 159) - 1)
odd("teletex", {"common_name": "teletex"}, subject=name("teletex", Asn1.T61String))
odd("bmp", {"common_name": "b\u00fccher"}, subject=name("b\u00fccher", Asn1.BMPString))
odd("universal", {"common_name": "universal"}, subject=name("universal", Asn1.UniversalString))
odd("nameless", {"common_name": ""}, subject=x509.Name([]))
odd("expired", {"warning": "has expired"}, begin=NOW - 3 * DAY, end=NOW - DAY)
odd("early", {"warning": "is not valid before"}, begin=NOW + DAY)
odd("endless", {}, end=datetime.datetime(9999, 12, 31, 23, 59, 59))
odd("critical", {}, extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True)])
odd("underscore", {"alt_names": ["a_b.example"]}, extensions=[(x509.SubjectAlternativeName([x509.DNSName("a_b.example")]), False)])
odd("rsa1024", {"key_type": "rsa", "key_bits": 1024, "warning": "1024 bits"}, key=rsa.generate_private_key(65537, 1024))
odd("exponent3", {"key_type": "rsa", "key_bits": 2048, "warning": "is weak"}, key=rsa.generate_private_key(3, 2048))
odd("koblitz", {"key_type": "ec", "key_bits": 256, "warning": "curve"}, key=ec.generate_private_key(ec.SECP256K1()))
odd("brainpool", {"key_type": "ec", "key_bits": 384}, key=ec.generate_private_key(ec.BrainpoolP384R1()))
odd("ed448", {"key_type": "ed448", "key_bits": 456, "warning": "not supported"}, key=ed448.Ed448PrivateKey.generate())
odd("dsa", {"key_type": "dsa", "key_bits": 0, "warning": "not accept"}, key=dsa.generate_private_key(2048))
with open("made.json", "w") as file:
    json.dump(made, file)

write("soon", build(p256, name("soon"), begin=NOW - 60 * DAY, end=NOW + 5 * DAY))

root_key, sub_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
ca = [(x509.BasicConstraints(True, None), True)]
write("chain-root", build(root_key, name("chain root"), extensions=ca))
write("chain-sub", build(sub_key, name("chain sub"), name("chain root"), root_key, extensions=ca))
write("chain-leaf", build(leaf_key, name("chain leaf"), name("chain sub"), sub_key))
with open("chain-leaf.key", "wb") as file:
    form = serialization.PrivateFormat.TraditionalOpenSSL
    file.write(leaf_key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))

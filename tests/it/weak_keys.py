"""Writes CSRs whose keys are weak or whose signatures are wrong, as NAME.pem into the working directory.

Everything is made from numbers, because no library makes such keys. Reads good.der, a sound CSR, and ca.spki, the key of an authority.
"""

import base64
import hashlib
import math
import random
import sys

random.seed(20260101)


def tlv(tag, content):
    length = len(content)
    if length < 0x80:
        head = bytes([length])
    else:
        size = (length.bit_length() + 7) // 8
        head = bytes([0x80 | size]) + length.to_bytes(size, "big")
    return bytes([tag]) + head + content


def sequence(*parts):
    return tlv(0x30, b"".join(parts))


def integer(number):
    return tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def bits(content):
    return tlv(0x03, b"\0" + content)


def oid(hexadecimal):
    return tlv(0x06, bytes.fromhex(hexadecimal))


NULL = tlv(0x05, b"")
RSA = sequence(oid("2a864886f70d010101"), NULL)
SHA256_RSA = sequence(oid("2a864886f70d01010b"), NULL)
SHA256_ECDSA = sequence(oid("2a8648ce3d040302"))
P256 = sequence(oid("2a8648ce3d0201"), oid("2a8648ce3d030107"))
ED25519 = sequence(oid("2b6570"))
NAME = sequence(tlv(0x31, sequence(oid("550403"), tlv(0x0C, b"www.example.com"))))


def info(spki, version=0):
    return sequence(integer(version), NAME, spki, tlv(0xA0, b""))


def write(name, der):
    body = base64.encodebytes(der).decode()
    with open(name + ".pem", "w") as file:
        file.write("-----BEGIN CERTIFICATE REQUEST-----\n" + body + "-----END CERTIFICATE REQUEST-----\n")


def rsa(name, primes, exponent=65537, version=0):
    modulus = math.prod(primes)
    private = pow(exponent, -1, math.lcm(*(prime - 1 for prime in primes)))
    signed = info(sequence(RSA, bits(sequence(integer(modulus), integer(exponent)))), version)
    digest = sequence(sequence(oid("608648016503040201"), NULL), tlv(0x04, hashlib.sha256(signed).digest()))
    size = (modulus.bit_length() + 7) // 8
    padded = b"\0\1" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest
    signature = pow(int.from_bytes(padded, "big"), private, modulus).to_bytes(size, "big")
    write(name, sequence(signed, SHA256_RSA, bits(signature)))


SMALL = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]


def is_prime(number):
    if any(number % prime == 0 for prime in SMALL):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in (2, 3, 5, 7):
        power = pow(base, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def next_prime(number, exponent=65537):
    number |= 1
    while not (math.gcd(number - 1, exponent) == 1 and is_prime(number)):
        number += 2
    return number


def prime(size, exponent=65537):
    # Two high bits make the product of two such primes full length.
    return next_prime(random.getrandbits(size) | 3 << (size - 2), exponent)


def roca_prime():
    # CVE-2017-15361: k * M + (65537 ^ a mod M), M the product of the first 126 primes.
    product = 2 * math.prod(SMALL[:125])
    while True:
        low = (3 << 1022) // product
        candidate = random.randrange(low, (1 << 1024) // product) * product + pow(65537, random.getrandbits(64), product)
        if is_prime(candidate):
            return candidate


p, q = prime(1024), prime(1024)
rsa("sound", [p, q])
rsa("version-2", [p, q], version=1)
rsa("rsa-1024", [prime(512), prime(512)])
rsa("rsa-2056", [p, prime(1032)])
rsa("exponent-3", [prime(1024, 3), prime(1024, 3)], 3)
rsa("close-primes", [p, next_prime(p + (1 << 400))])
rsa("small-factor", [11, prime(1022), prime(1022)])
rsa("roca", [roca_prime(), roca_prime()])

junk = sequence(integer(random.getrandbits(255)), integer(random.getrandbits(255)))
point = b"\4" + random.randbytes(64)
write("off-curve", sequence(info(sequence(P256, bits(point))), SHA256_ECDSA, bits(junk)))
write("infinity", sequence(info(sequence(P256, bits(b"\0"))), SHA256_ECDSA, bits(junk)))
identity = b"\1" + bytes(31)
# With the identity as the key, the identity and zero are a signature of everything.
write("small-order", sequence(info(sequence(ED25519, bits(identity))), ED25519, bits(identity + bytes(32))))
write("ca-key", sequence(info(open("ca.spki", "rb").read()), SHA256_ECDSA, bits(junk)))

good = open("good.der", "rb").read()
write("tampered-name", good.replace(b"www.example.com", b"wwx.example.com"))
write("tampered-signature", good[:-1] + bytes([good[-1] ^ 1]))
write("trailing", good + b"\0")
write("cut", good[:-1])
print("written", file=sys.stderr)

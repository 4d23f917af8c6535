"""tls-server-end-point: the hash that the certificate's own signature uses, but never a weaker one than SHA-256."""

import datetime
import hashlib
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

from mailcore.tls import Certificate
from mailcore.tls_binding import end_point, end_point_of

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.org")])
NOW = datetime.datetime(2026, 11, 1)
RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())


def certificate(key, algorithm, **how):
    """A self-signed certificate."""
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), 7, NOW, NOW + datetime.timedelta(days=900))
    return builder.sign(key, algorithm, **how)


def der(key, algorithm, **how):
    return certificate(key, algorithm, **how).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("key", [RSA, P256], ids=["rsa", "p256"])
@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda each: each.name)
def test_the_hash_of_the_signature_is_the_hash_of_the_end_point(key, algorithm):
    found = der(key, algorithm)

    assert end_point(found) == hashlib.new(algorithm.name, found).digest()


def test_where_the_rfc_defines_no_hash_nothing_is_bound():
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)

    assert end_point(der(ed25519.Ed25519PrivateKey.generate(), None)) is None
    assert end_point(der(RSA, hashes.SHA256(), rsa_padding=pss)) is None


@pytest.mark.parametrize("octets", [b"", b"\x30", b"\x30\x82", b"no certificate at all"])
def test_what_is_no_certificate_binds_nothing(octets):
    assert end_point(octets) is None


def test_a_renewed_certificate_is_what_new_connections_are_bound_to(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    key.write_bytes(
        P256.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    shown = [certificate(P256, hashes.SHA256()) for _ in range(2)]  # ECDSA signs at random: they differ
    found = []
    cert.write_bytes(shown[0].public_bytes(serialization.Encoding.PEM))
    server = Certificate(cert, key)
    for each in shown:
        cert.write_bytes(each.public_bytes(serialization.Encoding.PEM))
        server.reload()
        found.append(end_point_of(server.context()))

    assert found == [end_point(each.public_bytes(serialization.Encoding.DER)) for each in shown]
    assert found[0] != found[1]
    assert end_point_of(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) is None
    assert end_point_of(None) is None

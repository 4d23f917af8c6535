"""The server's certificate: what is served, and what a reload may and may not change."""

import ssl

import pytest
from cryptography.hazmat.primitives import serialization

from mailcore.tls import Certificate
from tests.fakes.certificates import TestAuthority


@pytest.fixture
def authority(tmp_path):
    return TestAuthority(tmp_path)


@pytest.fixture
def files(authority):
    return authority.issue("mail.test")


def shake_hands(server_context, **limits):
    """A TLS handshake in memory; returns (version, certificate) as the client sees them."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname, client_context.verify_mode = False, ssl.CERT_NONE
    for name, value in limits.items():
        setattr(client_context, name, value)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.version(), client.getpeercert(binary_form=True)


def test_a_certificate_is_served(files):
    version, shown = shake_hands(Certificate(*files).context())

    assert version == "TLSv1.3"
    assert shown == ssl.PEM_cert_to_DER_cert(files[0].read_text())


def test_tls_1_2_is_the_oldest(files):
    context = Certificate(*files).context()

    assert shake_hands(context, maximum_version=ssl.TLSVersion.TLSv1_2)[0] == "TLSv1.2"
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_renewed_certificate_is_in_the_context_that_listeners_have(authority, files):
    certificate = Certificate(*files)
    context = certificate.context()
    before = shake_hands(context)[1]

    authority.issue("mail.test")
    certificate.reload()

    assert certificate.context() is context
    assert shake_hands(context)[1] not in (before, None)


def write_garbage(cert, key, authority):
    cert.write_text("not a certificate")


def remove(cert, key, authority):
    key.unlink()


def exchange_only_the_key(cert, key, authority):
    _, other = authority.issue("other.test")
    key.write_bytes(other.read_bytes())


def encrypt_the_key(cert, key, authority):
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key.write_bytes(private.private_bytes(encoding, form, serialization.BestAvailableEncryption(b"secret")))


BROKEN = [write_garbage, remove, exchange_only_the_key, encrypt_the_key]


@pytest.mark.parametrize("spoil", BROKEN)
def test_the_certificate_before_stays_when_the_new_one_cannot_be_used(authority, files, spoil):
    certificate = Certificate(*files)
    before = shake_hands(certificate.context())[1]

    spoil(*files, authority)
    certificate.reload()

    assert shake_hands(certificate.context())[1] == before


@pytest.mark.parametrize("spoil", BROKEN)
def test_without_a_usable_certificate_there_is_no_context_until_there_is_one(authority, files, spoil):
    spoil(*files, authority)
    certificate = Certificate(*files)
    assert certificate.context() is None

    authority.issue("mail.test")
    certificate.reload()

    assert shake_hands(certificate.context())[0] == "TLSv1.3"

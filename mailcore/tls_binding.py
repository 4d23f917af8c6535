"""tls-server-end-point: the hash of the server's certificate that SCRAM-…-PLUS binds to (RFC 5929 section 4).

Read out of the DER by hand: only the signature algorithm is needed, and programs that have no use for a library of
certificates need not load one.
"""

from __future__ import annotations

import hashlib
import ssl
from weakref import WeakKeyDictionary

_HASHES = {
    bytes.fromhex("2a864886f70d010104"): "sha256",  # md5WithRSAEncryption: MD5 and SHA-1 count as SHA-256
    bytes.fromhex("2a864886f70d010105"): "sha256",  # sha1WithRSAEncryption
    bytes.fromhex("2a864886f70d01010b"): "sha256",  # sha256WithRSAEncryption
    bytes.fromhex("2a864886f70d01010c"): "sha384",  # sha384WithRSAEncryption
    bytes.fromhex("2a864886f70d01010d"): "sha512",  # sha512WithRSAEncryption
    bytes.fromhex("2a8648ce3d0401"): "sha256",  # ecdsa-with-SHA1
    bytes.fromhex("2a8648ce3d040302"): "sha256",  # ecdsa-with-SHA256
    bytes.fromhex("2a8648ce3d040303"): "sha384",  # ecdsa-with-SHA384
    bytes.fromhex("2a8648ce3d040304"): "sha512",  # ecdsa-with-SHA512
}
_of_contexts: WeakKeyDictionary[ssl.SSLContext, bytes] = WeakKeyDictionary()


def note_certificate(context: ssl.SSLContext, pem: str) -> None:
    """The context now shows the first certificate of `pem`; handshakes before showed another."""
    found = end_point(_first_der(pem))
    if found is None:
        _of_contexts.pop(context, None)
    else:
        _of_contexts[context] = found


def end_point_of(context: ssl.SSLContext | None) -> bytes | None:
    """What a connection whose handshake ends now is bound to; None when no channel binding can be offered."""
    return None if context is None else _of_contexts.get(context)


def end_point(der: bytes) -> bytes | None:
    """The hash of a certificate. None where the RFC defines none: Ed25519, RSASSA-PSS, or what we do not know."""
    name = _HASHES.get(_signature_algorithm(der))
    return hashlib.new(name, der).digest() if name else None


def _first_der(pem: str) -> bytes:
    start = pem.find("-----BEGIN CERTIFICATE-----")
    end = pem.find("-----END CERTIFICATE-----", start)
    if start < 0 or end < 0:
        return b""
    return ssl.PEM_cert_to_DER_cert(pem[start:end] + "-----END CERTIFICATE-----\n")


def _signature_algorithm(der: bytes) -> bytes:
    """Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OID, ... }, ... } (RFC 5280 4.1)."""
    try:
        inside, _ = _element(der, 0)
        _, after_tbs = _element(der, inside)
        algorithm, _ = _element(der, after_tbs)
        start, end = _element(der, algorithm)
    except IndexError:
        return b""
    return der[start:end]


def _element(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at `at` begins and ends."""
    length = der[at + 1]
    start = at + 2
    if length & 0x80:
        octets = length & 0x7F
        length = int.from_bytes(der[start : start + octets], "big")
        start += octets
    return start, start + length

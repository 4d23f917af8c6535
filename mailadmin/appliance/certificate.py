"""A self-signed certificate, so that TLS works from the first minute; a real one replaces its two files.

The names in it are what clients of a fresh machine may use: the server's name, its domain, localhost, the machine's
own name, and the addresses it listens on.
"""

import datetime
import ipaddress
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mailadmin.appliance.home import write_private

if TYPE_CHECKING:
    from cryptography import x509

VALID_FOR = datetime.timedelta(days=825)


def ensure_certificate(cert: Path, key: Path, names: Iterable[str]) -> bool:
    """Make both files unless the certificate is there. Returns whether they were made."""
    if cert.exists() and key.exists():
        return False
    wanted = list(dict.fromkeys([*names, "localhost", socket.gethostname(), "127.0.0.1", "::1"]))
    cert_pem, key_pem = self_signed(wanted, datetime.datetime.now(datetime.UTC))
    write_private(key, key_pem)
    write_private(cert, cert_pem, mode=0o644)
    return True


def self_signed(names: list[str], now: datetime.datetime) -> tuple[str, str]:
    """Certificate and private key as PEM. The first name is the subject."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    # A common name may have 64 characters; longer names are in the subjectAltName all the same.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def _general_name(name: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name.encode("idna").decode())

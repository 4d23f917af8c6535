"""The certificate of the first minute."""

import datetime
import ipaddress
import ssl

from cryptography import x509

from mailadmin.appliance.certificate import ensure_certificate, self_signed

NOW = datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)


def names_of(pem: str) -> tuple[list[str], list[object]]:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName), names.get_values_for_type(x509.IPAddress)


def test_names_and_addresses_are_subject_alternative_names():
    pem, _ = self_signed(["mail.bücher.example", "127.0.0.1", "::1"], NOW)

    assert names_of(pem) == (
        ["mail.xn--bcher-kva.example"],
        [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")],
    )


def test_a_server_can_use_it_and_only_we_can_read_the_key(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    assert ensure_certificate(cert, key, ["mail.example.org"])

    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
    assert key.stat().st_mode & 0o777 == 0o600


def test_an_existing_certificate_is_left_alone(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_text("a real one")
    key.write_text("its key")

    assert not ensure_certificate(cert, key, ["mail.example.org"])
    assert cert.read_text() == "a real one"


def test_a_long_name_does_not_fit_the_common_name_but_the_others():
    name = ".".join(["a" * 60] * 3) + ".example"

    pem, _ = self_signed([name], NOW)

    assert names_of(pem)[0] == [name]

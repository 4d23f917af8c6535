"""Fetching the keys of an issuer: whoever answers, and however slowly, the thread is free again soon."""

import contextlib
import socket
import threading
import time

import pytest

from mailcore.directory import jwks
from mailcore.directory.jwks import fetch_jwks
from mailcore.errors import DirectoryUnavailable
from tests.fakes.certificates import TestAuthority

EMPTY = b'{"keys": []}'
HEADER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
DRIPPING_S = 3.0


@contextlib.contextmanager
def serving(answer, drip=b"", context=None):
    """A server that gives one answer, and then `drip` again and again for a while. Gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            with contextlib.suppress(OSError):
                plain, _ = listening.accept()
                with context.wrap_socket(plain, server_side=True) if context else plain as connection:
                    connection.recv(4096)
                    connection.sendall(answer)
                    until = time.monotonic() + DRIPPING_S
                    while drip and time.monotonic() < until:
                        connection.sendall(drip)
                        time.sleep(0.02)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"{'https' if context else 'http'}://127.0.0.1:{listening.getsockname()[1]}/jwks"
        listening.close()
        thread.join(DRIPPING_S)


@pytest.mark.parametrize(
    ("begun", "drip"),
    [
        (b"HTTP/1.1 200 O", b"K"),
        (HEADER, b"X: y\r\n"),
        (HEADER + b"\r\n{", b" "),
        (HEADER + b"Content-Length: 1000\r\n\r\n", b" "),
        (HEADER + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
    ids=["status", "header", "body", "length", "chunks"],
)
def test_an_answer_that_drips_has_an_end(monkeypatch, begun, drip):
    monkeypatch.setattr(jwks, "FETCH_LIMIT_S", 0.2)
    with serving(begun, drip) as url:
        started = time.monotonic()
        with pytest.raises(DirectoryUnavailable):
            fetch_jwks(url)

        assert time.monotonic() - started < DRIPPING_S / 2


def test_tls_changes_nothing(monkeypatch, tmp_path):
    authority = TestAuthority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    context = authority.server_context("127.0.0.1")
    with serving(HEADER + b"\r\n" + EMPTY, context=context) as url:
        assert fetch_jwks(url) == ()

    monkeypatch.setattr(jwks, "FETCH_LIMIT_S", 0.2)
    with serving(HEADER, b"X: y\r\n", context) as url:
        started = time.monotonic()
        with pytest.raises(DirectoryUnavailable, match=r"too long|timed out"):
            fetch_jwks(url)

        assert time.monotonic() - started < DRIPPING_S / 2


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH\r\n", HEADER + b"X: " + b"y" * 70_000, HEADER + b"Content-Length: 9\r\n\r\n{"],
    ids=["nothing", "no-http", "long-header", "short-body"],
)
def test_what_is_no_answer_is_no_failure_of_the_clients(answer):
    with serving(answer) as url, pytest.raises(DirectoryUnavailable):
        fetch_jwks(url)


def test_a_set_has_a_largest_size(monkeypatch):
    monkeypatch.setattr(jwks, "MAX_BYTES", len(EMPTY))
    with serving(HEADER + b"\r\n" + EMPTY) as url:
        assert fetch_jwks(url) == ()
    with serving(HEADER + b"\r\n" + EMPTY + b" ") as url, pytest.raises(DirectoryUnavailable, match="octets"):
        fetch_jwks(url)

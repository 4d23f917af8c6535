"""A client that logs in over SMTP, IMAP and POP3 by any mechanism, from any address of 127/8; SCRAM from the RFC."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

Responder = Callable[[bytes], bytes]


class SaslRefused(Exception):
    """What the server said instead of letting us in."""


@dataclass
class Line:
    """A TLS connection to one of the three, and its words for AUTH."""

    protocol: str
    port: int
    source: str = "127.0.0.1"

    def __post_init__(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20, source_address=(self.source, 0))
        self.socket = context.wrap_socket(plain)
        self.file = self.socket.makefile("rb")
        self.greeting = self.read()
        if self.protocol == "smtp":
            self.say(b"EHLO client.example")
            self.offer = self.reply()
        else:
            self.say({"imap": b"x CAPABILITY", "pop3": b"CAPA"}[self.protocol])
            self.offer = self.until(b"x OK" if self.protocol == "imap" else b".\r\n")

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    @property
    def end_point(self) -> bytes:
        """tls-server-end-point of a certificate signed with SHA-256."""
        der = self.socket.getpeercert(binary_form=True)
        assert der is not None
        return hashlib.sha256(der).digest()

    def say(self, line: bytes) -> None:
        self.socket.sendall(line + b"\r\n")

    def read(self) -> bytes:
        return self.file.readline()

    def until(self, start: bytes) -> bytes:
        """Lines up to the one that begins so."""
        lines = [self.read()]
        while lines[-1] and not lines[-1].startswith(start):
            lines.append(self.read())
        return b"".join(lines)

    def reply(self) -> bytes:
        """A whole reply of SMTP."""
        lines = [self.read()]
        while lines[-1][3:4] == b"-":
            lines.append(self.read())
        return b"".join(lines)

    def log_in(self, mechanism: str, respond: Responder) -> bytes:
        """The whole exchange, without initial response. Returns the last line, or raises SaslRefused with it."""
        verb = {"smtp": "AUTH", "imap": "a AUTHENTICATE", "pop3": "AUTH"}[self.protocol]
        self.say(f"{verb} {mechanism}".encode())
        mark, empty = (b"334 ", b"=") if self.protocol == "smtp" else (b"+ ", b"")
        while (line := self.read()).startswith(mark):
            self.say(base64.b64encode(respond(base64.b64decode(line[len(mark) :]))) or empty)
        good = {"smtp": b"235", "imap": b"a OK", "pop3": b"+OK"}[self.protocol]
        if not line.startswith(good):
            raise SaslRefused(line.decode().strip())
        return line


def plain(name: str, password: str) -> Responder:
    return lambda _challenge: f"\0{name}\0{password}".encode()


def login(name: str, password: str) -> Responder:
    return lambda challenge: (name if challenge.startswith(b"User") else password).encode()


class Scram:
    """The client's side of SCRAM-SHA-256 (RFC 5802); with an end point it binds to the channel."""

    def __init__(self, name: str, password: str, *, end_point: bytes | None = None, flag: str = "n") -> None:
        self.header = b"p=tls-server-end-point,," if end_point is not None else f"{flag},,".encode()
        self.binding = self.header + (end_point or b"")
        quoted = name.replace("=", "=3D").replace(",", "=2C")
        self.bare = f"n={quoted},r={secrets.token_urlsafe(18)}".encode()
        self.password = password
        self.signature = b""

    def __call__(self, challenge: bytes) -> bytes:
        if not challenge:
            return self.header + self.bare
        if challenge.startswith(b"v="):
            assert base64.b64decode(challenge[2:]) == self.signature, "the server does not know the password"
            return b""
        found = dict(part.split("=", 1) for part in challenge.decode().split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(found["s"]), int(found["i"]))
        without = b"c=" + base64.b64encode(self.binding) + f",r={found['r']}".encode()
        message = self.bare + b"," + challenge + b"," + without
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        self.signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        return without + b",p=" + base64.b64encode(proof)

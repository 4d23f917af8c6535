"""SASL PLAIN (RFC 4616) and LOGIN as conversations, sans-IO.

A conversation is a generator: it yields challenges, is sent the client's responses (already base64-decoded), and
returns the Credentials. Raises AuthSyntaxError on a response that has not the form of the mechanism.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from mailcore.errors import MailError


class AuthSyntaxError(MailError):
    """The client's response is not what the mechanism asks for."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the client claims to be; the password never appears in a log."""

    login: str
    password: str = field(repr=False)


Conversation = Generator[bytes, bytes, Credentials]


def plain(initial: bytes | None) -> Conversation:
    """authorization identity NUL login NUL password, in one response."""
    response = initial if initial is not None else (yield b"")
    parts = response.split(b"\0")
    if len(parts) != 3:
        raise AuthSyntaxError("PLAIN needs three parts")
    authorization, login, password = map(_text, parts)
    if authorization and authorization.lower() != login.lower():
        raise AuthSyntaxError("nobody may act for somebody else")
    return Credentials(login, password)


def login(initial: bytes | None) -> Conversation:
    """Two questions; some clients send the name with the command."""
    name = initial if initial is not None else (yield b"Username:")
    password = yield b"Password:"
    return Credentials(_text(name), _text(password))


MECHANISMS: dict[str, Callable[[bytes | None], Conversation]] = {"PLAIN": plain, "LOGIN": login}


def decode_response(line: bytes) -> bytes:
    """A response line without its line end. "=" stands for an empty one (RFC 4954 section 4)."""
    if line == b"=":
        return b""
    try:
        return base64.b64decode(line, validate=True)
    except binascii.Error as error:
        raise AuthSyntaxError("not base64") from error


def encode_challenge(challenge: bytes) -> bytes:
    """The reply line for a challenge."""
    return b"334 " + base64.b64encode(challenge) + b"\r\n"


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AuthSyntaxError("not UTF-8") from error

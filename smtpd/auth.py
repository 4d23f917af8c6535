"""The octets of SMTP's AUTH exchange (RFC 4954 section 4); what they mean is in mailcore.sasl."""

from __future__ import annotations

import base64
import binascii

from mailcore.sasl.conversation import SaslCancelled, SaslSyntaxError


def decode_initial(text: str) -> bytes | None:
    """The initial response of the command; "=" stands for an empty one, "" for none. Raises SaslSyntaxError."""
    if not text:
        return None
    return b"" if text == "=" else _decode(text.encode())


def decode_response(line: bytes) -> bytes:
    """A response line without its line end. Raises SaslCancelled for "*", SaslSyntaxError."""
    if line == b"*":
        raise SaslCancelled("by the client")
    return b"" if line == b"=" else _decode(line)


def encode_challenge(challenge: bytes) -> bytes:
    """The reply line for a challenge."""
    return b"334 " + base64.b64encode(challenge) + b"\r\n"


def _decode(octets: bytes) -> bytes:
    try:
        return base64.b64decode(octets, validate=True)
    except binascii.Error as error:
        raise SaslSyntaxError("not base64") from error

"""Message identifiers in Message-ID, References and In-Reply-To, as threads need them (RFC 5256 section 3).

Identifiers are compared without the quoting that RFC 5322 allows in them: <"a"@b> is <a@b>. Never raises; what is no
identifier is passed over. `thread_refs` packs those of a message into hashes of eight octets.
"""

import re
from collections.abc import Iterator
from hashlib import blake2b
from itertools import islice

from mailcore.message.headers import Headers

HASH_OCTETS = 8
MOST_REFERENCES = 100
"""Of a message; the last ones, which say whose answer it is."""
NONE = bytes(HASH_OCTETS)

_LONGEST = 50_000
# What is between the brackets, if it needs no reading; else what follows the opening one.
_SIMPLE = re.compile(rb'<([^<>"(\[]*)(>?)')
_ATOMS = rb'[^\s()<>@,;:\\"\[\]]+'
_SLOW = re.compile(
    rb'\s*(?:"([^"\\]*(?:\\.[^"\\]*)*)"|(' + _ATOMS + rb"))\s*@\s*(" + _ATOMS + rb"|\[[^\[\]\\]*\])\s*>", re.DOTALL
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_SPACE = re.compile(rb"\s+")


def identifiers(value: bytes) -> Iterator[bytes]:
    """The identifiers in a field, without their brackets."""
    value = value[-_LONGEST:]
    position = 0
    while (found := _SIMPLE.search(value, position)) is not None:
        inner, closed = found.groups()
        position = found.end()
        if closed:
            if b"@" in inner:
                yield _SPACE.sub(b"", inner)
        elif slow := _SLOW.match(value, found.start() + 1):
            quoted, plain, domain = slow.groups()
            local = plain if quoted is None else _ESCAPED.sub(rb"\1", quoted)
            position = slow.end()
            yield local + b"@" + domain
        else:
            position = found.start() + 1


def thread_refs(headers: Headers) -> bytes:
    """Hashes: the message's own identifier (zeroes if it has none), then those it refers to, the oldest first: of
    References, or the first one of In-Reply-To.
    """
    own = next(identifiers(headers.first(b"message-id") or b""), None)
    named = list(identifiers(headers.first(b"references") or b""))[-MOST_REFERENCES:]
    named = named or list(islice(identifiers(headers.first(b"in-reply-to") or b""), 1))
    return (NONE if own is None else _hash(own)) + b"".join(map(_hash, named))


def _hash(identifier: bytes) -> bytes:
    return blake2b(identifier, digest_size=HASH_OCTETS).digest()

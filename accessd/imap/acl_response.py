"""How rights are written: ACL, LISTRIGHTS and MYRIGHTS (RFC 4314 sections 3.6 to 3.8), for commands and for LIST."""

from __future__ import annotations

from collections.abc import Sequence

from accessd.imap import response
from mailcore.sharing import rights

_ONE_BY_ONE = b" ".join(bytes([letter]) for letter in rights.with_obsolete(rights.ALL).encode("ascii"))


def acl_line(name: str, entries: Sequence[tuple[str, str]], *, utf8: bool) -> bytes:
    """`* ACL name identifier rights ...`."""
    words = [b"ACL", response.mailbox(name, utf8=utf8)]
    for identifier, letters in entries:
        words += [response.astring(identifier.encode("utf-8")), _rights(letters)]
    return response.untagged(b" ".join(words))


def list_rights_line(name: str, identifier: str, *, is_owner: bool, utf8: bool) -> bytes:
    """`* LISTRIGHTS name identifier always may-be-given ...`."""
    words = [b"LISTRIGHTS", response.mailbox(name, utf8=utf8), response.astring(identifier.encode("utf-8"))]
    words.append(_rights(rights.ALL) if is_owner else b'"" ' + _ONE_BY_ONE)
    return response.untagged(b" ".join(words))


def my_rights_line(name: str, granted: str, *, utf8: bool) -> bytes:
    """`* MYRIGHTS name rights`."""
    return response.untagged(b"MYRIGHTS %b %b" % (response.mailbox(name, utf8=utf8), _rights(granted)))


def _rights(letters: str) -> bytes:
    return response.astring(rights.with_obsolete(letters).encode("ascii"))

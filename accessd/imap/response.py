"""Responses as octets (RFC 3501 section 7): untagged, tagged, continuation; and how strings are written."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from accessd.imap.grammar import mailbox_name
from accessd.imap.grammar.sequence_set import format_numbers

_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_QUOTABLE = re.compile(rb"[^\x00\r\n\x80-\xff]{0,1000}")


@dataclass(frozen=True, slots=True)
class Completion:
    """How a command ended, when it is more than plain OK: the last value of a handler."""

    status: str = "OK"
    """OK, NO or BAD."""
    code: bytes = b""
    """The response code without its brackets."""
    text: str = ""

    def to_bytes(self, tag: bytes, name: str) -> bytes:
        """The tagged line."""
        return status_line(tag, self.status, self.text or _default_text(self.status, name), self.code)


Response = bytes | list[bytes] | Completion
"""What handlers yield: untagged responses, a large one in pieces sent uncopied; then perhaps one Completion."""


def _default_text(status: str, name: str) -> str:
    return f"{name} completed" if status == "OK" else f"{name} failed"


def status_line(tag: bytes, status: str, text: str, code: bytes = b"") -> bytes:
    """`tag OK [CODE] text`; the tag is `*` for an untagged one."""
    bracketed = b"[" + code + b"] " if code else b""
    return b"%b %b %b%b\r\n" % (tag, status.encode("ascii"), bracketed, text.encode("ascii", "replace"))


def untagged(text: bytes) -> bytes:
    """`* text`."""
    return b"* " + text + b"\r\n"


def ok(text: str, code: bytes = b"") -> bytes:
    """An untagged OK."""
    return status_line(b"*", "OK", text, code)


def bye(text: str, code: bytes = b"") -> bytes:
    """The connection ends."""
    return status_line(b"*", "BYE", text, code)


def continuation(text: bytes = b"OK") -> bytes:
    """Go on."""
    return b"+ " + text + b"\r\n"


def quoted(value: bytes) -> bytes:
    """`value` as a quoted string; it must be quotable."""
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def string(value: bytes) -> bytes:
    """`value` as a quoted string where possible, else as a literal."""
    return quoted(value) if _QUOTABLE.fullmatch(value) else literal(value)


def literal(value: bytes) -> bytes:
    """`value` as a literal."""
    return b"{%d}\r\n%b" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    """`value` as a string, or NIL."""
    return b"NIL" if value is None else string(value)


def astring(value: bytes) -> bytes:
    """`value` as an atom where possible; NIL is quoted so that nobody takes it for nothing."""
    return value if _ATOM.fullmatch(value) and value.upper() != b"NIL" else string(value)


def mailbox(name: str, *, utf8: bool = False) -> bytes:
    """A mailbox name: in modified UTF-7, or as it is in a quoted string for who has enabled UTF-8 (RFC 6855)."""
    if not utf8 or name.isascii():
        return astring(name.encode("ascii") if utf8 else mailbox_name.encode(name))
    return quoted(name.encode("utf-8", "replace"))


def mailbox_list(
    name: str,
    attributes: Iterable[str],
    *,
    utf8: bool,
    response: bytes = b"LIST",
    old_name: str | None = None,
    criteria: Iterable[str] = (),
) -> bytes:
    """`* LIST (attributes) "/" name`, with OLDNAME (RFC 9051 section 6.3.9.7), and CHILDINFO that names the selection
    `criteria` something below it meets (RFC 5258 section 3.5).
    """
    line = b'%b (%b) "/" %b' % (response, " ".join(attributes).encode("ascii"), mailbox(name, utf8=utf8))
    if old_name is not None:
        line += b' ("OLDNAME" (%b))' % mailbox(old_name, utf8=utf8)
    elif criteria:
        line += b' ("CHILDINFO" (%b))' % b" ".join(quoted(each.encode("ascii")) for each in criteria)
    return untagged(line)


def exists(count: int) -> bytes:
    """`* n EXISTS`."""
    return b"* %d EXISTS\r\n" % count


def recent(count: int) -> bytes:
    """`* n RECENT`."""
    return b"* %d RECENT\r\n" % count


def expunge(sequence_number: int) -> bytes:
    """`* n EXPUNGE`."""
    return b"* %d EXPUNGE\r\n" % sequence_number


def uid_sets(uidvalidity: int, *sets: list[int]) -> bytes:
    """The arguments of APPENDUID and COPYUID (RFC 4315): UIDVALIDITY and sets in the order of copying."""
    return b" ".join((b"%d" % uidvalidity, *(format_numbers(uids) for uids in sets)))

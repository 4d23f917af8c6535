"""FETCH attributes and macros (RFC 3501 section 6.4.5), MODSEQ (RFC 7162 section 3.1.4), BINARY (RFC 3516), EMAILID and
THREADID (RFC 8474), SAVEDATE (RFC 8514), PREVIEW (RFC 8970).
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from accessd.imap.grammar.tokens import MAX_UINT32, MAX_UINT63, BadSyntax, Scanner
from mailcore.message.section import Section


class Field(Enum):
    """What can be answered without opening the message; the values are the names on the wire."""

    UID = "UID"
    FLAGS = "FLAGS"
    INTERNALDATE = "INTERNALDATE"
    SIZE = "RFC822.SIZE"
    ENVELOPE = "ENVELOPE"
    BODYSTRUCTURE = "BODYSTRUCTURE"
    BODY = "BODY"
    MODSEQ = "MODSEQ"
    EMAILID = "EMAILID"
    THREADID = "THREADID"
    SAVEDATE = "SAVEDATE"
    PREVIEW = "PREVIEW"
    LAZY_PREVIEW = "PREVIEW (LAZY)"
    """Only if that costs nothing."""


RARE = frozenset({Field.EMAILID, Field.THREADID, Field.SAVEDATE, Field.PREVIEW, Field.LAZY_PREVIEW})
"""Fields whose columns are read only when somebody asks for them."""


class Decoding(Enum):
    """What BINARY makes of a section."""

    NONE = auto()
    CONTENT = auto()
    SIZE = auto()


@dataclass(frozen=True, slots=True)
class BodyItem:
    """BODY[...], BODY.PEEK[...], one of the RFC822 items, or BINARY[...] and its like."""

    label: bytes
    """How the response names it: BODY[HEADER]<0>, RFC822.TEXT ..."""
    section: Section
    peek: bool
    partial: tuple[int, int] | None = None
    """First octet and number of octets asked for."""
    decoding: Decoding = Decoding.NONE


FetchItem = Field | BodyItem

MACROS: dict[str, tuple[Field, ...]] = {
    "FAST": (Field.FLAGS, Field.INTERNALDATE, Field.SIZE),
    "ALL": (Field.FLAGS, Field.INTERNALDATE, Field.SIZE, Field.ENVELOPE),
    "FULL": (Field.FLAGS, Field.INTERNALDATE, Field.SIZE, Field.ENVELOPE, Field.BODY),
}
_RFC822: dict[str, BodyItem] = {
    "RFC822": BodyItem(b"RFC822", Section(), peek=False),
    "RFC822.HEADER": BodyItem(b"RFC822.HEADER", Section(kind="HEADER"), peek=True),
    "RFC822.TEXT": BodyItem(b"RFC822.TEXT", Section(kind="TEXT"), peek=False),
}
_BINARY = frozenset({"BINARY", "BINARY.PEEK", "BINARY.SIZE"})
_LAZY = b" (LAZY)"
_NAME = re.compile(rb"[A-Za-z0-9.]+")
_PATH = re.compile(rb"[1-9]\d{0,9}(?:\.[1-9]\d{0,9})*")
MAX_PATH_LEVELS = 100


def read_fetch_items(scanner: Scanner) -> tuple[FetchItem, ...]:
    """ "ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")", without repetitions."""
    if scanner.next_is(b"("):
        return tuple(dict.fromkeys(scanner.parenthesised(read_fetch_att)))
    start = scanner.position
    macro = MACROS.get(scanner.match(_NAME, "a FETCH attribute").group().decode("ascii").upper())
    if macro is not None:
        return macro
    scanner.position = start
    return (read_fetch_att(scanner),)


def read_fetch_att(scanner: Scanner) -> FetchItem:
    """fetch-att."""
    name = scanner.match(_NAME, "a FETCH attribute").group().decode("ascii").upper()
    if name in ("BODY", "BODY.PEEK") and scanner.next_is(b"["):
        return _read_body(scanner, peek=name == "BODY.PEEK")
    if name in _BINARY and scanner.next_is(b"["):
        return _read_binary(scanner, name)
    if name in _RFC822 and not scanner.rev2:
        return _RFC822[name]
    if name == "PREVIEW":
        return _read_preview(scanner)
    try:
        return Field(name)
    except ValueError:
        raise BadSyntax("Unknown FETCH attribute") from None


def _read_preview(scanner: Scanner) -> Field:
    """PREVIEW, with the modifier LAZY or without (RFC 8970 section 3.2)."""
    end = scanner.position + len(_LAZY)
    if scanner.data[scanner.position : end].upper() != _LAZY:
        return Field.PREVIEW
    scanner.position = end
    return Field.LAZY_PREVIEW


def _read_binary(scanner: Scanner, name: str) -> BodyItem:
    """BINARY[part]<partial>, BINARY.PEEK and BINARY.SIZE (RFC 3516 section 4.2); the part is a part number or empty."""
    scanner.expect(b"[")
    written = b"" if scanner.next_is(b"]") else scanner.match(_PATH, "a part number").group()
    scanner.expect(b"]")
    path = _path(written) if written else ()
    if name == "BINARY.SIZE":
        return BodyItem(b"BINARY.SIZE[%b]" % written, Section(path), peek=True, decoding=Decoding.SIZE)
    partial = _read_partial(scanner)
    label = b"BINARY[%b]" % written + (b"" if partial is None else b"<%d>" % partial[0])
    return BodyItem(label, Section(path), name == "BINARY.PEEK", partial, Decoding.CONTENT)


def _read_body(scanner: Scanner, *, peek: bool) -> BodyItem:
    start = scanner.position
    scanner.expect(b"[")
    section = _read_section(scanner)
    scanner.expect(b"]")
    label = b"BODY" + _label(scanner.data[start : scanner.position], section)
    partial = _read_partial(scanner)
    if partial is not None:
        label += b"<%d>" % partial[0]
    return BodyItem(label, section, peek, partial)


def parse_section(text: bytes) -> Section:
    """A section as it stands between brackets. Raises BadSyntax."""
    scanner = Scanner(text + b"]")
    section = _read_section(scanner)
    scanner.expect(b"]")
    scanner.end()
    return section


def _label(written: bytes, section: Section) -> bytes:
    """The section as the client wrote it, in capitals; field names that came as literals are written anew."""
    if not section.fields:
        return written.upper()
    path = "".join(f"{number}." for number in section.path)
    names = b" ".join(_field_name(name) for name in section.fields)
    return b"[%b%b (%b)]" % (path.encode("ascii"), section.kind.encode("ascii"), names)


def _field_name(name: str) -> bytes:
    plain = name.encode("ascii")
    if re.fullmatch(rb'[^\x00-\x20\x7f-\xff(){%*"\\]+', plain):
        return plain
    return b'"' + plain.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _path(written: bytes) -> tuple[int, ...]:
    """section-part."""
    path = tuple(map(int, written.split(b".")))
    if len(path) > MAX_PATH_LEVELS:
        raise BadSyntax("Part number too deep")
    if max(path) > MAX_UINT32:
        raise BadSyntax("Number too large")
    return path


def _read_section(scanner: Scanner) -> Section:
    path: tuple[int, ...] = ()
    if not scanner.next_is(b"]") and scanner.data[scanner.position : scanner.position + 1].isdigit():
        path = _path(scanner.match(_PATH, "a part number").group())
        if not scanner.take(b"."):
            return Section(path)
    if scanner.next_is(b"]") and not path:
        return Section()
    return _read_section_text(scanner, path)


def _read_section_text(scanner: Scanner, path: tuple[int, ...]) -> Section:
    kind = scanner.match(_NAME, "a section").group().decode("ascii").upper()
    if kind in ("HEADER", "TEXT") or (kind == "MIME" and path):
        return Section(path, kind)
    if kind not in ("HEADER.FIELDS", "HEADER.FIELDS.NOT"):
        raise BadSyntax("Unknown section")
    scanner.space()
    return Section(path, kind, tuple(scanner.parenthesised(_read_field_name)))


def _read_field_name(scanner: Scanner) -> str:
    name = scanner.astring()
    if not name or not name.isascii() or any(octet < 32 or octet == 127 for octet in name):
        raise BadSyntax("Invalid header field name")
    return name.decode("ascii")


def _read_partial(scanner: Scanner) -> tuple[int, int] | None:
    if not scanner.take(b"<"):
        return None
    start = scanner.number(MAX_UINT63)
    scanner.expect(b".")
    length = scanner.nonzero(MAX_UINT63)
    scanner.expect(b">")
    return start, length

"""Address lists of header fields: From, To, Cc ... -> values (RFC 5322 section 3.4, obsolete forms section
4.4).

Never raises and takes linear time, up to a bound. Everything stays bytes as sent: display names may hold encoded words.
Groups are shown as IMAP's ENVELOPE wants them (RFC 3501 section 7.4.2): a start entry with the group's name
as `local` and no domain, then the members, then an end entry with nothing at all. In all other entries local
and domain are bytes, empty where the mail does not say.
"""

import re
from typing import NamedTuple

from mailcore.message.encoded_word import decode_header

MAX_ADDRESSES = 10_000
# Ten thousand addresses written in any usual way have fewer; megabytes of "@@@@" would take seconds.
MAX_TOKENS = 20 * MAX_ADDRESSES


class MailAddress(NamedTuple):
    """One entry of an address list; route is the obsolete source route, "@a,@b"."""

    name: bytes | None
    route: bytes | None
    local: bytes | None
    domain: bytes | None

    @property
    def is_mailbox(self) -> bool:
        """An address, not the start or end of a group."""
        return self.domain is not None

    @property
    def address(self) -> str:
        """local@domain as text."""
        local, domain = decode_header(self.local or b""), decode_header(self.domain or b"")
        return f"{local}@{domain}" if domain else local

    @property
    def text(self) -> str:
        """As a person reads it: "Ann Other <ann@example.org>"."""
        name, address = decode_header(self.name or b"").strip(), self.address
        return f"{name} <{address}>" if name and address else name or address


GROUP_END = MailAddress(None, None, None, None)

_PLAIN = rb'[^\s"(),:;<>@\[\]\\]+'
# The forms nearly all mail has; anything else falls through to the tokens below.
_NO_SPECIAL = rb'[^"(),:;<>@\[\]\\]'
# A phrase begins with something else than space: two loops over one run of spaces would take quadratic time.
_USUAL = re.compile(
    rb'[ \t]*(?:(?:"([^"\\]*)"[ \t]*|((?![ \t])' + _NO_SPECIAL + rb"*))<(" + _PLAIN + rb")@(" + _PLAIN + rb")>"
    rb"|(" + _PLAIN + rb")@(" + _PLAIN + rb"))[ \t]*(?:,|$)"
)
_TOKEN = re.compile(
    rb'[ \t\r\n]+|"([^"\\]*(?:\\.[^"\\]*)*)(?:"|\\?$)|(\[[^\[\]\s]*\]?)|([^\s"()<>\[\],:;@\\]+)|(.)',
    re.DOTALL,
)
_PARENTHESIS = re.compile(rb"[()\\]")
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


def parse_addresses(value: bytes) -> list[MailAddress]:
    """All entries of an unfolded address list: at most MAX_ADDRESSES, from at most MAX_TOKENS."""
    found: list[MailAddress] = []
    position, end = 0, len(value)
    while position < end and len(found) < MAX_ADDRESSES:
        match = _USUAL.match(value, position)
        if match is None:
            return _Parser(found).parse(value, position)
        quoted, phrase, local, domain, bare_local, bare_domain = match.groups()
        if local is None:
            found.append(MailAddress(None, None, bare_local, bare_domain))
        else:
            name = quoted if quoted is not None else b" ".join(phrase.split())
            found.append(MailAddress(name or None, None, local, domain))
        position = match.end()
    return found


class _Word(NamedTuple):
    text: bytes
    spaced: bool  # white space or a comment stood before it
    quoted: bool = False


class _Parser:
    """Reads tokens into words, and words into entries at each comma, semicolon and the end."""

    def __init__(self, found: list[MailAddress]) -> None:
        self._found = found
        self._in_group = False
        self._clear()

    def _clear(self) -> None:
        self._words: list[_Word] = []
        self._angle: list[_Word] | None = None
        self._comment = b""
        self._in_angle = False
        self._spaced = False
        self._has_at = False

    def parse(self, value: bytes, position: int) -> list[MailAddress]:
        for _ in range(MAX_TOKENS):
            match = _TOKEN.match(value, position)
            if match is None or len(self._found) >= MAX_ADDRESSES:
                break
            position = match.end()
            quoted, literal, atom, special = match.groups()
            if quoted is not None:
                self._word(_ESCAPE.sub(rb"\1", quoted), quoted=True)
            elif special == b"(":
                position = self._take_comment(value, position)
            elif special is not None:
                self._special(special)
            elif literal is not None or atom is not None:
                self._word(literal or atom)
            else:
                self._spaced = True
        self._flush()
        if self._in_group:
            self._found.append(GROUP_END)
        return self._found

    def _word(self, text: bytes, *, quoted: bool = False) -> None:
        words = self._angle if self._in_angle and self._angle is not None else self._words
        words.append(_Word(text, self._spaced, quoted))
        if text == b"@" and words is self._words:
            self._has_at = True
        self._spaced = False

    def _take_comment(self, value: bytes, start: int) -> int:
        """Skip a comment, nested ones inside it too; remember its text. Returns where it ends."""
        depth, position = 1, start
        while depth:
            match = _PARENTHESIS.search(value, position)
            if match is None:
                position = len(value) + 1
                break
            depth += {b"(": 1, b")": -1}.get(match[0], 0)
            position = match.end() + (match[0] == b"\\")
        self._comment = self._comment or _ESCAPE.sub(rb"\1", value[start : position - 1]).strip()
        self._spaced = True
        return position

    def _special(self, character: bytes) -> None:
        if character == b"<":
            if not self._in_angle:
                self._in_angle, self._angle = True, []
        elif character == b">":
            self._in_angle = False
        elif character == b",":
            if self._in_route():
                self._word(character)
            else:
                self._flush()
        elif character == b";":
            self._flush()
            if self._in_group:
                self._found.append(GROUP_END)
                self._in_group = False
        elif character == b":" and self._starts_group():
            self._found.append(MailAddress(None, None, _phrase(self._words), None))
            self._clear()
            self._in_group = True
        else:
            self._word(character)

    def _in_route(self) -> bool:
        return self._in_angle and bool(self._angle) and (self._angle or [])[0].text == b"@"

    def _starts_group(self) -> bool:
        return not (self._in_group or self._in_angle or self._has_at)

    def _flush(self) -> None:
        """An entry has ended: `name <address>`, `address (name)`, or something that is neither."""
        if self._angle is not None:
            route, local, domain = _angle_address(self._angle)
            name = _phrase(self._words) or self._comment
            if name or local or domain:
                self._found.append(MailAddress(name or None, route, local, domain))
        elif self._words:
            name, local, domain = _bare_address(self._words)
            self._found.append(MailAddress(name or self._comment or None, None, local, domain))
        self._clear()


def _phrase(words: list[_Word]) -> bytes:
    """A display name: words with one space where the mail had any."""
    return b"".join(b" " + word.text if word.spaced else word.text for word in words).strip()


def _angle_address(words: list[_Word]) -> tuple[bytes | None, bytes, bytes]:
    """(route, local, domain) of what stood in angle brackets."""
    route = None
    if words and words[0].text == b"@":
        colon = next((index for index, word in enumerate(words) if word.text == b":"), -1)
        if colon >= 0:
            route = b"".join(word.text for word in words[:colon])
            words = words[colon + 1 :]
    at = _last_at(words)
    if at < 0:
        return route, b"".join(word.text for word in words), b""
    return route, b"".join(word.text for word in words[:at]), b"".join(word.text for word in words[at + 1 :])


def _bare_address(words: list[_Word]) -> tuple[bytes, bytes, bytes]:
    """(name, local, domain) of an entry without angle brackets; words in front of the address are a name."""
    at = _last_at(words)
    if at < 0:
        return (b"", words[0].text, b"") if len(words) == 1 else (_phrase(words), b"", b"")
    start = at - 1
    while start > 0 and (not words[start].spaced or _is_dotted(words[start - 1], words[start])):
        start -= 1
    start = max(start, 0)
    end = at + 2
    while end < len(words) and (not words[end].spaced or _is_dotted(words[end - 1], words[end])):
        end += 1
    local = b"".join(word.text for word in words[start:at])
    domain = b"".join(word.text for word in words[at + 1 : end])
    return _phrase(words[:start] + words[end:]), local, domain


def _is_dotted(left: _Word, right: _Word) -> bool:
    """Obsolete syntax allows space around dots: "john . doe"."""
    return not left.quoted and not right.quoted and (left.text.endswith(b".") or right.text.startswith(b"."))


def _last_at(words: list[_Word]) -> int:
    for index in range(len(words) - 1, -1, -1):
        if words[index].text == b"@" and not words[index].quoted:
            return index
    return -1

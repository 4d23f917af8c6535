"""The mbox format: From_ lines, mboxrd quoting, and the header fields in which programs keep flags.

A message begins at a line "From sender date"; the date must be one, so that "From" at the start of a sentence
is none (RFC 4155 appendix A; mutt looks the same way). Lines of the text that begin with any number of ">"
and "From " get one more ">" (mboxrd), which loses nothing. Content-Length is not believed: a sender could
choose it.

X-Mailkeep-Id names a message that we wrote; one that another program wrote is known by a digest of its
content. Status, X-Status and X-Keywords hold flags. These, X-UID, X-IMAP and what mutt adds when it rewrites
a file are not part of the message: they are left out of what is read, and of the digest.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

from mailcore.message.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, Flags, is_keyword

_DAYS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
FROM_LINE = re.compile(
    rf"From (?:(?P<sender>[^\n]*?) +)?(?:{_DAYS}),? +(?P<month>{_MONTHS}) +(?P<day>\d{{1,2}}) +"
    r"(?P<time>\d{1,2}:\d\d(?::\d\d)?)(?: +[A-Z]{1,5})?(?: +(?P<zone>[+-]\d{4}))?"
    r" +(?P<year>\d{4})(?: +(?P<zone_last>[+-]\d{4}|[A-Z]{1,5}))?[ \t\r]*(?:\n|$)".encode()
)
_MONTH_NUMBER = {name.encode(): number for number, name in enumerate(_MONTHS.split("|"), 1)}
_TO_QUOTE = re.compile(rb"^(>*From )", re.MULTILINE)
_TO_UNQUOTE = re.compile(rb"^>(>*From )", re.MULTILINE)
_NOT_OF_THE_MESSAGE = re.compile(
    rb"^(?:X-Mailkeep-Id|Status|X-Status|X-Keywords|X-UID|X-IMAP|X-IMAPbase|Content-Length|Lines):[^\n]*\n"
    rb"(?:[ \t][^\n]*\n)*",
    re.MULTILINE | re.IGNORECASE,
)
_STATUS_FIELD = re.compile(rb"^(Status|X-Status|X-Keywords):([^\n]*(?:\n[ \t][^\n]*)*)\n", re.MULTILINE | re.IGNORECASE)
_RETURN_PATH = re.compile(rb"Return-Path:[ \t]*<([^>\s]*)>", re.IGNORECASE)
_X_STATUS = ((b"A", ANSWERED), (b"D", DELETED), (b"F", FLAGGED), (b"T", DRAFT))
# Room for a few keywords, so that most changes of flags fit in the place of the old ones.
_KEYWORDS_WIDTH = 44
_ID = re.compile(rb"^X-Mailkeep-Id: ([0-9A-Za-z]{1,40})[ \t]*\n", re.MULTILINE | re.IGNORECASE)
_OUR_BLOCK = re.compile(rb"^Status: [^\n]*\nX-Status: [^\n]*\nX-Keywords: [^\n]*\n", re.MULTILINE)


def from_line(header: bytes, at: datetime) -> bytes:
    """A From_ line with the sender of Return-Path."""
    found = _RETURN_PATH.match(header)
    sender = found[1] if found and found[1] else b"MAILER-DAEMON"
    return b"From %s %s\n" % (sender, at.astimezone(UTC).strftime("%a %b %e %H:%M:%S %Y").encode())


def date_of(line: re.Match[bytes]) -> datetime:
    """The date of a From_ line; without a zone it is UTC, as we write it. A date that cannot be is 1970."""
    zone = next((z for z in (line["zone"], line["zone_last"]) if z and z[:1] in b"+-"), b"+0000")
    clock = [int(part) for part in line["time"].split(b":")] + [0]
    text = (
        f"{line['year'].decode()}-{_MONTH_NUMBER[line['month']]}-{line['day'].decode()} "
        f"{clock[0]}:{clock[1]}:{clock[2]} {zone.decode()}"
    )
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def quote(text: bytes) -> bytes:
    """mboxrd quoting of whole lines."""
    return _TO_QUOTE.sub(rb">\1", text) if b"From " in text else text


def unquote(text: bytes) -> bytes:
    """Undo `quote`."""
    return _TO_UNQUOTE.sub(rb"\1", text) if b">From " in text else text


def without_status(header: bytes) -> bytes:
    """A header without the fields that are not part of the message."""
    return _NOT_OF_THE_MESSAGE.sub(b"", header)


def flags_of(header: bytes) -> Flags:
    """The flags that the fields of a header tell."""
    bits, keywords = 0, set[str]()
    for name, value in _STATUS_FIELD.findall(header):
        field = name.lower()
        if field == b"status" and b"R" in value:
            bits |= SEEN
        elif field == b"x-status":
            bits |= sum(bit for letter, bit in _X_STATUS if letter in value)
        elif field == b"x-keywords":
            keywords.update(filter(is_keyword, value.decode("utf-8", "replace").split()))
    return Flags(bits, frozenset(keywords))


def status_block(flags: Flags, width: int = 0) -> bytes:
    """The header fields that show `flags`, at least `width` bytes long and with room to change."""
    status = "RO" if flags.bits & SEEN else ""
    x_status = "".join(letter.decode() for letter, bit in _X_STATUS if flags.bits & bit)
    keywords = " ".join(sorted(flags.keywords)).ljust(_KEYWORDS_WIDTH)
    start = f"Status: {status:<2}\nX-Status: {x_status:<4}\nX-Keywords: ".encode()
    return start + keywords.encode().ljust(width - len(start) - 1) + b"\n"


def id_field(message_id: str) -> bytes:
    """The header field that names a message of ours."""
    return f"X-Mailkeep-Id: {message_id}\n".encode()


def id_of(header: bytes) -> str:
    """The name we gave the message; "" if we did not write it."""
    found = _ID.search(header)
    return found[1].decode() if found else ""


def place_of_status(header: bytes) -> tuple[int, int]:
    """Offset and length of the fields that status_block wrote; (0, 0) if another program has changed them."""
    found = _OUR_BLOCK.search(header)
    if not found or len(_STATUS_FIELD.findall(header)) != 3:
        return 0, 0
    return found.start(), found.end() - found.start()


def split_header(start: bytes) -> int:
    """Where the header ends: behind the empty line, or at the end if there is none."""
    if start.startswith(b"\n"):
        return 1
    end = start.find(b"\n\n")
    return len(start) if end < 0 else end + 2


class Digest:
    """What a message is known by: its content without status fields and without empty lines at its end, which
    programs add and remove when they rewrite a file.
    """

    def __init__(self, header: bytes) -> None:
        self._hash = hashlib.blake2b(without_status(header).rstrip(b"\n") + b"\n", digest_size=15)
        self._newlines = 0

    def update(self, body: bytes) -> None:
        """More of the body, as it stands in the file."""
        text = body.rstrip(b"\n")
        if text:
            self._hash.update(b"\n" * self._newlines + text)
            self._newlines = 0
        self._newlines += len(body) - len(text)

    def hexdigest(self) -> str:
        """The name for it."""
        return self._hash.hexdigest()

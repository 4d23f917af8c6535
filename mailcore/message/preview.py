"""PREVIEW: the first words of a message, for lists (RFC 8970 section 2).

Of the first part that is text and no attachment, HTML without its tags, white space as one space, at most MOST
characters of UTF-8, without what the sender has quoted if there is anything else. "" when nothing in the message can be
shown so. Never raises; looks at no more than the beginning of a part.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from mailcore.message.charset import decode
from mailcore.message.decoding import UnknownEncoding, blocks, decode_blocks
from mailcore.message.parameters import parameter
from mailcore.message.safe_html import to_text
from mailcore.message.structure import Octets, Part
from mailcore.message.summary import is_attachment

MOST = 200
_LOOKED_AT_BYTES = 64 * 1024


def preview(data: Octets, root: Part) -> str:
    """The preview of a message in wire form."""
    return next(filter(None, (_words(data, part) for part in islice(_texts(root), 10))), "")


def _texts(part: Part) -> Iterator[Part]:
    """Leaves that are text; not those of messages in the message."""
    if part.is_multipart:
        for child in part.children:
            yield from _texts(child)
    elif part.type == "text" and not is_attachment(part):
        yield part


def _words(data: Octets, part: Part) -> str:
    end = min(part.body_end, part.body_start + _LOOKED_AT_BYTES)
    try:
        octets = b"".join(decode_blocks(blocks(data, part.body_start, end), part.encoding))
    except UnknownEncoding:
        return ""
    text = decode(octets, (parameter(part.parameters, "charset") or b"").decode("ascii", "replace"))
    if part.subtype == "html":
        text = to_text(text)
    lines = [line for line in text.splitlines() if not line.isspace()]
    lines = [line for line in lines if not _is_quoted(line)] or lines
    words = "".join(character if character.isprintable() else " " for character in " ".join(lines)[: MOST * 20])
    return " ".join(words.split())[:MOST].rstrip()


def _is_quoted(line: str) -> bool:
    """Does it begin with a mark? That of ">From" is set by mbox files in front of the sender's own words."""
    return line.startswith(">") and not line.startswith(">From ")

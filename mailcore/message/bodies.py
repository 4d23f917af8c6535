"""Which text of a message is read in place (RFC 2046 section 5.1).

Of alternatives the richest, of related parts the root, of mixed ones all that is text and no attachment.
"""

import html

from mailcore.message.charset import decode
from mailcore.message.parameters import parameter, parse_disposition
from mailcore.message.safe_html import to_text
from mailcore.message.saved_part import content_of, proposed_name
from mailcore.message.structure import Part

MAX_TEXT = 1_000_000

Block = tuple[str, str]
"""("plain" | "html" | "instead", text); the last is the text that stands for the HTML before it."""


def bodies_of(data: bytes, root: Part) -> tuple[list[Block], set[int]]:
    """The blocks of text a message consists of, and the header offsets of the parts they come from."""
    shown: set[int] = set()
    return _collect(data, root, shown), shown


def _collect(data: bytes, part: Part, shown: set[int]) -> list[Block]:
    """The blocks of text a part consists of; the header offsets of the parts taken go into `shown`."""
    if part.is_multipart:
        return _collect_multipart(data, part, shown)
    if part.is_message or part.type != "text" or _is_offered(part):
        return []
    shown.add(part.header_start)
    charset = (parameter(part.parameters, "charset") or b"").decode("ascii", "replace")
    text = decode(content_of(data, part), charset)[: 2 * MAX_TEXT].replace("\r\n", "\n")
    return [("html" if part.subtype == "html" else "plain", text)]


def _collect_multipart(data: bytes, part: Part, shown: set[int]) -> list[Block]:
    if not part.children:
        return [("plain", decode(data[part.body_start : part.body_end]).replace("\r\n", "\n")[:MAX_TEXT])]
    if part.subtype == "related":
        return _collect(data, part.children[0], shown)
    if part.subtype == "alternative":
        choices = [blocks for child in part.children if (blocks := _collect(data, child, shown))]
        rich = [blocks for blocks in choices if any(kind == "html" for kind, _ in blocks)]
        plain = [blocks for blocks in choices if all(kind == "plain" for kind, _ in blocks)]
        return _alternative(rich[-1] if rich else [], plain[0] if plain else [])
    return [block for child in part.children for block in _collect(data, child, shown)]


def _alternative(rich: list[Block], plain: list[Block]) -> list[Block]:
    """Both are kept: the HTML for the frame, marked with the text that stands for it."""
    if rich and plain:
        return [("html", "\n".join(text for _, text in _as_html(rich))), ("instead", "\n".join(t for _, t in plain))]
    return rich or plain


def _as_html(blocks: list[Block]) -> list[Block]:
    return [
        ("html", text if kind == "html" else f"<pre>{html.escape(text)}</pre>")
        for kind, text in blocks
        if kind != "instead"
    ]


def html_source(blocks: list[Block]) -> str:
    """All of it as HTML, not sanitised; "" when there is none."""
    if not any(kind == "html" for kind, _ in blocks):
        return ""
    return "\n".join(text for _, text in _as_html(blocks))


def plain_text(blocks: list[Block]) -> str:
    """Text blocks as they are, HTML blocks by their own alternative, or else by their text."""
    texts: list[str] = []
    for index, (kind, text) in enumerate(blocks):
        if kind == "html":
            if index + 1 == len(blocks) or blocks[index + 1][0] != "instead":
                texts.append(to_text(text))
        else:
            texts.append(text)
    return "\n".join(texts)


def _is_offered(part: Part) -> bool:
    """Text that is meant to be saved, not read in place."""
    value = part.headers.first(b"content-disposition")
    disposition = parse_disposition(value) if value else None
    if disposition is not None and disposition[0] == "attachment":
        return True
    return part.subtype not in ("plain", "html", "enriched", "richtext") and proposed_name(part) is not None

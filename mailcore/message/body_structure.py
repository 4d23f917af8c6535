"""BODYSTRUCTURE and BODY as ready IMAP response text, for any MIME (RFC 3501 section 7.4.2).

Never raises. Types, encodings and parameter names are shown in lower case, values as sent. A multipart in
which no part was found is shown with one empty text part, because the grammar wants at least one.
"""

from mailcore.message.imap_envelope import envelope
from mailcore.message.imap_text import nstring, string
from mailcore.message.parameters import Parameters, parse_disposition
from mailcore.message.structure import Part

_EMPTY_PART = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0%b)'
_MAX_LANGUAGES = 50


def body_structure(root: Part) -> bytes:
    """BODYSTRUCTURE: with extension data."""
    return _body(root, extended=True)


def body(root: Part) -> bytes:
    """BODY: without extension data."""
    return _body(root, extended=False)


def _body(part: Part, *, extended: bool) -> bytes:
    return _multipart(part, extended=extended) if part.is_multipart else _single(part, extended=extended)


def _multipart(part: Part, *, extended: bool) -> bytes:
    children = b"".join(_body(child, extended=extended) for child in part.children)
    if not children:
        children = _EMPTY_PART % (b" NIL NIL NIL NIL" if extended else b"")
    if not extended:
        return b"(%b %b)" % (children, _text(part.subtype))
    return b"(%b %b %b %b)" % (children, _text(part.subtype), _parameters(part.parameters), _extension(part))


def _single(part: Part, *, extended: bool) -> bytes:
    headers = part.headers
    fields = b"%b %b %b %b %b %b %d" % (
        _text(part.type),
        _text(part.subtype),
        _parameters(_with_charset(part)),
        nstring(headers.first(b"content-id")),
        nstring(headers.first(b"content-description")),
        _text(part.encoding),
        part.size,
    )
    if part.is_message:
        message = part.children[0]
        nested = _body(message, extended=extended)
        fields = b"%b %b %b %d" % (fields, envelope(message.headers), nested, part.lines)
    elif part.type == "text":
        fields = b"%b %d" % (fields, part.lines)
    if not extended:
        return b"(%b)" % fields
    return b"(%b %b %b)" % (fields, nstring(headers.first(b"content-md5")), _extension(part))


def _extension(part: Part) -> bytes:
    """Disposition, language and location."""
    headers = part.headers
    return b"%b %b %b" % (
        _disposition(headers.first(b"content-disposition")),
        _language(headers.first(b"content-language")),
        nstring(headers.first(b"content-location")),
    )


def _disposition(value: bytes | None) -> bytes:
    disposition = parse_disposition(value) if value else None
    if disposition is None:
        return b"NIL"
    return b"(%b %b)" % (_text(disposition[0]), _parameters(disposition[1]))


def _language(value: bytes | None) -> bytes:
    tags = [tag.strip() for tag in value.split(b",")[:_MAX_LANGUAGES] if tag.strip()] if value else []
    if not tags:
        return b"NIL"
    return string(tags[0]) if len(tags) == 1 else b"(" + b" ".join(map(string, tags)) + b")"


def _with_charset(part: Part) -> Parameters:
    """A text that does not name its charset is US-ASCII (RFC 2045 section 5.2), and is shown so, as by Dovecot."""
    if part.type != "text" or any(name == "charset" for name, _ in part.parameters):
        return part.parameters
    return (*part.parameters, ("charset", b"us-ascii"))


def _parameters(parameters: Parameters) -> bytes:
    if not parameters:
        return b"NIL"
    return b"(" + b" ".join(_text(name) + b" " + string(value) for name, value in parameters) + b")"


def _text(value: str) -> bytes:
    return string(value.encode())
